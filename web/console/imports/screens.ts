import type { Screen } from "../shell/screen";

export const importScreens: Screen[] = [
  { path: "/import", load: () => import("./Import"), permission: "fleet.vehicle.create", nav: { section: "fleet", label: "imports.nav", icon: "upload", go: "i" } },
];
