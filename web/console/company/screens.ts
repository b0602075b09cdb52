import type { Screen } from "../shell/screen";

export const companyScreens: Screen[] = [
  {
    path: "/settings", load: () => import("./Settings"), permission: "tenancy.operator.change",
    nav: { section: "company", label: "company.nav", icon: "gear", go: "s" },
  },
  {
    path: "/brand", load: () => import("./Brand"), permission: "tenancy.brand.write",
    nav: { section: "company", label: "company.brandNav", icon: "star", go: "n" },
  },
];
