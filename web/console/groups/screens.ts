import type { Screen } from "../shell/screen";

export const groupScreens: Screen[] = [
  { path: "/groups", load: () => import("./Groups"), permission: "fleet.live.read", nav: { section: "fleet", label: "groups.nav", icon: "tag", go: "g" } },
];
