// The bundled base map: streets from the platform itself, water and parks drawn by hand, no glyph
// server and no other origin. The colours are the page's tokens, so it follows light and dark.
import type { StyleSpecification } from "maplibre-gl";
import { config } from "../config";

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

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
      {
        id: "rivers", type: "line", source: "nature", filter: ["==", ["get", "kind"], "river"],
        layout: { "line-cap": "round", "line-join": "round" },
        paint: {
          "line-color": token("--map-water"),
          "line-width": ["interpolate", ["exponential", 2], ["zoom"], 11, ["*", ["get", "width"], 0.028], 17, ["*", ["get", "width"], 1.8]],
        },
      },
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
