// Who brings customers for a share of their top-ups, and what they are paid.
import { Button, Group, NumberInput, Switch, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { Parts, usePart } from "../office/Parts";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";

type Reseller = Schema<"ResellerView">;
type Payout = Schema<"PayoutView">;

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
  const [open, setOpen] = useState<Reseller | "new" | null>(null);
  const found = usePages(["resellers"], (offset) => ok(api.GET("/api/v1/resellers", { params: { query: { offset, limit: PAGE } } })), (page) => page.resellers);
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
  const mayWrite = may?.("wallet.reseller.write") ?? false;
  const add = mayWrite && <Button size="sm" onClick={() => setOpen("new")}>{t("books.add")}</Button>;
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return (
    <>
      <DataTable label={t("books.resellers")} columns={columns} rows={found.rows} id={(r) => r.id} file="resellers" total={found.total} isMore={found.isMore} onEnd={found.onEnd} bar={found.rows.length > 0 && add} {...(mayWrite ? { onOpen: setOpen } : {})} empty={<Empty icon="users" title={t("books.resellersNone")} action={add}>{t("books.resellersNoneText")}</Empty>} />
      {open && <TermsForm reseller={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </>
  );
}

function TermsForm({ reseller, onClose }: { reseller: Reseller | null; onClose: () => void }) {
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
          <TextInput label={t("books.resellerCode")} value={form.code} onChange={put("code")} error={field("code")} />
          <Group grow>
            <NumberInput label={t("books.rate")} value={rate} onChange={setRate} min={0} max={100} decimalScale={2} error={field("rate")} />
            <NumberInput label={t("books.least")} value={least} onChange={setLeast} min={0} decimalScale={2} error={field("least")} />
          </Group>
          <TextInput label={t("books.account")} value={form.account} onChange={put("account")} error={field("account")} />
          <Switch label={t("books.isActive")} checked={form.is_active} onChange={(e) => { const { checked } = e.currentTarget; setForm((now) => ({ ...now, is_active: checked })); }} />
        </>
      )}
    </FormDialog>
  );
}

function Payouts() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [paying, setPaying] = useState<Payout | null>(null);
  const [reference, setReference] = useState("");
  const found = usePages(["payouts"], (offset) => ok(api.GET("/api/v1/reseller-payouts", { params: { query: { offset, limit: PAGE } } })), (page) => page.payouts);
  const columns = useMemo<Column<Payout>[]>(() => {
    const drop = (p: Payout) => deed(["payouts", "resellers"], t("books.dropped"), () => ok(api.POST("/api/v1/reseller-payouts/{payout_id}/cancel", { params: { path: { payout_id: p.id } } })));
    return [
      { key: "at", label: t("books.at"), width: "11rem", cell: (p) => at(p.made_at), value: (p) => p.made_at },
      { key: "state", label: t("books.status"), width: "9rem", cell: (p) => <State tone={p.state === "paid" ? "good" : p.state === "draft" ? "notice" : "offline"}>{n(`books.payoutState.${p.state}`)}</State>, value: (p) => p.state },
      { key: "amount", label: t("books.amount"), width: "9rem", end: true, cell: (p) => money(p.amount, p.currency), value: (p) => p.amount },
      { key: "until", label: t("books.until"), width: "11rem", cell: (p) => at(p.until), value: (p) => p.until },
      { key: "by", label: t("books.draftedBy"), width: "minmax(9rem, 1fr)", cell: (p) => <PersonName id={p.made_by} />, value: (p) => p.made_by },
      { key: "reference", label: t("books.bankReference"), width: "10rem", cell: (p) => p.bank_reference || p.reason || "–", value: (p) => p.bank_reference },
      { key: "acts", label: "", width: "15rem", cell: (p) => p.state === "draft" && <>{may?.("wallet.payout.pay") && <Button size="compact-sm" variant="light" onClick={() => setPaying(p)}>{t("books.pay")}</Button>} {may?.("wallet.payout.create") && <Button size="compact-sm" variant="subtle" color="gray" onClick={() => void drop(p)}>{t("books.cancel")}</Button>}</> },
    ];
  }, [t, n, may]);
  const run = async () => {
    try {
      const made = await ok(api.POST("/api/v1/reseller-payouts", { body: {} }));
      await refresh("payouts", "resellers");
      toast.good(t("books.payoutDrafted", { count: made.payouts.length }));
    } catch (error) {
      toast.bad(error);
    }
  };
  const pay = async () => {
    if (paying) await ok(api.POST("/api/v1/reseller-payouts/{payout_id}/pay", { params: { path: { payout_id: paying.id } }, body: { bank_reference: reference.trim() } }));
    await refresh("payouts", "resellers", "books");
    toast.good(t("books.paid"));
  };
  const add = may?.("wallet.payout.create") && <Button size="sm" onClick={() => void run()}>{t("books.payoutRun")}</Button>;
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={4} height={42} />;
  return (
    <>
      <DataTable label={t("books.payouts")} columns={columns} rows={found.rows} id={(p) => p.id} file="payouts" total={found.total} isMore={found.isMore} onEnd={found.onEnd} bar={found.rows.length > 0 && add} empty={<Empty icon="wallet" title={t("books.payoutsNone")} action={add} />} />
      {paying && <FormDialog title={t("books.payTitle")} submit={t("books.pay")} danger onClose={() => setPaying(null)} onSubmit={pay}>{(field) => <><Text size="sm">{money(paying.amount, paying.currency)}</Text><TextInput label={t("books.bankReference")} value={reference} onChange={(e) => setReference(e.currentTarget.value)} error={field("bank_reference")} data-autofocus /></>}</FormDialog>}
    </>
  );
}
