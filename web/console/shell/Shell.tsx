// What stands around every screen: the areas at the left, search and help over it, and the keys.
import { ActionIcon, Menu, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { currentUser, signOut } from "@lib/auth";
import { config } from "@lib/config";
import { useLight } from "@lib/Frame";
import { chooseLanguage, language, LANGUAGES, offeredLanguages } from "@lib/i18n";
import { number } from "@lib/format";
import { Icon, type IconName } from "@lib/icons";
import { useKeys, type Key } from "@lib/keys";
import { Outlet, useLocation } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { SCREENS } from "../screens";
import { useWords } from "../text";
import { Help } from "./Help";
import { Mark } from "./Mark";
import { useMay } from "./may";
import { Go, useGo } from "./place";
import { SECTIONS, type Screen } from "./screen";
import { Search } from "./Search";
import classes from "./shell.module.css";

const isAt = (screen: Screen, path: string) => (screen.path === "/" ? path === "/" : path === screen.path || path.startsWith(`${screen.path}/`));

/** The screens this person may open, in the order of the menu. */
export function useOwnScreens(): Screen[] {
  const may = useMay();
  return useMemo(() => SCREENS.filter((screen) => screen.nav && may?.(screen.permission)), [may]);
}

export function Shell() {
  const t = useWords();
  const go = useGo();
  const own = useOwnScreens();
  const { pathname } = useLocation();
  const path = pathname.replace(/^\/console/, "") || "/";
  // The menu of narrow screens belongs to the screen it was opened on: elsewhere it is shut.
  const [openOn, setOpenOn] = useState<string | null>(null);
  const isOpen = openOn === path;
  const setOpen = (open: boolean) => setOpenOn(open ? path : null);
  const [over, setOver] = useState<"search" | "help" | null>(null);
  const main = useRef<HTMLElement>(null);
  const menu = useRef<HTMLElement>(null);

  const keys = useMemo<Key[]>(
    () => [
      { keys: "/", what: t("shell.key.search"), run: () => setOver("search") },
      { keys: "?", what: t("shell.key.help"), run: () => setOver("help") },
      ...own.flatMap((screen) =>
        screen.nav?.go
          ? [{ keys: `g ${screen.nav.go}`, what: t("shell.go", { name: t(screen.nav.label) }), run: () => go(screen.path) }]
          : [],
      ),
    ],
    [own, go, t],
  );
  useKeys(keys);
  useEffect(() => {
    const here = SCREENS.find((screen) => screen.nav && isAt(screen, path));
    void menu.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    document.title = here?.nav ? `${t(here.nav.label)} · Fahrwerk` : "Fahrwerk";
  }, [path, own, t]);

  return (
    <div className={classes.frame} data-open={isOpen || undefined}>
      <a className={classes.skip} href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>{t("shell.skip")}</a>
      <header className={classes.top}>
        <ActionIcon variant="subtle" color="gray" size={44} aria-label={t("shell.menu")} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name={isOpen ? "close" : "list"} />
        </ActionIcon>
        <Mark size={26} />
        <Text fw={650} flex={1} truncate>{config().operator?.name ?? "Fahrwerk"}</Text>
        <ActionIcon variant="subtle" color="gray" size={44} aria-label={t("shell.search")} onClick={() => setOver("search")}><Icon name="search" /></ActionIcon>
      </header>
      <div className={classes.side}>
        <div className={classes.brand}>
          <Mark />
          <div className={classes.who}>
            <Text fw={650} lh={1.2} truncate>{config().operator?.name ?? "Fahrwerk"}</Text>
            <Text size="xs" c="dimmed">{t("shell.title")}</Text>
          </div>
        </div>
        <UnstyledButton className={classes.search} onClick={() => setOver("search")}>
          <Icon name="search" size={17} /><span>{t("shell.search")}</span><kbd>/</kbd>
        </UnstyledButton>
        <nav ref={menu} className={classes.nav} aria-label={t("shell.nav")}>
          {SECTIONS.map((section) => {
            const of = own.filter((screen) => screen.nav?.section === section);
            return of.length === 0 ? null : (
              <div key={section} role="group" aria-label={t(`shell.section.${section}`)}>
                <Text className={classes.section} aria-hidden>{t(`shell.section.${section}`)}</Text>
                {of.map((screen) => <Entry key={screen.path} screen={screen} here={isAt(screen, path)} />)}
              </div>
            );
          })}
        </nav>
        <Account onHelp={() => setOver("help")} />
      </div>
      {isOpen && <div className={classes.veil} onClick={() => setOpen(false)} />}
      <main id="main" ref={main} tabIndex={-1} className={classes.main}><Outlet /></main>
      {over === "search" && <Search screens={own} onClose={() => setOver(null)} />}
      {over === "help" && <Help onClose={() => setOver(null)} />}
    </div>
  );
}

function Entry({ screen, here }: { screen: Screen; here: boolean }) {
  const t = useWords();
  if (!screen.nav) return null;
  return (
    <Go to={screen.path} className={classes.entry} aria-current={here ? "page" : undefined}>
      <Icon name={screen.nav.icon as IconName} size={18} />
      <span>{t(screen.nav.label)}</span>
      {screen.nav.count && <Waiting count={screen.nav.count} />}
      {screen.nav.go && <kbd aria-hidden>g {screen.nav.go}</kbd>}
    </Go>
  );
}

function Waiting({ count }: { count: () => number }) {
  const t = useWords();
  const waiting = count();
  if (waiting === 0) return null;
  return <span className={classes.count}><span aria-hidden>{number(waiting)}</span><span className="sr-only">{t("shell.waiting", { count: waiting })}</span></span>;
}

function Account({ onHelp }: { onHelp: () => void }) {
  const t = useWords();
  const light = useLight();
  const user = currentUser();
  const name = [user?.first_name, user?.last_name].filter(Boolean).join(" ") || user?.email || t("shell.account");
  return (
    <div className={classes.foot}>
      <Menu position="top-start" width={230} withinPortal={false}>
        <Menu.Target>
          <UnstyledButton className={classes.account}>
            <Icon name="person" size={18} />
            <span className={classes.who}><Text size="sm" truncate>{name}</Text></span>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{t("appearance")}</Menu.Label>
          {(["light", "dark", "auto"] as const).map((each) => (
            <Menu.Item key={each} onClick={() => light.choose(each)} leftSection={<Icon name={each === "dark" ? "moon" : each === "light" ? "sun" : "gear"} size={16} />}
              rightSection={light.chosen === each && <Icon name="check" size={16} />}>{t(each)}</Menu.Item>
          ))}
          <Menu.Label>{t("language")}</Menu.Label>
          {offeredLanguages().map((each) => (
            <Menu.Item key={each} lang={each} onClick={() => void chooseLanguage(each)} rightSection={language() === each && <Icon name="check" size={16} />}>
              {LANGUAGES[each]}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="signout" size={16} />} onClick={() => void signOut()}>{t("signOut")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={t("shell.help")}>
        <ActionIcon variant="subtle" color="gray" size={36} aria-label={t("shell.help")} onClick={onHelp}><Icon name="help" size={18} /></ActionIcon>
      </Tooltip>
    </div>
  );
}
