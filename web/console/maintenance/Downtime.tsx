// How long vehicles stood still, why, and what their upkeep cost.
import { SegmentedControl, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, minutes, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card, Cards, Figure } from "../parts/Card";
import { Chart, tone, type ChartOption } from "../parts/Chart";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { PERIODS, spent, steps, type Period } from "./periods";

type Report = Schema<"DowntimeAnswer">;
interface Step { since: string; until: string; seconds: number }

const LONGEST = 20;
const MOST_RECORDS = 500;
const hours = (seconds: number): string => (seconds < 3600 ? minutes(Math.round(seconds / 60)) : `${number(seconds / 3600, seconds < 36_000 ? 1 : 0)} h`);

const asked = (since: string, until: string, limit: number) => ok(api.GET("/api/v1/maintenance/downtime", { params: { query: { since, until, limit } } }));

/** The whole period, and each of its steps for the chart. */
function useDowntime(period: Period, now: number) {
  return useQuery({
    queryKey: ["downtime", period, Math.ceil(now / 3_600_000)],
    queryFn: async () => {
      const all = steps(period, now);
      const whole = await asked(all[0]!.since, all.at(-1)!.until, LONGEST);
      const each = await Promise.all(all.map(async ({ since, until }): Promise<Step> => ({ since, until, seconds: (await asked(since, until, 1)).seconds })));
      return { whole, each };
    },
    staleTime: 300_000,
  });
}

function useCosts(period: Period, now: number) {
  return useQuery({
    queryKey: ["maintenance-costs", period, Math.ceil(now / 3_600_000)],
    queryFn: async () => {
      const { since } = steps(period, now)[0]!;
      const records: Schema<"RecordView">[] = [];
      for (let isMore = true; isMore && records.length < MOST_RECORDS; ) {
        const page = await ok(api.GET("/api/v1/maintenance/records", { params: { query: { since, limit: 100, offset: records.length } } }));
        records.push(...page.records);
        isMore = page.pagination.has_more;
      }
      return records;
    },
    staleTime: 300_000,
  });
}

export function Downtime() {
  const t = useWords();
  const [query, change] = useQueryPart();
  const [now] = useState(() => Date.now());
  const period = (Object.keys(PERIODS) as Period[]).find((each) => each === query.period) ?? "28";
  const down = useDowntime(period, now);
  const costs = useCosts(period, now);
  const whole = down.data?.whole;
  const sums = costs.data && spent(costs.data);
  const currency = costs.data?.find((record) => record.currency)?.currency ?? undefined;
  const total = sums?.reduce((sum, each) => sum + each.cost, 0);
  if (down.error) return <Problem error={down.error} again={() => void down.refetch()} />;
  return (
    <div className={office.stack}>
      <SegmentedControl size="sm" style={{ alignSelf: "start" }} aria-label={t("maintenance.period")} value={period} onChange={(value) => change({ period: value })}
        data={(Object.keys(PERIODS) as Period[]).map((value) => ({ value, label: t("maintenance.days", { count: Number(value) }) }))} />
      <Cards>
        <Figure label={t("maintenance.availability")} value={whole ? `${number(whole.availability * 100, 1)} %` : null} more={whole && t("maintenance.ofFleet", { count: whole.fleet })} />
        <Figure label={t("maintenance.stood")} value={whole ? hours(whole.seconds) : null} more={whole && t("maintenance.vehiclesOut", { count: whole.vehicles_out })} />
        <Figure label={t("maintenance.perVehicle")} value={whole ? hours(whole.vehicles_out ? whole.seconds / whole.vehicles_out : 0) : null} more={t("maintenance.perVehicleText")} />
        <Figure label={t("maintenance.spent")} value={total === undefined ? null : money(total, currency)} more={costs.data && t("maintenance.records", { count: costs.data.length })} />
      </Cards>
      <div className={office.two}>
        <Card title={t("maintenance.due")}>{down.data ? <ByStep of={down.data.each} /> : <Rows count={1} height={220} />}</Card>
        <Card title={t("maintenance.costs")}>
          {costs.error && <Problem error={costs.error} again={() => void costs.refetch()} />}
          {sums ? <Spent of={sums} currency={currency} /> : !costs.error && <Rows count={3} height={40} />}
          {costs.data && costs.data.length >= MOST_RECORDS && <Text size="sm" c="dimmed" mt="xs">{t("maintenance.newestOnly", { count: MOST_RECORDS })}</Text>}
        </Card>
      </div>
      <Card title={t("maintenance.longest")}>{whole ? <Longest of={whole} /> : <Rows count={4} height={36} />}</Card>
    </div>
  );
}

