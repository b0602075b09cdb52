// SEPA: runs to the bank, lines of its statements, orders and mandates (docs/sepa.md).
import { Button, FileButton, Group, SegmentedControl, Select, Text, TextInput } from "@mantine/core";
import { api, ok, sendRequest, type Schema } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { at, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { Parts, usePart } from "../office/Parts";
import { PersonName } from "../office/PersonName";
import { saveAnswer } from "../office/saveAnswer";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";

type Run = Schema<"RunView">;
type Line = Schema<"LineView">;
const GOOD = ["settled", "matched", "assigned", "active", "exported"];
const BAD = ["returned", "rejected", "declined", "unmatched", "blocked", "revoked"];
const toneOf = (status: string): string => (GOOD.includes(status) ? "good" : BAD.includes(status) ? "danger" : "notice");

export default function Bank() {
  const t = useWords();
  const part = usePart(["runs", "lines", "orders", "mandates"]);
  return (
    <Page title={t("books.bankTitle")} fill below={<Parts label={t("books.bankTitle")} now={part} of={[["runs", t("books.runs")], ["lines", t("books.lines")], ["orders", t("books.orders")], ["mandates", t("books.mandates")]]} />}>
      {part === "runs" && <Runs />}
      {part === "lines" && <Lines />}
      {part === "orders" && <Orders />}
      {part === "mandates" && <Mandates />}
    </Page>
  );
}

function Runs() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [asking, setAsking] = useState<{ run: Run; deed: "approve" | "export" | "cancel" } | null>(null);
  const [isDrafting, setDrafting] = useState(false);
  const [kind, setKind] = useState<"collection" | "refund">("collection");
  const found = usePages(["sepa", "runs"], (offset) => ok(api.GET("/api/v1/payments/sepa/runs", { params: { query: { offset, limit: PAGE } } })), (page) => page.runs);
  const columns = useMemo<Column<Run>[]>(() => {
    const button = (run: Run, deed: "approve" | "export" | "cancel") => <Button key={deed} size="compact-sm" variant="subtle" onClick={() => setAsking({ run, deed })}>{t(`books.${deed}`)}</Button>;
    const acts = (run: Run) => [
      ...(run.status === "draft" && may?.("payments.sepa.approve") ? [button(run, "approve")] : []),
      ...(run.status === "approved" && may?.("payments.sepa.write") ? [button(run, "export")] : []),
      ...(["draft", "approved"].includes(run.status) && may?.("payments.sepa.write") ? [button(run, "cancel")] : []),
      ...(run.exported_at && may?.("payments.sepa.export") ? [<Button key="file" size="compact-sm" variant="subtle" onClick={() => void saveAnswer(`/api/v1/payments/sepa/runs/${run.id}/file`, `${run.message_id}.xml`).catch(toast.bad)}>{t("books.download")}</Button>] : []),
    ];
    return [
      { key: "execute", label: t("books.execute"), width: "9rem", cell: (r) => at(r.execute_on, "date"), value: (r) => r.execute_on },
      { key: "kind", label: t("books.kind"), width: "9rem", cell: (r) => `${n(`books.runKind.${r.kind}`)} ${r.scheme}`, value: (r) => r.kind },
      { key: "status", label: t("books.status"), width: "9rem", cell: (r) => <State tone={toneOf(r.status)}>{n(`books.runStatus.${r.status}`)}</State>, value: (r) => r.status },
      { key: "orders", label: t("books.count"), width: "7rem", end: true, cell: (r) => number(r.orders), value: (r) => r.orders },
      { key: "total", label: t("books.total"), width: "9rem", end: true, cell: (r) => money(r.total, r.currency), value: (r) => r.total },
      { key: "by", label: t("books.draftedBy"), width: "10rem", cell: (r) => <PersonName id={r.drafted_by} />, value: (r) => r.drafted_by },
      { key: "approved", label: t("books.approvedBy"), width: "10rem", cell: (r) => <PersonName id={r.approved_by} />, value: (r) => r.approved_by },
      { key: "acts", label: "", width: "minmax(15rem, 1fr)", cell: acts },
    ];
  }, [t, n, may]);
  const draft = async () => {
    await ok(api.POST("/api/v1/payments/sepa/runs", { body: { kind } }));
    await refresh("sepa");
    toast.good(t("books.drafted"));
  };
  const carryOut = async () => {
    if (!asking) return;
    const one = { params: { path: { run_id: asking.run.id } } };
    if (asking.deed === "approve") await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/approve", one));
    if (asking.deed === "export") await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/export", one));
    if (asking.deed === "cancel") await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/cancel", one));
    await refresh("sepa");
    toast.good(t("books.done"));
  };
  const add = may?.("payments.sepa.write") && <Button size="sm" onClick={() => setDrafting(true)}>{t("books.draft")}</Button>;
  return (
    <>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={4} height={42} /> : (
        <DataTable label={t("books.runs")} columns={columns} rows={found.rows} id={(r) => r.id} file="sepa-runs" total={found.total} isMore={found.isMore} onEnd={found.onEnd} bar={found.rows.length > 0 && add} empty={<Empty icon="building" title={t("books.runsNone")} action={add}>{t("books.runsNoneText")}</Empty>} />
      )}
      {isDrafting && <FormDialog title={t("books.draft")} submit={t("books.draft")} onClose={() => setDrafting(false)} onSubmit={draft}><Select label={t("books.kind")} value={kind} allowDeselect={false} onChange={(value) => setKind(value ?? "collection")} data={(["collection", "refund"] as const).map((value) => ({ value, label: t(`books.runKind.${value}`) }))} /></FormDialog>}
      {asking && (
        <FormDialog title={t(`books.${asking.deed}Title`)} submit={t(`books.${asking.deed}`)} danger={asking.deed !== "cancel"} onClose={() => setAsking(null)} onSubmit={carryOut}>
          <Text size="sm">{t("books.runText", { count: asking.run.orders, total: money(asking.run.total, asking.run.currency) })} {asking.deed === "export" && t("books.exportText")}</Text>
        </FormDialog>
      )}
    </>
  );
}

