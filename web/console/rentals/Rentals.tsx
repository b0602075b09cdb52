// All rides, newest first; filters and the open ride stand in the address.
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, distance, minutes, money } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { useNames, useWords } from "../text";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Views } from "../parts/Views";
import { useQueryPart } from "../shell/place";
import { useCallback, useMemo, useState } from "react";
import { Ride, rideTone } from "./Ride";

type Shown = Schema<"ShownRide">;

export default function Rentals() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const [wanted, setWanted] = useState("");
  const status = query.status === "active" || query.status === "completed" ? query.status : undefined;
  const rider = query.rider;
  const rides = usePages(
    ["rentals", status, rider],
    (offset) => ok(api.GET("/api/v1/rentals", { params: { query: { offset, limit: PAGE, ...(status ? { status } : {}), ...(rider ? { user_id: rider } : {}) } } })),
    (page) => page.rentals,
    { refetchInterval: 15_000 },
  );
  const columns = useMemo<Column<Shown>[]>(
    () => [
      { key: "start", label: t("rentals.started"), width: "11rem", cell: (r) => at(r.start_time), value: (r) => r.start_time },
      { key: "state", label: t("rentals.state"), width: "8rem", cell: (r) => <State tone={rideTone(r.status)}>{n(`rentals.status.${r.status}`)}</State>, value: (r) => r.status },
      { key: "rider", label: t("rentals.rider"), width: "minmax(9rem, 1fr)", cell: (r) => <PersonName id={r.user_id} />, value: (r) => r.user_id },
      { key: "vehicle", label: t("rentals.vehicle"), width: "8rem", cell: (r) => n(`type.${r.vehicle.type}`), value: (r) => r.vehicle.type },
      { key: "length", label: t("rentals.length"), width: "7rem", end: true, cell: (r) => (r.duration_minutes === null ? "–" : minutes(r.duration_minutes)), value: (r) => r.duration_minutes },
      { key: "way", label: t("rentals.way"), width: "7rem", end: true, cell: (r) => (r.total_cost === null ? "–" : distance(r.total_distance * 1000)), value: (r) => r.total_distance },
      { key: "cost", label: t("rentals.cost"), width: "7rem", end: true, cell: (r) => (r.total_cost === null ? "–" : money(r.total_cost, r.pricing.currency)), value: (r) => r.total_cost },
      { key: "rating", label: t("rentals.rating"), width: "7rem", end: true, cell: (r) => r.rating ?? "–", value: (r) => r.rating },
      { key: "id", label: "ID", inFileOnly: true, cell: (r) => r.id, value: (r) => r.id },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ r: undefined }), [change]);
  const isFiltered = Boolean(status || rider);
  return (
    <Page
      title={t("rentals.title")} fill
      below={
        <div className={parts.filters}>
          <SegmentedControl size="sm" aria-label={t("rentals.state")} value={status ?? ""} onChange={(value) => change({ status: value })}
            data={[{ value: "", label: t("rentals.status.all") }, { value: "active", label: t("rentals.status.active") }, { value: "completed", label: t("rentals.status.completed") }]} />
          <Views screen="rentals" path="/rentals" shown={{ ...(status ? { status } : {}), ...(rider ? { rider } : {}) }} />
          <form onSubmit={(e) => { e.preventDefault(); if (wanted.trim()) change({ r: wanted.trim() }, true); }}>
            <TextInput size="sm" type="search" leftSection={<Icon name="search" size={16} />} aria-label={t("rentals.search")} placeholder={t("rentals.searchHint")} value={wanted} onChange={(e) => setWanted(e.currentTarget.value)} />
          </form>
          {rider && <Button size="compact-sm" variant="light" onClick={() => change({ rider: undefined })} rightSection="×">{t("rentals.ofRider")}: <PersonName id={rider} /></Button>}
        </div>
      }
    >
      {rides.error ? <Problem error={rides.error} again={rides.refetch} /> : rides.isPending ? <Rows count={8} height={42} /> : (
        <DataTable
          label={t("rentals.list")} columns={columns} rows={rides.rows} id={(r) => r.id} file="rides" total={rides.total} isMore={rides.isMore} onEnd={rides.onEnd} all={rides.all}
          openId={query.r} onOpen={(r) => change({ r: r.id }, true)}
          empty={isFiltered ? <Empty icon="route" title={t("rentals.noneFound")} action={<Button variant="light" onClick={() => change({ status: undefined, rider: undefined })}>{t("shell.filter.reset")}</Button>} />
            : <Empty icon="route" title={t("rentals.none")}>{t("rentals.noneText")}</Empty>}
        />
      )}
      {query.r && <Ride key={query.r} id={query.r} onClose={close} />}
    </Page>
  );
}
