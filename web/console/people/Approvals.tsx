// What waits for a second person, and what became of it.
import { Button, Group, SegmentedControl, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";

type Approval = Schema<"ApprovalView">;
const STATES = ["pending", "approved", "declined", "done", "expired", "failed"] as const;
const TONE: Record<string, string> = { pending: "notice", done: "good", approved: "good", declined: "danger", failed: "danger", expired: "offline" };

/** What a wish is about in money; the platform keeps minor units in it. */
export function amountOf(details: Record<string, unknown>): string {
  const { amount, amount_minor: minor, currency } = details;
  if (typeof currency !== "string") return "–";
  if (typeof amount === "number") return money(amount, currency);
  const digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  return typeof minor === "number" ? money(minor / 10 ** digits, currency) : "–";
}

export default function Approvals() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const status = STATES.find((each) => each === (query.status ?? "pending"));
  const found = usePages(
    ["approvals", "list", status],
    (offset) => ok(api.GET("/api/v1/approvals", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}) } } })),
    (page) => page.approvals,
    { refetchInterval: 15_000 },
  );
  const columns = useMemo<Column<Approval>[]>(
    () => [
      { key: "at", label: t("people.askedAt"), width: "11rem", cell: (a) => at(a.asked_at), value: (a) => a.asked_at },
      { key: "kind", label: t("people.kind"), width: "9rem", cell: (a) => n(`people.kinds.${a.kind}`), value: (a) => a.kind },
      { key: "amount", label: t("people.amount"), width: "8rem", end: true, cell: (a) => amountOf(a.details), value: (a) => amountOf(a.details) },
      { key: "reason", label: t("people.reason"), width: "minmax(12rem, 1fr)", cell: (a) => a.reason, value: (a) => a.reason },
      { key: "by", label: t("people.askedBy"), width: "10rem", cell: (a) => <PersonName id={a.asked_by} />, value: (a) => a.asked_by },
      { key: "status", label: t("people.status"), width: "9rem", cell: (a) => <State tone={TONE[a.status] ?? "offline"}>{n(`people.approvalStatus.${a.status}`)}</State>, value: (a) => a.status },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ a: undefined }), [change]);
  const open = found.rows.find((each) => each.id === query.a);
  return (
    <Page
      title={t("people.approvalsTitle")} fill
      below={
        <div className={parts.filters}>
          <SegmentedControl size="sm" aria-label={t("people.status")} value={status ?? "all"} onChange={(value) => change({ status: value })}
            data={["pending", "done", "declined", "all"].map((value) => ({ value, label: n(`people.approvalStatus.${value}`) }))} />
        </div>
      }
    >
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={5} height={42} /> : (
        <DataTable label={t("people.approvalsList")} columns={columns} rows={found.rows} id={(a) => a.id} file="approvals" total={found.total} isMore={found.isMore} onEnd={found.onEnd}
          openId={query.a} onOpen={(a) => change({ a: a.id }, true)} empty={<Empty icon="check" title={t("people.approvalsNone")}>{t("people.approvalsNoneText")}</Empty>} />
      )}
      {open && <Wish wish={open} onClose={close} />}
    </Page>
  );
}

function Wish({ wish, onClose }: { wish: Approval; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [asking, setAsking] = useState<"approve" | "decline" | null>(null);
  const [note, setNote] = useState("");
  const amount = amountOf(wish.details);
  const send = async () => {
    const one = { params: { path: { approval_id: wish.id } }, body: { note: note.trim() || null } };
    if (asking === "approve") await ok(api.POST("/api/v1/refund-approvals/{approval_id}/approve", one));
    else await ok(api.POST("/api/v1/approvals/{approval_id}/decline", one));
    await refresh("approvals", "payment", "rental");
    toast.good(t(asking === "approve" ? "people.approved" : "people.declined"));
    onClose();
  };
  return (
    <Panel title={n(`people.kinds.${wish.kind}`)} label={t("people.approvalsTitle")} onClose={onClose}>
      <Pairs of={[
        [t("people.status"), <State key="s" tone={TONE[wish.status] ?? "offline"}>{n(`people.approvalStatus.${wish.status}`)}</State>],
        [t("people.amount"), amount], [t("people.reason"), wish.reason],
        [t("people.askedBy"), <PersonName key="p" id={wish.asked_by} />], [t("people.askedAt"), at(wish.asked_at)], [t("people.expires"), wish.status === "pending" && at(wish.expires_at)],
        [t("people.decidedBy"), wish.decided_by && <PersonName key="d" id={wish.decided_by} />], [t("people.note"), wish.note], [t("people.problem"), wish.problem],
      ]} />
      {wish.status === "pending" && (wish.can_decide ? (
        <Group mt="md">
          <Button size="sm" onClick={() => setAsking("approve")}>{t("people.approve")}</Button>
          <Button size="sm" variant="default" onClick={() => setAsking("decline")}>{t("people.decline")}</Button>
        </Group>
      ) : <Text size="sm" c="dimmed" mt="md">{t("people.ownWish")}</Text>)}
      {asking && (
        <FormDialog title={t(asking === "approve" ? "people.approveTitle" : "people.declineTitle")} submit={t(asking === "approve" ? "people.approve" : "people.decline")} danger={asking === "approve"} onClose={() => setAsking(null)} onSubmit={send}>
          {asking === "approve" && <Text size="sm">{t("people.approveText", { amount })}</Text>}
          <Textarea label={t("people.noteLabel")} value={note} maxLength={500} autosize minRows={2} onChange={(e) => setNote(e.currentTarget.value)} />
        </FormDialog>
      )}
    </Panel>
  );
}
