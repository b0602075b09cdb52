import type { Screen } from "../shell/screen";

export const zoneScreens: Screen[] = [
  { path: "/zones", load: () => import("./Zones"), permission: "fleet.zone.read", nav: { section: "fleet", label: "zones.nav", icon: "layers", go: "z" } },
];
