// The live fleet: a map and a table of the same vehicles, by the same filters, in one address.
import { Button, SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { ago, agoShort, number } from "@lib/format";
import { Icon, vehicleIcon } from "@lib/icons";
import { useCanDraw } from "@lib/map/support";
import { Empty, Rows } from "@lib/states";
import { useCallback, useEffect, useMemo, useState } from "react";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useGo, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { Bulk } from "./Bulk";
import { batteryOf, counted, FLAG, statusOf, typeOf, type Fleet } from "./columns";
import { exportFleet } from "./files";
import { asQuery, filterOf, matching } from "./filter";
import { Filters } from "./Filters";
import { FleetMap } from "./FleetMap";
import { again, useFleet, useMembers, withRetired } from "./live";
import { Battery, Kind, StatusName } from "./Status";
import { VehiclePanel } from "./VehiclePanel";
import classes from "./fleet.module.css";

const LIVE_TONE: Record<string, string> = { live: "good", lost: "notice", failed: "danger", ended: "danger" };

/** Beside the map there is room for what one looks for; the lock and the type's name are in the list alone. */
function useColumns(fleet: Fleet, isBeside: boolean): Column<number>[] {
  const t = useWords();
  const n = useNames();
  return useMemo(() => [
    {
      key: "identifier", label: t("fleet.identifier"), width: "minmax(8rem, 1fr)", value: (i) => fleet.identifier[i],
      cell: (i) => (isBeside ? <span className={classes.named}><Icon name={vehicleIcon(typeOf(fleet, i))} size={18} label={n(`type.${typeOf(fleet, i)}`)} /><b>{fleet.identifier[i]}</b></span> : <b>{fleet.identifier[i]}</b>),
    },
    ...(isBeside ? [] : [{ key: "type", label: t("fleet.type"), width: "9rem", cell: (i: number) => <Kind type={typeOf(fleet, i)} />, value: (i: number) => typeOf(fleet, i) }]),
    { key: "status", label: t("fleet.status"), width: "9.5rem", cell: (i) => <StatusName status={statusOf(fleet, i)} />, value: (i) => statusOf(fleet, i) },
    { key: "battery", label: t("fleet.battery"), width: "7.5rem", cell: (i) => <Battery level={batteryOf(fleet, i)} />, value: (i) => batteryOf(fleet, i) },
    {
      key: "heard", label: t("fleet.heard"), width: isBeside ? "7.5rem" : "minmax(8.5rem, 1fr)", value: (i) => (Number.isNaN(fleet.heard[i]!) ? null : new Date(fleet.heard[i]! * 1000).toISOString()),
      cell: (i) => (Number.isNaN(fleet.heard[i]!) ? t("fleet.never") : (isBeside ? agoShort : ago)(new Date(fleet.heard[i]! * 1000))),
    },
    ...(isBeside ? [] : [{
      key: "lock", label: t("fleet.lock"), width: "6.5rem", value: (i: number) => (fleet.flags[i]! & FLAG.locked ? "locked" : fleet.flags[i]! & FLAG.open ? "open" : null),
      cell: (i: number) => (fleet.flags[i]! & FLAG.locked ? t("fleet.locked") : fleet.flags[i]! & FLAG.open ? t("fleet.open") : t("fleet.unknown")),
    }]),
  ], [fleet, t, n, isBeside]);
}

export default function Vehicles() {
  const t = useWords();
  const may = useMay();
  const go = useGo();
  const [query, change] = useQueryPart();
  const { fleet, version, state, error } = useFleet();
  const filter = useMemo(() => filterOf(query), [query]);
  const members = useMembers(filter.group);
  const [selected, select] = useState<ReadonlySet<string>>(new Set());
  const [isFollowed, setFollowed] = useState(false);
  const isNarrow = useMediaQuery("(max-width: 48em)") ?? false;
  const isWide = useMediaQuery("(min-width: 75em)") ?? true;
  const canDraw = useCanDraw();
  const view = canDraw ? (query.view ?? (isNarrow ? "map" : "both")) : "list";
  const columns = useColumns(fleet, view === "both" && isWide);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- `version` is what says that the columns changed
  const shown = useMemo(() => matching(fleet, filter, members), [fleet, version, filter, members]);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const counts = useMemo(() => counted(fleet), [fleet, version]);
  const open = query.v ? (fleet.id.find((id, i) => id === query.v || fleet.identifier[i] === query.v) ?? null) : null;
  const wantsRetired = filter.statuses.includes("retired");

  useEffect(() => {
    if (wantsRetired) void withRetired().catch(() => undefined);
  }, [wantsRetired]);

  const openAt = useCallback((i: number) => change({ v: fleet.identifier[i] }, true), [change, fleet]);
  const openId = useCallback((id: string) => change({ v: fleet.identifier[fleet.place.get(id) ?? -1] ?? id }, true), [change, fleet]);
  const close = useCallback(() => { setFollowed(false); change({ v: undefined }); }, [change]);
  const idOf = useCallback((i: number) => fleet.id[i] ?? "", [fleet]);

  if (state === "failed") return <Page title={t("fleet.title")}><Problem error={error} again={again} /></Page>;
  const isLoading = state === "loading" && fleet.count === 0;
  const streaming = state === "loading" ? "opening" : state;
  return (
    <Page
      fill title={t("fleet.title")}
      beside={<State tone={LIVE_TONE[state] ?? "quiet"}>{`${t(`shell.live.${streaming}`)} · ${number(shown.length)} / ${number(counts.total)}`}</State>}
      actions={
        <>
          {canDraw && <SegmentedControl size="sm" aria-label={t("fleet.view.label")} value={view} onChange={(value) => change({ view: value })}
            data={(isNarrow ? (["map", "list"] as const) : (["both", "map", "list"] as const)).map((value) => ({ value, label: t(`fleet.view.${value}`) }))} />}
          <Button size="sm" variant="default" leftSection={<Icon name="download" size={16} />} onClick={() => void exportFleet(filter)}>{t("fleet.export")}</Button>
          {may?.("fleet.vehicle.create") && <Button size="sm" variant="default" leftSection={<Icon name="upload" size={16} />} onClick={() => go("/import")}>{t("fleet.import")}</Button>}
        </>
      }
      below={<Filters filter={filter} counts={counts} onChange={(next) => change(asQuery(next))} />}
    >
      <div className={classes.split} data-view={view}>
        {view !== "list" && (
          <div className={classes.pane}>
            <FleetMap fleet={fleet} version={version} shown={shown} chosen={selected} openId={open} isFollowed={isFollowed} onOpen={openId}
              onLasso={(ids) => { select(new Set(ids)); if (view === "map" && !isNarrow) change({ view: "both" }); }} />
          </div>
        )}
        {view !== "map" && (
          <div className={classes.pane}>
            {isLoading ? <Rows count={10} height={40} /> : (
              <DataTable
                label={t("fleet.table")} columns={columns} rows={shown} id={idOf} name={(i) => fleet.identifier[i] ?? ""} onOpen={openAt} openId={open ?? undefined}
                {...(may?.("fleet.vehicle.write") ? { selected, onSelect: select } : {})}
                bar={selected.size > 0 && <Bulk ids={selected} group={filter.group} onDone={() => select(new Set())} />}
                empty={<Empty icon="scooter" title={t("fleet.none")} action={may?.("fleet.vehicle.create") && <Button variant="light" onClick={() => go("/import")}>{t("fleet.import")}</Button>}>{t("fleet.noneText")}</Empty>}
              />
            )}
          </div>
        )}
      </div>
      {query.v && <VehiclePanel key={query.v} name={query.v} isFollowed={isFollowed} onFollow={view === "list" ? undefined : setFollowed} onClose={close} />}
    </Page>
  );
}
