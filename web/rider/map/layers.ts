// What the rider's maps draw above the base map.
import type { MapLibre } from "@lib/map/MapView";
import type { Schema } from "@lib/api/client";
import type { FeatureCollection } from "geojson";
import type { GeoJSONSource } from "maplibre-gl";

export const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

const COLOUR: Record<string, string> = {
  no_parking: "--zone-no", no_go: "--zone-no", slow: "--zone-slow", preferred_parking: "--zone-good", parking: "--zone-good", operating_area: "--zone-area",
};

export function setData(map: MapLibre, source: string, data: FeatureCollection | GeoJSON.Feature): void {
  (map.getSource(source) as GeoJSONSource | undefined)?.setData(data);
}

/** Zones under everything else: what is forbidden, slow, or rewarded. */
export function addZones(map: MapLibre, zones: Schema<"ZoneCollection"> | undefined): void {
  const shown = (zones?.features ?? []).filter((zone) => zone.properties.kind !== "deployment");
  const features = shown.map((zone) => ({
    type: "Feature" as const,
    geometry: zone.geometry as unknown as GeoJSON.Geometry,
    properties: { kind: zone.properties.kind, colour: token(COLOUR[zone.properties.kind] ?? "--zone-area") },
  }));
  const data: FeatureCollection = { type: "FeatureCollection", features };
  if (map.getSource("zones")) return setData(map, "zones", data);
  map.addSource("zones", { type: "geojson", data });
  map.addLayer({
    id: "zones-fill", type: "fill", source: "zones", filter: ["!=", ["get", "kind"], "operating_area"],
    paint: { "fill-color": ["get", "colour"], "fill-opacity": 0.1 },
  });
  map.addLayer({
    id: "zones-edge", type: "line", source: "zones",
    paint: { "line-color": ["get", "colour"], "line-width": ["match", ["get", "kind"], "operating_area", 2.5, 1.5], "line-opacity": 0.8 },
  });
}

export function addRoute(map: MapLibre, points: [number, number][]): void {
  const data: GeoJSON.Feature = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: points } };
  if (map.getSource("route")) return setData(map, "route", data);
  map.addSource("route", { type: "geojson", data: points.length > 1 ? data : NOTHING });
  const layout = { "line-cap": "round", "line-join": "round" } as const;
  map.addLayer({ id: "route-edge", type: "line", source: "route", layout, paint: { "line-color": token("--card"), "line-width": 8 } });
  map.addLayer({ id: "route", type: "line", source: "route", layout, paint: { "line-color": token("--brand"), "line-width": 5 } });
}

export function addYou(map: MapLibre, place: [number, number] | null): void {
  const data: FeatureCollection = place
    ? { type: "FeatureCollection", features: [{ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: place } }] }
    : NOTHING;
  if (map.getSource("you")) return setData(map, "you", data);
  map.addSource("you", { type: "geojson", data });
  map.addLayer({ id: "you-halo", type: "circle", source: "you", paint: { "circle-radius": 16, "circle-color": token("--in_use"), "circle-opacity": 0.2 } });
  map.addLayer({
    id: "you", type: "circle", source: "you",
    paint: { "circle-radius": 7, "circle-color": token("--in_use"), "circle-stroke-width": 3, "circle-stroke-color": token("--card") },
  });
}
