// Areas as the API has them, and as they are drawn: one polygon each.
import type { Schema } from "@lib/api/client";

export type Zone = Schema<"ZoneFeature">;
export type Kind = Zone["properties"]["kind"];
export const KINDS: readonly Kind[] = ["operating_area", "no_go", "no_parking", "parking", "preferred_parking", "slow", "deployment"];
export type Area = GeoJSON.Polygon | GeoJSON.MultiPolygon;

export const KIND_TONE: Record<Kind, string> = {
  operating_area: "zone-area", no_go: "zone-no", no_parking: "zone-no", parking: "zone-good", preferred_parking: "zone-good", slow: "zone-slow", deployment: "offline",
};

/** Its polygons, one feature each, for the pencil. */
export function polygonsOf(area: Area | null): GeoJSON.Position[][][] {
  if (!area) return [];
  return area.type === "Polygon" ? [area.coordinates] : area.coordinates;
}

export function areaOf(polygons: GeoJSON.Position[][][]): Area | null {
  if (polygons.length === 0) return null;
  return polygons.length === 1 ? { type: "Polygon", coordinates: polygons[0]! } : { type: "MultiPolygon", coordinates: polygons };
}

/** Corners, the closing ones not counted. */
export const cornersOf = (area: Area | null): number => polygonsOf(area).flat().reduce((sum, ring) => sum + Math.max(0, ring.length - 1), 0);

/** The pencil knows no holes: such an area is changed as text only, so that none is lost. */
export const canDrawArea = (area: Area | null): boolean => polygonsOf(area).every((rings) => rings.length === 1);

const isPosition = (of: unknown): boolean => Array.isArray(of) && of.length >= 2 && of.every((n) => typeof n === "number" && Number.isFinite(n));
const isRings = (of: unknown): boolean => Array.isArray(of) && of.length > 0 && of.every((ring) => Array.isArray(ring) && ring.length >= 3 && ring.every(isPosition));

/** A geometry, a feature, or a collection of one, as text; `null` when it is none of them. */
export function areaIn(text: string): Area | null {
  try {
    let found = JSON.parse(text) as Record<string, unknown>;
    if (found.type === "FeatureCollection" && Array.isArray(found.features) && found.features.length === 1) found = found.features[0] as Record<string, unknown>;
    if (found.type === "Feature") found = found.geometry as Record<string, unknown>;
    if (found.type === "Polygon" && isRings(found.coordinates)) return { type: "Polygon", coordinates: found.coordinates as GeoJSON.Position[][] };
    if (found.type === "MultiPolygon" && Array.isArray(found.coordinates) && found.coordinates.length > 0 && found.coordinates.every(isRings))
      return { type: "MultiPolygon", coordinates: found.coordinates as GeoJSON.Position[][][] };
  } catch {
    return null;
  }
  return null;
}

export function boundsOf(area: Area): [number, number, number, number] {
  const all = polygonsOf(area).flat(2);
  const [x, y] = [all.map((p) => p[0]!), all.map((p) => p[1]!)];
  return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
}
