import type { Screen } from "../shell/screen";

export const customersScreens: Screen[] = [
  {
    path: "/customers", load: () => import("./Customers"), permission: "identity.person.read",
    nav: { section: "riders", label: "customers.nav", icon: "users", go: "u" },
  },
];
