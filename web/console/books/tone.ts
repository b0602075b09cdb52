const GOOD = ["settled", "matched", "assigned", "active", "exported", "paid", "won", "done", "cleared", "allow", "collected"];
const BAD = ["returned", "rejected", "declined", "unmatched", "blocked", "revoked", "open", "needs_response", "fraud", "block", "failed"];
const OVER = ["cancelled", "voided", "netted", "ended", "expired", "written_off", "forgiven", "lost"];

/** The colour of a state of money, whatever it is a state of. */
export const toneOf = (status: string): string =>
  GOOD.includes(status) ? "good" : BAD.includes(status) ? "danger" : OVER.includes(status) ? "offline" : "notice";
