// What is not simply paid: debts, disputes of cardholders, and payments the risk rules looked at.
import { ActionIcon, Button, Group, SegmentedControl, Select, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Parts, usePart } from "../office/Parts";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";

type Debt = Schema<"DebtView">;
type Dispute = Schema<"DisputeView">;
type Risk = Schema<"RiskView">;

export default function Cases() {
  const t = useWords();
  const part = usePart(["debts", "disputes", "risk"]);
  return (
    <Page title={t("books.casesTitle")} fill below={<Parts label={t("books.casesTitle")} now={part} of={[["debts", t("books.debts")], ["disputes", t("books.disputes")], ["risk", t("books.risk")]]} />}>
      {part === "debts" && <Debts />}
      {part === "disputes" && <Disputes />}
      {part === "risk" && <Risks />}
    </Page>
  );
}

function Debts() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [closing, setClosing] = useState<{ debt: Debt; forgive: boolean } | null>(null);
  const [note, setNote] = useState("");
  const status = (["open", "paid", "written_off", "forgiven"] as const).find((each) => each === (query.status ?? "open"));
  const found = usePages(["debts", status], (offset) => ok(api.GET("/api/v1/debts", { params: { query: { all: true, offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.debts);
  const columns = useMemo<Column<Debt>[]>(
    () => [
      { key: "opened", label: t("books.opened"), width: "11rem", cell: (d) => at(d.opened_at), value: (d) => d.opened_at },
      { key: "who", label: t("books.customer"), width: "minmax(10rem, 1fr)", cell: (d) => <PersonName id={d.user_id} link />, value: (d) => d.user_id },
      { key: "status", label: t("books.status"), width: "9rem", cell: (d) => <State tone={d.status === "open" ? "danger" : d.status === "paid" ? "good" : "offline"}>{n(`books.debtStatus.${d.status}`)}</State>, value: (d) => d.status },
      { key: "reason", label: t("books.debtReason"), width: "10rem", cell: (d) => d.reason, value: (d) => d.reason },
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (d) => money(d.amount, d.currency), value: (d) => d.amount },
      { key: "fees", label: t("books.fees"), width: "7rem", end: true, cell: (d) => money(d.fees, d.currency), value: (d) => d.fees },
      { key: "steps", label: t("books.steps"), width: "8rem", end: true, cell: (d) => number(d.steps_taken), value: (d) => d.steps_taken },
      { key: "next", label: t("books.next"), width: "11rem", cell: (d) => at(d.next_step_at), value: (d) => d.next_step_at },
      { key: "acts", label: "", width: "15rem", cell: (d) => d.status === "open" && may?.("payments.debt.settle") && <><Button size="compact-sm" variant="subtle" onClick={() => setClosing({ debt: d, forgive: true })}>{t("books.forgive")}</Button><Button size="compact-sm" variant="subtle" onClick={() => setClosing({ debt: d, forgive: false })}>{t("books.writeOff")}</Button></> },
    ],
    [t, n, may],
  );
  const close = async () => {
    if (!closing) return;
    await ok(api.POST("/api/v1/debts/{debt_id}/write-off", { params: { path: { debt_id: closing.debt.id } }, body: { note: note.trim(), forgive: closing.forgive } }));
    await refresh("debts", "books");
    toast.good(t("books.closed"));
  };
  return (
    <>
      <Group mb="sm"><SegmentedControl size="sm" aria-label={t("books.status")} value={status ?? "all"} onChange={(value) => change({ status: value })} data={(["open", "paid", "written_off", "forgiven", "all"] as const).map((value) => ({ value, label: t(`books.debtStatus.${value}`) }))} /></Group>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={4} height={42} /> : (
        <DataTable label={t("books.debts")} columns={columns} rows={found.rows} id={(d) => d.id} file="debts" total={found.total} isMore={found.isMore} onEnd={found.onEnd} empty={<Empty icon="check" title={t("books.debtsNone")} />} />
      )}
      {closing && <FormDialog title={t("books.writeOffTitle")} submit={t(closing.forgive ? "books.forgive" : "books.writeOff")} danger disabled={!note.trim()} onClose={() => setClosing(null)} onSubmit={close}>{(field) => <><Text size="sm">{t("books.writeOffText", { amount: money(closing.debt.amount, closing.debt.currency) })}</Text><TextInput label={t("books.reason")} value={note} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} data-autofocus /></>}</FormDialog>}
    </>
  );
}

const DISPUTE_TONE: Record<string, string> = { needs_response: "danger", under_review: "notice", won: "good", lost: "offline" };

function Disputes() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const found = usePages(["disputes"], (offset) => ok(api.GET("/api/v1/disputes", { params: { query: { offset, limit: PAGE } } })), (page) => page.disputes);
  const columns = useMemo<Column<Dispute>[]>(
    () => [
      { key: "opened", label: t("books.opened"), width: "11rem", cell: (d) => at(d.opened_at), value: (d) => d.opened_at },
      { key: "status", label: t("books.status"), width: "10rem", cell: (d) => <State tone={DISPUTE_TONE[d.status] ?? "notice"}>{n(`books.disputeStatus.${d.status}`)}</State>, value: (d) => d.status },
      { key: "reason", label: t("books.reason"), width: "minmax(10rem, 1fr)", cell: (d) => d.reason, value: (d) => d.reason },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (d) => money(d.amount, d.currency), value: (d) => d.amount },
      { key: "due", label: t("books.due"), width: "11rem", cell: (d) => at(d.evidence_due_at), value: (d) => d.evidence_due_at },
      { key: "gateway", label: t("books.kind"), width: "8rem", cell: (d) => d.gateway, value: (d) => d.gateway },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ d: undefined }), [change]);
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return (
    <>
      <DataTable label={t("books.disputes")} columns={columns} rows={found.rows} id={(d) => d.id} file="disputes" total={found.total} isMore={found.isMore} onEnd={found.onEnd} openId={query.d} onOpen={(d) => change({ d: d.id }, true)} empty={<Empty icon="check" title={t("books.disputesNone")} />} />
      {query.d && <DisputeCase key={query.d} id={query.d} onClose={close} />}
    </>
  );
}

