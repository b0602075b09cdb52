// Drawing and dragging corners, by terra-draw; in a chunk of its own, loaded when somebody draws.
import type { MapLibre, Drawing } from "@lib/map/MapView";
import { TerraDraw, TerraDrawPolygonMode, TerraDrawSelectMode } from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import { tone } from "../parts/Chart";
import { areaOf, polygonsOf, type Area } from "./shape";

export interface Pencil {
  stop: () => void;
}

const rounded = (rings: GeoJSON.Position[][]) => rings.map((ring) => ring.map(([x, y]) => [Number(x!.toFixed(7)), Number(y!.toFixed(7))]));

/** Draws a new polygon (`area` null) or edits the polygons of one; `onArea` hears of every change. */
export function pencilOn(map: MapLibre, _library: Drawing, area: Area | null, onArea: (area: Area | null) => void): Pencil {
  const brand = tone("brand") as `#${string}`;
  const card = tone("card") as `#${string}`;
  const corner = { selectionPointColor: brand, selectionPointOutlineColor: card, selectionPointWidth: 7, midPointColor: card, midPointOutlineColor: brand, midPointOutlineWidth: 2, midPointWidth: 5 };
  const draw = new TerraDraw({
    adapter: new TerraDrawMapLibreGLAdapter({ map, coordinatePrecision: 9 }),
    modes: [
      new TerraDrawPolygonMode({ styles: { fillColor: brand, fillOpacity: 0.2, outlineColor: brand, outlineWidth: 3, closingPointColor: brand, closingPointOutlineColor: card, closingPointWidth: 8 } }),
      new TerraDrawSelectMode({
        flags: { polygon: { feature: { draggable: true, coordinates: { midpoints: true, draggable: true, deletable: true } } } },
        styles: { selectedPolygonColor: brand, selectedPolygonFillOpacity: 0.2, selectedPolygonOutlineColor: brand, selectedPolygonOutlineWidth: 3, ...corner },
      }),
    ],
  });
  draw.start();
  const tell = () => {
    const polygons = draw.getSnapshot().filter((f) => f.geometry.type === "Polygon" && f.properties.mode === "polygon").map((f) => rounded(f.geometry.coordinates as GeoJSON.Position[][]));
    onArea(areaOf(polygons));
  };
  draw.on("finish", (id) => {
    tell();
    draw.setMode("select");
    draw.selectFeature(id);
  });
  if (area) {
    const made = draw.addFeatures(polygonsOf(area).map((rings) => ({ type: "Feature" as const, properties: { mode: "polygon" }, geometry: { type: "Polygon" as const, coordinates: rounded(rings) } })));
    draw.setMode("select");
    const first = made.find((each) => each.valid)?.id;
    if (first !== undefined) draw.selectFeature(first);
  } else draw.setMode("polygon");
  return { stop: () => draw.stop() };
}
