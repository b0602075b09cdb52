// Debits of bank accounts that a provider collects (Stripe): under way for days, then done, failed, or sent back later.
import { Group, SegmentedControl, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Empty } from "@lib/states";
import { useMemo } from "react";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { State } from "../parts/State";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { useReason } from "./reason";
import { toneOf } from "./tone";

type Debit = Schema<"DebitView">;
const STATES = ["processing", "collected", "failed", "returned"] as const;

export function Debits() {
  const t = useWords();
  const n = useNames();
  const reason = useReason();
  const [query, change] = useQueryPart();
  const status = STATES.find((each) => each === (query.status ?? "processing"));
  const found = usePages(["debits", status], (offset) => ok(api.GET("/api/v1/payments/debits", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}) } } })), (page) => page.debits, { refetchInterval: 30_000 });
  const columns = useMemo<Column<Debit>[]>(
    () => [
      { key: "who", label: t("books.customer"), width: "minmax(10rem, 1fr)", cell: (d) => <PersonName id={d.user_id} link />, value: (d) => d.user_id },
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (d) => money(d.amount, d.currency), value: (d) => d.amount },
      { key: "status", label: t("books.status"), width: "10rem", cell: (d) => <State tone={toneOf(d.status)}>{n(`bank.debitStatus.${d.status}`)}</State>, value: (d) => d.status },
      { key: "begun", label: t("books.opened"), width: "10rem", cell: (d) => at(d.begun_at), value: (d) => d.begun_at },
      { key: "due", label: t("bank.knownBy"), width: "9rem", cell: (d) => (d.status === "processing" ? at(d.due_on, "date") : "–"), value: (d) => d.due_on },
      { key: "mandate", label: t("books.mandate"), width: "11rem", cell: (d) => d.mandate_reference ?? "–", value: (d) => d.mandate_reference },
      { key: "account", label: t("bank.account"), width: "minmax(11rem, 1fr)", cell: (d) => d.account ?? t("bank.accountGone"), value: (d) => d.account },
      { key: "reason", label: t("books.reason"), width: "10rem", cell: (d) => (d.reason ? reason(d.reason) : "–"), value: (d) => d.reason },
      { key: "gateway", label: t("cases.gateway"), width: "7rem", cell: (d) => d.gateway, value: (d) => d.gateway },
      { key: "ride", label: t("cases.ride"), width: "8rem", cell: (d) => <Go to="/rentals" query={{ r: d.booking_id }}>{t("cases.openRide")}</Go>, value: (d) => d.booking_id },
    ],
    [t, n, reason],
  );
  return (
    <>
      <Group mb="sm" gap="md">
        <SegmentedControl size="sm" aria-label={t("books.status")} value={status ?? "all"} onChange={(value) => change({ status: value })} data={[...STATES, "all" as const].map((value) => ({ value, label: t(`bank.debitStatus.${value}`) }))} />
        {status === "processing" && <Text size="sm" c="dimmed">{t("bank.processingText")}</Text>}
      </Group>
      <Listed found={found} label={t("bank.debits")} columns={columns} id={(d) => `${d.payment_id} ${d.begun_at}`} file="debits" empty={<Empty icon="building" title={t("bank.debitsNone")}>{t("bank.debitsNoneText")}</Empty>} />
    </>
  );
}