const EVIDENCE = ["description", "communication", "ride", "track", "receipt", "photo", "other"] as const;

function DisputeCase({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [open, setOpen] = useState<"add" | "handIn" | null>(null);
  const [kind, setKind] = useState<(typeof EVIDENCE)[number]>("description");
  const [text, setText] = useState("");
  const one = { params: { path: { dispute_id: id } } };
  const found = useQuery({ queryKey: ["disputes", id], queryFn: () => ok(api.GET("/api/v1/disputes/{dispute_id}", one)) });
  const d = found.data;
  const mayWrite = (may?.("payments.dispute.write") ?? false) && d?.status === "needs_response" && !d.evidence_handed_in_at;
  const add = async () => { await ok(api.POST("/api/v1/disputes/{dispute_id}/evidence", { ...one, body: { kind, text: text.trim() } })); setText(""); await refresh("disputes"); };
  const handIn = async () => { await ok(api.POST("/api/v1/disputes/{dispute_id}/hand-in", one)); await refresh("disputes"); toast.good(t("books.handedIn")); };
  return (
    <Panel title={t("books.disputes")} label={t("books.disputes")} onClose={onClose} width={520}>
      {found.error && <Problem error={found.error} />}
      {d && (
        <>
          <Pairs of={[[t("books.status"), n(`books.disputeStatus.${d.status}`)], [t("books.amount"), money(d.amount, d.currency)], [t("books.fees"), d.fee > 0 && money(d.fee, d.currency)], [t("books.reason"), d.reason], [t("books.due"), d.evidence_due_at && at(d.evidence_due_at)], [t("books.handedIn"), d.evidence_handed_in_at && at(d.evidence_handed_in_at)]]} />
          <h3 className={office.section}>{t("books.evidence")}</h3>
          {d.evidence.length === 0 && <Text size="sm" c="dimmed">{t("books.evidenceNone")}</Text>}
          <table className={office.lines}><tbody>{d.evidence.map((e) => (
            <tr key={e.id}><td>{n(`books.evidenceKinds.${e.kind}`)}</td><td>{e.text ?? e.file_name}</td><td className={office.end}>{mayWrite && <ActionIcon variant="subtle" color="gray" aria-label={t("books.removeEvidence")} onClick={() => void deed(["disputes"], t("books.saved"), () => ok(api.DELETE("/api/v1/disputes/{dispute_id}/evidence/{evidence_id}", { params: { path: { dispute_id: id, evidence_id: e.id } } })))}><Icon name="trash" size={16} /></ActionIcon>}</td></tr>
          ))}</tbody></table>
          {mayWrite && <Group mt="sm" gap="xs"><Button size="sm" variant="light" onClick={() => setOpen("add")}>{t("books.addEvidence")}</Button>{d.evidence.length > 0 && <Button size="sm" onClick={() => setOpen("handIn")}>{t("books.handIn")}</Button>}</Group>}
        </>
      )}
      {open === "add" && <FormDialog title={t("books.addEvidence")} submit={t("save")} disabled={!text.trim()} onClose={() => setOpen(null)} onSubmit={add}>{(field) => <><Select label={t("books.evidenceKind")} value={kind} allowDeselect={false} onChange={(value) => setKind(value ?? "description")} data={EVIDENCE.map((value) => ({ value, label: t(`books.evidenceKinds.${value}`) }))} /><Textarea label={t("books.text")} autosize minRows={4} value={text} onChange={(e) => setText(e.currentTarget.value)} error={field("text")} /></>}</FormDialog>}
      {open === "handIn" && <FormDialog title={t("books.handInTitle")} submit={t("books.handIn")} danger onClose={() => setOpen(null)} onSubmit={handIn}><Text size="sm">{t("books.handInText")}</Text></FormDialog>}
    </Panel>
  );
}

function Risks() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [judging, setJudging] = useState<Risk | null>(null);
  const [verdict, setVerdict] = useState<"cleared" | "fraud">("cleared");
  const [note, setNote] = useState("");
  const isAll = query.status === "all";
  const found = usePages(["risk", isAll], (offset) => ok(api.GET("/api/v1/risk/decisions", { params: { query: { offset, limit: PAGE, ...(isAll ? {} : { open: true }) } } })), (page) => page.decisions);
  const columns = useMemo<Column<Risk>[]>(
    () => [
      { key: "at", label: t("books.at"), width: "11rem", cell: (r) => at(r.at), value: (r) => r.at },
      { key: "who", label: t("books.customer"), width: "11rem", cell: (r) => <PersonName id={r.user_id} link />, value: (r) => r.user_id },
      { key: "decision", label: t("books.decision"), width: "9rem", cell: (r) => <State tone={r.decision === "review" ? "notice" : "danger"}>{n(`books.decisions.${r.decision}`)}</State>, value: (r) => r.decision },
      { key: "score", label: t("books.score"), width: "7rem", end: true, cell: (r) => number(r.score), value: (r) => r.score },
      { key: "reasons", label: t("books.reasons"), width: "minmax(12rem, 1fr)", cell: (r) => r.reasons.join(", "), value: (r) => r.reasons.join(" ") },
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (r) => money(r.amount, r.currency), value: (r) => r.amount },
      { key: "verdict", label: t("books.verdict"), width: "9rem", cell: (r) => (r.verdict ? n(`books.${r.verdict}`) : may?.("payments.risk.review") && <Button size="compact-sm" variant="light" onClick={() => setJudging(r)}>{t("books.review")}</Button>), value: (r) => r.verdict },
    ],
    [t, n, may],
  );
  const send = async () => {
    if (judging) await ok(api.POST("/api/v1/risk/decisions/{payment_id}/review", { params: { path: { payment_id: judging.payment_id } }, body: { verdict, note: note.trim() } }));
    await refresh("risk");
    toast.good(t("books.judged"));
  };
  return (
    <>
      <Group mb="sm"><SegmentedControl size="sm" aria-label={t("books.status")} value={isAll ? "all" : ""} onChange={(status) => change({ status })} data={[{ value: "", label: t("books.openOnly") }, { value: "all", label: t("books.all") }]} /></Group>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={4} height={42} /> : (
        <DataTable label={t("books.risk")} columns={columns} rows={found.rows} id={(r) => r.payment_id} file="risk" total={found.total} isMore={found.isMore} onEnd={found.onEnd} empty={<Empty icon="shield" title={t("books.riskNone")} />} />
      )}
      {judging && <FormDialog title={t("books.review")} submit={t("save")} onClose={() => setJudging(null)} onSubmit={send}>{(field) => <><SegmentedControl aria-label={t("books.verdict")} value={verdict} onChange={(value) => setVerdict(value as typeof verdict)} data={[{ value: "cleared", label: t("books.cleared") }, { value: "fraud", label: t("books.fraud") }]} /><Textarea label={t("books.note")} value={note} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} /></>}</FormDialog>}
    </>
  );
}
