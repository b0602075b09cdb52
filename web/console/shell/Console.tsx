// The router: each screen of `screens.ts` is a route, loaded when it is opened.
import { createRootRoute, createRoute, createRouter, RouterProvider, type AnyRouter } from "@tanstack/react-router";
import { Button } from "@mantine/core";
import { Empty, Rows } from "@lib/states";
import { lazy, Suspense } from "react";
import { Page } from "../parts/Page";
import { SCREENS } from "../screens";
import { useWords } from "../text";
import { useMay } from "./may";
import { queryOf, textOf, useGo } from "./place";
import type { Screen } from "./screen";
import { Shell } from "./Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, validateSearch: (s: Record<string, unknown>) => s });

// What the address asks for begins to load before it is known who asks: that takes three answers.
const asked = SCREENS.find((screen) => `/console${screen.path}` === location.pathname);
asked?.warmUp?.();
asked?.load().catch(() => undefined); // it is asked for again, and then its failure is shown

function guarded(screen: Screen) {
  const Shown = lazy(screen.load);
  return function Guarded() {
    const may = useMay();
    const waiting = <Page title={screen.nav ? <Label screen={screen} /> : ""}><Rows /></Page>;
    if (!may) return waiting;
    if (!may(screen.permission)) return <NoPermission />;
    return <Suspense fallback={waiting}><Shown /></Suspense>;
  };
}

function Label({ screen }: { screen: Screen }) {
  const t = useWords();
  return screen.nav ? t(screen.nav.label) : null;
}

const router = createRouter({
  routeTree: root.addChildren(
    SCREENS.map((screen) => createRoute({ getParentRoute: () => root, path: screen.path, component: guarded(screen) })),
  ),
  basepath: "/console",
  parseSearch: queryOf,
  stringifySearch: textOf,
  scrollRestoration: true,
}) as unknown as AnyRouter;

export const Console = () => <RouterProvider router={router as never} />;

function NoPermission() {
  const t = useWords();
  return <Page title={t("shell.noPermission")}><Empty icon="lock" title={t("shell.noPermission")}>{t("shell.noPermissionText")}</Empty></Page>;
}

function NotFound() {
  const t = useWords();
  const go = useGo();
  return (
    <Page title={t("shell.searchNothing")}>
      <Empty icon="search" title={t("shell.notFound")} action={<Button variant="light" onClick={() => go("/")}>{t("shell.toOverview")}</Button>} />
    </Page>
  );
}
