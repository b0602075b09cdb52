import { Button, NativeSelect, TextInput, UnstyledButton } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { number } from "@lib/format";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import parts from "../parts/parts.module.css";
import { Views } from "../parts/Views";
import { useNames, useWords } from "../text";
import { STATUSES, TYPES, type Counts, type Status } from "./columns";
import { asQuery, isSet, type FleetFilter } from "./filter";
import { Shape } from "./Status";
import classes from "./fleet.module.css";

interface FiltersProps {
  filter: FleetFilter;
  counts: Counts;
  onChange: (filter: FleetFilter) => void;
}
const BATTERIES: [string, FleetFilter["battery"]][] = [["", null], ["0-20", [0, 20]], ["21-50", [21, 50]], ["51-100", [51, 100]]];

export const useGroups = () => useQuery({ queryKey: ["groups"], queryFn: () => ok(api.GET("/api/v1/fleet/groups")) });

export function Filters({ filter, counts, onChange }: FiltersProps) {
  const t = useWords();
  const n = useNames();
  const groups = useGroups();
  const text = useRef<HTMLInputElement>(null);
  useKeys(useMemo(() => [{ keys: "f", what: t("fleet.find"), run: () => text.current?.focus() }], [t]));
  // The address follows the typing a moment later; only what comes from elsewhere (a view, a reset) is taken over.
  const [typed, setTyped] = useState(filter.text);
  const [said, setSaid] = useState(filter.text);
  if (said !== filter.text) {
    setSaid(filter.text);
    const isOnTheWay = filter.text !== "" && (typed.startsWith(filter.text) || filter.text.startsWith(typed));
    if (!isOnTheWay) setTyped(filter.text);
  }
  const flip = (status: Status) =>
    onChange({ ...filter, statuses: filter.statuses.includes(status) ? filter.statuses.filter((s) => s !== status) : [...filter.statuses, status] });
  const shown = Object.fromEntries(Object.entries(asQuery(filter)).filter((e): e is [string, string] => Boolean(e[1])));
  return (
    <div className={parts.filters}>
      <TextInput
        ref={text} size="sm" w={170} aria-label={t("fleet.find")} placeholder={t("fleet.find")} leftSection={<Icon name="search" size={16} />} value={typed}
        onChange={(e) => { setTyped(e.currentTarget.value); onChange({ ...filter, text: e.currentTarget.value }); }}
      />
      {STATUSES.map((status, i) => (
        <UnstyledButton key={status} className={classes.pill} aria-pressed={filter.statuses.includes(status)} onClick={() => flip(status)}>
          <Shape status={status} />{n(status === "retired" ? "fleet.retired" : `status.${status}`)}{status !== "retired" && <b>{number(counts.byStatus[i] ?? 0)}</b>}
        </UnstyledButton>
      ))}
      <NativeSelect size="sm" aria-label={t("fleet.type")} value={filter.types.join(",")} onChange={(e) => onChange({ ...filter, types: TYPES.filter((x) => x === e.currentTarget.value) })}
        data={[{ value: "", label: t("fleet.allTypes") }, ...TYPES.map((type) => ({ value: type, label: n(`type.${type}`) }))]} />
      <NativeSelect size="sm" aria-label={t("fleet.battery")} value={filter.battery?.join("-") ?? ""} onChange={(e) => onChange({ ...filter, battery: BATTERIES.find(([key]) => key === e.currentTarget.value)?.[1] ?? null })}
        data={BATTERIES.map(([value]) => ({ value, label: value ? t("fleet.batteryOf", { range: `${value.replace("-", "–")} %` }) : t("fleet.allBatteries") }))} />
      {(groups.data?.groups.length ?? 0) > 0 && (
        <NativeSelect size="sm" aria-label={t("fleet.group")} value={filter.group} onChange={(e) => onChange({ ...filter, group: e.currentTarget.value })}
          data={[{ value: "", label: t("fleet.allGroups") }, ...(groups.data?.groups ?? []).map((g) => ({ value: g.name, label: `${g.name} (${number(g.vehicles)})` }))]} />
      )}
      {isSet(filter) && <Button size="compact-sm" variant="subtle" onClick={() => onChange({ types: [], statuses: [], battery: null, text: "", group: "", box: null })}>{t("shell.filter.reset")}</Button>}
      <Views screen="fleet" path="/vehicles" shown={shown} />
    </div>
  );
}
