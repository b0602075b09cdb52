// The whole fleet at one look. Everything here leads to where it is dealt with.
import { Anchor, Group, Stack, Table, Text } from "@mantine/core";
import type { Schema } from "@lib/api/client";
import { agoShort, at, money, number, percent } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { useCallback, useMemo } from "react";
import { SEVERITY_TONE } from "../alerts/tone";
import { Card, Cards, Figure } from "../parts/Card";
import { Chart, tone, type ChartOption } from "../parts/Chart";
import { Page } from "../parts/Page";
import { State } from "../parts/State";
import { counted, STATUSES, TYPES } from "../fleet/columns";
import { useFleet } from "../fleet/live";
import { Kind, StatusName } from "../fleet/Status";
import { useMay } from "../shell/may";
import { Go, useGo } from "../shell/place";
import { useNames, useWords } from "../text";
import { useActiveRides, useOpenAlerts, useOpenTickets, useRevenue } from "./figures";
import classes from "./overview.module.css";

export default function Overview() {
  const t = useWords();
  const may = useMay();
  const { fleet, version, state } = useFleet();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- `version` says that the columns changed
  const counts = useMemo(() => (fleet.count > 0 || state === "live" ? counted(fleet) : null), [fleet, version, state]);
  const rides = useActiveRides();
  const alerts = useOpenAlerts(may?.("fleet.alert.read") ?? false);
  const tickets = useOpenTickets(may?.("fleet.maintenance.read") ?? false);
  const revenue = useRevenue(may?.("payments.ledger.read") ?? false).data;
  const [today, yesterday] = [revenue?.periods.at(-1)?.total ?? null, revenue?.periods.at(-2)?.total];
  const inService = counts && counts.byStatus.slice(0, 3).reduce((a, b) => a + b, 0);
  return (
    <Page title={t("overview.title")} beside={<State tone={state === "live" ? "good" : "notice"}>{t(`shell.live.${state === "loading" || state === "failed" ? "opening" : state}`)}</State>}>
      <Stack gap="md">
        <Cards>
          <Figure label={t("overview.onStreet")} value={inService === null ? null : number(inService)} more={counts && t("overview.outOf", { count: number(counts.total) })} />
          <Figure label={t("overview.riding")} value={rides.data === undefined ? null : number(rides.data)} tone="in_use" more={counts && t("overview.ofFleet", { share: percent((100 * (counts.byStatus[2] ?? 0)) / Math.max(1, counts.total)) })} />
          {may?.("payments.ledger.read") && (
            <Figure label={t("overview.revenue")} value={today === null ? null : money(today, revenue?.currency)} more={yesterday !== undefined && t("overview.yesterday", { value: money(yesterday, revenue?.currency) })} />
          )}
          {may?.("fleet.alert.read") && (
            <Figure label={t("overview.alerts")} value={alerts.data ? <Go className={classes.quiet} to="/alerts">{number(alerts.data.counts.open)}</Go> : null} {...(alerts.data?.counts.critical ? { tone: "danger" } : {})}
              more={alerts.data && t("overview.critical", { count: alerts.data.counts.critical })} />
          )}
          {may?.("fleet.maintenance.read") && (
            <Figure label={t("overview.tickets")} value={tickets.data ? <Go className={classes.quiet} to="/maintenance">{number(tickets.data.all)}</Go> : null} more={tickets.data && t("overview.safety", { count: tickets.data.safety })} />
          )}
        </Cards>
        <div className={classes.halves}>
          <Card title={t("overview.byStatus")} beside={<Go to="/vehicles">{t("overview.toMap")}</Go>}>
            {counts ? <ByStatus byStatus={counts.byStatus} byType={counts.byType} /> : <Rows count={4} height={36} />}
          </Card>
          <Card title={t("overview.byBattery")} beside={counts && <Go to="/charging">{t("overview.planCharging")}</Go>}>
            {counts ? <ByBattery levels={counts.batteries} /> : <Rows count={4} height={36} />}
          </Card>
          {may?.("payments.ledger.read") && <Card title={t("overview.byDay")}>{revenue ? <ByDay of={revenue} /> : <Rows count={4} height={44} />}</Card>}
          {may?.("fleet.alert.read") && (
            <Card title={t("overview.latest")} beside={<Go to="/alerts">{t("overview.all")}</Go>}>
              {!alerts.data ? <Rows count={4} height={32} /> : alerts.data.alerts.length === 0 ? <Empty icon="check" title={t("overview.quiet")}>{t("overview.quietText")}</Empty> : <Latest of={alerts.data.alerts} />}
            </Card>
          )}
        </div>
      </Stack>
    </Page>
  );
}