function Lines() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [assigning, setAssigning] = useState<Line | null>(null);
  const status = (["unmatched", "matched", "assigned"] as const).find((each) => each === query.status);
  const found = usePages(["sepa", "lines", status], (offset) => ok(api.GET("/api/v1/payments/sepa/lines", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.lines);
  const columns = useMemo<Column<Line>[]>(
    () => [
      { key: "on", label: t("books.at"), width: "9rem", cell: (l) => at(l.booked_on, "date"), value: (l) => l.booked_on },
      { key: "status", label: t("books.status"), width: "9rem", cell: (l) => <State tone={toneOf(l.status)}>{n(`books.lineStatus.${l.status}`)}</State>, value: (l) => l.status },
      { key: "other", label: t("books.counterparty"), width: "minmax(10rem, 1fr)", cell: (l) => l.counterparty, value: (l) => l.counterparty },
      { key: "text", label: t("books.text"), width: "minmax(12rem, 1.4fr)", cell: (l) => l.text, value: (l) => l.text },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (l) => money(l.amount, l.currency), value: (l) => l.amount },
      { key: "act", label: "", width: "8rem", cell: (l) => l.status === "unmatched" && may?.("payments.sepa.assign") && <Button size="compact-sm" variant="light" onClick={() => setAssigning(l)}>{t("books.assign")}</Button> },
    ],
    [t, n, may],
  );
  const upload = async (file: File | null) => {
    if (!file) return;
    try {
      const answer = await sendRequest(new Request(new URL("/api/v1/payments/sepa/statements", location.origin), { method: "POST", body: file, headers: { "content-type": "application/xml" } }));
      if (!answer.ok) throw await problemOf(answer);
      const { lines, matched } = (await answer.json()) as Schema<"ImportedView">;
      await refresh("sepa");
      toast.good(t("books.uploaded", { lines, matched }));
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <>
      <div className={parts.filters} style={{ marginBottom: "0.6rem" }}>
        <SegmentedControl size="sm" aria-label={t("books.status")} value={status ?? ""} onChange={(value) => change({ status: value })} data={[{ value: "", label: t("books.lineStatus.all") }, ...(["unmatched", "matched", "assigned"] as const).map((value) => ({ value, label: t(`books.lineStatus.${value}`) }))]} />
        {may?.("payments.sepa.import") && <FileButton onChange={(file) => void upload(file)} accept=".xml,application/xml,text/xml">{(props) => <Button {...props} size="sm" variant="default" ml="auto">{t("books.upload")}</Button>}</FileButton>}
      </div>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={4} height={42} /> : (
        <DataTable label={t("books.lines")} columns={columns} rows={found.rows} id={(l) => l.id} file="bank-lines" total={found.total} isMore={found.isMore} onEnd={found.onEnd} empty={<Empty icon="building" title={t("books.linesNone")} />} />
      )}
      {assigning && <AssignForm line={assigning} onClose={() => setAssigning(null)} />}
    </>
  );
}

