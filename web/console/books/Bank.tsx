// SEPA: runs to the bank, what its statements say, orders, mandates, and how it is done (docs/sepa.md).
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Empty } from "@lib/states";
import { useMemo } from "react";
import { Parts, usePart } from "../office/Parts";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { State } from "../parts/State";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import { Debits } from "./BankDebits";
import { Lines } from "./BankLines";
import { Runs } from "./BankRuns";
import { BankSettings } from "./BankSettings";
import { Statements } from "./BankStatements";
import { toneOf } from "./tone";

const PARTS = ["runs", "lines", "statements", "orders", "mandates", "debits", "settings"] as const;
const SHOWN = { runs: Runs, debits: Debits, lines: Lines, statements: Statements, orders: Orders, mandates: Mandates, settings: BankSettings };

export default function Bank() {
  const t = useWords();
  const part = usePart(PARTS);
  const Shown = SHOWN[part];
  return (
    <Page title={t("books.bankTitle")} fill={part !== "settings"} below={<Parts label={t("books.bankTitle")} now={part} of={PARTS.map((each) => [each, t(`bank.${each}`)] as const)} />}>
      <Shown />
    </Page>
  );
}

function Orders() {
  const t = useWords();
  const n = useNames();
  const found = usePages(["sepa", "orders"], (offset) => ok(api.GET("/api/v1/payments/sepa/orders", { params: { query: { offset, limit: PAGE } } })), (page) => page.orders);
  const columns = useMemo<Column<Schema<"OrderView">>[]>(
    () => [
      { key: "at", label: t("books.opened"), width: "11rem", cell: (o) => at(o.created_at), value: (o) => o.created_at },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (o) => money(o.amount, o.currency), value: (o) => o.amount },
      { key: "status", label: t("books.status"), width: "10rem", cell: (o) => <State tone={toneOf(o.status)}>{n(`books.orderStatus.${o.status}`)}</State>, value: (o) => o.status },
      { key: "kind", label: t("books.kind"), width: "9rem", cell: (o) => n(`books.runKind.${o.kind}`), value: (o) => o.kind },
      { key: "on", label: t("books.collectOn"), width: "9rem", cell: (o) => at(o.collect_on, "date"), value: (o) => o.collect_on },
      { key: "reason", label: t("books.reason"), width: "8rem", cell: (o) => o.reason ?? "–", value: (o) => o.reason },
      { key: "ref", label: t("bank.endToEnd"), width: "minmax(12rem, 1fr)", cell: (o) => o.end_to_end_id, value: (o) => o.end_to_end_id },
      { key: "id", label: t("bank.order"), width: "16rem", cell: (o) => o.id, value: (o) => o.id },
    ],
    [t, n],
  );
  return <Listed found={found} label={t("books.orders")} columns={columns} id={(o) => o.id} file="sepa-orders" empty={<Empty icon="building" title={t("books.ordersNone")}>{t("bank.ordersNoneText")}</Empty>} />;
}

function Mandates() {
  const t = useWords();
  const n = useNames();
  const found = usePages(["sepa", "mandates"], (offset) => ok(api.GET("/api/v1/payments/sepa/all-mandates", { params: { query: { offset, limit: PAGE } } })), (page) => page.mandates);
  const columns = useMemo<Column<Schema<"MandateView">>[]>(
    () => [
      { key: "reference", label: t("books.mandate"), width: "minmax(12rem, 1fr)", cell: (m) => m.reference, value: (m) => m.reference },
      { key: "who", label: t("books.customer"), width: "12rem", cell: (m) => <PersonName id={m.user_id} link />, value: (m) => m.user_id },
      { key: "iban", label: t("books.iban"), width: "14rem", cell: (m) => m.iban, value: (m) => m.iban },
      { key: "scheme", label: t("books.scheme"), width: "7rem", cell: (m) => m.scheme, value: (m) => m.scheme },
      { key: "status", label: t("books.status"), width: "9rem", cell: (m) => <State tone={toneOf(m.status)}>{n(`books.mandateStatus.${m.status}`)}</State>, value: (m) => m.status },
      { key: "signed", label: t("books.signed"), width: "9rem", cell: (m) => at(m.signed_at, "date"), value: (m) => m.signed_at },
    ],
    [t, n],
  );
  return <Listed found={found} label={t("books.mandates")} columns={columns} id={(m) => m.id} file="mandates" empty={<Empty icon="doc" title={t("books.mandatesNone")} action={<Go to="/bank" query={{ part: "settings" }}>{t("bank.toSettings")}</Go>}>{t("bank.mandatesNoneText")}</Empty>} />;
}
