// Codes that take a share off the price of a ride.
import { Button, Group, NumberInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { config } from "@lib/config";
import { at, money, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useGo } from "../shell/place";
import { useWords } from "../text";

type Row = Schema<"PromotionRow">;

export function stateOf(row: Pick<Row, "valid_from" | "valid_until">, now: number): "active" | "over" | "later" {
  if (row.valid_until && Date.parse(row.valid_until) <= now) return "over";
  return row.valid_from && Date.parse(row.valid_from) > now ? "later" : "active";
}

export default function Promotions() {
  const t = useWords();
  const go = useGo();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  const [now] = useState(() => Date.now());
  const found = usePages(["promotions"], (offset) => ok(api.GET("/api/v1/promotions", { params: { query: { offset, limit: PAGE } } })), (page) => page.promotions);
  const columns = useMemo<Column<Row>[]>(
    () => [
      { key: "code", label: t("pricing.promo.code"), width: "minmax(8.5rem, 1fr)", cell: (r) => <Text span size="sm" ff="monospace" fw={600}>{r.code}</Text>, value: (r) => r.code },
      { key: "state", label: t("pricing.promo.state"), width: "7rem", cell: (r) => { const s = stateOf(r, now); return <State tone={s === "active" ? "good" : s === "later" ? "notice" : "offline"}>{t(`pricing.promo.${s}`)}</State>; }, value: (r) => stateOf(r, now) },
      { key: "percent", label: t("pricing.promo.percent"), width: "6.5rem", end: true, cell: (r) => `${number(r.percent, 2)} %`, value: (r) => r.percent },
      { key: "most", label: t("pricing.promo.most"), width: "7rem", end: true, cell: (r) => (r.at_most === null ? "–" : money(r.at_most, r.currency)), value: (r) => r.at_most },
      { key: "from", label: t("pricing.promo.from"), width: "10rem", cell: (r) => (r.valid_from ? at(r.valid_from) : "–"), value: (r) => r.valid_from },
      { key: "until", label: t("pricing.promo.until"), width: "10rem", cell: (r) => (r.valid_until ? at(r.valid_until) : t("pricing.promo.always")), value: (r) => r.valid_until },
      { key: "per", label: t("pricing.promo.perRider"), width: "8rem", end: true, cell: (r) => (r.uses_per_rider === null ? t("pricing.promo.unlimited") : t("pricing.promo.times", { count: r.uses_per_rider })), value: (r) => r.uses_per_rider },
      { key: "used", label: t("pricing.promo.used"), width: "6rem", end: true, cell: (r) => number(r.used), value: (r) => r.used },
      { key: "try", label: "", width: "8.5rem", end: true, cell: (r) => <Button size="compact-sm" variant="subtle" onClick={() => go("/tariffs", { code: r.code })}>{t("pricing.promo.try")}</Button> },
    ],
    [t, now, go],
  );
  const add = may?.("pricing.promotion.write") && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setOpen(true)}>{t("pricing.promo.add")}</Button>;
  return (
    <Page title={t("pricing.promo.title")} fill actions={add}>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={6} height={42} /> : (
        <DataTable label={t("pricing.promo.list")} columns={columns} rows={found.rows} id={(r) => r.code} file="promotions" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all}
          empty={<Empty icon="gift" title={t("pricing.promo.none")} action={add}>{t("pricing.promo.noneText")}</Empty>} />
      )}
      {isOpen && <Add onClose={() => setOpen(false)} />}
    </Page>
  );
}

const stampOf = (local: string): string | null => (local ? new Date(local).toISOString() : null);

function Add({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const [code, setCode] = useState("");
  const [percent, setPercent] = useState<number | string>(10);
  const [most, setMost] = useState<number | string>("");
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const [uses, setUses] = useState<number | string>(1);
  const name = code.trim().toUpperCase();
  const send = async () => {
    await ok(api.POST("/api/v1/promotions", {
      body: { code: name, percent: Number(percent), at_most: most === "" ? null : Number(most), valid_from: stampOf(from), valid_until: stampOf(until), uses_per_rider: uses === "" ? null : Number(uses) },
    }));
    await refresh("promotions");
    toast.good(t("pricing.promo.made", { code: name }));
  };
  return (
    <FormDialog title={t("pricing.promo.add")} submit={t("save")} disabled={!/^[A-Z0-9_-]{3,32}$/.test(name) || !(Number(percent) > 0)} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("pricing.promo.code")} description={t("pricing.promo.codeHint")} value={code} maxLength={32} onChange={(e) => setCode(e.currentTarget.value)} error={field("code")} data-autofocus />
          <Group grow align="flex-end">
            <NumberInput label={t("pricing.promo.percentLabel")} value={percent} onChange={setPercent} min={0} max={100} decimalScale={2} error={field("percent")} />
            <NumberInput label={t("pricing.promo.mostLabel", { currency: config().operator?.currency ?? "EUR" })} value={most} onChange={setMost} min={0} decimalScale={2} hideControls error={field("at_most")} />
          </Group>
          <Group grow align="flex-end">
            <TextInput type="datetime-local" label={t("pricing.promo.fromLabel")} value={from} onChange={(e) => setFrom(e.currentTarget.value)} error={field("valid_from")} />
            <TextInput type="datetime-local" label={t("pricing.promo.untilLabel")} value={until} onChange={(e) => setUntil(e.currentTarget.value)} error={field("valid_until")} />
          </Group>
          <NumberInput label={t("pricing.promo.perRiderLabel")} value={uses} onChange={setUses} min={1} allowDecimal={false} error={field("uses_per_rider")} />
          <Text size="sm" c="dimmed">{t("pricing.promo.lasting")}</Text>
        </>
      )}
    </FormDialog>
  );
}
