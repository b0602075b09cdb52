// Who is to be charged next, and in which order: a plan is a tour over the map.
import { Badge, Button, Checkbox, Group, MultiSelect, NativeSelect, NumberInput, Progress, SimpleGrid, Stack, Text, UnstyledButton } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, distance, minutes } from "@lib/format";
import { mapStart } from "@lib/config";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { TYPES, type VehicleType } from "../fleet/columns";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { Stops } from "./Stops";
import { TourMap, type Spot } from "./TourMap";
import classes from "./charging.module.css";

type Plan = Schema<"PlanView">;
const STATE_COLOUR: Record<string, string> = { open: "petrol", done: "gray", cancelled: "gray", expired: "amber" };

export default function Charging() {
  const t = useWords();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [start, setStart] = useState<Spot>(() => {
    const [longitude, latitude] = mapStart(0).centre;
    return { latitude, longitude };
  });
  const isNew = query.new === "1";
  const plans = useQuery({ queryKey: ["plans"], queryFn: () => ok(api.GET("/api/v1/battery/plans", { params: { query: { limit: 50 } } })), refetchInterval: 15_000 });
  const shown = query.plan === "-" || isNew ? undefined : (query.plan ?? plans.data?.plans.find((plan) => plan.state === "open")?.id);
  const plan = useQuery({
    queryKey: ["plans", "one", shown],
    queryFn: () => ok(api.GET("/api/v1/battery/plans/{plan_id}", { params: { path: { plan_id: shown ?? "" } } })),
    enabled: shown !== undefined,
    refetchInterval: 10_000,
  });
  return (
    <Page fill title={t("charging.title")} actions={may?.("fleet.maintenance.write") && !isNew && <Button size="sm" onClick={() => change({ new: "1", plan: undefined }, true)}>{t("charging.plan")}</Button>}>
      <div className={classes.split}>
        <div className={classes.side} tabIndex={0} role="region" aria-label={t("charging.plans")}>
          {isNew ? <Wish start={start} onStart={setStart} onDone={(id) => change({ new: undefined, plan: id })} onClose={() => change({ new: undefined })} /> : plan.data && shown ? (
            <Stack>
              {(query.plan || (plans.data?.plans.length ?? 0) > 1) && <Button size="compact-sm" variant="subtle" w="fit-content" onClick={() => change({ plan: "-" })}>{t("charging.back")}</Button>}
              <Stops plan={plan.data} />
            </Stack>
          ) : plans.isPending ? <Rows count={5} height={72} /> : plans.error ? <Problem error={plans.error} again={() => void plans.refetch()} />
            : plans.data.plans.length === 0 ? <Empty icon="battery" title={t("charging.none")} action={may?.("fleet.maintenance.write") && <Button variant="light" onClick={() => change({ new: "1" }, true)}>{t("charging.plan")}</Button>}>{t("charging.noneText")}</Empty>
            : <Stack gap="xs">{plans.data.plans.map((each) => <Row key={each.id} plan={each} onOpen={() => change({ plan: each.id }, true)} />)}</Stack>}
        </div>
        <div className={classes.map}>
          <TourMap plan={isNew ? null : (plan.data ?? null)} start={isNew ? start : null} onStart={setStart} />
        </div>
      </div>
    </Page>
  );
}

function Row({ plan, onOpen }: { plan: Plan; onOpen: () => void }) {
  const t = useWords();
  const n = useNames();
  return (
    <UnstyledButton className={classes.row} onClick={onOpen}>
      <Group justify="space-between"><Text fw={600} size="sm">{n(`charging.kind.${plan.kind}`)}</Text><Badge variant="light" color={STATE_COLOUR[plan.state] ?? "gray"}>{n(`charging.state.${plan.state}`)}</Badge></Group>
      <Text size="sm" c="dimmed">{t("charging.length", { distance: distance(plan.distance_m), minutes: minutes(Math.round(plan.estimated_s / 60)) })}</Text>
      <Progress value={(100 * (plan.done + plan.skipped)) / Math.max(1, plan.total)} my={6} aria-label={t("charging.progress", { done: plan.done, total: plan.total })} />
      <Text size="xs" c="dimmed">{t("charging.progress", { done: plan.done, total: plan.total })} · {t("charging.by", { when: ago(plan.created_at) })}</Text>
    </UnstyledButton>
  );
}

function Wish({ start, onStart, onDone, onClose }: { start: Spot; onStart: (spot: Spot) => void; onDone: (id: string) => void; onClose: () => void }) {
  const t = useWords();
  const client = useQueryClient();
  const [kind, setKind] = useState<"swap" | "charge">("swap");
  const [types, setTypes] = useState<VehicleType[]>(["scooter", "ebike"]);
  const [capacity, setCapacity] = useState(24);
  const [below, setBelow] = useState(40);
  const [radius, setRadius] = useState(8);
  const [isRound, setRound] = useState(true);
  const [isBusy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    try {
      const made = await ok(api.POST("/api/v1/battery/plans", {
        body: { kind, vehicle_types: types, start, capacity, max_stops: Math.min(200, capacity), below_level: below, radius_m: Math.round(radius * 1000), is_round_trip: isRound },
      }));
      await client.invalidateQueries({ queryKey: ["plans"] });
      toast.good(t("charging.made", { count: made.total }));
      onDone(made.id);
    } catch (error) {
      toast.bad(error);
      setBusy(false);
    }
  };
  const number = (set: (value: number) => void) => (value: string | number) => set(Number(value) || 0);
  return (
    <form onSubmit={(e) => { e.preventDefault(); void make(); }}>
      <Stack>
        <NativeSelect label={t("charging.kindLabel")} value={kind} onChange={(e) => setKind(e.currentTarget.value as typeof kind)} data={(["swap", "charge"] as const).map((value) => ({ value, label: t(`charging.kind.${value}`) }))} />
        <MultiSelect label={t("charging.types")} value={types} onChange={(value) => setTypes(value as VehicleType[])} data={TYPES.map((value) => ({ value, label: t(`type.${value}`) }))} />
        <SimpleGrid cols={2} style={{ alignItems: "end" }}>
          <NumberInput label={t("charging.capacity")} min={1} max={200} value={capacity} onChange={number(setCapacity)} />
          <NumberInput label={t("charging.below")} min={1} max={100} suffix=" %" value={below} onChange={number(setBelow)} />
          <NumberInput label={t("charging.radius")} min={0.5} max={50} decimalScale={1} value={radius} onChange={number(setRadius)} />
        </SimpleGrid>
        <Text size="sm" c="dimmed">{t("charging.start")}</Text>
        <SimpleGrid cols={2} style={{ alignItems: "end" }}>
          <NumberInput label={t("charging.latitude")} decimalScale={5} min={-90} max={90} step={0.001} value={start.latitude} onChange={(v) => onStart({ ...start, latitude: Number(v) || 0 })} />
          <NumberInput label={t("charging.longitude")} decimalScale={5} min={-180} max={180} step={0.001} value={start.longitude} onChange={(v) => onStart({ ...start, longitude: Number(v) || 0 })} />
        </SimpleGrid>
        <Checkbox radius={4} label={t("charging.round")} checked={isRound} onChange={(e) => setRound(e.currentTarget.checked)} />
        <Group justify="end">
          <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
          <Button type="submit" loading={isBusy} disabled={types.length === 0}>{t("charging.plan")}</Button>
        </Group>
      </Stack>
    </form>
  );
}
