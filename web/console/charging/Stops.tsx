import { Button, Group, Progress, Stack, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { distance, minutes } from "@lib/format";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Battery } from "../fleet/Status";
import { AskText } from "../parts/AskText";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import classes from "./charging.module.css";

export function Stops({ plan }: { plan: Schema<"PlanDetail"> }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const client = useQueryClient();
  const [skips, setSkips] = useState<number | null>(null);
  const mayWrite = plan.state === "open" && (may?.("fleet.maintenance.write") ?? false);
  const run = async (what: () => Promise<unknown>, said?: string) => {
    try {
      await what();
      if (said) toast.good(said);
      await client.invalidateQueries({ queryKey: ["plans"] });
    } catch (error) {
      toast.bad(error);
    }
  };
  const close = (position: number, body: Schema<"StopBody">) => run(() => ok(api.POST("/api/v1/battery/plans/{plan_id}/stops/{position}", { params: { path: { plan_id: plan.id, position: String(position) } }, body })));
  return (
    <Stack gap="sm">
      <Group justify="space-between"><Text component="h2" fw={650}>{n(`charging.kind.${plan.kind}`)}</Text><Text size="sm">{n(`charging.state.${plan.state}`)}</Text></Group>
      <Text size="sm" c="dimmed">{t("charging.length", { distance: distance(plan.distance_m), minutes: minutes(Math.round(plan.estimated_s / 60)) })}</Text>
      <Progress value={(100 * (plan.done + plan.skipped)) / Math.max(1, plan.total)} aria-label={t("charging.progress", { done: plan.done, total: plan.total })} />
      <Text size="sm" role="status">{t("charging.progress", { done: plan.done, total: plan.total })}</Text>
      <ol className={classes.stops} aria-label={t("charging.list")}>
        {plan.stops.map((stop) => (
          <li key={stop.position} className={classes.stop}>
            <span className={classes.pin} data-state={stop.state}>{stop.position}</span>
            <div>
              <Group gap="sm"><Go to="/vehicles" query={{ v: stop.identifier }}>{stop.identifier}</Go><Battery level={stop.battery_level} /></Group>
              <Text size="xs" c="dimmed">{distance(stop.distance_m)}{stop.state !== "open" && ` · ${n(`charging.stopState.${stop.state}`)}`}{stop.reason && `: ${stop.reason}`}</Text>
            </div>
            {mayWrite && stop.state === "open" && (
              <Group gap={4} wrap="nowrap">
                <Button size="compact-sm" variant="light" onClick={() => void close(stop.position, { state: "done", level: 100 })}>{t("charging.stopDone")}</Button>
                <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setSkips(stop.position)}>{t("charging.skip")}</Button>
              </Group>
            )}
          </li>
        ))}
      </ol>
      {mayWrite && <Button size="sm" variant="subtle" color="red" w="fit-content" onClick={() => void run(() => ok(api.POST("/api/v1/battery/plans/{plan_id}/cancel", { params: { path: { plan_id: plan.id } } })), t("charging.cancelled"))}>{t("charging.cancelPlan")}</Button>}
      {skips !== null && <AskText title={t("charging.skip")} label={t("charging.skipWhy")} go={t("charging.skip")} onClose={() => setSkips(null)} onDone={(reason) => void close(skips, { state: "skipped", reason })} />}
    </Stack>
  );
}
