import type { Screen } from "../shell/screen";

export const auditScreens: Screen[] = [
  {
    path: "/audit", load: () => import("./Audit"), permission: "identity.audit.read",
    nav: { section: "company", label: "audit.nav", icon: "doc", go: "e" },
  },
];
