import type { Screen } from "../shell/screen";

export const rentalsScreens: Screen[] = [
  {
    path: "/rentals", load: () => import("./Rentals"), permission: "rentals.rental.read_any",
    nav: { section: "riders", label: "rentals.nav", icon: "route", go: "r" },
  },
];
