import type { Screen } from "../shell/screen";

export const alertScreens: Screen[] = [
  { path: "/alerts", load: () => import("./Alerts"), permission: "fleet.alert.read", nav: { section: "operations", label: "alerts.nav", icon: "bell", go: "a" } },
  { path: "/alert-rules", load: () => import("./Rules"), permission: "fleet.alert.read", nav: { section: "fleet", label: "alerts.rulesNav", icon: "gear", go: "l" } },
];
