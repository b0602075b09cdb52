// Charges that cardholders dispute: the file of each, its evidence, and what stands in the books for it.
import { ActionIcon, Alert, Button, FileButton, Group, Progress, Select, Text, Textarea } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { sendFile } from "@lib/api/upload";
import { ago, at, money, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { fileNameOf, tooLarge } from "./evidence";
import { useReason } from "./reason";

type Dispute = Schema<"DisputeView">;
type Details = Schema<"DisputeDetails">;
const TONE: Record<string, string> = { needs_response: "danger", under_review: "notice", won: "good", lost: "offline" };
const KINDS = ["ride", "receipt", "track", "photo", "communication", "description", "other"] as const;
type Kind = (typeof KINDS)[number];

export function Disputes() {
  const t = useWords();
  const n = useNames();
  const reason = useReason();
  const [query, change] = useQueryPart();
  const found = usePages(["disputes", "list"], (offset) => ok(api.GET("/api/v1/disputes", { params: { query: { offset, limit: PAGE } } })), (page) => page.disputes);
  const columns = useMemo<Column<Dispute>[]>(
    () => [
      { key: "due", label: t("books.due"), width: "16.5rem", cell: (d) => (d.evidence_due_at && d.status === "needs_response" ? `${at(d.evidence_due_at)} · ${ago(d.evidence_due_at)}` : "–"), value: (d) => d.evidence_due_at },
      { key: "amount", label: t("books.amount"), width: "7rem", end: true, cell: (d) => money(d.amount, d.currency), value: (d) => d.amount },
      { key: "status", label: t("books.status"), width: "11rem", cell: (d) => <State tone={TONE[d.status] ?? "notice"}>{n(`books.disputeStatus.${d.status}`)}</State>, value: (d) => d.status },
      { key: "reason", label: t("books.reason"), width: "minmax(12rem, 1fr)", cell: (d) => reason(d.reason), value: (d) => d.reason },
      { key: "gateway", label: t("cases.gateway"), width: "6.5rem", cell: (d) => d.gateway, value: (d) => d.gateway },
      { key: "opened", label: t("books.opened"), width: "8rem", cell: (d) => at(d.opened_at, "date"), value: (d) => d.opened_at },
      { key: "closed", label: t("cases.closedAt"), width: "8rem", cell: (d) => at(d.closed_at, "date"), value: (d) => d.closed_at },
    ],
    [t, n, reason],
  );
  const close = useCallback(() => change({ d: undefined }), [change]);
  return (
    <>
      <Listed found={found} label={t("books.disputes")} columns={columns} id={(d) => d.id} file="disputes" openId={query.d} onOpen={(d) => change({ d: d.id }, true)} empty={<Empty icon="check" title={t("books.disputesNone")}>{t("cases.disputesNoneText")}</Empty>} />
      {query.d && <DisputeFile key={query.d} id={query.d} onClose={close} />}
    </>
  );
}

function DisputeFile({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const reason = useReason();
  const found = useQuery({ queryKey: ["disputes", "one", id], queryFn: () => ok(api.GET("/api/v1/disputes/{dispute_id}", { params: { path: { dispute_id: id } } })) });
  const d = found.data;
  const canWrite = (may?.("payments.dispute.write") ?? false) && d?.status === "needs_response" && [null, "refused"].includes(d.evidence_status);
  return (
    <Panel title={d ? money(d.amount, d.currency) : t("cases.dispute")} label={t("books.disputes")} onClose={onClose} width={560}>
      {found.error && <Problem error={found.error} />}
      {found.isPending && <Rows count={6} height={24} />}
      {d && (
        <>
          {d.status === "needs_response" && d.evidence_due_at && <Alert variant="light" color={d.evidence_status === "done" ? "petrol" : "amber"} mb="md">{d.evidence_status === "done" ? t("cases.handedInText") : t("cases.dueIn", { at: at(d.evidence_due_at), ago: ago(d.evidence_due_at) })}</Alert>}
          <Pairs of={[
            [t("books.status"), <State key="s" tone={TONE[d.status] ?? "notice"}>{n(`books.disputeStatus.${d.status}`)}</State>], [t("books.reason"), reason(d.reason)], [t("cases.gateway"), `${d.gateway} · ${d.gateway_id}`], [t("cases.payment"), <span key="p" className={office.mono}>{d.payment_id}</span>],
            [t("books.opened"), at(d.opened_at)], [t("cases.closedAt"), d.closed_at && at(d.closed_at)],
          ]} />
          <Posted of={d} />
          <Evidence of={d} canWrite={canWrite} />
        </>
      )}
    </Panel>
  );
}

/** What the dispute has moved in the books so far. */
function Posted({ of: d }: { of: Details }) {
  const t = useWords();
  const may = useMay();
  const toBooks = (code: string) => (may?.("payments.ledger.read") ? <Go to="/books" query={{ code }}>{code}</Go> : code);
  return (
    <section aria-label={t("cases.posted")}>
      <h3 className={office.section}>{t("cases.posted")}</h3>
      {d.amount_withdrawn === 0 && d.fee === 0 ? <Text size="sm" c="dimmed">{t(d.status === "won" ? "cases.postedBack" : "cases.postedNone")}</Text> : (
        <table className={office.lines}>
          <tbody>
            <tr><td>{t("cases.withdrawn")}</td><td>{toBooks("chargebacks")}</td><td className={office.end}>{money(d.amount_withdrawn, d.currency)}</td></tr>
            {d.fee > 0 && <tr><td>{t("cases.disputeFee")}</td><td>{toBooks("fees")}</td><td className={office.end}>{money(d.fee, d.currency)}</td></tr>}
            <tr className={office.sum}><td>{t("cases.fromClearing", { gateway: d.gateway })}</td><td>{toBooks("gateway_clearing")}</td><td className={office.end}>{money(-(d.amount_withdrawn + d.fee), d.currency)}</td></tr>
          </tbody>
        </table>
      )}
    </section>
  );
}

function Evidence({ of: d, canWrite }: { of: Details; canWrite: boolean }) {
  const t = useWords();
  const n = useNames();
  const [open, setOpen] = useState<"text" | "handIn" | null>(null);
  const one = { params: { path: { dispute_id: d.id } } };
  const handIn = async () => {
    await ok(api.POST("/api/v1/disputes/{dispute_id}/hand-in", one));
    await refresh("disputes");
    toast.good(t("books.handedIn"));
  };
  const remove = (evidence_id: string) => deed(["disputes"], t("cases.evidenceRemoved"), () => ok(api.DELETE("/api/v1/disputes/{dispute_id}/evidence/{evidence_id}", { params: { path: { dispute_id: d.id, evidence_id } } })));
  const addRide = () => deed(["disputes"], t("cases.evidenceAdded"), () => ok(api.POST("/api/v1/disputes/{dispute_id}/evidence", { ...one, body: { kind: "ride" } })));
  return (
    <section aria-label={t("books.evidence")}>
      <h3 className={office.section}>{t("books.evidence")}</h3>
      {d.evidence_status && <Text size="sm" mb="xs">{t(`cases.handedIn.${d.evidence_status as "sent" | "done" | "refused"}`)} {d.evidence_handed_in_at && at(d.evidence_handed_in_at)} {d.evidence_reason}</Text>}
      {d.evidence.length === 0 && <Text size="sm" c="dimmed">{t("cases.evidenceNone")}</Text>}
      <table className={office.lines}>
        <tbody>
          {d.evidence.map((e) => (
            <tr key={e.id}>
              <td>{n(`books.evidenceKinds.${e.kind}`)}</td>
              <td><Text size="sm" lineClamp={3} style={{ overflowWrap: "anywhere" }}>{e.text ?? e.file_name}</Text><Text size="xs" c="dimmed">{e.size !== null && <>{t("cases.kilobytes", { size: number(Math.ceil(e.size / 1024)) })} · </>}<PersonName id={e.added_by} /> · {at(e.added_at)}</Text></td>
              <td className={office.end}>{canWrite && <ActionIcon variant="subtle" color="gray" aria-label={t("books.removeEvidence")} onClick={() => void remove(e.id)}><Icon name="trash" size={16} /></ActionIcon>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {canWrite && (
        <>
          <AddFile dispute={d} />
          <Group mt="xs" gap="xs">
            <Button size="sm" variant="default" onClick={() => setOpen("text")}>{t("cases.addText")}</Button>
            {!d.evidence.some((e) => e.kind === "ride") && <Button size="sm" variant="default" onClick={() => void addRide()}>{t("cases.addRide")}</Button>}
            {d.evidence.length > 0 && <Button size="sm" ml="auto" onClick={() => setOpen("handIn")}>{t("books.handIn")}</Button>}
          </Group>
        </>
      )}
      {open === "text" && <TextForm dispute={d} onClose={() => setOpen(null)} />}
      {open === "handIn" && <FormDialog title={t("books.handInTitle")} submit={t("books.handIn")} danger onClose={() => setOpen(null)} onSubmit={handIn}><Text size="sm">{t("cases.handInText", { count: d.evidence.length })}</Text></FormDialog>}
    </section>
  );
}

function AddFile({ dispute }: { dispute: Details }) {
  const t = useWords();
  const [kind, setKind] = useState<Kind>("photo");
  const [part, setPart] = useState<number | null>(null);
  const upload = async (file: File | null) => {
    if (!file) return;
    if (tooLarge(file.size)) return void toast.bad(t("cases.fileTooLarge"));
    setPart(0);
    try {
      const body = JSON.stringify({ kind, file: await base64Of(file), file_name: fileNameOf(file.name) });
      await sendFile(`/api/v1/disputes/${dispute.id}/evidence`, { body, type: "application/json", onProgress: setPart });
      await refresh("disputes");
      toast.good(t("cases.evidenceAdded"));
    } catch (error) {
      toast.bad(error);
    }
    setPart(null);
  };
  return (
    <>
      <Group gap="xs" mt="sm" align="flex-end" wrap="nowrap">
        <Select size="sm" flex={1} label={t("books.evidenceKind")} value={kind} allowDeselect={false} onChange={(value) => setKind(value ?? "photo")} data={KINDS.map((value) => ({ value, label: t(`books.evidenceKinds.${value}`) }))} />
        <FileButton onChange={(file) => void upload(file)} accept="application/pdf,image/jpeg,image/png">
          {(props) => <Button {...props} size="sm" variant="light" disabled={part !== null} leftSection={<Icon name="upload" size={16} />}>{t("cases.addFile")}</Button>}
        </FileButton>
      </Group>
      {part === null ? <Text size="xs" c="dimmed" mt={4}>{t("cases.fileHint")}</Text> : <Progress mt="xs" value={part * 100} aria-label={t("cases.uploading")} />}
    </>
  );
}

async function base64Of(file: Blob): Promise<string> {
  const url = await new Promise<string>((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => failed(reader.error ?? new Error("unreadable"));
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}

function TextForm({ dispute, onClose }: { dispute: Details; onClose: () => void }) {
  const t = useWords();
  const [kind, setKind] = useState<Kind>("description");
  const [text, setText] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/disputes/{dispute_id}/evidence", { params: { path: { dispute_id: dispute.id } }, body: { kind, text: text.trim() } }));
    await refresh("disputes");
  };
  return (
    <FormDialog title={t("cases.addText")} submit={t("save")} size="lg" disabled={!text.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Select label={t("books.evidenceKind")} value={kind} allowDeselect={false} onChange={(value) => setKind(value ?? "description")} data={KINDS.map((value) => ({ value, label: t(`books.evidenceKinds.${value}`) }))} />
          <Textarea label={t("cases.evidenceText")} autosize minRows={5} maxRows={16} maxLength={20_000} value={text} onChange={(e) => setText(e.currentTarget.value)} error={field("text")} data-autofocus />
        </>
      )}
    </FormDialog>
  );
}
