// Prices by type of vehicle, changing them with a look ahead, and the price simulator.
import { Button, Group, NumberInput, SegmentedControl, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { api, ok, type Schema } from "@lib/api/client";
import { money, number, price as asPrice } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deed } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card } from "../parts/Card";
import { Chart, tone } from "../parts/Chart";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { costOf, STEPS, type Price } from "./curve";

type Tariff = Schema<"Tariff">;
const TYPES = ["scooter", "ebike", "car", "van"] as const;
type VehicleType = (typeof TYPES)[number];

const priceOf = (of: Tariff): Price => ({
  base: of.base_fee, unit: of.unit === "hour" ? "hour" : "minute", price: of.unit === "hour" ? of.price_per_hour : of.price_per_minute, daily: of.daily_maximum,
});
const bodyOf = (of: Price): Schema<"NewTariff"> => ({
  base_fee: of.base, daily_maximum: of.daily, ...(of.unit === "hour" ? { price_per_hour: of.price } : { price_per_minute: of.price }),
});

export default function Tariffs() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [changing, setChanging] = useState<Tariff | null>(null);
  const tariffs = useQuery({ queryKey: ["tariffs"], queryFn: () => ok(api.GET("/api/v1/tariffs")) });
  return (
    <Page title={t("pricing.title")}>
      <div className={office.tariffs}>
        <Card title={t("pricing.each")}>
          <Text size="sm" c="dimmed" mb="sm">{t("pricing.eachText")}</Text>
          {tariffs.error && <Problem error={tariffs.error} again={() => void tariffs.refetch()} />}
          {tariffs.isPending && <Rows count={4} height={48} />}
          {tariffs.data && (
            <Wide>
              <table className={office.lines}>
                <thead><tr><th scope="col">{t("pricing.type")}</th>{(["pricing.base", "pricing.price", "pricing.daily", "pricing.tax"] as const).map((key) => <th key={key} scope="col" className={office.end}>{t(key)}</th>)}<th scope="col"><span className="sr-only">{t("pricing.change")}</span></th></tr></thead>
                <tbody>
                  {tariffs.data.tariffs.map((each) => (
                    <tr key={each.vehicle_type}>
                      <td><Group gap={6} wrap="nowrap"><Icon name={vehicleIcon(each.vehicle_type)} size={18} />{n(`type.${each.vehicle_type}`)}</Group></td>
                      <td className={office.end}>{money(each.base_fee, each.currency)}</td>
                      <td className={office.end}>{each.unit === "hour" ? asPrice(each.price_per_hour, each.currency) : asPrice(each.price_per_minute, each.currency)}<small>{t(each.unit === "hour" ? "pricing.perHour" : "pricing.perMinute")}</small></td>
                      <td className={office.end}>{money(each.daily_maximum, each.currency)}</td>
                      <td className={office.end}>{number(each.tax_rate, 2)} %<small>{t(each.tax_included ? "pricing.taxIn" : "pricing.taxOn")}</small></td>
                      <td className={office.end}>{may?.("pricing.tariff.write") && <Button size="compact-sm" variant="light" onClick={() => setChanging(each)} aria-label={`${t("shell.edit")}: ${n(`type.${each.vehicle_type}`)}`}>{t("shell.edit")}</Button>}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Wide>
          )}
        </Card>
        <Simulator tariffs={tariffs.data?.tariffs ?? []} />
      </div>
      {changing && <Change tariff={changing} onClose={() => setChanging(null)} />}
    </Page>
  );
}

function Change({ tariff, onClose }: { tariff: Tariff; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const before = priceOf(tariff);
  const [unit, setUnit] = useState(before.unit);
  const [base, setBase] = useState<number | string>(before.base);
  const [price, setPrice] = useState<number | string>(before.price);
  const [daily, setDaily] = useState<number | string>(before.daily);
  const draft: Price = { base: Number(base), price: Number(price), unit, daily: Number(daily) };
  const type = tariff.vehicle_type as VehicleType;
  const put = (of: Price) => ok(api.PUT("/api/v1/tariffs/{vehicle_type}", { params: { path: { vehicle_type: type } }, body: bodyOf(of) }));
  const send = async () => {
    await put(draft);
    await deed(["tariffs", "quote"], t("pricing.saved", { type: n(`type.${type}`) }), async () => undefined, () => put(before));
  };
  const { currency } = tariff;
  return (
    <FormDialog title={t("pricing.changeOf", { type: n(`type.${type}`) })} submit={t("save")} size="lg" disabled={!(draft.daily > 0) || draft.price < 0} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <SegmentedControl size="sm" aria-label={t("pricing.by")} value={unit} onChange={(value) => setUnit(value as Price["unit"])}
            data={[{ value: "minute", label: t("pricing.byMinute") }, { value: "hour", label: t("pricing.byHour") }]} />
          <Group grow align="flex-start" preventGrowOverflow={false}>
            <NumberInput label={t("pricing.base")} value={base} onChange={setBase} min={0} decimalScale={2} hideControls error={field("base_fee")} miw={120} />
            <NumberInput label={`${t("pricing.newPrice", { currency })} ${t(unit === "hour" ? "pricing.perHour" : "pricing.perMinute")}`} value={price} onChange={setPrice} min={0} decimalScale={4} hideControls error={field("price_per_minute") ?? field("price_per_hour")} miw={160} data-autofocus />
            <NumberInput label={t("pricing.daily")} value={daily} onChange={setDaily} min={0} decimalScale={2} hideControls error={field("daily_maximum")} miw={120} />
          </Group>
          <Curve now={before} then={draft} currency={currency} />
          <Wide>
            <table className={office.lines} aria-label={t("pricing.compare")}>
              <thead><tr><th scope="col">{t("pricing.minutes")}</th><th scope="col" className={office.end}>{t("pricing.now")}</th><th scope="col" className={office.end}>{t("pricing.then")}</th><th scope="col" className={office.end}>{t("pricing.difference")}</th></tr></thead>
              <tbody>
                {[5, 15, 30, 60, 1440].map((m) => {
                  const [old, next] = [costOf(before, m), costOf(draft, m)];
                  return <tr key={m}><td>{m}</td><td className={office.end}>{money(old, currency)}</td><td className={office.end}>{money(next, currency)}</td><td className={office.end}>{next > old ? "+" : ""}{money(next - old, currency)}</td></tr>;
                })}
              </tbody>
            </table>
          </Wide>
        </>
      )}
    </FormDialog>
  );
}

function Curve({ now, then, currency, mark }: { now: Price; then?: Price; currency: string; mark?: number }) {
  const t = useWords();
  const most = mark !== undefined && mark > 120 ? 1440 : 120;
  const steps = STEPS.filter((m) => m <= most);
  const line = (of: Price, name: string, colour: string) => ({ type: "line", name, showSymbol: false, lineStyle: { color: tone(colour), width: 2.5 }, itemStyle: { color: tone(colour) }, data: steps.map((m) => [m, costOf(of, m)]) });
  return (
    <Chart
      label={t("pricing.curve")} height={180}
      option={() => ({
        grid: { left: 48, right: 12, top: then ? 28 : 12, bottom: 28 },
        legend: then ? { top: 0, textStyle: { color: tone("quiet") } } : undefined,
        tooltip: { trigger: "axis", valueFormatter: (value: unknown) => money(Number(value), currency) },
        xAxis: { type: "value", max: most, axisLabel: { color: tone("quiet"), formatter: "{value} min" }, splitLine: { show: false } },
        yAxis: { type: "value", splitNumber: 4, axisLabel: { color: tone("quiet"), formatter: (value: number) => money(value, currency, 0) }, splitLine: { lineStyle: { color: tone("line") } } },
        series: [line(now, t("pricing.now"), then ? "offline" : "brand"), ...(then ? [line(then, t("pricing.then"), "brand")] : [])],
      })}
    />
  );
}

function Simulator({ tariffs }: { tariffs: readonly Tariff[] }) {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const type = TYPES.find((each) => each === query.type) ?? "scooter";
  const [minutes, setMinutes] = useState<number | string>(Number(query.minutes) || 20);
  const [code, setCode] = useState(query.code ?? "");
  const [asked] = useDebouncedValue(JSON.stringify([type, Number(minutes) || 1, code.trim().toUpperCase()]), 300);
  const quote = useQuery({
    queryKey: ["quote", asked],
    queryFn: () => {
      const [vehicle_type, estimated_duration_minutes, promo] = JSON.parse(asked) as [VehicleType, number, string];
      return ok(api.POST("/api/v1/pricing/quote", { body: { vehicle_type, estimated_duration_minutes, ...(promo ? { promo_code: promo } : {}) } }));
    },
    placeholderData: (before) => before,
  });
  const own = tariffs.find((each) => each.vehicle_type === type);
  const q = quote.data;
  return (
    <Card title={t("pricing.simulator")}>
      <Text size="sm" c="dimmed" mb="sm">{t("pricing.simulatorText")}</Text>
      <Group grow align="flex-end" preventGrowOverflow={false} mb="sm">
        <Select size="sm" label={t("pricing.type")} value={type} allowDeselect={false} data={TYPES.map((value) => ({ value, label: n(`type.${value}`) }))} onChange={(value) => change({ type: value ?? undefined })} />
        <NumberInput size="sm" label={t("pricing.length")} value={minutes} onChange={setMinutes} min={1} max={43_200} allowDecimal={false} />
        <TextInput size="sm" label={t("pricing.code")} value={code} maxLength={32} onChange={(e) => setCode(e.currentTarget.value)} />
      </Group>
      {quote.error ? <Problem error={quote.error} /> : q ? (
        <div role="status" aria-label={t("pricing.total")} data-quote={q.estimated_cost}>
          <table className={office.lines}>
            <tbody>
              <tr><td>{t("pricing.base")}</td><td className={office.end}>{money(q.cost_breakdown.base_fee, q.currency)}</td></tr>
              <tr><td>{t("pricing.time")}</td><td className={office.end}>{money(q.cost_breakdown.time_cost, q.currency)}</td></tr>
              {q.cost_breakdown.promo_discount !== 0 && <tr><td>{t("pricing.discount")}</td><td className={office.end}>{money(q.cost_breakdown.promo_discount, q.currency)}</td></tr>}
              <tr className={office.sum}><td>{t("pricing.total")}</td><td className={office.end}>{money(q.estimated_cost, q.currency)}</td></tr>
              <tr><td>{t(q.cost_breakdown.tax_included ? "pricing.taxLine" : "pricing.taxAdded")}</td><td className={office.end}>{money(q.cost_breakdown.tax, q.currency)}</td></tr>
              <tr><td>{t("pricing.hold")}</td><td className={office.end}>{money(q.authorization_amount, q.currency)}</td></tr>
            </tbody>
          </table>
        </div>
      ) : <Rows count={1} height={150} />}
      {own ? <Curve now={priceOf(own)} currency={own.currency} mark={Number(minutes)} /> : tariffs.length > 0 && <Empty icon="tag" title={t("pricing.noTariff")} />}
    </Card>
  );
}