function ByStatus({ byStatus, byType }: { byStatus: number[]; byType: number[] }) {
  const t = useWords();
  const n = useNames();
  const go = useGo();
  const names = STATUSES.slice(0, 5);
  const all = Math.max(1, byStatus.slice(0, 5).reduce((a, b) => a + b, 0));
  const key = byStatus.join();
  const option = useCallback((): ChartOption => ({
    series: [{
      type: "pie", radius: ["62%", "92%"], label: { show: false }, itemStyle: { borderColor: tone("card"), borderWidth: 3 }, cursor: "pointer",
      data: names.map((name, i) => ({ name, value: byStatus[i], itemStyle: { color: tone(name) } })),
    }],
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the figures, not the array that holds them
  }), [key]);
  return (
    <>
      <div className={classes.beside}>
        <Chart label={names.map((name, i) => `${n(`status.${name}`)} ${byStatus[i]}`).join(", ")} option={option} height={170} onPick={(status) => go("/vehicles", { status })} />
        <Table verticalSpacing={5} withRowBorders={false}>
          <Table.Tbody>
            {names.map((name, i) => (
              <Table.Tr key={name}>
                <Table.Td><Go className={classes.quiet} to="/vehicles" query={{ status: name }}><StatusName status={name} /></Go></Table.Td>
                <Table.Td ta="right" className="figures" fw={600}>{number(byStatus[i] ?? 0)}</Table.Td>
                <Table.Td ta="right" className="figures" c="dimmed" w={64}>{percent((100 * (byStatus[i] ?? 0)) / all)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <Group gap="lg" mt="sm" aria-label={t("overview.byType")} role="group">
        {TYPES.map((type, i) => (byType[i] ?? 0) > 0 && (
          <Go key={type} className={classes.quiet} to="/vehicles" query={{ type }}><Group gap={6}><Kind type={type} /><b className="figures">{number(byType[i] ?? 0)}</b></Group></Go>
        ))}
      </Group>
    </>
  );
}

const BANDS = ["0–19 %", "20–39 %", "40–59 %", "60–79 %", "80–100 %"];

function ByBattery({ levels }: { levels: number[] }) {
  const t = useWords();
  const key = levels.join();
  const option = useCallback((): ChartOption => ({
    grid: { left: 44, right: 8, top: 22, bottom: 24 },
    xAxis: { type: "category", data: BANDS, axisTick: { show: false }, axisLine: { lineStyle: { color: tone("line") } }, axisLabel: { color: tone("quiet"), interval: 0, formatter: (band: string) => band.replace(" %", "") } },
    yAxis: { type: "value", minInterval: 1, splitNumber: 3, axisLabel: { color: tone("quiet") }, splitLine: { lineStyle: { color: tone("line") } } },
    series: [{
      type: "bar", barWidth: "58%", label: { show: true, position: "top", color: tone("ink"), formatter: ({ value }: { value: number }) => number(value) },
      data: BANDS.map((_, i) => ({ value: levels[i], itemStyle: { color: tone(i === 0 ? "danger" : i === 1 ? "notice" : "good"), borderRadius: [5, 5, 0, 0] } })),
    }],
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the figures, not the array that holds them
  }), [key]);
  return (
    <>
      <Chart label={BANDS.map((band, i) => `${band}: ${levels[i]}`).join(", ")} option={option} height={190} />
      <Group justify="space-between" mt="xs">
        <Go to="/vehicles" query={{ battery: "0-20" }}>{t("overview.batteryLow", { count: levels[0] ?? 0 })}</Go>
        {(levels[5] ?? 0) > 0 && <Text size="sm" c="dimmed">{number(levels[5]!)} {t("overview.unknown")}</Text>}
      </Group>
    </>
  );
}

function ByDay({ of }: { of: Schema<"RevenueView"> }) {
  const t = useWords();
  const { currency } = of;
  const key = of.periods.map((p) => `${p.begins} ${p.total}`).join();
  const option = useCallback((): ChartOption => ({
    grid: { left: 56, right: 8, top: 12, bottom: 24 },
    tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: tone("card"), textStyle: { color: tone("ink") }, valueFormatter: (v: unknown) => (typeof v === "number" ? money(v, currency) : "–") },
    xAxis: { type: "category", data: of.periods.map((p) => at(p.begins, "day")), axisTick: { show: false }, axisLine: { lineStyle: { color: tone("line") } }, axisLabel: { color: tone("quiet"), interval: 0, hideOverlap: true } },
    yAxis: { type: "value", splitNumber: 3, axisLabel: { color: tone("quiet"), formatter: (v: number) => money(v, currency).replace(/[.,]00/, "") }, splitLine: { lineStyle: { color: tone("line") } } },
    series: [{ type: "bar", barWidth: "58%", data: of.periods.map((p) => p.total), itemStyle: { color: tone("brand"), borderRadius: [5, 5, 0, 0] } }],
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the figures, not the array that holds them
  }), [key]);
  return (
    <>
      <Chart label={of.periods.map((p) => `${at(p.begins, "date")}: ${money(p.total, currency)}`).join(", ")} option={option} height={190} />
      <Text size="sm" c="dimmed" mt="xs" className="figures">{t("overview.total", { value: money(of.total, currency) })}</Text>
    </>
  );
}

function Latest({ of }: { of: { id: string; severity: string; kind: string; rule: string; identifier: string | null; vehicles: number; raised_at: string }[] }) {
  const n = useNames();
  return (
    <Table verticalSpacing={6} withRowBorders={false}>
      <Table.Tbody>
        {of.map((alert) => (
          <Table.Tr key={alert.id}>
            <Table.Td><Anchor component={Go} c="inherit" to="/alerts" query={{ alert: alert.id }}><State tone={SEVERITY_TONE[alert.severity] ?? "quiet"}>{n(`alerts.kind.${alert.kind}`)}</State></Anchor></Table.Td>
            <Table.Td>{alert.identifier ?? number(alert.vehicles)}</Table.Td>
            <Table.Td ta="right" c="dimmed" style={{ whiteSpace: "nowrap" }}>{agoShort(alert.raised_at)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