function AssignForm({ line, onClose }: { line: Line; onClose: () => void }) {
  const t = useWords();
  const [payment, setPayment] = useState("");
  const [account, setAccount] = useState("");
  const [note, setNote] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/payments/sepa/lines/{line_id}/assign", { params: { path: { line_id: line.id } }, body: { note, ...(payment ? { payment_id: payment.trim() } : {}), ...(account ? { account: account.trim() } : {}) } }));
    await refresh("sepa", "books");
    toast.good(t("books.assigned"));
  };
  return (
    <FormDialog title={t("books.assignTitle")} submit={t("books.assign")} disabled={!payment.trim() === !account.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Text size="sm">{money(line.amount, line.currency)} · {line.counterparty} · {line.text}</Text>
          <Group grow>
            <TextInput label={t("books.toPayment")} value={payment} onChange={(e) => setPayment(e.currentTarget.value)} error={field("payment_id")} />
            <TextInput label={t("books.toAccount")} value={account} onChange={(e) => setAccount(e.currentTarget.value)} error={field("account")} />
          </Group>
          <TextInput label={t("books.note")} value={note} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} />
        </>
      )}
    </FormDialog>
  );
}

function Orders() {
  const t = useWords();
  const n = useNames();
  const found = usePages(["sepa", "orders"], (offset) => ok(api.GET("/api/v1/payments/sepa/orders", { params: { query: { offset, limit: PAGE } } })), (page) => page.orders);
  const columns = useMemo<Column<Schema<"OrderView">>[]>(
    () => [
      { key: "at", label: t("books.opened"), width: "11rem", cell: (o) => at(o.created_at), value: (o) => o.created_at },
      { key: "kind", label: t("books.kind"), width: "9rem", cell: (o) => n(`books.runKind.${o.kind}`), value: (o) => o.kind },
      { key: "status", label: t("books.status"), width: "10rem", cell: (o) => <State tone={toneOf(o.status)}>{n(`books.orderStatus.${o.status}`)}</State>, value: (o) => o.status },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (o) => money(o.amount, o.currency), value: (o) => o.amount },
      { key: "on", label: t("books.collectOn"), width: "9rem", cell: (o) => at(o.collect_on, "date"), value: (o) => o.collect_on },
      { key: "reason", label: t("books.reason"), width: "minmax(10rem, 1fr)", cell: (o) => o.reason ?? "–", value: (o) => o.reason },
    ],
    [t, n],
  );
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return <DataTable label={t("books.orders")} columns={columns} rows={found.rows} id={(o) => o.id} file="sepa-orders" total={found.total} isMore={found.isMore} onEnd={found.onEnd} empty={<Empty icon="building" title={t("books.ordersNone")} />} />;
}

function Mandates() {
  const t = useWords();
  const n = useNames();
  const found = usePages(["sepa", "mandates"], (offset) => ok(api.GET("/api/v1/payments/sepa/all-mandates", { params: { query: { offset, limit: PAGE } } })), (page) => page.mandates);
  const columns = useMemo<Column<Schema<"MandateView">>[]>(
    () => [
      { key: "reference", label: t("books.mandate"), width: "minmax(12rem, 1fr)", cell: (m) => m.reference, value: (m) => m.reference },
      { key: "who", label: t("books.customer"), width: "12rem", cell: (m) => <PersonName id={m.user_id} />, value: (m) => m.user_id },
      { key: "iban", label: t("books.iban"), width: "14rem", cell: (m) => m.iban, value: (m) => m.iban },
      { key: "scheme", label: t("books.scheme"), width: "7rem", cell: (m) => m.scheme, value: (m) => m.scheme },
      { key: "status", label: t("books.status"), width: "9rem", cell: (m) => <State tone={toneOf(m.status)}>{n(`books.mandateStatus.${m.status}`)}</State>, value: (m) => m.status },
      { key: "signed", label: t("books.signed"), width: "9rem", cell: (m) => at(m.signed_at, "date"), value: (m) => m.signed_at },
    ],
    [t, n],
  );
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return <DataTable label={t("books.mandates")} columns={columns} rows={found.rows} id={(m) => m.id} file="mandates" total={found.total} isMore={found.isMore} onEnd={found.onEnd} empty={<Empty icon="doc" title={t("books.mandatesNone")} />} />;
}
