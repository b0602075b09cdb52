// Zones: a list, a map, and the editor of one of them.
import { Button, Group, NativeSelect, ScrollArea, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { TYPES, type VehicleType } from "../fleet/columns";
import fleet from "../fleet/fleet.module.css";
import { saveFile } from "../parts/csv";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { blobOf } from "../fleet/files";
import { Editor } from "./Editor";
import { ImportZones } from "./ImportZones";
import { KIND_TONE, KINDS, type Area, type Zone } from "./shape";
import { ZoneMap } from "./ZoneMap";
import classes from "./zones.module.css";

type Answer = Schema<"Answer">;

export default function Zones() {
  const t = useWords();
  const may = useMay();
  const [query, change] = useQueryPart();
  const found = useQuery({ queryKey: ["zones"], queryFn: () => ok(api.GET("/api/v1/zones.geojson")), refetchInterval: 60_000 });
  const [area, setArea] = useState<Area | null>(null);
  const [pencil, setPencil] = useState<"draw" | "edit" | null>(null);
  const [asked, setAsked] = useState<{ latitude: number; longitude: number } | null>(null);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [type, setType] = useState<VehicleType>("scooter");
  const [isImport, setImport] = useState(false);
  const isPreview = query.preview === "1";
  const isNew = query.zone === "new";
  const mayWrite = may?.("fleet.zone.write") ?? false;
  const kind = KINDS.find((each) => each === query.kind);
  const zones = useMemo(() => found.data?.features ?? [], [found.data]);
  const shown = useMemo(() => zones.filter((zone) =>
    (!kind || zone.properties.kind === kind) && (!query.q || zone.properties.name.toLowerCase().includes(query.q.toLowerCase()))
    && (!isPreview || (zone.properties.kind !== "deployment" && (!zone.properties.vehicle_types?.length || zone.properties.vehicle_types.includes(type))))), [zones, kind, query.q, isPreview, type]);
  const open = query.zone && !isNew ? (zones.find((zone) => zone.id === query.zone) ?? null) : null;

  const close = useCallback(() => {
    setPencil(null);
    setArea(null);
    change({ zone: undefined });
  }, [change]);
  const openZone = useCallback((id: string) => { setPencil(null); setArea(null); change({ zone: id, preview: undefined }, true); }, [change]);
  const add = useCallback(() => { setArea(null); setPencil("draw"); change({ zone: "new", preview: undefined }, true); }, [change]);
  useKeys(useMemo(() => (mayWrite ? [{ keys: "n", what: t("zones.new"), run: add }] : []), [add, mayWrite, t]));
  const ask = useCallback(async (latitude: number, longitude: number) => {
    setAsked({ latitude, longitude });
    setAnswer(null);
    try {
      setAnswer(await ok(api.POST("/api/v1/zones/check", { body: { latitude, longitude, accuracy_m: 5, vehicle_type: type } })));
    } catch (error) {
      toast.bad(error);
    }
  }, [type]);
  const save = async () => saveFile("zones.geojson", await blobOf("/api/v1/zones.geojson"), "application/geo+json");

  return (
    <Page
      fill title={t("zones.title")}
      actions={
        <>
          <Button size="sm" leftSection={<Icon name="eye" size={16} />} variant={isPreview ? "filled" : "default"} aria-pressed={isPreview} onClick={() => { setAsked(null); setAnswer(null); change({ preview: isPreview ? undefined : "1", zone: undefined }); }}>{t("zones.preview")}</Button>
          <Button size="sm" variant="default" leftSection={<Icon name="download" size={16} />} onClick={() => void save().catch(toast.bad)}>{t("zones.export")}</Button>
          {mayWrite && <Button size="sm" variant="default" leftSection={<Icon name="upload" size={16} />} onClick={() => setImport(true)}>{t("zones.import")}</Button>}
          {mayWrite && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={add}>{t("zones.new")}</Button>}
        </>
      }
    >
      {found.error ? <Problem error={found.error} again={() => void found.refetch()} /> : (
        <div className={classes.split}>
          <div className={classes.side}>
            {isNew || open ? (
              <Editor key={open?.id ?? "new"} zone={open} area={area ?? (open ? (open.geometry as Area) : null)} pencil={pencil} mayWrite={mayWrite} onArea={setArea} onPencil={setPencil} onClose={close} onSaved={openZone} />
            ) : isPreview ? (
              <Preview type={type} onType={(next) => { setType(next); setAnswer(null); setAsked(null); }} answer={answer} onPlace={(latitude, longitude) => void ask(latitude, longitude)} />
            ) : (
              <List zones={found.data ? shown : null} kind={kind ?? ""} text={query.q ?? ""} onChange={change} onOpen={openZone} />
            )}
          </div>
          <ZoneMap zones={shown} openId={open?.id ?? null} area={area ?? (open ? (open.geometry as Area) : null)} pencil={pencil} onArea={setArea} onOpen={openZone} onAsk={isPreview ? (la, lo) => void ask(la, lo) : null} asked={isPreview ? asked : null}>
            {(pencil || isPreview) && <div className={fleet.hint} role="status">{t(pencil === "draw" ? "zones.drawHint" : pencil === "edit" ? "zones.editHint" : "zones.previewHint")}</div>}
          </ZoneMap>
        </div>
      )}
      {isImport && <ImportZones onClose={() => setImport(false)} />}
    </Page>
  );
}

function List({ zones, kind, text, onChange, onOpen }: { zones: Zone[] | null; kind: string; text: string; onChange: (part: Record<string, string>) => void; onOpen: (id: string) => void }) {
  const t = useWords();
  const n = useNames();
  return (
    <Stack gap="sm" h="100%">
      <TextInput size="sm" aria-label={t("zones.search")} placeholder={t("zones.search")} defaultValue={text} leftSection={<Icon name="search" size={16} />} onChange={(e) => onChange({ q: e.currentTarget.value })} />
      <NativeSelect size="sm" aria-label={t("zones.kindLabel")} value={kind} onChange={(e) => onChange({ kind: e.currentTarget.value })} data={[{ value: "", label: t("zones.allKinds") }, ...KINDS.map((value) => ({ value, label: t(`zones.kind.${value}`) }))]} />
      {!zones ? <Rows count={6} height={52} /> : zones.length === 0 ? <Empty icon="layers" title={t("zones.none")}>{t("zones.noneText")}</Empty> : (
        <ScrollArea flex={1} type="auto" viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("zones.list") }}>
          {zones.map((zone) => (
            <UnstyledButton key={zone.id} className={classes.row} onClick={() => onOpen(zone.id ?? "")}>
              <Text fw={600} size="sm" truncate>{zone.properties.name}</Text>
              <Group gap="xs" justify="space-between">
                <State tone={KIND_TONE[zone.properties.kind]}>{n(`zones.kind.${zone.properties.kind}`)}</State>
                <Text size="xs" c="dimmed">{zone.properties.vehicle_types?.length ? zone.properties.vehicle_types.map((each) => n(`type.${each}`)).join(", ") : ""}</Text>
              </Group>
            </UnstyledButton>
          ))}
        </ScrollArea>
      )}
    </Stack>
  );
}

