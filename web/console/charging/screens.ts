import type { Screen } from "../shell/screen";

export const chargingScreens: Screen[] = [
  { path: "/charging", load: () => import("./Charging"), permission: "fleet.maintenance.read", nav: { section: "operations", label: "charging.nav", icon: "battery", go: "c" } },
];
