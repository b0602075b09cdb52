// The map of the live fleet: heaps from afar, vehicles from near. What it is given to show it shows; the
// filters, the selection and the open vehicle belong to the screen around it.
import { ActionIcon, Tooltip } from "@mantine/core";
import { Icon } from "@lib/icons";
import type { MapLibre, Drawing } from "@lib/map/MapView";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../text";
import type { Fleet } from "./columns";
import { marks, type View } from "./clusters";
import { isWithin } from "./filter";
import { Lasso } from "./Lasso";
import { Overlay } from "./overlay";
import classes from "./fleet.module.css";

const MapView = lazy(() => import("@lib/map/MapView"));

interface FleetMapProps {
  fleet: Fleet;
  version: number;
  shown: readonly number[];
  chosen: ReadonlySet<string>;
  /** Has a label on the map, and is kept in the middle while `isFollowed`. */
  openId: string | null;
  isFollowed: boolean;
  onOpen: (id: string) => void;
  onLasso: (ids: string[]) => void;
  onView?: (view: View) => void;
}

const viewOf = (map: MapLibre): View => {
  const b = map.getBounds();
  return { zoom: map.getZoom(), west: b.getWest(), south: b.getSouth(), east: b.getEast(), north: b.getNorth() };
};

/** A quarter more on each side: what a drag brings into view is there already. */
function wider(view: View): View {
  const [x, y] = [(view.east - view.west) / 4, (view.north - view.south) / 4];
  return { zoom: view.zoom, west: view.west - x, south: view.south - y, east: view.east + x, north: view.north + y };
}

export function FleetMap(props: FleetMapProps) {
  const t = useWords();
  const map = useRef<MapLibre | null>(null);
  const label = useRef<{ setLngLat: (at: [number, number]) => unknown; remove: () => void; of: string } | null>(null);
  const library = useRef<Drawing | null>(null);
  const overlay = useRef<Overlay | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const wasFitted = useRef(false);
  const [isLasso, setLasso] = useState(false);
  const latest = useRef(props);
  const { fleet, version, shown, chosen, openId, isFollowed, onLasso } = props;

  const paint = useCallback(() => {
    if (!map.current || !overlay.current) return;
    const now = latest.current;
    const found = marks(now.fleet, now.shown, wider(viewOf(map.current)), now.chosen);
    overlay.current.show(found);
    if (box.current) {
      box.current.dataset.shown = String(now.shown.length);
      box.current.dataset.drawn = String(found.length);
      if (found.length > 0 && map.current.loaded()) box.current.dataset.ready = "true";
    }
  }, []);

  const fit = useCallback(() => {
    const { fleet: of, shown: all } = latest.current;
    const placed = all.filter((i) => !Number.isNaN(of.latitude[i]!));
    if (!map.current || !library.current || placed.length === 0) return;
    // The middle 98 in 100 of each direction: one vehicle at the other end of the world is not the fleet.
    const span = (column: Float64Array) => {
      const values = placed.map((i) => column[i]!).sort((a, b) => a - b);
      return [values[Math.floor(values.length * 0.01)]!, values[Math.ceil(values.length * 0.99) - 1]!] as const;
    };
    const [south, north] = span(of.latitude);
    const [west, east] = span(of.longitude);
    map.current.fitBounds([[west, south], [east, north]], { padding: 40, maxZoom: 15, animate: false });
  }, []);

  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => {
    if (!wasFitted.current && map.current && shown.length > 0) {
      wasFitted.current = true;
      fit();
    }
    paint();
  }, [fleet, version, shown, chosen, paint, fit]);

  useEffect(() => {
    const i = openId === null ? undefined : fleet.place.get(openId);
    const at: [number, number] | null = i === undefined || Number.isNaN(fleet.latitude[i]!) ? null : [fleet.longitude[i]!, fleet.latitude[i]!];
    if (label.current && (!at || label.current.of !== openId)) {
      label.current.remove();
      label.current = null;
    }
    if (!at || !map.current || !library.current || openId === null) return;
    if (!label.current) {
      const element = document.createElement("div");
      element.className = classes.label ?? "";
      element.textContent = fleet.identifier[i!] ?? "";
      const made = new library.current.maplibregl.Marker({ element, anchor: "bottom", offset: [0, -16] }).setLngLat(at).addTo(map.current);
      label.current = Object.assign(made, { of: openId });
      map.current.easeTo({ center: at, zoom: Math.max(map.current.getZoom(), 15), duration: 500 });
    }
    label.current.setLngLat(at);
    if (isFollowed) map.current.easeTo({ center: at, duration: 700 });
  }, [fleet, version, openId, isFollowed]);

  const onStyle = useCallback(() => overlay.current?.forget(), []);

  const onMap = useCallback((made: MapLibre, draw: Drawing) => {
    map.current = made;
    library.current = draw;
    const over = new Overlay(made);
    overlay.current = over;
    made.on("moveend", () => {
      paint();
      latest.current.onView?.(viewOf(made));
    });
    made.on("click", ({ point }) => {
      const mark = over.at(point);
      if (mark?.id) latest.current.onOpen(mark.id);
      else if (mark) made.easeTo({ center: new draw.maplibregl.MercatorCoordinate(mark.x, mark.y).toLngLat(), zoom: made.getZoom() + 2 });
    });
    made.on("mousemove", ({ point }) => {
      made.getCanvas().style.cursor = over.at(point) ? "pointer" : "";
    });
    made.on("idle", () => {
      if (box.current && latest.current.shown.length > 0 && Number(box.current.dataset.drawn) > 0) box.current.dataset.ready = "true";
    });
    if (latest.current.shown.length > 0) {
      wasFitted.current = true;
      fit();
    }
    return () => {
      over.remove();
      overlay.current = null;
      map.current = null;
    };
  }, [fit, paint]);

  const lassoed = (ring: [number, number][]) => {
    setLasso(false);
    const made = map.current;
    if (!made || ring.length < 3) return;
    const onGlobe = ring.map((point) => made.unproject(point)).map(({ lng, lat }): [number, number] => [lng, lat]);
    onLasso(shown.filter((i) => isWithin(onGlobe, fleet.longitude[i]!, fleet.latitude[i]!)).map((i) => fleet.id[i]!));
  };

  return (
    <div ref={box} className={classes.map} data-testid="fleet-map">
      <Suspense>
        <MapView label={t("fleet.map")} zoom={11} onStyle={onStyle} onMap={onMap}>
          <div className={classes.tools}>
            <Tool icon="plus" label={t("fleet.zoomIn")} run={() => map.current?.zoomIn()} />
            <Tool icon="minus" label={t("fleet.zoomOut")} run={() => map.current?.zoomOut()} />
            <Tool icon="locate" label={t("fleet.fit")} run={fit} />
            <Tool icon="edit" label={t("fleet.lasso")} isOn={isLasso} run={() => setLasso(!isLasso)} />
          </div>
          {isLasso && <Lasso hint={t("fleet.lassoHint")} onRing={lassoed} onCancel={() => setLasso(false)} />}
        </MapView>
      </Suspense>
    </div>
  );
}

function Tool({ icon, label, run, isOn }: { icon: "plus" | "minus" | "locate" | "edit"; label: string; run: () => void; isOn?: boolean }) {
  return (
    <Tooltip label={label} position="left">
      <ActionIcon variant={isOn ? "filled" : "default"} size={36} aria-label={label} aria-pressed={isOn} onClick={run}><Icon name={icon} size={18} /></ActionIcon>
    </Tooltip>
  );
}