function Preview({ type, onType, answer, onPlace }: { type: VehicleType; onType: (type: VehicleType) => void; answer: Answer | null; onPlace: (latitude: number, longitude: number) => void }) {
  const t = useWords();
  const n = useNames();
  const [place, setPlace] = useState("");
  const go = () => {
    const [latitude, longitude] = place.split(/[,;\s]+/).map(Number);
    if (Number.isFinite(latitude) && Number.isFinite(longitude)) onPlace(latitude!, longitude!);
  };
  return (
    <Stack>
      <NativeSelect label={t("zones.asType")} value={type} onChange={(e) => onType(e.currentTarget.value as VehicleType)} data={TYPES.map((value) => ({ value, label: t(`type.${value}`) }))} />
      <form onSubmit={(e) => { e.preventDefault(); go(); }}>
        <Group align="end"><TextInput flex={1} label={t("zones.place")} placeholder="52.52, 13.405" value={place} onChange={(e) => setPlace(e.currentTarget.value)} /><Button type="submit" variant="light">{t("zones.checkPlace")}</Button></Group>
      </form>
      <div role="status">
        {answer && (
          <Stack gap="xs">
            <State tone={answer.parking.certainty === "unsure" ? "notice" : answer.parking.allowed ? "good" : "danger"}>{t(answer.parking.certainty === "unsure" ? "zones.unsure" : answer.parking.allowed ? "zones.allowed" : "zones.refused")}</State>
            {answer.parking.message && <Text size="sm">{answer.parking.message}</Text>}
            {answer.speed_limit_kmh !== null && <Text size="sm">{t("zones.limit", { kmh: answer.speed_limit_kmh })}</Text>}
            {answer.zones.map((zone) => <State key={zone.id} tone={KIND_TONE[zone.kind as Zone["properties"]["kind"]] ?? "quiet"}>{`${zone.name}: ${n(`zones.kind.${zone.kind}`)}`}</State>)}
          </Stack>
        )}
      </div>
    </Stack>
  );
}
