import type { Screen } from "../shell/screen";

export const pricingScreens: Screen[] = [
  {
    path: "/tariffs", load: () => import("./Tariffs"), permission: "pricing.quote.read",
    nav: { section: "money", label: "pricing.nav", icon: "tag", go: "t" },
  },
  {
    path: "/promotions", load: () => import("./Promotions"), permission: "pricing.promotion.read",
    nav: { section: "money", label: "pricing.promotions", icon: "gift", go: "d" },
  },
];
