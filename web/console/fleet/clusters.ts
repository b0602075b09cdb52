// What the map draws of the fleet at one moment: below zoom 13 heaps on a grid, above it the vehicles in
// view. Both are counted from the columns in some milliseconds, so a change every second costs nothing.
import { batteryOf, statusOf, type Fleet } from "./columns";

export const HEAPS_BELOW = 13;

export interface View {
  zoom: number;
  west: number;
  south: number;
  east: number;
  north: number;
}
type Drawn = GeoJSON.Feature<GeoJSON.Point, Record<string, string | number | boolean>>;

const x = (longitude: number) => (longitude + 180) / 360;
const y = (latitude: number) => {
  const sin = Math.sin((Math.max(-85, Math.min(85, latitude)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI);
};

/** "37", "420", "1.2k", "50k": short enough for a disc, and few enough different ones. */
export function shortCount(count: number): string {
  if (count < 100) return String(count);
  if (count < 1000) return String(Math.floor(count / 10) * 10);
  return count < 10_000 ? `${(Math.floor(count / 100) / 10).toFixed(1)}k` : `${Math.floor(count / 1000)}k`;
}

/** Discs of about 64 px cells; in each the count, and how many tenths of it are available. */
export function heaps(fleet: Fleet, shown: readonly number[], view: View): Drawn[] {
  const cells = 2 ** Math.floor(view.zoom) * 8;
  const heap = new Map<number, { n: number; free: number; x: number; y: number; i: number }>();
  for (const i of shown) {
    const [latitude, longitude] = [fleet.latitude[i]!, fleet.longitude[i]!];
    if (Number.isNaN(latitude) || !isSeen(view, latitude, longitude)) continue;
    const key = Math.floor(y(latitude) * cells) * 4_194_304 + Math.floor(x(longitude) * cells);
    const here = heap.get(key) ?? { n: 0, free: 0, x: 0, y: 0, i };
    here.n += 1;
    here.free += fleet.status[i] === 0 ? 1 : 0;
    here.x += longitude;
    here.y += latitude;
    heap.set(key, here);
  }
  return [...heap.values()].map((here) =>
    here.n === 1 ? single(fleet, here.i, false) : {
      type: "Feature",
      geometry: { type: "Point", coordinates: [here.x / here.n, here.y / here.n] },
      properties: { image: `heap|${shortCount(here.n)}|${Math.round((10 * here.free) / here.n)}`, count: here.n },
    },
  );
}

/** The vehicles in view, chosen ones marked. */
export function singles(fleet: Fleet, shown: readonly number[], view: View, chosen: ReadonlySet<string>): Drawn[] {
  const found: Drawn[] = [];
  for (const i of shown) {
    if (isSeen(view, fleet.latitude[i]!, fleet.longitude[i]!)) found.push(single(fleet, i, chosen.has(fleet.id[i]!)));
  }
  return found;
}

function single(fleet: Fleet, i: number, isChosen: boolean): Drawn {
  const level = batteryOf(fleet, i);
  const bars = level === null ? "x" : Math.ceil(level / 20);
  return {
    type: "Feature",
    geometry: { type: "Point", coordinates: [fleet.longitude[i]!, fleet.latitude[i]!] },
    properties: { image: `one|${statusOf(fleet, i)}|${bars}|${isChosen ? 1 : 0}`, id: fleet.id[i]! },
  };
}

const isSeen = (view: View, latitude: number, longitude: number): boolean =>
  latitude >= view.south && latitude <= view.north && longitude >= view.west && longitude <= view.east;
