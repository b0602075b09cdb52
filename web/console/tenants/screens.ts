import type { Screen } from "../shell/screen";

export const tenantsScreens: Screen[] = [
  { path: "/tenants", load: () => import("./Tenants"), permission: "tenancy.operator.read", nav: { section: "platform", label: "tenants.nav", icon: "building" } },
];
