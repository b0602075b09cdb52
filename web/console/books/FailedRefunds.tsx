// Refunds that riders did not get: the gateway refused, or their bank sent the money back.
import { Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { useReason } from "./reason";

type Failed = Schema<"FailedRefundView">;
type Answer = Schema<"RefundAnswer">["answer"];

export function FailedRefunds() {
  const t = useWords();
  const n = useNames();
  const reason = useReason();
  const [query, change] = useQueryPart();
  const isAll = query.status === "all";
  const found = usePages(["failed-refunds", isAll], (offset) => ok(api.GET("/api/v1/failed-refunds", { params: { query: { all: isAll, offset, limit: PAGE } } })), (page) => page.refunds);
  const columns = useMemo<Column<Failed>[]>(
    () => [
      { key: "who", label: t("books.customer"), width: "minmax(10rem, 1fr)", cell: (r) => <PersonName id={r.user_id} />, value: (r) => r.user_id },
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (r) => money(r.amount, r.currency), value: (r) => r.amount },
      { key: "reason", label: t("books.debtReason"), width: "minmax(12rem, 1.2fr)", cell: (r) => reason(r.reason), value: (r) => r.reason },
      { key: "gateway", label: t("cases.gateway"), width: "8rem", cell: (r) => r.gateway, value: (r) => r.gateway },
      { key: "at", label: t("cases.failedAt"), width: "11rem", cell: (r) => at(r.failed_at), value: (r) => r.failed_at },
      { key: "answer", label: t("cases.answer"), width: "13rem", cell: (r) => <State tone={r.answer ? "notice" : "danger"}>{n(`cases.answers.${r.answer ?? "none"}`)}</State>, value: (r) => r.answer },
    ],
    [t, n, reason],
  );
  const close = useCallback(() => change({ f: undefined }), [change]);
  const open = found.rows.find((each) => each.key === query.f);
  return (
    <>
      <Group mb="sm"><SegmentedControl size="sm" aria-label={t("books.status")} value={isAll ? "all" : ""} onChange={(status) => change({ status })} data={[{ value: "", label: t("books.openOnly") }, { value: "all", label: t("books.all") }]} /></Group>
      <Listed found={found} label={t("cases.refunds")} columns={columns} id={(r) => r.key} file="failed-refunds" openId={query.f} onOpen={(r) => change({ f: r.key }, true)} empty={<Empty icon="check" title={t("cases.refundsNone")}>{t("cases.refundsNoneText")}</Empty>} />
      {open && <RefundPanel key={open.key} refund={open} onClose={close} />}
    </>
  );
}

function RefundPanel({ refund, onClose }: { refund: Failed; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const reason = useReason();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const canByHand = may?.("payments.debt.settle") ?? false;
  return (
    <Panel title={money(refund.amount, refund.currency)} label={t("cases.refund")} onClose={onClose} width={520}>
      <Pairs of={[
        [t("books.customer"), <PersonName key="p" id={refund.user_id} link />], [t("cases.ride"), <Go key="r" to="/rentals" query={{ r: refund.booking_id }}>{t("cases.openRide")}</Go>], [t("books.debtReason"), reason(refund.reason)], [t("cases.gateway"), refund.gateway],
        [t("cases.askedAt"), at(refund.asked_at)], [t("cases.failedAt"), at(refund.failed_at)], [t("cases.answer"), refund.answer && n(`cases.answers.${refund.answer}`)], [t("books.note"), refund.note],
      ]} />
      {!refund.answer && (
        <Group mt="md" gap="xs">
          <Button size="sm" onClick={() => setAnswer("repeated")}>{t("cases.do.repeated")}</Button>
          {canByHand && <Button size="sm" variant="default" onClick={() => setAnswer("by_hand")}>{t("cases.do.by_hand")}</Button>}
          <Button size="sm" variant="subtle" color="gray" onClick={() => setAnswer("dropped")}>{t("cases.do.dropped")}</Button>
        </Group>
      )}
      {answer && <AnswerForm refund={refund} answer={answer} onClose={() => setAnswer(null)} onDone={onClose} />}
    </Panel>
  );
}

function AnswerForm({ refund, answer, onClose, onDone }: { refund: Failed; answer: Answer; onClose: () => void; onDone: () => void }) {
  const t = useWords();
  const [note, setNote] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/failed-refunds/{refund_key}/answer", { params: { path: { refund_key: refund.key } }, body: { answer, note: note.trim() } }));
    await refresh("failed-refunds", "payment", "books");
    toast.good(t(`cases.answered.${answer}`));
    onDone();
  };
  // Refused once more it is listed anew, under another key: looked for when what was said has been read.
  const close = () => {
    void refresh("failed-refunds", "payment");
    onClose();
  };
  return (
    <FormDialog title={t(`cases.do.${answer}`)} submit={t(`cases.do.${answer}`)} disabled={!note.trim()} onClose={close} onSubmit={send}>
      {(field) => (
        <>
          <Text size="sm">{t(`cases.answerText.${answer}`, { amount: money(refund.amount, refund.currency) })}</Text>
          <Textarea label={t("books.note")} value={note} maxLength={200} autosize minRows={2} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} data-autofocus />
        </>
      )}
    </FormDialog>
  );
}
