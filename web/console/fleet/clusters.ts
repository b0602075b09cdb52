// What the map shows of the fleet at one moment: heaps on a grid while there are too many to tell apart, else
// each vehicle in view. Counted from the columns in some milliseconds, so a change every second costs nothing.
import { batteryOf, statusOf, type Fleet } from "./columns";

export const HEAPS_BELOW = 13;
/** More than these cover each other, however near one looks. */
const MOST_SINGLES = 2_500;
/** From here on all are shown one by one: they stand on one another in truth. */
const ALWAYS_SINGLES = 17;

export interface View {
  zoom: number;
  west: number;
  south: number;
  east: number;
  north: number;
}
/** One mark on the map; `x` and `y` are those of the Mercator projection, 0 to 1. */
export interface Mark {
  x: number;
  y: number;
  /** What `drawMark` draws: "one|offline|3|0", "heap|1.2k|8". */
  image: string;
  /** Of a single vehicle; a heap has none. */
  id: string | null;
}

export const mercatorX = (longitude: number) => (longitude + 180) / 360;
export const mercatorY = (latitude: number) => {
  const sin = Math.sin((Math.max(-85, Math.min(85, latitude)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI);
};

/** "37", "420", "1.2k", "50k": short enough for a disc, and few enough different ones. */
export function shortCount(count: number): string {
  if (count < 100) return String(count);
  if (count < 1000) return String(Math.floor(count / 10) * 10);
  return count < 10_000 ? `${(Math.floor(count / 100) / 10).toFixed(1)}k` : `${Math.floor(count / 1000)}k`;
}

/** Heaps or vehicles, chosen ones marked; the later ones lie on top. */
export function marks(fleet: Fleet, shown: readonly number[], view: View, chosen: ReadonlySet<string>): Mark[] {
  const seen = shown.filter((i) => isSeen(view, fleet.latitude[i]!, fleet.longitude[i]!));
  const areSingle = view.zoom >= ALWAYS_SINGLES || (view.zoom >= HEAPS_BELOW && seen.length <= MOST_SINGLES);
  if (!areSingle) return heaps(fleet, seen, view.zoom);
  const found = seen.map((i) => single(fleet, i, chosen.has(fleet.id[i]!)));
  return chosen.size === 0 ? found : [...found.filter((mark) => !chosen.has(mark.id!)), ...found.filter((mark) => chosen.has(mark.id!))];
}

/** Discs of about 64 px cells; in each the count, and how many tenths of it are available. */
function heaps(fleet: Fleet, seen: readonly number[], zoom: number): Mark[] {
  const cells = 2 ** Math.floor(zoom) * 8;
  const heap = new Map<number, { n: number; free: number; x: number; y: number; i: number }>();
  for (const i of seen) {
    const [x, y] = [mercatorX(fleet.longitude[i]!), mercatorY(fleet.latitude[i]!)];
    const key = Math.floor(y * cells) * 4_194_304 + Math.floor(x * cells);
    const here = heap.get(key);
    if (!here) heap.set(key, { n: 1, free: fleet.status[i] === 0 ? 1 : 0, x, y, i });
    else {
      here.n += 1;
      here.free += fleet.status[i] === 0 ? 1 : 0;
      here.x += x;
      here.y += y;
    }
  }
  return [...heap.values()].map((here) =>
    here.n === 1 ? single(fleet, here.i, false) : { x: here.x / here.n, y: here.y / here.n, image: `heap|${shortCount(here.n)}|${Math.round((10 * here.free) / here.n)}`, id: null },
  );
}

function single(fleet: Fleet, i: number, isChosen: boolean): Mark {
  const level = batteryOf(fleet, i);
  const bars = level === null ? "x" : Math.ceil(level / 20);
  return { x: mercatorX(fleet.longitude[i]!), y: mercatorY(fleet.latitude[i]!), image: `one|${statusOf(fleet, i)}|${bars}|${isChosen ? 1 : 0}`, id: fleet.id[i]! };
}

/** NaN, of vehicles that have never said where they are, is in no view. */
const isSeen = (view: View, latitude: number, longitude: number): boolean =>
  latitude >= view.south && latitude <= view.north && longitude >= view.west && longitude <= view.east;
