// The inbox: what the platform found by itself, newest first, live.
import { Button, NativeSelect, SegmentedControl } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { useStream } from "@lib/api/stream";
import { ago, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Views } from "../parts/Views";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { AlertPanel } from "./AlertPanel";
import { SEVERITY_TONE } from "./tone";

export type Alert = Schema<"AlertView">;
const STATES = ["active", "open", "acknowledged", "resolved", "all"] as const;
const SEVERITIES = ["critical", "warning", "info"] as const;

export default function Alerts() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const client = useQueryClient();
  const [query, change] = useQueryPart();
  const [selected, select] = useState<ReadonlySet<string>>(new Set());
  const state = STATES.find((s) => s === query.state) ?? "active";
  const severity = SEVERITIES.find((s) => s === query.severity);
  const found = usePages(
    ["alerts", state, severity, query.vehicle],
    (offset) => ok(api.GET("/api/v1/alerts", { params: { query: { offset, limit: PAGE, ...(state === "all" ? {} : { state }), ...(severity ? { severity } : {}), ...(query.vehicle ? { vehicle: query.vehicle } : {}) } } })),
    (page) => page.alerts,
  );
  // A burst of events asks for the list once.
  const waiting = useRef(0);
  const stream = useStream("/api/v1/alerts/stream", () => {
    clearTimeout(waiting.current);
    waiting.current = window.setTimeout(() => void client.invalidateQueries({ queryKey: ["alerts"] }), 300);
  });
  const columns = useMemo((): Column<Alert>[] => [
    { key: "what", label: t("alerts.what"), width: "minmax(13rem, 2fr)", cell: (a) => <State tone={a.state === "resolved" ? "quiet" : (SEVERITY_TONE[a.severity] ?? "quiet")}>{n(`alerts.kind.${a.kind}`)}</State>, value: (a) => n(`alerts.kind.${a.kind}`) },
    { key: "severity", label: t("alerts.severity.label"), width: "8rem", cell: (a) => n(`alerts.severity.${a.severity}`), value: (a) => SEVERITIES.indexOf(a.severity as "info") },
    { key: "vehicle", label: t("alerts.vehicle"), width: "minmax(8rem, 1fr)", cell: (a) => a.identifier ?? t("alerts.vehicles", { count: a.vehicles }), value: (a) => a.identifier ?? a.vehicles },
    { key: "value", label: t("alerts.measured"), width: "9rem", cell: (a) => `${number(a.value, 1)} ${n(`alerts.unit.${a.kind}`)}`, value: (a) => a.value },
    { key: "state", label: t("alerts.state.label"), width: "8rem", cell: (a) => n(`alerts.state.${a.state}`), value: (a) => a.state },
    { key: "since", label: t("alerts.since"), width: "minmax(9rem, 1fr)", cell: (a) => ago(a.raised_at), value: (a) => a.raised_at },
  ], [n, t]);
  const id = useCallback((alert: Alert) => alert.id, []);
  const open = useCallback((alert: Alert) => change({ alert: alert.id }, true), [change]);
  const close = useCallback(() => change({ alert: undefined }), [change]);
  const acknowledge = async () => {
    try {
      const done = await ok(api.POST("/api/v1/alerts/acknowledge", { body: { alert_ids: [...selected].slice(0, 500) } }));
      toast.good(t("alerts.acknowledged", { count: done.acknowledged.length }));
      select(new Set());
      await client.invalidateQueries({ queryKey: ["alerts"] });
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <Page
      fill title={t("alerts.title")} beside={<State tone={stream === "live" ? "good" : "notice"}>{t(`shell.live.${stream}`)}</State>}
      below={
        <div className={parts.filters}>
          <SegmentedControl size="sm" aria-label={t("alerts.state.label")} value={state} onChange={(value) => change({ state: value })} data={STATES.map((value) => ({ value, label: t(`alerts.state.${value}`) }))} />
          <NativeSelect size="sm" aria-label={t("alerts.severity.label")} value={severity ?? ""} onChange={(e) => change({ severity: e.currentTarget.value })}
            data={[{ value: "", label: t("alerts.severity.any") }, ...SEVERITIES.map((value) => ({ value, label: t(`alerts.severity.${value}`) }))]} />
          <Views screen="alerts" path="/alerts" shown={{ ...(query.state ? { state } : {}), ...(severity ? { severity } : {}), ...(query.vehicle ? { vehicle: query.vehicle } : {}) }} />
        </div>
      }
    >
      {found.isPending ? <Rows count={8} height={42} /> : found.error ? <Problem error={found.error} again={found.refetch} /> : (
        <div style={{ display: "flex", flex: 1, minHeight: 0, paddingBottom: "1rem" }}>
          <DataTable
            label={t("alerts.table")} columns={columns} rows={found.rows} id={id} name={(a) => a.identifier ?? a.rule} onOpen={open} openId={query.alert} total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all} file="alerts"
            {...(may?.("fleet.alert.write") ? { selected, onSelect: select } : {})}
            bar={selected.size > 0 && <Button size="compact-sm" variant="light" onClick={() => void acknowledge()}>{t("alerts.acknowledge")}</Button>}
            empty={<Empty icon="check" title={t("alerts.none")}>{t("alerts.noneText")}</Empty>}
          />
        </div>
      )}
      {query.alert && <AlertPanel key={query.alert} id={query.alert} onClose={close} />}
    </Page>
  );
}
