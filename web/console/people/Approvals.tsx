// The inbox of the second person: what waits, in one list, and what became of what was asked for.
import { Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, at, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useCallback, useMemo, useState } from "react";
import { RunForm, type RunDeed } from "../books/BankRuns";
import { PayoutDeeds, useResellerNames } from "../books/Payouts";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { amountOf, useInbox, type Waiting } from "./inbox";

type Approval = Schema<"ApprovalView">;
const ENDED = ["done", "declined", "expired", "failed"] as const;
const TONE: Record<string, string> = { pending: "notice", done: "good", approved: "good", declined: "danger", failed: "danger", expired: "offline" };

const shown = ({ amount, currency }: { amount: number | null; currency: string }): string => (amount === null ? "–" : money(amount, currency));

export default function Approvals() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const view = [...ENDED, "all" as const].find((each) => each === query.status);
  return (
    <Page
      title={t("people.approvalsTitle")} fill
      below={
        <div className={parts.filters}>
          <SegmentedControl size="sm" aria-label={t("people.status")} value={view ?? "pending"} onChange={(value) => change({ status: value === "pending" ? undefined : value, a: undefined })}
            data={["pending", ...ENDED, "all"].map((value) => ({ value, label: n(`people.approvalStatus.${value}`) }))} />
        </div>
      }
    >
      {view ? <Past status={view === "all" ? undefined : view} /> : <Inbox />}
    </Page>
  );
}

function Inbox() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const inbox = useInbox();
  const resellerOf = useResellerNames((may?.("wallet.reseller.read") ?? false) && inbox.rows.some((each) => each.kind === "payout"));
  const [query, change] = useQueryPart();
  const columns = useMemo<Column<Waiting>[]>(() => {
    const why = (w: Waiting) => (w.kind === "run" ? t("people.runWhy", { count: w.of.orders, shown: number(w.of.orders), on: at(w.of.execute_on, "date") }) : w.kind === "payout" ? resellerOf(w.of.reseller_id) : w.of.reason);
    return [
      { key: "kind", label: t("people.kind"), width: "9.5rem", cell: (w) => n(`people.kinds.${w.kind}`), value: (w) => n(`people.kinds.${w.kind}`) },
      { key: "amount", label: t("people.amount"), width: "8rem", end: true, cell: (w) => <b>{shown(w)}</b>, value: (w) => w.amount },
      { key: "reason", label: t("people.reason"), width: "minmax(12rem, 1fr)", cell: why, value: why },
      { key: "by", label: t("people.askedBy"), width: "9.5rem", cell: (w) => <PersonName id={w.by} />, value: (w) => w.by },
      { key: "at", label: t("people.askedAt"), width: "11rem", cell: (w) => at(w.at), value: (w) => w.at },
      { key: "until", label: t("people.expires"), width: "7.5rem", cell: (w) => (w.until ? ago(w.until) : "–"), value: (w) => w.until },
      { key: "who", label: t("people.forWhom"), width: "11rem", cell: (w) => <State tone={w.canDecide ? "notice" : "offline"}>{t(w.canDecide ? "people.forYou" : "people.forOther")}</State>, value: (w) => t(w.canDecide ? "people.forYou" : "people.forOther") },
    ];
  }, [t, n, resellerOf]);
  const close = useCallback(() => change({ a: undefined }), [change]);
  const open = inbox.rows.find((each) => each.id === query.a);
  if (inbox.error) return <Problem error={inbox.error} again={inbox.refetch} />;
  if (inbox.isPending) return <Rows count={5} height={42} />;
  return (
    <>
      <DataTable label={t("people.approvalsList")} columns={columns} rows={inbox.rows} id={(w) => w.id} file="approvals" openId={query.a} onOpen={(w) => change({ a: w.id }, true)}
        empty={<Empty icon="check" title={t("people.approvalsNone")}>{t("people.approvalsNoneText")}</Empty>} />
      {open && (
        <Panel key={open.id} title={n(`people.kinds.${open.kind}`)} label={t("people.approvalsTitle")} onClose={close}>
          {open.kind === "run" ? <RunWish wish={open} onDone={close} /> : open.kind === "payout" ? <PayoutWish wish={open} name={resellerOf(open.of.reseller_id)} onDone={close} /> : <Wish wish={open.of} onDone={close} />}
        </Panel>
      )}
    </>
  );
}

