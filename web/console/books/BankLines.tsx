// Lines of the bank's statements. What nobody recognised waits in suspense until a person says what it is.
import { Button, Group, SegmentedControl, Select, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog, HINT_BELOW, type FieldError } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import parts from "../parts/parts.module.css";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { ReadIn } from "./BankStatements";
import { fitting } from "./fitting";
import { toneOf } from "./tone";

type Line = Schema<"LineView">;
const STATES = ["unmatched", "matched", "assigned"] as const;
/** Of the chart of accounts (docs/books.md): what a line of the bank can be, besides an order or a payment. */
const ACCOUNTS = ["fees", "gateway_clearing", "receivables", "dunning_fees", "chargebacks", "write_offs", "goodwill", "commission", "commission_payable", "expired_balance", "rounding"] as const;

export function Lines() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const status = STATES.find((each) => each === query.status);
  const found = usePages(["sepa", "lines", status], (offset) => ok(api.GET("/api/v1/payments/sepa/lines", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.lines);
  const columns = useMemo<Column<Line>[]>(
    () => [
      { key: "on", label: t("books.at"), width: "9rem", cell: (l) => at(l.booked_on, "date"), value: (l) => l.booked_on },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (l) => money(l.amount, l.currency), value: (l) => l.amount },
      { key: "status", label: t("books.status"), width: "9rem", cell: (l) => <State tone={toneOf(l.status)}>{n(`books.lineStatus.${l.status}`)}</State>, value: (l) => l.status },
      { key: "other", label: t("books.counterparty"), width: "minmax(10rem, 1fr)", cell: (l) => l.counterparty || "–", value: (l) => l.counterparty },
      { key: "text", label: t("books.text"), width: "minmax(14rem, 1.5fr)", cell: (l) => l.text || "–", value: (l) => l.text },
      { key: "to", label: t("bank.assignedTo"), width: "minmax(10rem, 1fr)", cell: (l) => l.assigned_to ?? "–", value: (l) => l.assigned_to },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ line: undefined }), [change]);
  const open = found.rows.find((each) => each.id === query.line);
  return (
    <>
      <div className={parts.filters} style={{ marginBottom: "0.6rem" }}>
        <SegmentedControl size="sm" aria-label={t("books.status")} value={status ?? ""} onChange={(value) => change({ status: value })} data={[{ value: "", label: t("books.lineStatus.all") }, ...STATES.map((value) => ({ value, label: t(`books.lineStatus.${value}`) }))]} />
      </div>
      <Listed found={found} label={t("books.lines")} columns={columns} id={(l) => l.id} file="bank-lines" bar={<ReadIn />} openId={query.line} onOpen={(l) => change({ line: l.id }, true)}
        empty={status === "unmatched" ? <Empty icon="check" title={t("bank.unmatchedNone")}>{t("bank.unmatchedNoneText")}</Empty> : <Empty icon="building" title={t("books.linesNone")}>{t("bank.statementsNoneText")}</Empty>} />
      {open && <LinePanel key={open.id} line={open} onClose={close} />}
    </>
  );
}

function LinePanel({ line, onClose }: { line: Line; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [open, setOpen] = useState<"assign" | "release" | null>(null);
  const mayAssign = may?.("payments.sepa.assign") ?? false;
  // What the bank did for an order, or what paid for a ride, is not taken back.
  const isKept = line.order_id !== null || (line.assigned_to ?? "").startsWith("gateway_clearing byhand");
  return (
    <Panel title={money(line.amount, line.currency)} label={t("bank.line")} onClose={onClose}>
      <Pairs of={[
        [t("books.status"), <State key="s" tone={toneOf(line.status)}>{n(`books.lineStatus.${line.status}`)}</State>], [t("books.at"), at(line.booked_on, "date")], [t("books.counterparty"), line.counterparty], [t("books.text"), line.text],
        [t("bank.endToEnd"), line.end_to_end_id && <span key="e" className={office.mono}>{line.end_to_end_id}</span>], [t("books.reason"), line.reason], [t("bank.order"), line.order_id && <span key="o" className={office.mono}>{line.order_id}</span>],
        [t("bank.run"), line.run_id && <Go key="r" to="/bank" query={{ run: line.run_id }}>{t("bank.openRun")}</Go>], [t("bank.assignedTo"), line.assigned_to], [t("bank.assignedBy"), line.assigned_by && <PersonName key="b" id={line.assigned_by} />],
        [t("books.journal"), may?.("payments.ledger.read") && <Go key="j" to="/books" query={{ j: line.journal_id }}>{t("bank.openJournal")}</Go>],
      ]} />
      {mayAssign && (
        <Group mt="md">
          {line.status === "unmatched" && <Button size="sm" onClick={() => setOpen("assign")}>{t("books.assign")}</Button>}
          {line.status === "assigned" && !isKept && <Button size="sm" variant="default" onClick={() => setOpen("release")}>{t("bank.release")}</Button>}
        </Group>
      )}
      {open === "assign" && <AssignForm line={line} onClose={() => setOpen(null)} onAssigned={onClose} />}
      {open === "release" && <ReleaseForm line={line} onClose={() => setOpen(null)} onReleased={onClose} />}
    </Panel>
  );
}

type Target = "payment" | "order" | "account";

function AssignForm({ line, onClose, onAssigned }: { line: Line; onClose: () => void; onAssigned: () => void }) {
  const t = useWords();
  // Money that went out is no rider's payment.
  const isIn = line.amount > 0;
  const [target, setTarget] = useState<Target>(isIn ? "payment" : "account");
  const [id, setId] = useState("");
  const [account, setAccount] = useState<string | null>(isIn ? null : "fees");
  const [owner, setOwner] = useState("");
  const [note, setNote] = useState("");
  const is = target === "account" ? (account ?? "") : id.trim();
  const send = async () => {
    const to = target === "payment" ? { payment_id: is } : target === "order" ? { order_id: is } : { account: is, owner: owner.trim() };
    await ok(api.POST("/api/v1/payments/sepa/lines/{line_id}/assign", { params: { path: { line_id: line.id } }, body: { note: note.trim(), ...to } }));
    await refresh("sepa", "books", "debts");
    toast.good(t("books.assigned"));
    onAssigned();
  };
  const choose = (next: Target) => {
    setTarget(next);
    setId("");
  };
  return (
    <FormDialog title={t("books.assignTitle")} submit={t("books.assign")} disabled={!is} size="lg" onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Text size="sm"><b className="figures">{money(line.amount, line.currency)}</b> · {[line.counterparty, line.text].filter(Boolean).join(" · ")}</Text>
          <SegmentedControl aria-label={t("bank.target")} value={target} onChange={(value) => choose(value as Target)} data={(["payment", "order", "account"] as const).filter((each) => isIn || each !== "payment").map((value) => ({ value, label: t(`bank.targets.${value}`) }))} />
          {target === "payment" && <><Debts line={line} chosen={id} onChoose={setId} /><TextInput label={t("books.toPayment")} value={id} spellCheck={false} onChange={(e) => setId(e.currentTarget.value)} error={field("payment_id")} /></>}
          {target === "order" && <><Orders line={line} chosen={id} onChoose={setId} /><TextInput label={t("bank.toOrder")} value={id} spellCheck={false} onChange={(e) => setId(e.currentTarget.value)} error={field("order_id")} /></>}
          {target === "account" && <Account account={account} owner={owner} onAccount={setAccount} onOwner={setOwner} field={field} />}
          <TextInput label={t("books.note")} value={note} maxLength={200} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} />
        </>
      )}
    </FormDialog>
  );
}

