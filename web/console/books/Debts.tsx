// Rides that could not be collected: what is owed, what was done about it, and what a person can do.
import { Button, Group, NumberInput, SegmentedControl, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
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
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { useReason } from "./reason";
import { toneOf } from "./tone";

type Debt = Schema<"DebtView">;
type Deed = "byHand" | "forgive" | "writeOff";
const STATES = ["open", "paid", "written_off", "forgiven"] as const;

/** Paid in full, and a worker is about to close it. */
const isClosing = (debt: Debt): boolean => debt.status === "open" && debt.amount === 0;

function DebtState({ debt }: { debt: Debt }) {
  const t = useWords();
  const n = useNames();
  if (isClosing(debt)) return <State tone="notice">{t("cases.closing")}</State>;
  if (debt.is_collecting) return <State tone="notice">{t("cases.collecting")}</State>;
  return <State tone={toneOf(debt.status)}>{n(`books.debtStatus.${debt.status}`)}</State>;
}

export function Debts() {
  const t = useWords();
  const reason = useReason();
  const [query, change] = useQueryPart();
  const status = STATES.find((each) => each === (query.status ?? "open"));
  const found = usePages(["debts", status], (offset) => ok(api.GET("/api/v1/debts", { params: { query: { all: true, offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.debts, { refetchInterval: 15_000 });
  const columns = useMemo<Column<Debt>[]>(
    () => [
      { key: "who", label: t("books.customer"), width: "minmax(11rem, 1fr)", cell: (d) => <PersonName id={d.user_id} />, value: (d) => d.user_id },
      { key: "amount", label: t("cases.owed"), width: "8rem", end: true, cell: (d) => money(d.amount, d.currency), value: (d) => d.amount },
      { key: "status", label: t("books.status"), width: "9.5rem", cell: (d) => <DebtState debt={d} />, value: (d) => d.status },
      { key: "reason", label: t("books.debtReason"), width: "minmax(10rem, 1fr)", cell: (d) => reason(d.reason), value: (d) => d.reason },
      { key: "fees", label: t("cases.ofFees"), width: "8.5rem", end: true, cell: (d) => (d.fees ? money(d.fees, d.currency) : "–"), value: (d) => d.fees },
      { key: "steps", label: t("cases.step"), width: "5rem", end: true, cell: (d) => number(d.steps_taken), value: (d) => d.steps_taken },
      { key: "next", label: t("books.next"), width: "11rem", cell: (d) => at(d.next_step_at), value: (d) => d.next_step_at },
      { key: "opened", label: t("books.opened"), width: "8rem", cell: (d) => at(d.opened_at, "date"), value: (d) => d.opened_at },
    ],
    [t, reason],
  );
  const close = useCallback(() => change({ d: undefined }), [change]);
  return (
    <>
      <Group mb="sm"><SegmentedControl size="sm" aria-label={t("books.status")} value={status ?? "all"} onChange={(value) => change({ status: value })} data={[...STATES, "all" as const].map((value) => ({ value, label: t(`books.debtStatus.${value}`) }))} /></Group>
      <Listed found={found} label={t("books.debts")} columns={columns} id={(d) => d.id} file="debts" openId={query.d} onOpen={(d) => change({ d: d.id }, true)}
        empty={status === "open" ? <Empty icon="check" title={t("cases.debtsNone")}>{t("cases.debtsNoneText")}</Empty> : <Empty icon="check" title={t("books.debtsNone")} />} />
      {query.d && <DebtPanel key={query.d} id={query.d} onClose={close} />}
    </>
  );
}

function DebtPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const may = useMay();
  const reason = useReason();
  const [asking, setAsking] = useState<Deed | null>(null);
  const found = useQuery({ queryKey: ["debts", "one", id], queryFn: () => ok(api.GET("/api/v1/debts/{debt_id}", { params: { path: { debt_id: id } } })), refetchInterval: (query) => (query.state.data && isClosing(query.state.data.debt) ? 1_500 : false) });
  const d = found.data?.debt;
  const maySettle = may?.("payments.debt.settle") ?? false;
  return (
    <Panel title={d ? money(d.amount, d.currency) : t("cases.debt")} label={t("cases.debt")} onClose={onClose} width={520}>
      {found.error && <Problem error={found.error} />}
      {found.isPending && <Rows count={6} height={24} />}
      {d && found.data && (
        <>
          <Pairs of={[
            [t("books.status"), <DebtState key="s" debt={d} />], [t("books.customer"), <PersonName key="p" id={d.user_id} link />], [t("cases.ride"), <Go key="r" to="/rentals" query={{ r: d.booking_id }}>{t("cases.openRide")}</Go>],
            [t("books.debtReason"), reason(d.reason)], [t("cases.atFirst"), money(d.amount_opened, d.currency)], [t("cases.ofFees"), d.fees > 0 && money(d.fees, d.currency)], [t("cases.writtenOff"), d.amount_written_off > 0 && money(d.amount_written_off, d.currency)],
            [t("books.next"), d.next_step_at && at(d.next_step_at)], [t("cases.closedAt"), d.closed_at && at(d.closed_at)],
          ]} />
          {d.is_collecting && <Text size="sm" c="dimmed" mt="md">{t("cases.collectingText")} <Go to="/bank" query={{ part: "debits" }}>{t("cases.toDebits")}</Go></Text>}
          {maySettle && !d.is_collecting && d.amount > 0 && d.status !== "forgiven" && (
            <Group mt="md" gap="xs">
              <Button size="sm" onClick={() => setAsking("byHand")}>{t("cases.byHand")}</Button>
              {d.status === "open" && <Button size="sm" variant="default" onClick={() => setAsking("writeOff")}>{t("books.writeOff")}</Button>}
              {d.status === "open" && <Button size="sm" variant="default" onClick={() => setAsking("forgive")}>{t("books.forgive")}</Button>}
            </Group>
          )}
          <h3 className={office.section}>{t("cases.story")}</h3>
          <table className={office.lines}>
            <tbody>
              {found.data.steps.map((s) => (
                <tr key={s.number}>
                  <td>{at(s.at)}</td>
                  <td>{s.number === 0 ? t("cases.stepOpened") : t("cases.stepNo", { number: s.number })}<Text size="xs" c="dimmed">{[s.was_charged && t("cases.wasCharged"), s.was_noticed && t("cases.wasNoticed"), s.fee > 0 && t("cases.feeOf", { amount: money(s.fee, d.currency) })].filter(Boolean).join(" · ")}</Text></td>
                  <td className={office.end}>{money(s.amount, d.currency)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {asking && <SettleForm debt={d} deed={asking} onClose={() => setAsking(null)} />}
        </>
      )}
    </Panel>
  );
}

function SettleForm({ debt, deed, onClose }: { debt: Debt; deed: Deed; onClose: () => void }) {
  const t = useWords();
  const [note, setNote] = useState("");
  const [amount, setAmount] = useState<number | string>(debt.amount);
  const send = async () => {
    if (deed === "byHand") await ok(api.POST("/api/v1/payments/{payment_id}/by-hand", { params: { path: { payment_id: debt.payment_id } }, body: { amount: Number(amount), note: note.trim() } }));
    else await ok(api.POST("/api/v1/debts/{debt_id}/write-off", { params: { path: { debt_id: debt.id } }, body: { note: note.trim(), forgive: deed === "forgive" } }));
    await refresh("debts", "books", "payment", "rental");
    toast.good(t(deed === "byHand" ? "cases.byHandDone" : "books.closed"));
  };
  const shown = money(debt.amount, debt.currency);
  return (
    <FormDialog title={t(`cases.settle.${deed}Title`)} submit={t(`cases.settle.${deed}`)} danger={deed !== "byHand"} disabled={!note.trim() || (deed === "byHand" && !(Number(amount) > 0))} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Text size="sm">{t(`cases.settle.${deed}Text`, { amount: shown })}</Text>
          {deed === "byHand" && <NumberInput label={t("cases.amountIn", { currency: debt.currency })} value={amount} onChange={setAmount} min={0} decimalScale={2} hideControls error={field("amount")} data-autofocus />}
          <TextInput label={deed === "byHand" ? t("cases.howPaid") : t("books.reason")} value={note} maxLength={200} onChange={(e) => setNote(e.currentTarget.value)} error={field("note")} {...(deed === "byHand" ? {} : { "data-autofocus": true })} />
        </>
      )}
    </FormDialog>
  );
}
