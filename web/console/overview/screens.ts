import type { Screen } from "../shell/screen";

export const overviewScreens: Screen[] = [
  {
    path: "/",
    load: () => import("./Overview"),
    nav: { section: "operations", label: "overview.nav", icon: "chart", go: "o" },
  },
];