function Account({ account, owner, onAccount, onOwner, field }: { account: string | null; owner: string; onAccount: (code: string | null) => void; onOwner: (owner: string) => void; field: FieldError }) {
  const t = useWords();
  return (
    <Group grow align="flex-start">
      <Select label={t("bank.account")} value={account} onChange={onAccount} data={ACCOUNTS.map((value) => ({ value, label: t(`bank.chart.${value}`) }))} error={field("account") ?? field("code")} />
      <TextInput label={t("bank.owner")} description={t("bank.ownerHint")} {...HINT_BELOW} value={owner} maxLength={80} onChange={(e) => onOwner(e.currentTarget.value)} error={field("owner")} />
    </Group>
  );
}

interface Choosing {
  line: Line;
  chosen: string;
  onChoose: (id: string) => void;
}

/** Debts that this money may be for: those of the same amount, or whose payment the bank's text names. */
function Debts({ line, chosen, onChoose }: Choosing) {
  const t = useWords();
  const may = useMay();
  const found = useQuery({ queryKey: ["debts", "open", "all"], queryFn: () => ok(api.GET("/api/v1/debts", { params: { query: { all: true, status: "open", limit: 100 } } })), enabled: may?.("payments.debt.read") ?? false });
  const fit = fitting(line, found.data?.debts ?? [], (d) => [d.payment_id, d.booking_id, d.id]);
  return <Choices label={t("bank.fitDebts")} none={t("bank.fitNone")} of={fit.map((d) => ({ id: d.payment_id, what: <><PersonName id={d.user_id} /> · {at(d.opened_at, "date")}</>, amount: money(d.amount, d.currency) }))} chosen={chosen} onChoose={onChoose} />;
}

function Orders({ line, chosen, onChoose }: Choosing) {
  const t = useWords();
  const found = useQuery({ queryKey: ["sepa", "orders", "exported"], queryFn: () => ok(api.GET("/api/v1/payments/sepa/orders", { params: { query: { status: "exported", limit: 100 } } })) });
  const fit = fitting(line, found.data?.orders ?? [], (o) => [o.end_to_end_id, o.id]);
  return <Choices label={t("bank.fitOrders")} none={t("bank.fitNone")} of={fit.map((o) => ({ id: o.id, what: <>{o.end_to_end_id} · {at(o.collect_on, "date")}</>, amount: money(o.amount, o.currency) }))} chosen={chosen} onChoose={onChoose} />;
}

function Choices({ label, none, of, chosen, onChoose }: { label: string; none: string; of: { id: string; what: React.ReactNode; amount: string }[]; chosen: string; onChoose: (id: string) => void }) {
  if (of.length === 0) return <Text size="sm" c="dimmed" role="status">{none}</Text>;
  return (
    <div role="group" aria-label={label} className={office.choices}>
      {of.map((each) => (
        <button key={each.id} type="button" className={office.choice} aria-pressed={each.id === chosen} onClick={() => onChoose(each.id === chosen ? "" : each.id)}>
          <span>{each.what}</span><span className="figures">{each.amount}</span>
        </button>
      ))}
    </div>
  );
}

function ReleaseForm({ line, onClose, onReleased }: { line: Line; onClose: () => void; onReleased: () => void }) {
  const t = useWords();
  const [note, setNote] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/payments/sepa/lines/{line_id}/release", { params: { path: { line_id: line.id } }, body: { note: note.trim() } }));
    await refresh("sepa", "books");
    toast.good(t("bank.released"));
    onReleased();
  };
  return (
    <FormDialog title={t("bank.releaseTitle")} submit={t("bank.release")} disabled={!note.trim()} onClose={onClose} onSubmit={send}>
      {(field) => <><Text size="sm">{t("bank.releaseText")}</Text><TextInput label={t("books.reason")} value={note} maxLength={200} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} data-autofocus /></>}
    </FormDialog>
  );
}
