import type { Screen } from "../shell/screen";

export const healthScreens: Screen[] = [
  { path: "/health", load: () => import("./Health"), nav: { section: "platform", label: "health.nav", icon: "shield", go: "h" } },
];
