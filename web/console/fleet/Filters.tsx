import { Button, Menu, NativeSelect, TextInput, UnstyledButton } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { number } from "@lib/format";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { AskText } from "../parts/AskText";
import parts from "../parts/parts.module.css";
import { queryOf, useGo } from "../shell/place";
import { useNames, useWords } from "../text";
import { STATUSES, TYPES, type Counts, type Status } from "./columns";
import { asQuery, isSet, type FleetFilter } from "./filter";
import { Shape } from "./Status";
import { useViews } from "./views";
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
      <Views filter={filter} />
    </div>
  );
}

function Views({ filter }: { filter: FleetFilter }) {
  const t = useWords();
  const go = useGo();
  const { views, keep } = useViews();
  const [isNaming, setNaming] = useState(false);
  const save = (name: string) => {
    const kept = Object.entries(asQuery(filter)).filter((e): e is [string, string] => Boolean(e[1]));
    keep([...views.filter((v) => v.name !== name), { name, search: `?${new URLSearchParams(kept).toString()}` }]);
    toast.good(t("fleet.viewSaved", { name }));
  };
  const drop = (name: string) => {
    keep(views.filter((v) => v.name !== name));
    toast.undoable(t("fleet.viewGone", { name }), () => keep(views));
  };
  return (
    <>
    {isNaming && <AskText title={t("fleet.saveView")} label={t("fleet.viewName")} go={t("save")} onDone={save} onClose={() => setNaming(false)} />}
    <Menu position="bottom-start" width={240}>
      <Menu.Target><Button size="sm" variant="default" rightSection={<Icon name="star" size={15} />}>{t("fleet.views")}</Button></Menu.Target>
      <Menu.Dropdown>
        {views.map((view) => (
          <Menu.Item key={view.name} onClick={() => go("/vehicles", queryOf(view.search))}>{view.name}</Menu.Item>
        ))}
        {views.length > 0 && <Menu.Divider />}
        <Menu.Item leftSection={<Icon name="plus" size={15} />} onClick={() => setNaming(true)}>{t("fleet.saveView")}</Menu.Item>
        {views.map((view) => (
          <Menu.Item key={view.name} c="var(--quiet)" leftSection={<Icon name="trash" size={15} />} onClick={() => drop(view.name)}>{t("fleet.dropView", { name: view.name })}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
    </>
  );
}
