// What is looked at, as an address says it: ?type=scooter,ebike&status=offline&battery=0-20&q=SC&group=North
import { RETIRED, STATUSES, TYPES, type Fleet, type Status, type VehicleType } from "./columns";

export interface FleetFilter {
  types: readonly VehicleType[];
  /** Empty: all but the retired. */
  statuses: readonly Status[];
  /** Percent, both included; null = any. */
  battery: readonly [number, number] | null;
  text: string;
  group: string;
  /** south, west, north, east */
  box: readonly [number, number, number, number] | null;
}
export const NO_FILTER: FleetFilter = { types: [], statuses: [], battery: null, text: "", group: "", box: null };

const listed = <T extends string>(text: string | undefined, known: readonly T[]): T[] =>
  (text ?? "").split(",").filter((each): each is T => known.includes(each as T));

function numbers(text: string | undefined, separator: string, count: number): number[] | null {
  const parts = (text ?? "").split(separator).map((part) => (part === "" ? NaN : Number(part)));
  return parts.length === count && parts.every(Number.isFinite) ? parts : null;
}

/** Whatever an address says that we do not know is passed over: links outlive versions. */
export function filterOf(query: Record<string, string>): FleetFilter {
  const battery = numbers(query.battery, "-", 2);
  const box = numbers(query.box, ",", 4);
  return {
    types: listed(query.type, TYPES),
    statuses: listed(query.status, STATUSES),
    battery: battery && battery[0]! <= battery[1]! ? [battery[0]!, battery[1]!] : null,
    text: query.q ?? "",
    group: query.group ?? "",
    box: box ? [box[0]!, box[1]!, box[2]!, box[3]!] : null,
  };
}

/** The other way; parts that are not set are `undefined` and so leave the address. */
export function asQuery(filter: FleetFilter): Record<string, string | undefined> {
  return {
    type: filter.types.join(",") || undefined,
    status: filter.statuses.join(",") || undefined,
    battery: filter.battery ? filter.battery.join("-") : undefined,
    q: filter.text || undefined,
    group: filter.group || undefined,
    box: filter.box ? filter.box.join(",") : undefined,
  };
}

export const isSet = (filter: FleetFilter): boolean => Object.values(asQuery(filter)).some(Boolean);

/** The places of the vehicles that match. `members`: ids of the group, where one is asked for. */
export function matching(fleet: Fleet, filter: FleetFilter, members: ReadonlySet<string> | null): number[] {
  const types = TYPES.map((type) => filter.types.length === 0 || filter.types.includes(type));
  const statuses = STATUSES.map((s, n) => (filter.statuses.length === 0 ? n !== RETIRED : filter.statuses.includes(s)));
  const text = filter.text.trim().toLowerCase();
  const found: number[] = [];
  for (let i = 0; i < fleet.count; i++) {
    if (!statuses[fleet.status[i]!] || !types[fleet.type[i]!]) continue;
    if (filter.battery && (fleet.battery[i]! < filter.battery[0] || fleet.battery[i]! > filter.battery[1])) continue;
    if (text && !fleet.identifier[i]!.toLowerCase().includes(text) && fleet.id[i]!.toLowerCase() !== text) continue;
    if (members && !members.has(fleet.id[i]!)) continue;
    if (filter.box && !isIn(filter.box, fleet.latitude[i]!, fleet.longitude[i]!)) continue;
    found.push(i);
  }
  return found;
}

/** A box whose west is above its east crosses the antimeridian. */
function isIn([south, west, north, east]: readonly number[], latitude: number, longitude: number): boolean {
  const between = west! <= east! ? longitude >= west! && longitude <= east! : longitude >= west! || longitude <= east!;
  return latitude >= south! && latitude <= north! && between;
}

/** Is a point within a ring of [x, y]? For the lasso; even-odd, so a crossing line cuts holes. */
export function isWithin(ring: readonly (readonly [number, number])[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i]!;
    const [xj, yj] = ring[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
