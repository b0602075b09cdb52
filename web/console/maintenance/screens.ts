import type { Screen } from "../shell/screen";

export const maintenanceScreens: Screen[] = [
  { path: "/maintenance", load: () => import("./Maintenance"), permission: "fleet.maintenance.read", nav: { section: "operations", label: "maintenance.nav", icon: "wrench", go: "m" } },
];
