// The bundled base map: streets, railways, places, water and parks out of one archive of tiles that the platform
// itself serves (tools/basemap.py), no glyph server and no other origin. The colours are the page's tokens, so it
// follows light and dark.
import type { ExpressionSpecification, LayerSpecification, Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { config } from "../config";

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Two widths, not each river's own: a width by feature would be a shader of its own, and to compile one takes a
// fifth of a second where no graphics card helps.
const RIVERS: [id: string, metres: number, isOf: ExpressionSpecification][] = [
  ["rivers", 28, ["<", ["get", "width"], 45]],
  ["wide-rivers", 60, [">=", ["get", "width"], 45]],
];
const CORNERS_FROM = 15;
const ROUND = { "line-cap": "round", "line-join": "round" } as const;
const NAME = "name-";

export function mapStyle(): StyleSpecification | string {
  const { map_style: wanted, map_archive: archive, map_credit: attribution } = config();
  if (wanted !== "bundled" && wanted !== "none") return wanted;
  const ground = { id: "ground", type: "background", paint: { "background-color": token("--map-ground") } } as const;
  if (!archive) return { version: 8, sources: {}, layers: [ground] };
  return {
    version: 8,
    sources: { city: { type: "vector", url: `pmtiles://${location.origin}${archive}`, attribution } },
    layers: [ground, ...nature(), ...ways(), ...names()],
  };
}

const across = (narrow: number, wide: number): ExpressionSpecification => ["interpolate", ["exponential", 1.5], ["zoom"], 11, narrow, 17, wide];
const isKind = (kind: string): ExpressionSpecification => ["==", ["get", "kind"], kind];

function nature(): LayerSpecification[] {
  const of = { source: "city", "source-layer": "nature" };
  const area = (id: string, kind: string, colour: string): LayerSpecification => ({ id, type: "fill", ...of, filter: isKind(kind), paint: { "fill-color": token(colour) } });
  return [
    area("parks", "park", "--map-park"),
    area("lakes", "lake", "--map-water"),
    ...RIVERS.map(([id, metres, isOf]): LayerSpecification => ({
      id, type: "line", ...of, filter: ["all", isKind("river"), isOf], layout: ROUND,
      paint: { "line-color": token("--map-water"), "line-width": ["interpolate", ["exponential", 2], ["zoom"], 11, metres * 0.028, 17, metres * 1.8] },
    })),
  ];
}

function ways(): LayerSpecification[] {
  const line = (id: string, layer: string, colour: string, width: ExpressionSpecification): LayerSpecification => ({
    id, type: "line", source: "city", "source-layer": layer, layout: ROUND, paint: { "line-color": token(colour), "line-width": width },
  });
  return [
    line("rails", "rails", "--map-rail", across(0.8, 2)),
    line("street-edges", "streets", "--map-road-edge", across(1.6, 15)),
    line("streets", "streets", "--map-road", across(0.9, 12)),
  ];
}

function names(): LayerSpecification[] {
  const layer = (id: string, minzoom: number, isShown: ExpressionSpecification): LayerSpecification => ({
    id, type: "symbol", source: "city", "source-layer": "names", minzoom, filter: isShown,
    layout: { "icon-image": ["concat", NAME, ["get", "name"]], "icon-padding": 6 },
  });
  const rank: ExpressionSpecification = ["get", "rank"];
  return [
    layer("stations", 0, ["<", rank, CORNERS_FROM]),
    layer("corners", CORNERS_FROM, [">=", rank, CORNERS_FROM]),
  ];
}

/** Names without a glyph server: each drawn on a canvas when the map first comes to it. */
export function drawNames(map: MapLibre): void {
  const scale = Math.min(2, devicePixelRatio || 1);
  const font = `600 ${12 * scale}px system-ui, sans-serif`;
  map.setMissingStyleImageResolver((id) => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    if (!id.startsWith(NAME) || !pen) return;
    const name = id.slice(NAME.length);
    const { canvas } = pen;
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
    map.addImage(id, pen.getImageData(0, 0, canvas.width, canvas.height), { pixelRatio: scale });
  });
}
