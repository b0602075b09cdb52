// Who brings customers for a share of their top-ups; each has a page of his own, and all have their payouts here.
import { Button, Group, NumberInput, Switch, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { money, number } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog, HINT_BELOW } from "../office/FormDialog";
import { Parts, usePart } from "../office/Parts";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useGo } from "../shell/place";
import { useWords } from "../text";
import { Payouts } from "./Payouts";

export type Reseller = Schema<"ResellerView">;

export default function Resellers() {
  const t = useWords();
  const part = usePart(["resellers", "payouts"]);
  return (
    <Page title={t("books.resellersTitle")} fill below={<Parts label={t("books.resellersTitle")} now={part} of={[["resellers", t("books.resellers")], ["payouts", t("books.payouts")]]} />}>
      {part === "resellers" ? <List /> : <Payouts />}
    </Page>
  );
}

function List() {
  const t = useWords();
  const may = useMay();
  const go = useGo();
  const [isAdding, setAdding] = useState(false);
  const found = usePages(["resellers", "list"], (offset) => ok(api.GET("/api/v1/resellers", { params: { query: { offset, limit: PAGE } } })), (page) => page.resellers);
  const columns = useMemo<Column<Reseller>[]>(
    () => [
      { key: "name", label: t("books.name"), width: "minmax(10rem, 1fr)", cell: (r) => r.name, value: (r) => r.name },
      { key: "code", label: t("books.resellerCode"), width: "9rem", cell: (r) => r.code, value: (r) => r.code },
      { key: "active", label: t("books.status"), width: "8rem", cell: (r) => <State tone={r.is_active ? "good" : "offline"}>{t(r.is_active ? "books.isActive" : "books.inactive")}</State>, value: (r) => String(r.is_active) },
      { key: "rate", label: t("books.rate"), width: "8rem", end: true, cell: (r) => number(r.rate, 2), value: (r) => r.rate },
      { key: "customers", label: t("books.customers"), width: "8rem", end: true, cell: (r) => number(r.customers), value: (r) => r.customers },
      { key: "earned", label: t("books.earned"), width: "9rem", end: true, cell: (r) => money(r.earned, r.currency), value: (r) => r.earned },
      { key: "open", label: t("books.open"), width: "9rem", end: true, cell: (r) => money(r.open, r.currency), value: (r) => r.open },
    ],
    [t],
  );
  const add = may?.("wallet.reseller.write") && <Button size="sm" onClick={() => setAdding(true)}>{t("books.add")}</Button>;
  return (
    <>
      <Listed found={found} label={t("books.resellers")} columns={columns} id={(r) => r.id} name={(r) => r.name} file="resellers" bar={found.rows.length > 0 && add} onOpen={(r) => go(`/resellers/${r.id}`)}
        empty={<Empty icon="users" title={t("books.resellersNone")} action={add}>{t("books.resellersNoneText")}</Empty>} />
      {isAdding && <TermsForm reseller={null} onClose={() => setAdding(false)} />}
    </>
  );
}

export function TermsForm({ reseller, onClose }: { reseller: Reseller | null; onClose: () => void }) {
  const t = useWords();
  const [form, setForm] = useState({ name: reseller?.name ?? "", code: reseller?.code ?? "", account: reseller?.account ?? "", is_active: reseller?.is_active ?? true });
  const [rate, setRate] = useState<number | string>(reseller?.rate ?? 5);
  const [least, setLeast] = useState<number | string>(reseller?.least ?? 20);
  const put = (key: "name" | "code" | "account") => (e: { currentTarget: { value: string } }) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, [key]: value })); };
  const send = async () => {
    const body = { ...form, rate: Number(rate), least: Number(least), ...(reseller?.user_id ? { user_id: reseller.user_id } : {}) };
    if (reseller) await ok(api.PUT("/api/v1/resellers/{reseller_id}", { params: { path: { reseller_id: reseller.id } }, body }));
    else await ok(api.POST("/api/v1/resellers", { body }));
    await refresh("resellers");
    toast.good(t("books.resellerSaved"));
  };
  return (
    <FormDialog title={reseller?.name ?? t("books.add")} submit={t("save")} disabled={!form.name.trim() || !form.code.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("books.name")} value={form.name} onChange={put("name")} error={field("name")} data-autofocus />
          <TextInput {...HINT_BELOW} label={t("books.resellerCode")} description={t("reseller.codeHint")} value={form.code} onChange={put("code")} error={field("code")} />
          <Group grow align="flex-start">
            <NumberInput {...HINT_BELOW} label={t("books.rate")} description={t("reseller.rateHint")} value={rate} onChange={setRate} min={0} max={50} decimalScale={2} error={field("rate")} />
            <NumberInput {...HINT_BELOW} label={t("books.least")} description={t("reseller.leastHint")} value={least} onChange={setLeast} min={0} decimalScale={2} error={field("least")} />
          </Group>
          <TextInput {...HINT_BELOW} label={t("books.account")} description={t("reseller.accountHint")} value={form.account} onChange={put("account")} error={field("account")} />
          <Switch label={t("books.isActive")} description={t("reseller.activeHint")} checked={form.is_active} onChange={(e) => { const { checked } = e.currentTarget; setForm((now) => ({ ...now, is_active: checked })); }} />
        </>
      )}
    </FormDialog>
  );
}
