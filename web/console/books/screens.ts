import type { Screen } from "../shell/screen";

const CASES = ["payments.dispute.read", "payments.debt.read", "payments.risk.read", "payments.refund.create"];

export const booksScreens: Screen[] = [
  { path: "/books", load: () => import("./Books"), permission: "payments.ledger.read", nav: { section: "money", label: "books.nav", icon: "doc", go: "b" } },
  { path: "/bank", load: () => import("./Bank"), permission: "payments.sepa.read", nav: { section: "money", label: "books.bankNav", icon: "building", go: "j" } },
  { path: "/cases", load: () => import("./Cases"), permission: CASES, nav: { section: "money", label: "books.casesNav", icon: "alert" } },
  { path: "/resellers", load: () => import("./Resellers"), permission: "wallet.reseller.read", nav: { section: "money", label: "books.resellersNav", icon: "users", go: "y" } },
  { path: "/resellers/$id", load: () => import("./Reseller"), permission: "wallet.reseller.read" },
];
