import type { Drawing, MapLibre } from "@lib/map/MapView";
import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import fleet from "../fleet/fleet.module.css";
import { tone } from "../parts/Chart";
import { useWords } from "../text";
import { boundsOf, KIND_TONE, KINDS, type Area, type Zone } from "./shape";
import type { Pencil } from "./pencil";

const MapView = lazy(() => import("@lib/map/MapView"));

export interface ZoneMapProps {
  zones: readonly Zone[];
  openId: string | null;
  /** What is being drawn or edited, instead of the zone of that id. */
  area: Area | null;
  /** "draw" begins anew, "edit" has corners to drag. */
  pencil: "draw" | "edit" | null;
  onArea: (area: Area | null) => void;
  onOpen: (id: string) => void;
  /** When set, a click asks this instead of opening a zone. */
  onAsk: ((latitude: number, longitude: number) => void) | null;
  asked: { latitude: number; longitude: number } | null;
  children?: ReactNode;
}

const collection = (zones: readonly Zone[], hidden: string | null): GeoJSON.FeatureCollection => ({
  type: "FeatureCollection",
  // The widest first, so that a small zone within a large one can be seen and clicked.
  features: zones.filter((zone) => zone.id !== hidden).map((zone) => ({
    type: "Feature" as const, geometry: zone.geometry as Area, properties: { id: zone.id, kind: zone.properties.kind, size: sizeOf(zone) },
  })).sort((a, b) => b.properties.size - a.properties.size),
});

function sizeOf(zone: Zone): number {
  const [w, s, e, n] = boundsOf(zone.geometry as Area);
  return (e - w) * (n - s);
}

const one = (area: Area | null): GeoJSON.FeatureCollection => ({
  type: "FeatureCollection", features: area ? [{ type: "Feature", geometry: area, properties: {} }] : [],
});

export function ZoneMap(props: ZoneMapProps) {
  const t = useWords();
  const { zones, openId, area, pencil, onArea, asked } = props;
  const [ready, setReady] = useState<{ map: MapLibre; draw: Drawing } | null>(null);
  const [styles, setStyles] = useState(0);
  const latest = useRef(props);
  const fitted = useRef("");
  useEffect(() => {
    latest.current = props;
  });

  const onStyle = useCallback((map: MapLibre) => {
    const colour = ["match", ["get", "kind"], ...KINDS.flatMap((kind) => [kind, tone(KIND_TONE[kind])]), tone("offline")] as unknown as string;
    map.addSource("zones", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    map.addSource("open", { type: "geojson", data: one(null) });
    map.addLayer({ id: "zones", type: "fill", source: "zones", paint: { "fill-color": colour, "fill-opacity": ["match", ["get", "kind"], "operating_area", 0.06, 0.22] } });
    map.addLayer({ id: "edges", type: "line", source: "zones", paint: { "line-color": colour, "line-width": ["match", ["get", "kind"], "no_go", 3, 1.8] } });
    map.addLayer({ id: "open", type: "fill", source: "open", paint: { "fill-color": tone("brand"), "fill-opacity": 0.25 } });
    map.addLayer({ id: "open-edge", type: "line", source: "open", paint: { "line-color": tone("brand"), "line-width": 3.5 } });
    setStyles((n) => n + 1);
  }, []);
  const onMap = useCallback((map: MapLibre, draw: Drawing) => {
    setReady({ map, draw });
    map.on("click", (event) => {
      const now = latest.current;
      if (now.pencil) return;
      if (now.onAsk) return now.onAsk(event.lngLat.lat, event.lngLat.lng);
      const found = map.getLayer("zones") ? map.queryRenderedFeatures(event.point, { layers: ["zones"] }) : [];
      const id = found[0]?.properties.id as string | undefined;
      if (id) now.onOpen(id);
    });
    return () => setReady(null);
  }, []);

  useEffect(() => {
    const source = (name: string) => ready?.map.getSource(name) as { setData: (data: GeoJSON.FeatureCollection) => unknown } | undefined;
    source("zones")?.setData(collection(zones, area || pencil ? openId : null));
    source("open")?.setData(one(pencil ? null : area));
    const all = zones.find((zone) => zone.id === openId) ?? zones.find((zone) => zone.properties.kind === "operating_area") ?? zones[0];
    const key = openId ?? (zones.length > 0 ? "all" : "");
    if (ready && key && key !== fitted.current && all && !pencil) {
      fitted.current = key;
      const [w, s, e, n] = boundsOf(all.geometry as Area);
      ready.map.fitBounds([[w, s], [e, n]], { padding: 70, maxZoom: 15.5, duration: openId ? 500 : 0 });
    }
  }, [ready, styles, zones, area, openId, pencil]);

  const drawn = useRef<Area | null>(area);
  useEffect(() => {
    drawn.current = area;
  }, [area]);
  useEffect(() => {
    if (!ready || !pencil) return;
    let made: Pencil | null = null;
    let gone = false;
    void import("./pencil").then(({ pencilOn }) => {
      if (gone) return;
      made = pencilOn(ready.map, ready.draw, pencil === "edit" ? drawn.current : null, onArea);
      ready.map.getContainer().dataset.drawing = pencil;
    });
    return () => {
      gone = true;
      made?.stop();
      delete ready.map.getContainer().dataset.drawing;
    };
  }, [ready, pencil, styles, onArea]);

  useEffect(() => {
    if (!ready || !asked) return;
    const pin = new ready.draw.maplibregl.Marker({ color: tone("brand") }).setLngLat([asked.longitude, asked.latitude]).addTo(ready.map);
    return () => void pin.remove();
  }, [ready, asked]);

  return (
    <div className={fleet.map} data-pencil={pencil ?? undefined} data-testid="zone-map">
      <Suspense><MapView label={t("zones.map")} zoom={11} onStyle={onStyle} onMap={onMap}>{props.children}</MapView></Suspense>
    </div>
  );
}
