// The rules that upkeep goes by: when a battery is too low, and when a vehicle is due for service; per type.
import { ActionIcon, Button, Group, NumberInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { number, percent } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { TYPES, type VehicleType } from "../fleet/columns";
import { Kind } from "../fleet/Status";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card } from "../parts/Card";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";

type Threshold = Schema<"ThresholdView">;
type Interval = Schema<"IntervalView">;
type Due = { days: number | null; kilometres: number | null; rides: number | null };

export function Rules() {
  const may = useMay();
  const mayWrite = may?.("fleet.maintenance.write") ?? false;
  return <div className={office.two}><Thresholds mayWrite={mayWrite} /><Intervals mayWrite={mayWrite} /></div>;
}

function Thresholds({ mayWrite }: { mayWrite: boolean }) {
  const t = useWords();
  const [editing, setEditing] = useState<Threshold | null>(null);
  const found = useQuery({ queryKey: ["thresholds"], queryFn: () => ok(api.GET("/api/v1/battery/thresholds")) });
  return (
    <Card title={t("maintenance.thresholds")}>
      <Text size="sm" c="dimmed" mb="sm">{t("maintenance.thresholdsText")}</Text>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={4} height={36} />}
      {found.data && (
        <Wide>
          <table className={office.lines}>
            <thead><tr><th scope="col">{t("maintenance.type")}</th><th scope="col" className={office.end}>{t("maintenance.critical")}</th><th scope="col" className={office.end}>{t("maintenance.lowest")}</th><th scope="col" className={office.end}>{t("maintenance.back")}</th><th scope="col"><span className="sr-only">{t("shell.edit")}</span></th></tr></thead>
            <tbody>
              {found.data.thresholds.map((each) => (
                <tr key={each.vehicle_type}>
                  <td><Kind type={each.vehicle_type} />{each.is_default && <Text span size="xs" c="dimmed" ml={6} style={{ verticalAlign: "middle" }}>{t("maintenance.byDefault")}</Text>}</td>
                  <td className={office.end}>{percent(each.critical_level)}</td>
                  <td className={office.end}>{each.lowest_level === 0 ? t("maintenance.off") : percent(each.lowest_level)}</td>
                  <td className={office.end}>{percent(each.back_level)}</td>
                  <td className={office.end}>{mayWrite && <Edit name={each.vehicle_type} onClick={() => setEditing(each)} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      {editing && <ThresholdForm of={editing} onClose={() => setEditing(null)} />}
    </Card>
  );
}

function Edit({ name, onClick }: { name: string; onClick: () => void }) {
  const t = useWords();
  const n = useNames();
  return <ActionIcon variant="subtle" color="gray" aria-label={t("maintenance.editOf", { name: TYPES.includes(name as VehicleType) ? n(`type.${name}`) : name })} onClick={onClick}><Icon name="edit" size={16} /></ActionIcon>;
}

function ThresholdForm({ of, onClose }: { of: Threshold; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [form, setForm] = useState({ critical_level: of.critical_level, lowest_level: of.lowest_level, back_level: of.back_level });
  const name = n(`type.${of.vehicle_type}`);
  const set = (body: typeof form) => ok(api.PUT("/api/v1/battery/thresholds/{vehicle_type}", { params: { path: { vehicle_type: of.vehicle_type as VehicleType } }, body }));
  const send = async () => {
    await set(form);
    await refresh("thresholds");
    toast.undoable(t("maintenance.rulesSaved", { name }), async () => {
      await set({ critical_level: of.critical_level, lowest_level: of.lowest_level, back_level: of.back_level });
      await refresh("thresholds");
    });
  };
  return (
    <FormDialog title={t("maintenance.thresholdsOf", { name })} submit={t("save")} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          {(["critical_level", "lowest_level", "back_level"] as const).map((each) => (
            <NumberInput key={each} label={t(`maintenance.level.${each}`)} description={t(`maintenance.level.${each}_text`)} value={form[each]} min={0} max={100} allowDecimal={false} suffix=" %"
              onChange={(value) => setForm((now) => ({ ...now, [each]: Number(value) }))} error={field(each)} />
          ))}
        </>
      )}
    </FormDialog>
  );
}

function Intervals({ mayWrite }: { mayWrite: boolean }) {
  const t = useWords();
  const [editing, setEditing] = useState<Interval | "new" | null>(null);
  const found = useQuery({ queryKey: ["intervals"], queryFn: () => ok(api.GET("/api/v1/maintenance/intervals")) });
  const back = (each: Interval) => {
    const { model, days, kilometres, rides } = each;
    void deed(["intervals"], t("maintenance.intervalGone", { name: nameOf(each) }), () => setInterval(each.vehicle_type, { model }), () => setInterval(each.vehicle_type, { model, days, kilometres, rides }));
  };
  const n = useNames();
  const nameOf = (each: Interval) => [n(`type.${each.vehicle_type}`), each.model].filter(Boolean).join(" ");
  return (
    <Card title={t("maintenance.intervals")} beside={mayWrite && <Button size="compact-md" variant="light" onClick={() => setEditing("new")}>{t("maintenance.addModel")}</Button>}>
      <Text size="sm" c="dimmed" mb="sm">{t("maintenance.intervalsText")}</Text>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={4} height={36} />}
      {found.data && (
        <Wide>
          <table className={office.lines}>
            <thead><tr><th scope="col">{t("maintenance.type")}</th><th scope="col" className={office.end}>{t("maintenance.everyDays")}</th><th scope="col" className={office.end}>{t("maintenance.everyKm")}</th><th scope="col" className={office.end}>{t("maintenance.everyRides")}</th><th scope="col"><span className="sr-only">{t("shell.edit")}</span></th></tr></thead>
            <tbody>
              {[...found.data.intervals].sort(byType).map((each) => (
                <tr key={`${each.vehicle_type} ${each.model}`}>
                  <td><Kind type={each.vehicle_type} />{each.model ? <Text span size="sm" fw={600} ml={6} style={{ verticalAlign: "middle" }}>{each.model}</Text> : each.is_default && <Text span size="xs" c="dimmed" ml={6} style={{ verticalAlign: "middle" }}>{t("maintenance.byDefault")}</Text>}</td>
                  {[each.days, each.kilometres, each.rides].map((value, i) => <td key={i} className={office.end}>{value === null ? "–" : number(value)}</td>)}
                  <td className={office.end}>
                    {mayWrite && (
                      <Group gap={2} justify="end" wrap="nowrap">
                        <Edit name={each.model || each.vehicle_type} onClick={() => setEditing(each)} />
                        {!each.is_default && <ActionIcon variant="subtle" color="gray" aria-label={t("maintenance.takeBack", { name: nameOf(each) })} onClick={() => back(each)}><Icon name="trash" size={16} /></ActionIcon>}
                      </Group>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      {editing && <IntervalForm of={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
    </Card>
  );
}

const byType = (a: Interval, b: Interval) => TYPES.indexOf(a.vehicle_type as VehicleType) - TYPES.indexOf(b.vehicle_type as VehicleType) || a.model.localeCompare(b.model);

const setInterval = (type: string, body: { model?: string } & Partial<Due>) =>
  ok(api.PUT("/api/v1/maintenance/intervals/{vehicle_type}", { params: { path: { vehicle_type: type as VehicleType } }, body }));

function IntervalForm({ of, onClose }: { of: Interval | null; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [type, setType] = useState<string>(of?.vehicle_type ?? "scooter");
  const [model, setModel] = useState(of?.model ?? "");
  const [due, setDue] = useState<Due>({ days: of?.days ?? null, kilometres: of?.kilometres ?? null, rides: of?.rides ?? null });
  const send = async () => {
    await setInterval(type, { model: model.trim(), ...due });
    await refresh("intervals");
    toast.good(t("maintenance.rulesSaved", { name: model.trim() || n(`type.${type}`) }));
  };
  return (
    <FormDialog title={of ? t("maintenance.intervalOf", { name: of.model || n(`type.${of.vehicle_type}`) }) : t("maintenance.addModel")} submit={t("save")} disabled={due.days === null || (!of && !model.trim())} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          {!of && (
            <Group gap="xs" role="radiogroup" aria-label={t("maintenance.type")}>
              {TYPES.map((each) => <Button key={each} size="xs" role="radio" aria-checked={each === type} variant={each === type ? "filled" : "default"} onClick={() => setType(each)}>{n(`type.${each}`)}</Button>)}
            </Group>
          )}
          {!of && <TextInput label={t("maintenance.model")} description={t("maintenance.modelText")} value={model} maxLength={100} onChange={(e) => setModel(e.currentTarget.value)} error={field("model")} data-autofocus />}
          {(["days", "kilometres", "rides"] as const).map((each) => (
            <NumberInput key={each} label={t(`maintenance.every.${each}`)} value={due[each] ?? ""} min={1} allowDecimal={false} thousandSeparator={" "} onChange={(value) => setDue((now) => ({ ...now, [each]: value === "" ? null : Number(value) }))} error={field(each)} />
          ))}
          <Text size="sm" c="dimmed">{t("maintenance.whichever")}</Text>
        </>
      )}
    </FormDialog>
  );
}
