import type { Screen } from "../shell/screen";

export const fleetScreens: Screen[] = [
  {
    path: "/vehicles",
    load: () => import("./Vehicles"),
    warmUp: () => void import("@lib/map/draw").catch(() => undefined),
    permission: "fleet.live.read",
    nav: { section: "operations", label: "fleet.nav", icon: "map", go: "v" },
  },
];
