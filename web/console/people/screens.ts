import type { Screen } from "../shell/screen";
import { useWaitingForMe } from "./inbox";

export const peopleScreens: Screen[] = [
  {
    path: "/team", load: () => import("./Team"), permission: "identity.person.read",
    nav: { section: "company", label: "people.nav", icon: "person", go: "x" },
  },
  {
    path: "/roles", load: () => import("./Roles"), permission: "identity.role.read",
    nav: { section: "company", label: "people.rolesNav", icon: "shield", go: "q" },
  },
  {
    path: "/approvals", load: () => import("./Approvals"),
    nav: { section: "operations", label: "people.approvalsNav", icon: "check", go: "f", count: useWaitingForMe },
  },
];
