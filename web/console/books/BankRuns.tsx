// Runs: what is due becomes a file for the bank. Drafted, approved (by a second person, if so set), written, settled.
import { Button, Group, Select, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { at, money, number } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { saveAnswer } from "../office/saveAnswer";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { Notes } from "./Notes";
import { toneOf } from "./tone";

export type Run = Schema<"RunView">;
export type RunDeed = "approve" | "export" | "cancel";

export const useSepaSettings = (enabled = true) =>
  useQuery({ queryKey: ["sepa", "settings"], queryFn: () => ok(api.GET("/api/v1/payments/sepa/settings")), enabled });

export function Runs() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [isDrafting, setDrafting] = useState(false);
  const found = usePages(["sepa", "runs"], (offset) => ok(api.GET("/api/v1/payments/sepa/runs", { params: { query: { offset, limit: PAGE } } })), (page) => page.runs);
  const columns = useMemo<Column<Run>[]>(
    () => [
      { key: "execute", label: t("books.execute"), width: "8rem", cell: (r) => at(r.execute_on, "date"), value: (r) => r.execute_on },
      { key: "kind", label: t("books.kind"), width: "9rem", cell: (r) => `${n(`books.runKind.${r.kind}`)} ${r.scheme}`, value: (r) => `${r.kind} ${r.scheme}` },
      { key: "status", label: t("books.status"), width: "8.5rem", cell: (r) => <State tone={toneOf(r.status)}>{n(`books.runStatus.${r.status}`)}</State>, value: (r) => r.status },
      { key: "orders", label: t("books.count"), width: "6.5rem", end: true, cell: (r) => number(r.orders), value: (r) => r.orders },
      { key: "total", label: t("books.total"), width: "8rem", end: true, cell: (r) => money(r.total, r.currency), value: (r) => r.total },
      { key: "by", label: t("books.draftedBy"), width: "9.5rem", cell: (r) => <PersonName id={r.drafted_by} />, value: (r) => r.drafted_by },
      { key: "approved", label: t("books.approvedBy"), width: "9.5rem", cell: (r) => (r.approved_by ? <PersonName id={r.approved_by} /> : "–"), value: (r) => r.approved_by },
      { key: "file", label: t("bank.message"), width: "minmax(11rem, 1fr)", cell: (r) => r.message_id, value: (r) => r.message_id },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ run: undefined }), [change]);
  const add = may?.("payments.sepa.write") && <Button size="sm" onClick={() => setDrafting(true)}>{t("books.draft")}</Button>;
  return (
    <>
      <Listed found={found} label={t("bank.runs")} columns={columns} id={(r) => r.id} file="sepa-runs" bar={found.rows.length > 0 && add} openId={query.run} onOpen={(r) => change({ run: r.id }, true)}
        empty={<Empty icon="building" title={t("books.runsNone")} action={add}>{t("books.runsNoneText")}</Empty>} />
      {query.run && <RunPanel key={query.run} id={query.run} onClose={close} />}
      {isDrafting && <DraftForm onClose={() => setDrafting(false)} onDrafted={(id) => change({ run: id }, true)} />}
    </>
  );
}

function DraftForm({ onClose, onDrafted }: { onClose: () => void; onDrafted: (id: string) => void }) {
  const t = useWords();
  const [kind, setKind] = useState<"collection" | "refund">("collection");
  const [scheme, setScheme] = useState<"CORE" | "B2B">("CORE");
  const [on, setOn] = useState("");
  const draft = async () => {
    const made = await ok(api.POST("/api/v1/payments/sepa/runs", { body: { kind, ...(kind === "collection" ? { scheme } : {}), ...(on ? { execute_on: on } : {}) } }));
    await refresh("sepa");
    toast.good(t("books.drafted"));
    onDrafted(made.id);
  };
  return (
    <FormDialog title={t("books.draft")} submit={t("books.draft")} onClose={onClose} onSubmit={draft}>
      {(field) => (
        <>
          <Text size="sm" c="dimmed">{t("bank.draftText")}</Text>
          <Group grow align="flex-start">
            <Select label={t("books.kind")} value={kind} allowDeselect={false} onChange={(value) => setKind(value ?? "collection")} data={(["collection", "refund"] as const).map((value) => ({ value, label: t(`books.runKind.${value}`) }))} />
            {kind === "collection" && <Select label={t("books.scheme")} value={scheme} allowDeselect={false} onChange={(value) => setScheme(value ?? "CORE")} data={["CORE", "B2B"]} />}
          </Group>
          <TextInput type="date" label={t("books.execute")} description={t("bank.executeHint")} value={on} onChange={(e) => setOn(e.currentTarget.value)} error={field("execute_on")} />
        </>
      )}
    </FormDialog>
  );
}

/** Whether this person may release the run: with two persons set, never who drafted it. */
export const mayRelease = (run: Run, twoPerson: boolean, me: string | undefined): boolean => !twoPerson || run.drafted_by !== me;

function RunPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [asking, setAsking] = useState<RunDeed | null>(null);
  const settings = useSepaSettings();
  const found = useQuery({ queryKey: ["sepa", "run", id], queryFn: () => ok(api.GET("/api/v1/payments/sepa/runs/{run_id}", { params: { path: { run_id: id } } })) });
  const run = found.data;
  const isFree = run !== undefined && mayRelease(run, settings.data?.two_person ?? false, currentUser()?.id);
  const has = (permission: string) => may?.(permission) ?? false;
  return (
    <Panel title={t("bank.run")} label={t("bank.run")} onClose={onClose} width={560}>
      {found.error && <Problem error={found.error} />}
      {run && (
        <>
          <Pairs of={[
            [t("books.status"), <State key="s" tone={toneOf(run.status)}>{n(`books.runStatus.${run.status}`)}</State>], [t("books.kind"), `${n(`books.runKind.${run.kind}`)} ${run.scheme}`],
            [t("books.execute"), at(run.execute_on, "date")], [t("books.total"), <b key="t" className="figures">{money(run.total, run.currency)}</b>], [t("books.count"), number(run.orders)],
            [t("books.draftedBy"), <span key="d"><PersonName id={run.drafted_by} /> · {at(run.drafted_at)}</span>], [t("books.approvedBy"), run.approved_by && <span key="a"><PersonName id={run.approved_by} /> · {at(run.approved_at)}</span>],
            [t("bank.handedIn"), run.exported_at && at(run.exported_at)], [t("bank.message"), <span key="m" className={office.mono}>{run.message_id}</span>], [t("bank.digest"), run.sha256 && <span key="h" className={office.mono}>{run.sha256}</span>],
          ]} />
          <Group mt="md" gap="xs">
            {run.status === "draft" && has("payments.sepa.approve") && isFree && <Button size="sm" onClick={() => setAsking("approve")}>{t("books.approve")}</Button>}
            {run.status === "approved" && has("payments.sepa.write") && <Button size="sm" onClick={() => setAsking("export")}>{t("books.export")}</Button>}
            {run.exported_at && has("payments.sepa.export") && <Button size="sm" onClick={() => void saveAnswer(`/api/v1/payments/sepa/runs/${run.id}/file`, `${run.scheme === "SCT" ? "pain.001" : "pain.008"}-${run.message_id}.xml`).catch(toast.bad)}>{t("books.download")}</Button>}
            {["draft", "approved"].includes(run.status) && has("payments.sepa.write") && <Button size="sm" variant="default" onClick={() => setAsking("cancel")}>{t("books.cancel")}</Button>}
          </Group>
          {run.status === "draft" && !isFree && <Text size="sm" c="dimmed" mt="sm">{t("bank.ownRun")}</Text>}
          <RunOrders run={run} />
          <Notes on="run" id={run.id} mayWrite={has("payments.sepa.write")} />
          {asking && <RunForm run={run} deed={asking} onClose={() => setAsking(null)} />}
        </>
      )}
    </Panel>
  );
}

/** What is about to be done with a run, once more, before it is. */
export function RunForm({ run, deed, onClose, onDone }: { run: Run; deed: RunDeed; onClose: () => void; onDone?: () => void }) {
  const t = useWords();
  const one = { params: { path: { run_id: run.id } } };
  const carryOut = async () => {
    if (deed === "approve") await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/approve", one));
    else if (deed === "export") await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/export", one));
    else await ok(api.POST("/api/v1/payments/sepa/runs/{run_id}/cancel", one));
    await refresh("sepa");
    toast.good(t(`bank.done.${deed}`));
    onDone?.();
  };
  return (
    <FormDialog title={t(`books.${deed}Title`)} submit={t(`books.${deed}`)} danger={deed === "export"} onClose={onClose} onSubmit={carryOut}>
      <Text size="sm">{t("books.runText", { count: run.orders, total: money(run.total, run.currency) })} {t(`bank.ask.${deed}`)}</Text>
    </FormDialog>
  );
}

function RunOrders({ run }: { run: Run }) {
  const t = useWords();
  const n = useNames();
  const found = usePages(["sepa", "orders", run.id, run.status], (offset) => ok(api.GET("/api/v1/payments/sepa/orders", { params: { query: { run_id: run.id, offset, limit: PAGE } } })), (page) => page.orders);
  return (
    <section aria-label={t("books.orders")}>
      <h3 className={office.section}>{t("books.orders")}</h3>
      {found.error !== null && <Problem error={found.error} again={found.refetch} />}
      <table className={office.lines}>
        <tbody>
          {found.rows.map((o) => (
            <tr key={o.id}>
              <td><State tone={toneOf(o.status)}>{n(`books.orderStatus.${o.status}`)}</State>{o.reason && <Text size="xs" c="dimmed">{o.reason}</Text>}</td>
              <td className={office.mono}>{o.end_to_end_id}</td>
              <td className={office.end}>{money(o.amount, o.currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {found.isMore && <Button size="compact-sm" variant="subtle" onClick={found.onEnd}>{t("books.more")}</Button>}
    </section>
  );
}
