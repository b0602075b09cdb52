// Payments that the rules let pass, want looked at, or refused; and what a person found them to be.
import { Badge, Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
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
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import classes from "./books.module.css";
import { toneOf } from "./tone";

type Risk = Schema<"RiskView">;
const VIEWS = ["waiting", "review", "block", "allow", "all"] as const;

export function Risks() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const view = VIEWS.find((each) => each === query.status) ?? "waiting";
  const filter = view === "waiting" ? { open: true } : view === "all" ? {} : { decision: view };
  const found = usePages(["risk", "list", view], (offset) => ok(api.GET("/api/v1/risk/decisions", { params: { query: { offset, limit: PAGE, ...filter } } })), (page) => page.decisions);
  const columns = useMemo<Column<Risk>[]>(
    () => [
      { key: "at", label: t("books.at"), width: "11rem", cell: (r) => at(r.at), value: (r) => r.at },
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (r) => money(r.amount, r.currency), value: (r) => r.amount },
      { key: "decision", label: t("books.decision"), width: "9rem", cell: (r) => <State tone={toneOf(r.decision)}>{n(`books.decisions.${r.decision}`)}</State>, value: (r) => r.decision },
      { key: "score", label: t("books.score"), width: "6rem", end: true, cell: (r) => number(r.score), value: (r) => r.score },
      { key: "who", label: t("books.customer"), width: "minmax(9rem, 1fr)", cell: (r) => <PersonName id={r.user_id} />, value: (r) => r.user_id },
      { key: "reasons", label: t("books.reasons"), width: "minmax(14rem, 1.8fr)", cell: (r) => r.reasons.map((each) => n(`cases.signs.${each}`)).join(", ") || "–", value: (r) => r.reasons.join(" ") },
      { key: "verdict", label: t("books.verdict"), width: "9rem", cell: (r) => (r.verdict ? <State tone={toneOf(r.verdict)}>{n(`books.${r.verdict}`)}</State> : "–"), value: (r) => r.verdict },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ p: undefined }), [change]);
  // A payment that was tried with two methods has two decisions.
  const idOf = (r: Risk) => `${r.payment_id} ${r.method_id}`;
  const open = found.rows.find((each) => idOf(each) === query.p);
  return (
    <>
      <div className={parts.filters} style={{ marginBottom: "0.6rem" }}>
        <SegmentedControl size="sm" aria-label={t("books.decision")} value={view} onChange={(status) => change({ status: status === "waiting" ? undefined : status })} data={VIEWS.map((value) => ({ value, label: t(`cases.views.${value}`) }))} />
      </div>
      <Listed found={found} label={t("cases.risk")} columns={columns} id={idOf} file="risk-decisions" openId={query.p} onOpen={(r) => change({ p: idOf(r) }, true)}
        empty={<Empty icon="shield" title={t(view === "waiting" ? "books.riskNone" : "cases.riskNone")}>{t("cases.riskNoneText")}</Empty>} />
      {open && <RiskPanel key={idOf(open)} risk={open} onClose={close} />}
    </>
  );
}

function RiskPanel({ risk, onClose }: { risk: Risk; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [judging, setJudging] = useState<"cleared" | "fraud" | null>(null);
  const mayJudge = (may?.("payments.risk.review") ?? false) && risk.decision !== "allow";
  return (
    <Panel title={money(risk.amount, risk.currency)} label={t("cases.decision")} onClose={onClose}>
      <Pairs of={[
        [t("books.decision"), <State key="d" tone={toneOf(risk.decision)}>{n(`books.decisions.${risk.decision}`)}</State>], [t("books.score"), number(risk.score)], [t("books.customer"), <PersonName key="p" id={risk.user_id} link />],
        [t("cases.payment"), <span key="y" className={office.mono}>{risk.payment_id}</span>], [t("books.at"), at(risk.at)], [t("books.verdict"), risk.verdict && n(`books.${risk.verdict}`)], [t("cases.judgedBy"), risk.reviewed_by && <span key="r"><PersonName id={risk.reviewed_by} /> · {at(risk.reviewed_at)}</span>], [t("books.note"), risk.note],
      ]} />
      <h3 className={office.section}>{t("books.reasons")}</h3>
      {risk.reasons.length === 0 ? <Text size="sm" c="dimmed">{t("cases.reasonsNone")}</Text> : <div className={classes.chips}>{risk.reasons.map((each) => <Badge key={each} variant="light" tt="none">{n(`cases.signs.${each}`)}</Badge>)}</div>}
      {mayJudge && (
        <Group mt="md" gap="xs">
          <Button size="sm" onClick={() => setJudging("cleared")}>{t("books.cleared")}</Button>
          <Button size="sm" variant="default" onClick={() => setJudging("fraud")}>{t("books.fraud")}</Button>
        </Group>
      )}
      {judging && <JudgeForm risk={risk} verdict={judging} onClose={() => setJudging(null)} onDone={onClose} />}
    </Panel>
  );
}

function JudgeForm({ risk, verdict, onClose, onDone }: { risk: Risk; verdict: "cleared" | "fraud"; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const [note, setNote] = useState(risk.note);
  const send = async () => {
    await ok(api.POST("/api/v1/risk/decisions/{payment_id}/review", { params: { path: { payment_id: risk.payment_id } }, body: { verdict, note: note.trim() } }));
    await refresh("risk");
    toast.good(t("books.judged"));
    onDone();
  };
  return (
    <FormDialog title={t(`cases.judge.${verdict}Title`)} submit={t(`books.${verdict}`)} danger={verdict === "fraud"} onClose={onClose} onSubmit={send}>
      {(field) => <><Text size="sm">{t(`cases.judge.${verdict}Text`)}</Text><Textarea label={t("books.note")} value={note} maxLength={500} autosize minRows={2} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} data-autofocus /></>}
    </FormDialog>
  );
}
