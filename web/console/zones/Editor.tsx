// One zone: what it says, when, for whom, and its area; every change is a version that can be brought back.
import { ActionIcon, Button, Chip, Collapse, Group, JsonInput, MultiSelect, NativeSelect, NumberInput, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { ApiProblem, errorText } from "@lib/errors";
import { zone as operatorZone } from "@lib/format";
import { Icon } from "@lib/icons";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { TYPES, type VehicleType } from "../fleet/columns";
import { offsetAt } from "../overview/days";
import { useWords } from "../text";
import { History } from "./History";
import { areaIn, canDrawArea, cornersOf, KINDS, type Area, type Kind, type Zone } from "./shape";
import classes from "./zones.module.css";

type Properties = Zone["properties"];
type Hours = NonNullable<Properties["schedule"]>[number];
const DAYS = [0, 1, 2, 3, 4, 5, 6] as const;

interface EditorProps {
  zone: Zone | null;
  area: Area | null;
  pencil: "draw" | "edit" | null;
  mayWrite: boolean;
  onArea: (area: Area | null) => void;
  onPencil: (pencil: "draw" | "edit" | null) => void;
  onClose: () => void;
  onSaved: (id: string) => void;
}

// The browser's field knows no zone: what it shows and takes is the operator's time.
const local = (stamp: string | null | undefined) =>
  stamp ? new Date(Date.parse(stamp) + offsetAt(new Date(stamp), operatorZone()) * 60_000).toISOString().slice(0, 16) : "";
function utc(value: string): string | null {
  const there = Date.parse(`${value}:00Z`);
  if (!Number.isFinite(there)) return null;
  const guess = new Date(there - offsetAt(new Date(there), operatorZone()) * 60_000);
  return new Date(there - offsetAt(guess, operatorZone()) * 60_000).toISOString();
}

export function Editor({ zone, area, pencil, mayWrite, onArea, onPencil, onClose, onSaved }: EditorProps) {
  const t = useWords();
  const client = useQueryClient();
  const [now, setNow] = useState<Properties>(zone?.properties ?? { name: "", kind: "no_parking", vehicle_types: [], priority: 0, schedule: [] });
  const [problem, setProblem] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const isOwn = zone?.properties.source !== "policy";
  const disabled = !mayWrite || !isOwn;
  const put = (change: Partial<Properties>) => setNow((before) => ({ ...before, ...change }));
  const field = problem instanceof ApiProblem ? String(problem.details.field ?? "") : "";
  const issue = (name: string) => (field.includes(name) ? errorText(problem) : undefined);

  const save = async () => {
    if (!area) return;
    setBusy(true);
    setProblem(null);
    const { name, kind, vehicle_types, priority, schedule, valid_from, valid_until } = now;
    const body = {
      type: "Feature" as const,
      geometry: area as Zone["geometry"],
      properties: {
        name: name.trim(), kind, schedule: schedule ?? [], vehicle_types: vehicle_types ?? [], priority: priority ?? 0, valid_from: valid_from ?? null, valid_until: valid_until ?? null,
        speed_limit_kmh: kind === "slow" ? (now.speed_limit_kmh ?? 10) : null, bonus_amount: kind === "preferred_parking" ? (now.bonus_amount ?? null) : null,
        ...(zone ? { version: zone.properties.version ?? null } : {}),
      },
    };
    try {
      const made = zone?.id
        ? await ok(api.PUT("/api/v1/zones/{zone_id}", { params: { path: { zone_id: zone.id } }, body: { ...body, id: zone.id } }))
        : await ok(api.POST("/api/v1/zones", { body }));
      onPencil(null);
      await client.invalidateQueries({ queryKey: ["zones"] });
      const before = zone?.properties.version;
      if (zone?.id && before) toast.undoable(t("zones.saved"), () => restore(zone.id ?? "", before));
      else toast.good(t("zones.saved"));
      onSaved(made.id ?? "");
    } catch (error) {
      setProblem(error);
      toast.bad(error instanceof ApiProblem && error.code === "ZONE_CHANGED" ? t("zones.changed") : error);
    } finally {
      setBusy(false);
    }
  };
  const restore = async (id: string, version: number) => {
    await ok(api.POST("/api/v1/zones/{zone_id}/restore", { params: { path: { zone_id: id } }, body: { version } }));
    await client.invalidateQueries({ queryKey: ["zones"] });
  };
  const drop = async () => {
    if (!zone?.id) return onClose();
    try {
      await ok(api.DELETE("/api/v1/zones/{zone_id}", { params: { path: { zone_id: zone.id } } }));
      await client.invalidateQueries({ queryKey: ["zones"] });
      toast.undoable(t("zones.deleted", { name: zone.properties.name }), () => restore(zone.id ?? "", zone.properties.version ?? 1));
      onClose();
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <form onSubmit={(e) => { e.preventDefault(); void save(); }}>
      <Stack gap="sm">
        <Group gap="xs">
          <ActionIcon variant="subtle" color="gray" aria-label={t("back")} onClick={onClose}><Icon name="back" size={18} /></ActionIcon>
          <Title order={2} size="h4" flex={1}>{zone ? zone.properties.name : t("zones.new")}</Title>
          {zone && !disabled && <ActionIcon variant="subtle" color="red" aria-label={t("shell.delete")} onClick={() => void drop()}><Icon name="trash" size={18} /></ActionIcon>}
        </Group>
        {!isOwn && <Text size="sm" c="var(--notice)">{t("zones.policy")}</Text>}
        <TextInput label={t("zones.name")} required withAsterisk={false} disabled={disabled} value={now.name} error={issue("name")} onChange={(e) => put({ name: e.currentTarget.value })} />
        <NativeSelect label={t("zones.kindLabel")} disabled={disabled} value={now.kind} onChange={(e) => put({ kind: e.currentTarget.value as Kind })} data={KINDS.map((value) => ({ value, label: t(`zones.kind.${value}`) }))} />
        {now.kind === "slow" && <NumberInput label={t("zones.speed")} disabled={disabled} min={3} max={50} value={now.speed_limit_kmh ?? 10} error={issue("speed_limit")} onChange={(v) => put({ speed_limit_kmh: Number(v) || 0 })} />}
        {now.kind === "preferred_parking" && <NumberInput label={t("zones.bonus")} disabled={disabled} min={0} decimalScale={2} value={now.bonus_amount ?? 0} error={issue("bonus")} onChange={(v) => put({ bonus_amount: Number(v) || 0 })} />}
        <MultiSelect label={t("zones.types")} disabled={disabled} placeholder={now.vehicle_types?.length ? "" : t("zones.allTypes")} value={now.vehicle_types ?? []} onChange={(value) => put({ vehicle_types: value as VehicleType[] })} data={TYPES.map((value) => ({ value, label: t(`type.${value}`) }))} />
        <NumberInput label={t("zones.priority")} disabled={disabled} min={-1000} max={1000} value={now.priority ?? 0} error={issue("priority")} onChange={(v) => put({ priority: Math.round(Number(v) || 0) })} />
        <Shape area={area} pencil={pencil} disabled={disabled} onArea={onArea} onPencil={onPencil} error={issue("geometry")} />
        <Times of={now.schedule ?? []} disabled={disabled} onChange={(schedule) => put({ schedule })} />
        <SimpleGrid cols={2}>
          <TextInput type="datetime-local" label={t("zones.validFrom")} disabled={disabled} value={local(now.valid_from)} onChange={(e) => put({ valid_from: utc(e.currentTarget.value) })} />
          <TextInput type="datetime-local" label={t("zones.validUntil")} disabled={disabled} value={local(now.valid_until)} error={issue("valid_until")} onChange={(e) => put({ valid_until: utc(e.currentTarget.value) })} />
        </SimpleGrid>
        {!disabled && (
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
            <Button type="submit" loading={isBusy} disabled={!now.name.trim() || !area}>{t("save")}</Button>
          </Group>
        )}
        {zone?.id && <History id={zone.id} current={zone.properties.version ?? 0} mayWrite={!disabled} onRestore={restore} />}
      </Stack>
    </form>
  );
}

function Shape({ area, pencil, disabled, onArea, onPencil, error }: Pick<EditorProps, "area" | "pencil" | "onArea" | "onPencil"> & { disabled: boolean; error: string | undefined }) {
  const t = useWords();
  const [isText, setText] = useState(false);
  const [text, write] = useState("");
  const isBad = text.trim() !== "" && areaIn(text) === null;
  return (
    <Stack gap={6}>
      <Group justify="space-between"><Text size="sm" fw={500}>{area ? t("zones.corners", { count: cornersOf(area) }) : t("zones.noShape")}</Text></Group>
      {error && <Text size="sm" c="var(--danger)" role="alert">{error}</Text>}
      {!disabled && (
        <Group gap="xs">
          {pencil ? <Button size="compact-sm" variant="filled" onClick={() => onPencil(null)}>{t("zones.stop")}</Button> : (
            <>
              {area && canDrawArea(area) && <Button size="compact-sm" variant="light" onClick={() => onPencil("edit")}>{t("zones.editShape")}</Button>}
              <Button size="compact-sm" variant="light" onClick={() => onPencil("draw")}>{t(area ? "zones.redraw" : "zones.draw")}</Button>
            </>
          )}
          <Button size="compact-sm" variant="subtle" aria-expanded={isText} onClick={() => { write(area ? JSON.stringify(area) : ""); setText(!isText); }}>{t("zones.shape")}</Button>
        </Group>
      )}
      <Collapse expanded={isText}>
        <JsonInput aria-label={t("zones.shape")} autosize minRows={4} maxRows={10} value={text} error={isBad ? t("zones.badShape") : undefined}
          onChange={(value) => { write(value); const found = areaIn(value); if (found) { onPencil(null); onArea(found); } }} />
      </Collapse>
    </Stack>
  );
}

function Times({ of, disabled, onChange }: { of: Hours[]; disabled: boolean; onChange: (times: Hours[]) => void }) {
  const t = useWords();
  const put = (at: number, change: Partial<Hours>) => onChange(of.map((each, i) => (i === at ? { ...each, ...change } : each)));
  return (
    <Stack gap="xs" role="group" aria-label={t("zones.schedule")}>
      <Group justify="space-between">
        <Text size="sm" fw={500}>{t("zones.schedule")}{of.length === 0 && `: ${t("zones.always")}`}</Text>
        {!disabled && <Button size="compact-sm" variant="subtle" onClick={() => onChange([...of, { days: [...DAYS], start: "22:00", end: "06:00" }])}>{t("zones.addTime")}</Button>}
      </Group>
      {of.map((each, i) => (
        <div key={i} className={classes.time}>
          <Chip.Group multiple value={each.days.map(String)} onChange={(days) => put(i, { days: days.map(Number).sort() })}>
            <Group gap={4} mb="xs">{DAYS.map((day) => <Chip key={day} size="xs" value={String(day)} disabled={disabled}>{t(`zones.day.d${day}`)}</Chip>)}</Group>
          </Chip.Group>
          <Group grow align="end" wrap="nowrap">
            <TextInput type="time" size="sm" label={t("zones.from")} disabled={disabled} value={each.start} onChange={(e) => put(i, { start: e.currentTarget.value })} />
            <TextInput type="time" size="sm" label={t("zones.to")} disabled={disabled} value={each.end} onChange={(e) => put(i, { end: e.currentTarget.value })} />
            {!disabled && <ActionIcon size={36} variant="subtle" color="gray" aria-label={t("shell.delete")} onClick={() => onChange(of.filter((_, at) => at !== i))}><Icon name="trash" size={16} /></ActionIcon>}
          </Group>
        </div>
      ))}
    </Stack>
  );
}
