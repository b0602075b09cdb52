import type { Screen } from "../shell/screen";

export const integrationsScreens: Screen[] = [
  {
    path: "/integrations", load: () => import("./Integrations"),
    nav: { section: "company", label: "integrations.nav", icon: "layers", go: "w" },
  },
  {
    path: "/keys", load: () => import("./Keys"), permission: "identity.key.manage",
    nav: { section: "company", label: "integrations.keysNav", icon: "key", go: "k" },
  },
];
