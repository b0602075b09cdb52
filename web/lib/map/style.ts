// The bundled base map: streets from the platform itself, water and parks drawn by hand, no glyph
// server and no other origin. The colours are the page's tokens, so it follows light and dark.
import type { ExpressionSpecification, Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { config } from "../config";

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Two widths, not each river's own: a width by feature would be a shader of its own, and to compile one takes a
// fifth of a second where no graphics card helps.
const RIVERS: [id: string, metres: number, isOf: ExpressionSpecification][] = [
  ["rivers", 28, ["<", ["get", "width"], 45]],
  ["wide-rivers", 60, [">=", ["get", "width"], 45]],
];

export function mapStyle(): StyleSpecification | string {
  const wanted = config().map_style;
  if (wanted !== "bundled" && wanted !== "none") return wanted;
  const ground = { id: "ground", type: "background", paint: { "background-color": token("--map-ground") } } as const;
  if (wanted === "none") return { version: 8, sources: {}, layers: [ground] };
  const width = (narrow: number, wide: number) =>
    ["interpolate", ["exponential", 1.5], ["zoom"], 11, narrow, 17, wide] as unknown as number;
  return {
    version: 8,
    sources: {
      nature: { type: "geojson", data: `${location.origin}/web/map/nature.geojson` },
      streets: { type: "geojson", data: `${location.origin}/web/map/streets.geojson`, attribution: config().map_credit, tolerance: 0.6 },
    },
    layers: [
      ground,
      { id: "parks", type: "fill", source: "nature", filter: ["==", ["get", "kind"], "park"], paint: { "fill-color": token("--map-park") } },
      { id: "lakes", type: "fill", source: "nature", filter: ["==", ["get", "kind"], "lake"], paint: { "fill-color": token("--map-water") } },
      ...RIVERS.map(([id, metres, isOf]) => ({
        id, type: "line" as const, source: "nature", filter: ["all", ["==", ["get", "kind"], "river"], isOf] as ExpressionSpecification,
        layout: { "line-cap": "round" as const, "line-join": "round" as const },
        paint: { "line-color": token("--map-water"), "line-width": ["interpolate", ["exponential", 2], ["zoom"], 11, metres * 0.028, 17, metres * 1.8] as ExpressionSpecification },
      })),
      {
        id: "street-edges", type: "line", source: "streets", layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": token("--map-road-edge"), "line-width": width(1.8, 17) },
      },
      {
        id: "streets", type: "line", source: "streets", layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": token("--map-road"), "line-width": width(1, 14) },
      },
    ],
  };
}

const SHOWN_FROM: [weight: number, zoom: number][] = [[8, 11], [5, 12.5], [0, 13.5]];

/** Names without a glyph server: each drawn once on a canvas, as an image of the map. */
export function addNames(map: MapLibre): void {
  const names = config().map_names ?? [];
  if (config().map_style !== "bundled" || names.length === 0) return;
  const scale = Math.min(2, devicePixelRatio || 1);
  const font = `600 ${12 * scale}px system-ui, sans-serif`;
  for (const { name } of names) {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (!pen) return;
    pen.font = font;
    canvas.width = Math.ceil(pen.measureText(name).width) + 8 * scale;
    canvas.height = 20 * scale;
    pen.font = font;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 4 * scale;
    pen.strokeStyle = token("--map-ground");
    pen.strokeText(name, 4 * scale, canvas.height / 2);
    pen.fillStyle = token("--map-label");
    pen.fillText(name, 4 * scale, canvas.height / 2);
    map.addImage(`name-${name}`, pen.getImageData(0, 0, canvas.width, canvas.height), { pixelRatio: scale });
  }
  map.addSource("names", {
    type: "geojson",
    data: {
      type: "FeatureCollection",
      features: names.map(({ name, longitude, latitude, weight }) => ({
        type: "Feature", properties: { image: `name-${name}`, weight }, geometry: { type: "Point", coordinates: [longitude, latitude] },
      })),
    },
  });
  SHOWN_FROM.forEach(([weight, zoom], i) => {
    const below = SHOWN_FROM[i - 1]?.[0] ?? 1_000;
    map.addLayer({
      id: `names-${weight}`, type: "symbol", source: "names", minzoom: zoom,
      filter: ["all", [">=", ["get", "weight"], weight], ["<", ["get", "weight"], below]],
      layout: { "icon-image": ["get", "image"], "icon-anchor": "top", "icon-offset": [0, 6] },
    });
  });
}
