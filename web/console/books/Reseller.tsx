// One reseller: his terms and standing, his customers, his statement, his payouts.
import { ActionIcon, Button, Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { Parts, usePart } from "../office/Parts";
import { nameOf } from "../office/people";
import { PersonName } from "../office/PersonName";
import { Cards, Figure } from "../parts/Card";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useWords } from "../text";
import classes from "./books.module.css";
import { Payouts } from "./Payouts";
import { TermsForm, type Reseller } from "./Resellers";

type Customer = Schema<"CustomerView">;
type Commission = Schema<"CommissionView">;

export default function ResellerPage() {
  const t = useWords();
  const may = useMay();
  const { id } = useParams({ strict: false }) as { id: string };
  const part = usePart(["customers", "statement", "payouts"]);
  const [isEditing, setEditing] = useState(false);
  const found = useQuery({ queryKey: ["resellers", "one", id], queryFn: () => ok(api.GET("/api/v1/resellers/{reseller_id}", { params: { path: { reseller_id: id } } })) });
  const r = found.data;
  return (
    <Page
      title={r?.name ?? t("reseller.one")} fill
      beside={<>{r && <State tone={r.is_active ? "good" : "offline"}>{t(r.is_active ? "books.isActive" : "books.inactive")}</State>}<Go to="/resellers"><span className={classes.back}><Icon name="back" size={15} />{t("reseller.all")}</span></Go></>}
      actions={r && may?.("wallet.reseller.write") && <Button size="sm" variant="default" onClick={() => setEditing(true)}>{t("reseller.terms")}</Button>}
      below={
        <>
          {r && (
            <Cards>
              <Figure label={t("books.customers")} value={number(r.customers)} more={t("reseller.byCode", { code: r.code })} />
              <Figure label={t("books.rate")} value={`${number(r.rate, 2)} %`} more={t("reseller.from", { amount: money(r.least, r.currency) })} />
              <Figure label={t("books.earned")} value={money(r.earned, r.currency)} />
              <Figure label={t("books.open")} value={money(r.open, r.currency)} more={<span style={{ overflowWrap: "anywhere" }}>{r.account || t("reseller.noAccount")}</span>} />
            </Cards>
          )}
          <div style={{ height: "0.6rem" }} />
          <Parts label={t("reseller.partsOf")} now={part} of={[["customers", t("books.customers")], ["statement", t("reseller.statement")], ["payouts", t("books.payouts")]]} />
        </>
      }
    >
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={4} height={42} />}
      {r && part === "customers" && <Customers of={r} />}
      {r && part === "statement" && <Statement of={r} />}
      {r && part === "payouts" && <Payouts of={r.id} />}
      {r && isEditing && <TermsForm reseller={r} onClose={() => setEditing(false)} />}
    </Page>
  );
}

const assign = (reseller_id: string, user_id: string) => ok(api.PUT("/api/v1/resellers/{reseller_id}/customers/{user_id}", { params: { path: { reseller_id, user_id } } }));

function Customers({ of }: { of: Reseller }) {
  const t = useWords();
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  const [moving, setMoving] = useState<Customer | null>(null);
  const mayWrite = may?.("wallet.reseller.write") ?? false;
  const found = usePages(["resellers", "customers", of.id], (offset) => ok(api.GET("/api/v1/resellers/{reseller_id}/customers", { params: { path: { reseller_id: of.id }, query: { offset, limit: PAGE } } })), (page) => page.customers);
  const columns = useMemo<Column<Customer>[]>(() => {
    const remove = (user_id: string) => deed(["resellers"], t("reseller.removed"), () => ok(api.DELETE("/api/v1/resellers/customers/{user_id}", { params: { path: { user_id } } })), () => assign(of.id, user_id));
    return [
      { key: "who", label: t("books.customer"), width: "minmax(12rem, 1fr)", cell: (c) => <PersonName id={c.user_id} link />, value: (c) => c.user_id },
      { key: "since", label: t("reseller.since"), width: "11rem", cell: (c) => at(c.since), value: (c) => c.since },
      { key: "earned", label: t("reseller.brought"), width: "10rem", end: true, cell: (c) => money(c.earned, c.currency), value: (c) => c.earned },
      { key: "acts", label: "", width: "13rem", end: true, cell: (c) => mayWrite && (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <Button size="compact-sm" variant="subtle" onClick={() => setMoving(c)}>{t("reseller.move")}</Button>
          <ActionIcon variant="subtle" color="gray" aria-label={t("reseller.remove")} onClick={() => void remove(c.user_id)}><Icon name="close" size={16} /></ActionIcon>
        </Group>
      ) },
    ];
  }, [t, of.id, mayWrite]);
  const add = mayWrite && <Button size="sm" onClick={() => setAdding(true)}>{t("reseller.add")}</Button>;
  return (
    <>
      <Listed found={found} label={t("books.customers")} columns={columns} id={(c) => c.user_id} file={`customers-${of.code.toLowerCase()}`} bar={found.rows.length > 0 && add} empty={<Empty icon="users" title={t("reseller.customersNone")} action={add}>{t("reseller.customersNoneText", { code: of.code })}</Empty>} />
      {isAdding && <AddForm of={of} onClose={() => setAdding(false)} />}
      {moving && <MoveForm of={of} customer={moving} onClose={() => setMoving(null)} />}
    </>
  );
}

