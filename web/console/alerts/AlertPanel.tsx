import { Button, Group, Menu, Stack, Text } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { at, number } from "@lib/format";
import { hasText } from "@lib/i18n";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import fleet from "../fleet/fleet.module.css";
import { AskText } from "../parts/AskText";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import type { Alert } from "./Alerts";
import { SEVERITY_TONE } from "./tone";

export function AlertPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const found = useQuery({
    queryKey: ["alerts", "one", id],
    queryFn: () => ok(api.GET("/api/v1/alerts/{alert_id}", { params: { path: { alert_id: id } } })),
    refetchInterval: 10_000,
  });
  const alert = found.data?.alert;
  return (
    <Panel title={alert ? n(`alerts.kind.${alert.kind}`) : t("loading")} label={t("alerts.title")} onClose={onClose}>
      {found.isPending && <Rows count={6} height={36} />}
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {alert && found.data && (
        <Stack>
          <Group gap="md">
            <State tone={SEVERITY_TONE[alert.severity] ?? "quiet"}>{n(`alerts.severity.${alert.severity}`)}</State>
            <Text size="sm">{n(`alerts.state.${alert.state}`)}</Text>
            {alert.identifier && <Go to="/vehicles" query={{ v: alert.identifier }}>{alert.identifier}</Go>}
          </Group>
          <Actions alert={alert} />
          <Pairs of={[
            [t("alerts.measured"), `${number(alert.value, 1)} ${n(`alerts.unit.${alert.kind}`)}`],
            [t("alerts.worst"), alert.worst === alert.value ? null : `${number(alert.worst, 1)} ${n(`alerts.unit.${alert.kind}`)}`],
            [t("alerts.since"), at(alert.raised_at, "full")],
            [t("alerts.times"), alert.times > 1 ? alert.times : null],
            [t("alerts.rule"), alert.rule === alert.kind ? null : alert.rule],
            [t("alerts.vehicle"), alert.is_fleet_wide ? t("alerts.vehicles", { count: alert.vehicles }) : null],
            [t("alerts.silence"), alert.silenced_until && t("alerts.silenced", { until: at(alert.silenced_until) })],
            [t("alerts.resolution"), alert.resolution && (hasText(`alerts.${alert.resolution}`) ? n(`alerts.${alert.resolution}`) : alert.resolution)],
          ]} />
          {found.data.affected.length > 0 && (
            <div>
              <Text fw={600} mb={4}>{t("alerts.affected")}</Text>
              <Group gap="xs">{found.data.affected.map((v) => <Go key={v.id} to="/vehicles" query={{ v: v.identifier }}>{v.identifier}</Go>)}</Group>
            </div>
          )}
          <Text fw={600}>{t("alerts.history")}</Text>
          <ol className={fleet.story}>
            {found.data.timeline.map((line, i) => (
              <li key={i}>
                <time dateTime={line.at}>{at(line.at, "time")}</time>
                <div><Text size="sm" fw={550}>{hasText(`alerts.line.${line.what}`) ? n(`alerts.line.${line.what}`) : line.what}</Text>{line.note && <Text size="sm">{line.note}</Text>}</div>
              </li>
            ))}
          </ol>
        </Stack>
      )}
    </Panel>
  );
}

function Actions({ alert }: { alert: Alert }) {
  const t = useWords();
  const may = useMay();
  const client = useQueryClient();
  const [asks, setAsks] = useState<"resolve" | "note" | null>(null);
  if (!may?.("fleet.alert.write")) return null;
  const path = { params: { path: { alert_id: alert.id } } };
  const run = async (what: () => Promise<unknown>, said?: string) => {
    try {
      await what();
      if (said) toast.good(said);
      await client.invalidateQueries({ queryKey: ["alerts"] });
    } catch (error) {
      toast.bad(error);
    }
  };
  const silence = (until: string | null) => ok(api.POST("/api/v1/alerts/{alert_id}/silence", { ...path, body: { until } }));
  const hush = (hours: number) =>
    run(async () => {
      await silence(new Date(Date.now() + hours * 3_600_000).toISOString());
      toast.undoable(t("alerts.silencedDone"), async () => {
        await silence(null);
        await client.invalidateQueries({ queryKey: ["alerts"] });
      });
    });
  return (
    <Group gap="xs">
      {alert.state === "open" && <Button size="sm" onClick={() => void run(() => ok(api.POST("/api/v1/alerts/{alert_id}/acknowledge", { ...path, body: {} })), t("alerts.acknowledged", { count: 1 }))}>{t("alerts.acknowledge")}</Button>}
      {alert.state !== "resolved" && <Button size="sm" variant="light" onClick={() => setAsks("resolve")}>{t("alerts.resolve")}</Button>}
      <Menu>
        <Menu.Target><Button size="sm" variant="default">{t("alerts.silence")}</Button></Menu.Target>
        <Menu.Dropdown>
          {alert.silenced_until && <Menu.Item onClick={() => void run(() => silence(null))}>{t("alerts.unsilence")}</Menu.Item>}
          <Menu.Item onClick={() => void hush(1)}>{t("alerts.silence1h")}</Menu.Item>
          <Menu.Item onClick={() => void hush(8)}>{t("alerts.silence8h")}</Menu.Item>
          <Menu.Item onClick={() => void hush(24)}>{t("alerts.silence24h")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button size="sm" variant="default" onClick={() => setAsks("note")}>{t("alerts.addNote")}</Button>
      {asks === "resolve" && (
        <AskText title={t("alerts.resolve")} label={t("alerts.note")} go={t("alerts.resolve")} isNeeded={false} onClose={() => setAsks(null)}
          onDone={(note) => void run(() => ok(api.POST("/api/v1/alerts/{alert_id}/resolve", { ...path, body: { note: note || null } })), t("alerts.resolved"))} />
      )}
      {asks === "note" && (
        <AskText title={t("alerts.addNote")} label={t("alerts.note")} go={t("save")} onClose={() => setAsks(null)}
          onDone={(note) => void run(() => ok(api.POST("/api/v1/alerts/{alert_id}/note", { ...path, body: { note } })))} />
      )}
    </Group>
  );
}