function ByStep({ of }: { of: readonly Step[] }) {
  const key = of.map((step) => step.seconds).join();
  const label = (stamp: string) => at(stamp, "day");
  const option = useCallback((): ChartOption => ({
    grid: { left: 52, right: 8, top: 12, bottom: 24 },
    tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: tone("card"), textStyle: { color: tone("ink") }, valueFormatter: (v: unknown) => (typeof v === "number" ? hours(v * 3600) : "–") },
    xAxis: { type: "category", data: of.map((step) => label(step.since)), axisTick: { show: false }, axisLine: { lineStyle: { color: tone("line") } }, axisLabel: { color: tone("quiet"), hideOverlap: true } },
    yAxis: { type: "value", splitNumber: 3, axisLabel: { color: tone("quiet"), formatter: (v: number) => `${number(v, 2)} h` }, splitLine: { lineStyle: { color: tone("line") } } },
    series: [{ type: "bar", barWidth: "62%", data: of.map((step) => Math.round(step.seconds / 360) / 10), itemStyle: { color: tone("maintenance"), borderRadius: [4, 4, 0, 0] } }],
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the figures, not the array that holds them
  }), [key]);
  return <Chart label={of.map((step) => `${label(step.since)}: ${hours(step.seconds)}`).join(", ")} option={option} height={220} />;
}

function Spent({ of, currency }: { of: ReturnType<typeof spent>; currency: string | undefined }) {
  const t = useWords();
  const n = useNames();
  if (of.length === 0) return <Empty icon="wrench" title={t("maintenance.noCosts")}>{t("maintenance.noCostsText")}</Empty>;
  const most = Math.max(...of.map((each) => each.cost), 1);
  return (
    <table className={office.lines}>
      <thead><tr><th scope="col">{t("maintenance.kindLabel")}</th><th scope="col" className={office.end}>{t("maintenance.times")}</th><th scope="col" className={office.end}>{t("maintenance.cost")}</th></tr></thead>
      <tbody>
        {of.map((each) => (
          <tr key={each.type}>
            <td>{n(`maintenance.record.${each.type}`)}<div className={office.share} style={{ "--share": `${(100 * each.cost) / most}%` } as React.CSSProperties} aria-hidden /></td>
            <td className={office.end}>{number(each.times)}</td>
            <td className={office.end}>{money(each.cost, currency)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Longest({ of }: { of: Report }) {
  const t = useWords();
  const n = useNames();
  if (of.vehicles.length === 0) return <Empty icon="check" title={t("maintenance.neverOut")} />;
  return (
    <Wide>
      <table className={office.lines}>
        <thead><tr><th scope="col">{t("maintenance.vehicle")}</th><th scope="col">{t("maintenance.why")}</th><th scope="col">{t("maintenance.now")}</th><th scope="col" className={office.end}>{t("maintenance.times")}</th><th scope="col" className={office.end}>{t("maintenance.stood")}</th></tr></thead>
        <tbody>
          {of.vehicles.map((vehicle) => (
            <tr key={vehicle.vehicle_id}>
              <td><Go to="/vehicles" query={{ v: vehicle.identifier }}>{vehicle.identifier}</Go></td>
              <td>{vehicle.reasons.map((reason) => n(`maintenance.reason.${reason}`)).join(", ")}</td>
              <td><State tone={vehicle.is_out ? "maintenance" : "good"}>{t(vehicle.is_out ? "maintenance.isOut" : "maintenance.isBack")}</State></td>
              <td className={office.end}>{number(vehicle.times)}</td>
              <td className={office.end}>{hours(vehicle.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
