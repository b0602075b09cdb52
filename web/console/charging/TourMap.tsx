import type { Drawing, MapLibre } from "@lib/map/MapView";
import type { Schema } from "@lib/api/client";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { tone } from "../parts/Chart";
import { useWords } from "../text";
import classes from "./charging.module.css";

const MapView = lazy(() => import("@lib/map/MapView"));
export interface Spot { latitude: number; longitude: number }

interface TourMapProps {
  plan: Schema<"PlanDetail"> | null;
  /** Where a new tour is to begin: drawn by a pin that can be dragged. */
  start: Spot | null;
  onStart: (spot: Spot) => void;
}

/** The order of the stops as a line; streets are not known here, so it is the crow's. */
function lineOf(plan: TourMapProps["plan"]): GeoJSON.Feature[] {
  if (!plan) return [];
  const from = [plan.start.longitude, plan.start.latitude];
  const way = [from, ...plan.stops.map((stop) => [stop.location.longitude, stop.location.latitude]), ...(plan.is_round_trip ? [from] : [])];
  return [{ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: way } }];
}

export function TourMap({ plan, start, onStart }: TourMapProps) {
  const t = useWords();
  const [ready, setReady] = useState<{ map: MapLibre; draw: Drawing } | null>(null);
  const fitted = useRef("");
  const latest = useRef({ plan, start, onStart });
  useEffect(() => {
    latest.current = { plan, start, onStart };
  });
  const onStyle = useCallback((map: MapLibre) => {
    if (!map.getSource("tour")) map.addSource("tour", { type: "geojson", data: { type: "FeatureCollection", features: lineOf(latest.current.plan) } });
    map.addLayer({ id: "tour", type: "line", source: "tour", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": tone("brand"), "line-width": 4, "line-opacity": 0.85 } });
  }, []);
  const onMap = useCallback((map: MapLibre, draw: Drawing) => {
    setReady({ map, draw });
    map.on("click", (event) => latest.current.start && latest.current.onStart({ latitude: event.lngLat.lat, longitude: event.lngLat.lng }));
    return () => setReady(null);
  }, []);
  useEffect(() => {
    if (!ready) return;
    const { map, draw } = ready;
    (map.getSource("tour") as { setData?: (data: GeoJSON.FeatureCollection) => void } | undefined)?.setData?.({ type: "FeatureCollection", features: lineOf(plan) });
    const pin = (text: string, at: Spot, more: DOMStringMap, draggable = false) => {
      const element = document.createElement("div");
      element.className = classes.pin ?? "";
      element.textContent = text;
      Object.assign(element.dataset, more);
      return new draw.maplibregl.Marker({ element, draggable }).setLngLat([at.longitude, at.latitude]).addTo(map);
    };
    const pins = plan ? [pin("S", plan.start, { start: "" }), ...plan.stops.map((stop) => pin(String(stop.position), stop.location, { state: stop.state }))] : [];
    if (start) {
      const made = pin("S", start, { start: "" }, true);
      made.on("dragend", () => latest.current.onStart({ latitude: made.getLngLat().lat, longitude: made.getLngLat().lng }));
      pins.push(made);
    }
    if (plan && fitted.current !== plan.id && plan.stops.length > 0) {
      fitted.current = plan.id;
      const box = new draw.maplibregl.LngLatBounds();
      [plan.start, ...plan.stops.map((stop) => stop.location)].forEach((at) => box.extend([at.longitude, at.latitude]));
      map.fitBounds(box, { padding: 60, maxZoom: 15, animate: false });
    }
    return () => pins.forEach((each) => each.remove());
  }, [ready, plan, start]);
  return <Suspense><MapView label={t("charging.map")} zoom={11.5} onStyle={onStyle} onMap={onMap} /></Suspense>;
}
