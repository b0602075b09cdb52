import { createRootRoute, createRoute, createRouter, lazyRouteComponent, RouterProvider } from "@tanstack/react-router";
import { Failed } from "@lib/states";
import { Find } from "./find/Find";
import { Shell } from "./shell/Shell";

const root = createRootRoute({ component: Shell });
const page = <Path extends string>(path: Path, load: Parameters<typeof lazyRouteComponent>[0], name: string) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, name as never) });

const find = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: Find,
  validateSearch: (search: Record<string, unknown>): { v?: string } => (search.v ? { v: String(search.v) } : {}),
});
const help = createRoute({
  getParentRoute: () => root,
  path: "/help",
  component: lazyRouteComponent(() => import("./account/Help"), "Help"),
  validateSearch: (search: Record<string, unknown>): { v?: string } => (search.v ? { v: String(search.v) } : {}),
});

const router = createRouter({
  routeTree: root.addChildren([
    find,
    help,
    page("/trip", () => import("./trip/Trip"), "Trip"),
    page("/scan", () => import("./scan/Scan"), "Scan"),
    page("/rides", () => import("./rides/Rides"), "Rides"),
    page("/rides/$id", () => import("./rides/Ride"), "Ride"),
    page("/wallet", () => import("./wallet/Wallet"), "Wallet"),
    page("/account", () => import("./account/Account"), "Account"),
  ]),
  basepath: "/app",
  defaultPreload: "intent",
  defaultErrorComponent: ({ error }) => <Failed error={error} again={() => location.reload()} />,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

export const App = () => <RouterProvider router={router} />;
