import type { Screen } from "../shell/screen";

export const fleetScreens: Screen[] = [
  {
    path: "/vehicles",
    load: () => import("./Vehicles"),
    permission: "fleet.live.read",
    nav: { section: "operations", label: "fleet.nav", icon: "map", go: "v" },
  },
];
