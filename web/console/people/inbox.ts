// Everything that waits for a second person, whatever room asked: refunds, journals to be taken back, runs to the
// bank, payouts. The menu counts what waits for the one who looks.
import { api, ok, type Schema } from "@lib/api/client";
import { useSession } from "@lib/auth";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { majorOf } from "../office/minor";
import { useMay } from "../shell/may";

type Approval = Schema<"ApprovalView">;
type Run = Schema<"RunView">;
type Payout = Schema<"PayoutView">;

interface Common {
  id: string;
  /** `null` where the wish names none. */
  amount: number | null;
  currency: string;
  by: string;
  at: string;
  until: string | null;
  /** By who looks: holds the permission, and is not who asked. */
  canDecide: boolean;
}
export type Waiting = Common &
  ({ kind: "payments.refund" | "payments.reversal" | "other"; of: Approval } | { kind: "run"; of: Run } | { kind: "payout"; of: Payout });

export interface Looking {
  me: string;
  mayRelease: boolean;
  mayPay: boolean;
  /** Set by the operator: who drafted a run may not approve it. */
  isTwoPerson: boolean;
}

/** What a wish is about in money; the platform keeps minor units in it. */
export function amountOf({ amount, amount_minor: minor, currency }: Record<string, unknown>): { amount: number | null; currency: string } {
  if (typeof currency !== "string") return { amount: null, currency: "EUR" };
  if (typeof amount === "number") return { amount, currency };
  return { amount: typeof minor === "number" ? majorOf(minor, currency) : null, currency };
}

/** One list, what waits longest first. */
export function waitingOf(looking: Looking, approvals: readonly Approval[], runs: readonly Run[], payouts: readonly Payout[]): Waiting[] {
  const all: Waiting[] = [
    ...approvals.map((of): Waiting => ({
      kind: of.kind === "payments.refund" || of.kind === "payments.reversal" ? of.kind : "other", id: of.id, ...amountOf(of.details), by: of.asked_by, at: of.asked_at, until: of.expires_at, canDecide: of.can_decide, of,
    })),
    ...runs.map((of): Waiting => ({
      kind: "run", id: of.id, amount: of.total, currency: of.currency, by: of.drafted_by, at: of.drafted_at, until: null, canDecide: looking.mayRelease && !(looking.isTwoPerson && of.drafted_by === looking.me), of,
    })),
    ...payouts.map((of): Waiting => ({
      kind: "payout", id: of.id, amount: of.amount, currency: of.currency, by: of.made_by, at: of.made_at, until: null, canDecide: looking.mayPay && of.made_by !== looking.me, of,
    })),
  ];
  return all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

const MOST = 1_000;

interface Paged {
  pagination: { has_more: boolean };
}

/** All pages of a list that is short by nature; a thousand rows at most. */
async function everyPage<Page extends Paged, Row>(ask: (offset: number) => Promise<Page>, rowsOf: (page: Page) => readonly Row[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (let isMore = true; isMore && rows.length < MOST; ) {
    const page = await ask(rows.length);
    rows.push(...rowsOf(page));
    isMore = page.pagination.has_more;
  }
  return rows;
}

const EVERY_MS = 30_000;

export function useInbox() {
  const session = useSession();
  const may = useMay();
  const has = (permission: string) => may?.(permission) ?? false;
  const me = session.is === "in" ? session.user.id : "";
  const [readsRuns, readsPayouts] = [has("payments.sepa.read"), has("wallet.reseller.read")];
  const [mayRelease, mayPay] = [has("payments.sepa.approve"), has("wallet.payout.pay")];
  const approvals = useQuery({
    queryKey: ["approvals", "waiting"], refetchInterval: EVERY_MS, enabled: may !== null,
    queryFn: () => everyPage((offset) => ok(api.GET("/api/v1/approvals", { params: { query: { status: "pending", limit: 100, offset } } })), (page) => page.approvals),
  });
  const runs = useQuery({
    queryKey: ["sepa", "waiting"], refetchInterval: EVERY_MS, enabled: readsRuns,
    queryFn: () => everyPage((offset) => ok(api.GET("/api/v1/payments/sepa/runs", { params: { query: { status: "draft", limit: 100, offset } } })), (page) => page.runs),
  });
  const isTwoPerson = useQuery({
    queryKey: ["sepa", "settings"], queryFn: () => ok(api.GET("/api/v1/payments/sepa/settings")), enabled: (runs.data?.length ?? 0) > 0,
  }).data?.two_person;
  const payouts = useQuery({
    queryKey: ["payouts", "waiting"], refetchInterval: EVERY_MS, enabled: readsPayouts,
    queryFn: () => everyPage((offset) => ok(api.GET("/api/v1/reseller-payouts", { params: { query: { status: "draft", limit: 100, offset } } })), (page) => page.payouts),
  });
  const asked = [approvals, ...(readsRuns ? [runs] : []), ...(readsPayouts ? [payouts] : [])];
  const rows = useMemo(
    // While it is not known whether a run needs two persons, nobody is offered their own.
    () => waitingOf({ me, mayRelease, mayPay, isTwoPerson: isTwoPerson ?? true }, approvals.data ?? [], runs.data ?? [], payouts.data ?? []),
    [me, mayRelease, mayPay, isTwoPerson, approvals.data, runs.data, payouts.data],
  );
  return {
    rows,
    isPending: asked.some((each) => each.isPending),
    error: asked.find((each) => each.error)?.error ?? null,
    refetch: () => asked.forEach((each) => void each.refetch()),
  };
}

export const useWaitingForMe = (): number => useInbox().rows.filter((each) => each.canDecide).length;
