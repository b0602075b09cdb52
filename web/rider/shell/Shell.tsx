// The frame of every screen: what is running, what waits for the network.
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { config } from "@lib/config";
import { Icon, type IconName } from "@lib/icons";
import { useEffect } from "react";
import { useKept } from "../keep";
import { useWords, type Key } from "../text";
import { useLookAgain, useTrip } from "../trip/current";
import { keepFlushing, type Ended } from "../trip/queue";
import { TripBar } from "../trip/TripBar";
import { Offline } from "./Offline";
import classes from "./shell.module.css";

const PLACES: { to: "/" | "/rides" | "/wallet" | "/account"; icon: IconName; name: Key }[] = [
  { to: "/", icon: "map", name: "nav.find" },
  { to: "/rides", icon: "route", name: "nav.rides" },
  { to: "/wallet", icon: "wallet", name: "nav.wallet" },
  { to: "/account", icon: "person", name: "nav.account" },
];

export function Shell() {
  const t = useWords();
  const { pathname } = useLocation();
  const trip = useTrip();
  const again = useLookAgain();
  const go = useNavigate();
  const hasEnded = useKept<Ended>("ended") !== null;
  useEffect(() => keepFlushing(() => void again()), []); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => {
    if (hasEnded) void go({ to: "/trip" }); // sent from the queue while another screen was open
  }, [hasEnded, go]);
  const riding = pathname === "/trip" || pathname === "/scan";
  return (
    <div className={classes.shell} data-narrow={riding || undefined}>
      <a className={classes.skip} href="#content">{t("skip")}</a>
      <Offline />
      <main id="content" className={classes.content} tabIndex={-1}>
        <Outlet />
      </main>
      {trip && !riding && <TripBar trip={trip} />}
      <nav className={classes.nav} aria-label={t("nav.label")}>
        <span className={classes.brand}>{config().operator?.name ?? t("app")}</span>
        {PLACES.map(({ to, icon, name }) => (
          <Link key={to} to={to} className={classes.place} activeOptions={{ exact: to === "/" }} activeProps={{ "aria-current": "page" }}>
            <Icon name={icon} size={24} />
            <span>{t(name)}</span>
          </Link>
        ))}
      </nav>
    </div>
  );
}