function AddForm({ of, onClose }: { of: Reseller; onClose: () => void }) {
  const t = useWords();
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed.trim(), 200);
  const [chosen, setChosen] = useState<string | null>(null);
  const found = useQuery({ queryKey: ["people", q], queryFn: () => ok(api.GET("/api/v1/users", { params: { query: { q, staff: false, limit: 8 } } })), enabled: q.length > 1 });
  const send = async () => {
    if (chosen) await assign(of.id, chosen);
    await refresh("resellers");
    toast.good(t("reseller.added", { name: of.name }));
  };
  return (
    <FormDialog title={t("reseller.add")} submit={t("reseller.add")} disabled={!chosen} onClose={onClose} onSubmit={send}>
      <Text size="sm" c="dimmed">{t("reseller.addText")}</Text>
      <Select label={t("books.customer")} maxDropdownHeight={480} searchable searchValue={typed} onSearchChange={setTyped} value={chosen} onChange={setChosen} filter={({ options }) => options} nothingFoundMessage={q.length > 1 && !found.isFetching ? t("reseller.nobody") : t("reseller.typeMore")} placeholder={t("customers.searchHint")} data={found.data?.users.map((p) => ({ value: p.id, label: [nameOf(p), p.email].filter(Boolean).join(" · ") })) ?? []} data-autofocus />
    </FormDialog>
  );
}

function MoveForm({ of, customer, onClose }: { of: Reseller; customer: Customer; onClose: () => void }) {
  const t = useWords();
  const [to, setTo] = useState<string | null>(null);
  const found = useQuery({ queryKey: ["resellers", "names"], queryFn: () => ok(api.GET("/api/v1/resellers", { params: { query: { limit: 100 } } })) });
  const others = found.data?.resellers.filter((r) => r.id !== of.id) ?? [];
  const send = async () => {
    const name = others.find((r) => r.id === to)?.name ?? "";
    if (to && (await deed(["resellers"], t("reseller.moved", { name }), () => assign(to, customer.user_id), () => assign(of.id, customer.user_id)))) return true;
    return false;
  };
  return (
    <FormDialog title={t("reseller.move")} submit={t("reseller.move")} disabled={!to} onClose={onClose} onSubmit={send}>
      <Text size="sm">{t("reseller.moveText")}</Text>
      <TextInput label={t("reseller.from1")} value={of.name} readOnly />
      <Select label={t("reseller.to1")} searchable value={to} onChange={setTo} nothingFoundMessage={t("reseller.noOther")} data={others.map((r) => ({ value: r.id, label: `${r.name} · ${r.code}` }))} data-autofocus />
    </FormDialog>
  );
}

function Statement({ of }: { of: Reseller }) {
  const t = useWords();
  const found = usePages(["resellers", "statement", of.id], (offset) => ok(api.GET("/api/v1/resellers/{reseller_id}/commissions", { params: { path: { reseller_id: of.id }, query: { offset, limit: PAGE } } })), (page) => page.lines);
  const columns = useMemo<Column<Commission>[]>(
    () => [
      { key: "at", label: t("books.at"), width: "11rem", cell: (c) => at(c.at), value: (c) => c.at },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (c) => money(c.amount, c.currency), value: (c) => c.amount },
      { key: "kind", label: t("books.kind"), width: "9rem", cell: (c) => <State tone={c.amount < 0 ? "notice" : "good"}>{t(c.amount < 0 ? "reseller.clawedBack" : "reseller.earned")}</State>, value: (c) => (c.amount < 0 ? "clawed back" : "earned") },
      { key: "base", label: t("reseller.base"), width: "9rem", end: true, cell: (c) => money(c.base, c.currency), value: (c) => c.base },
      { key: "rate", label: t("books.rate"), width: "7rem", end: true, cell: (c) => number(c.rate, 2), value: (c) => c.rate },
      { key: "payout", label: t("reseller.inPayout"), width: "9rem", cell: (c) => (c.payout_id ? <Go to={`/resellers/${of.id}`} query={{ part: "payouts", payout: c.payout_id }}>{t("reseller.openPayout")}</Go> : t("books.open")), value: (c) => c.payout_id },
      { key: "topup", label: t("reseller.topup"), width: "minmax(12rem, 1fr)", cell: (c) => c.topup_id, value: (c) => c.topup_id },
    ],
    [t, of.id],
  );
  return <Listed found={found} label={t("reseller.statement")} columns={columns} id={(c) => c.id} file={`commission-${of.code.toLowerCase()}`} empty={<Empty icon="wallet" title={t("reseller.statementNone")}>{t("reseller.statementNoneText")}</Empty>} />;
}