function Past({ status }: { status: (typeof ENDED)[number] | undefined }) {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const found = usePages(["approvals", "list", status], (offset) => ok(api.GET("/api/v1/approvals", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.approvals);
  const columns = useMemo<Column<Approval>[]>(
    () => [
      { key: "kind", label: t("people.kind"), width: "9.5rem", cell: (a) => n(`people.kinds.${a.kind}`), value: (a) => n(`people.kinds.${a.kind}`) },
      { key: "amount", label: t("people.amount"), width: "9rem", end: true, cell: (a) => shown(amountOf(a.details)), value: (a) => amountOf(a.details).amount },
      { key: "reason", label: t("people.reason"), width: "minmax(12rem, 1fr)", cell: (a) => a.reason, value: (a) => a.reason },
      { key: "by", label: t("people.askedBy"), width: "9.5rem", cell: (a) => <PersonName id={a.asked_by} />, value: (a) => a.asked_by },
      { key: "at", label: t("people.askedAt"), width: "11rem", cell: (a) => at(a.asked_at), value: (a) => a.asked_at },
      { key: "decided", label: t("people.decidedBy"), width: "9.5rem", cell: (a) => (a.decided_by ? <PersonName id={a.decided_by} /> : "–"), value: (a) => a.decided_by },
      { key: "status", label: t("people.status"), width: "10rem", cell: (a) => <State tone={TONE[a.status] ?? "offline"}>{n(`people.approvalStatus.${a.status}`)}</State>, value: (a) => a.status },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ a: undefined }), [change]);
  const open = found.rows.find((each) => each.id === query.a);
  return (
    <>
      <Listed found={found} label={t("people.approvalsList")} columns={columns} id={(a) => a.id} file="approvals" openId={query.a} onOpen={(a) => change({ a: a.id }, true)} empty={<Empty icon="check" title={t("people.pastNone")} />} />
      {open && <Panel key={open.id} title={n(`people.kinds.${open.kind}`)} label={t("people.approvalsTitle")} onClose={close}><Wish wish={open} onDone={close} /></Panel>}
    </>
  );
}

/** A refund, or a journal to be taken back. */
function Wish({ wish, onDone }: { wish: Approval; onDone: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [asking, setAsking] = useState<"approve" | "decline" | null>(null);
  const [note, setNote] = useState("");
  const amount = shown(amountOf(wish.details));
  const isReversal = wish.kind === "payments.reversal";
  const send = async () => {
    const one = { params: { path: { approval_id: wish.id } }, body: { note: note.trim() || null } };
    if (asking === "decline") await ok(api.POST("/api/v1/approvals/{approval_id}/decline", one));
    else if (isReversal) await ok(api.POST("/api/v1/reversal-approvals/{approval_id}/approve", one));
    else await ok(api.POST("/api/v1/refund-approvals/{approval_id}/approve", one));
    await refresh("approvals", "payment", "rental", "books");
    toast.good(t(asking === "approve" ? "people.approved" : "people.declined"));
    onDone();
  };
  return (
    <>
      <Pairs of={[
        [t("people.status"), <State key="s" tone={TONE[wish.status] ?? "offline"}>{n(`people.approvalStatus.${wish.status}`)}</State>],
        [t("people.amount"), <b key="m" className="figures">{amount}</b>], [t("people.reason"), wish.reason],
        [t("people.askedBy"), <PersonName key="p" id={wish.asked_by} />], [t("people.askedAt"), at(wish.asked_at)], [t("people.expires"), wish.status === "pending" && at(wish.expires_at)],
        [t("people.subject"), isReversal && may?.("payments.ledger.read") && <Go key="j" to="/books" query={{ j: wish.subject }}>{t("people.openJournal")}</Go>],
        [t("people.decidedBy"), wish.decided_by && <span key="d"><PersonName id={wish.decided_by} /> · {at(wish.decided_at)}</span>], [t("people.note"), wish.note], [t("people.problem"), wish.problem],
      ]} />
      {wish.status === "pending" && (wish.can_decide ? (
        <Group mt="md" gap="xs">
          <Button size="sm" onClick={() => setAsking("approve")}>{t("people.approve")}</Button>
          <Button size="sm" variant="default" onClick={() => setAsking("decline")}>{t("people.decline")}</Button>
        </Group>
      ) : <Text size="sm" c="dimmed" mt="md">{t("people.ownWish")}</Text>)}
      {asking && (
        <FormDialog title={t(asking === "approve" ? "people.approveTitle" : "people.declineTitle")} submit={t(asking === "approve" ? "people.approve" : "people.decline")} danger={asking === "approve"} onClose={() => setAsking(null)} onSubmit={send}>
          {asking === "approve" && <Text size="sm">{t(isReversal ? "people.approveReversal" : "people.approveText", { amount })}</Text>}
          <Textarea label={t("people.noteLabel")} value={note} maxLength={200} autosize minRows={2} onChange={(e) => setNote(e.currentTarget.value)} data-autofocus />
        </FormDialog>
      )}
    </>
  );
}

function RunWish({ wish, onDone }: { wish: Waiting & { kind: "run" }; onDone: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [asking, setAsking] = useState<RunDeed | null>(null);
  const run = wish.of;
  return (
    <>
      <Pairs of={[
        [t("people.amount"), <b key="m" className="figures">{shown(wish)}</b>], [t("books.kind"), `${n(`books.runKind.${run.kind}`)} ${run.scheme}`], [t("books.count"), number(run.orders)], [t("books.execute"), at(run.execute_on, "date")],
        [t("people.askedBy"), <PersonName key="p" id={run.drafted_by} />], [t("people.askedAt"), at(run.drafted_at)], [t("bank.run"), <Go key="r" to="/bank" query={{ run: run.id }}>{t("bank.openRun")}</Go>],
      ]} />
      <Group mt="md" gap="xs">
        {wish.canDecide && <Button size="sm" onClick={() => setAsking("approve")}>{t("people.approve")}</Button>}
        {may?.("payments.sepa.write") && <Button size="sm" variant="default" onClick={() => setAsking("cancel")}>{t("books.cancel")}</Button>}
      </Group>
      {!wish.canDecide && <Text size="sm" c="dimmed" mt="sm">{t("people.runNotYours")}</Text>}
      {asking && <RunForm run={run} deed={asking} onClose={() => setAsking(null)} onDone={onDone} />}
    </>
  );
}

function PayoutWish({ wish, name, onDone }: { wish: Waiting & { kind: "payout" }; name: string; onDone: () => void }) {
  const t = useWords();
  const payout = wish.of;
  return (
    <>
      <Pairs of={[
        [t("people.amount"), <b key="m" className="figures">{shown(wish)}</b>], [t("reseller.one"), <Go key="r" to={`/resellers/${payout.reseller_id}`}>{name}</Go>], [t("books.until"), at(payout.until)],
        [t("people.askedBy"), <PersonName key="p" id={payout.made_by} />], [t("people.askedAt"), at(payout.made_at)], [t("reseller.refused"), payout.reason],
      ]} />
      <PayoutDeeds payout={payout} onDone={onDone} />
    </>
  );
}
