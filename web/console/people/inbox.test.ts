import { expect, test } from "vitest";
import type { Schema } from "@lib/api/client";
import { amountOf, waitingOf, type Looking } from "./inbox";

const approval = (id: string, asked_at: string, more: object = {}) =>
  ({ id, kind: "payments.refund", details: { amount_minor: 1250, currency: "EUR" }, asked_by: "usr_a", asked_at, expires_at: "2026-12-01T00:00:00Z", can_decide: true, ...more }) as unknown as Schema<"ApprovalView">;
const run = (drafted_by: string) => ({ id: "run_1", total: 99, currency: "EUR", drafted_by, drafted_at: "2026-11-02T00:00:00Z" }) as unknown as Schema<"RunView">;
const payout = (made_by: string) => ({ id: "pyo_1", amount: 7, currency: "EUR", made_by, made_at: "2026-11-04T00:00:00Z" }) as unknown as Schema<"PayoutView">;
const looking: Looking = { me: "usr_me", mayRelease: true, mayPay: true, isTwoPerson: true };

test("one list of all rooms, what waits longest first", () => {
  const rows = waitingOf(looking, [approval("apr_2", "2026-11-03T00:00:00Z"), approval("apr_1", "2026-11-01T00:00:00Z", { kind: "payments.reversal" })], [run("usr_a")], [payout("usr_a")]);
  expect(rows.map((w) => [w.kind, w.id, w.amount])).toEqual([["payments.reversal", "apr_1", 12.5], ["run", "run_1", 99], ["payments.refund", "apr_2", 12.5], ["payout", "pyo_1", 7]]);
  expect(rows.every((w) => w.canDecide)).toBe(true);
});

test("nobody decides on their own, and only who may", () => {
  const can = (with_: Partial<Looking>, by: string) => waitingOf({ ...looking, ...with_ }, [], [run(by)], [payout(by)]).map((w) => w.canDecide);
  expect(can({}, "usr_me")).toEqual([false, false]);
  expect(can({ isTwoPerson: false }, "usr_me")).toEqual([true, false]); // a run by one person, if so set; a payout never
  expect(can({ mayRelease: false, mayPay: false }, "usr_a")).toEqual([false, false]);
  expect(waitingOf(looking, [approval("apr", "2026-11-01T00:00:00Z", { can_decide: false })], [], [])[0]?.canDecide).toBe(false);
});

test("a wish's amount is in minor units of its currency, if it is about money", () => {
  expect(amountOf({ amount_minor: 500, currency: "JPY" })).toEqual({ amount: 500, currency: "JPY" });
  expect(amountOf({ amount: 4.2, currency: "EUR" })).toEqual({ amount: 4.2, currency: "EUR" });
  expect(amountOf({}).amount).toBeNull();
});
