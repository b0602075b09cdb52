import { Group, Stack, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { Chart, tone, type ChartOption } from "../parts/Chart";
import { Problem } from "../parts/Problem";
import { useWords } from "../text";
import { InTime } from "./VehiclePanel";

type History = Schema<"HistoryView">;
const SERIES = [["battery", "battery_pct", "good", "%"], ["speed", "speed_kmh", "in_use", "km/h"], ["temperature", "temperature_c", "notice", "°C"], ["signal", "signal_dbm", "quiet", "dBm"]] as const;

export const period = (hours: number) => {
  const to = new Date();
  return { from: new Date(to.getTime() - hours * 3_600_000).toISOString(), to: to.toISOString() };
};

export const Telemetry = ({ id }: { id: string }) => <InTime>{(hours) => <Charts id={id} hours={hours} />}</InTime>;

function Charts({ id, hours }: { id: string; hours: number }) {
  const t = useWords();
  const found = useQuery({
    queryKey: ["history", id, hours],
    queryFn: () => ok(api.GET("/api/v1/vehicles/{vehicle_id}/history", { params: { path: { vehicle_id: id }, query: period(hours) } })),
    refetchInterval: 30_000,
  });
  if (found.isPending) return <Rows count={3} height={130} />;
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (found.data.at.length === 0) return <Empty icon="chart" title={t("fleet.panel.noReadings")} />;
  return <Stack gap="md">{SERIES.map(([name, column, colour, unit]) => <One key={name} name={name} column={column} colour={colour} unit={unit} of={found.data} />)}</Stack>;
}

function One({ name, column, colour, unit, of }: { name: (typeof SERIES)[number][0]; column: (typeof SERIES)[number][1]; colour: string; unit: string; of: History }) {
  const t = useWords();
  const values = of[column];
  const known = values.filter((v): v is number => v !== null);
  const option = useCallback((): ChartOption => ({
    grid: { left: 38, right: 8, top: 8, bottom: 22 },
    tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: tone("card"), textStyle: { color: tone("ink") }, valueFormatter: (v: unknown) => (typeof v === "number" ? `${number(v, 1)} ${unit}` : "–") },
    xAxis: { type: "time", axisLine: { lineStyle: { color: tone("line") } }, splitNumber: 4, axisLabel: { hideOverlap: true, color: tone("quiet"), formatter: (v: number) => at(new Date(v), "time") } },
    yAxis: { type: "value", scale: name !== "battery", ...(name === "battery" ? { min: 0, max: 100 } : {}), splitNumber: 3, axisLabel: { color: tone("quiet") }, splitLine: { lineStyle: { color: tone("line") } } },
    series: [{ type: "line", name: t(`fleet.${name === "battery" ? "battery" : (`panel.${name}` as "panel.speed")}`), data: of.at.map((stamp, i) => [stamp, values[i]]), showSymbol: false, lineStyle: { width: 2 }, itemStyle: { color: tone(colour) }, areaStyle: { opacity: 0.08 } }],
  }), [colour, name, of, t, unit, values]);
  if (known.length === 0) return null;
  const label = t(name === "battery" ? "fleet.battery" : `fleet.panel.${name}`);
  const mean = t("fleet.panel.mean", { value: `${number(known.reduce((a, b) => a + b, 0) / known.length, 1)} ${unit}` });
  return (
    <div>
      <Group justify="space-between"><Text fw={600} size="sm">{label}</Text><Text size="sm" c="dimmed" className="figures">{mean}</Text></Group>
      <Chart label={`${label}: ${mean}`} option={option} height={130} />
    </div>
  );
}
