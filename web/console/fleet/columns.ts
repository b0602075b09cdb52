// The live fleet in memory: columns, as the API sends them (docs/live.md). Fifty thousand objects would be
// made anew each second otherwise; here a change writes some numbers in place.
import type { Schema } from "@lib/api/client";

type Names = "types" | "statuses" | "count";
/** A snapshot; an event of the stream is the same without the names, which it has from the snapshot before. */
export type Columns = Omit<Schema<"Snapshot">, Names> & Partial<Pick<Schema<"Snapshot">, Names>>;
export const FLAG = { connected: 1, locked: 2, open: 4, tipped: 8 } as const;
export const TYPES = ["scooter", "ebike", "car", "van"] as const;
export const STATUSES = ["available", "reserved", "in_use", "maintenance", "offline", "retired"] as const;
export type VehicleType = (typeof TYPES)[number];
export type Status = (typeof STATUSES)[number];
export const RETIRED = STATUSES.indexOf("retired");

export interface Fleet {
  count: number;
  /** The platform's names, as its numbers mean them, by our places. */
  types: number[];
  statuses: number[];
  id: string[];
  identifier: string[];
  place: Map<string, number>;
  /** Places in TYPES and STATUSES. */
  type: Uint8Array;
  status: Uint8Array;
  /** Degrees; NaN = has never said. */
  latitude: Float64Array;
  longitude: Float64Array;
  /** Percent; -1 = unknown. */
  battery: Int16Array;
  /** Seconds since 1970 when it was last heard; NaN = never. */
  heard: Float64Array;
  flags: Uint8Array;
}

export const emptyFleet = (): Fleet => ({
  count: 0, types: TYPES.map((_, n) => n), statuses: STATUSES.map((_, n) => n), id: [], identifier: [], place: new Map(), ...room(0),
});

function room(size: number) {
  return {
    type: new Uint8Array(size), status: new Uint8Array(size), flags: new Uint8Array(size), battery: new Int16Array(size),
    latitude: new Float64Array(size), longitude: new Float64Array(size), heard: new Float64Array(size),
  };
}

function grow(fleet: Fleet, size: number): void {
  if (size <= fleet.type.length) return;
  const larger = room(Math.max(size, Math.ceil(fleet.type.length * 1.5), 256));
  for (const name of ["type", "status", "flags", "battery", "latitude", "longitude", "heard"] as const) {
    larger[name].set(fleet[name] as never);
    Object.assign(fleet, { [name]: larger[name] });
  }
}

/** Puts the rows of a snapshot or of a stream's event in place; says at which places something changed. */
export function merge(fleet: Fleet, rows: Columns): number[] {
  grow(fleet, fleet.count + rows.id.length);
  if (rows.types) fleet.types = rows.types.map((name) => Math.max(0, TYPES.indexOf(name as VehicleType)));
  if (rows.statuses) fleet.statuses = rows.statuses.map((name) => Math.max(0, STATUSES.indexOf(name as Status)));
  const { types, statuses } = fleet;
  const at = Date.parse(rows.at) / 1000;
  const [south = 0, west = 0] = rows.origin;
  const changed: number[] = [];
  rows.id.forEach((id, n) => {
    let i = fleet.place.get(id);
    if (i === undefined) {
      i = fleet.count++;
      fleet.place.set(id, i);
      fleet.id[i] = id;
    }
    const [latitude, longitude, age] = [rows.latitude[n], rows.longitude[n], rows.age[n]];
    fleet.identifier[i] = rows.identifier[n] ?? id;
    fleet.type[i] = types[rows.type[n] ?? 0] ?? 0;
    fleet.status[i] = statuses[rows.status[n] ?? 0] ?? 0;
    fleet.latitude[i] = latitude === null || latitude === undefined ? NaN : (south + latitude) / 1e5;
    fleet.longitude[i] = longitude === null || longitude === undefined ? NaN : (west + longitude) / 1e5;
    fleet.battery[i] = rows.battery[n] ?? -1;
    fleet.heard[i] = age === null || age === undefined ? NaN : at - age;
    fleet.flags[i] = rows.flags[n] ?? 0;
    changed.push(i);
  });
  return changed;
}

export const statusOf = (fleet: Fleet, i: number): Status => STATUSES[fleet.status[i] ?? 0] ?? "available";
export const typeOf = (fleet: Fleet, i: number): VehicleType => TYPES[fleet.type[i] ?? 0] ?? "scooter";
export const batteryOf = (fleet: Fleet, i: number): number | null => ((fleet.battery[i] ?? -1) < 0 ? null : (fleet.battery[i] as number));

export interface Counts {
  total: number;
  byStatus: number[];
  byType: number[];
  /** Of those in service: below 20, 40, 60, 80, 100 percent and unknown. */
  batteries: number[];
}

export function counted(fleet: Fleet): Counts {
  const counts: Counts = { total: 0, byStatus: STATUSES.map(() => 0), byType: TYPES.map(() => 0), batteries: [0, 0, 0, 0, 0, 0] };
  const add = (of: number[], n: number) => (of[n] = (of[n] ?? 0) + 1);
  for (let i = 0; i < fleet.count; i++) {
    add(counts.byStatus, fleet.status[i]!);
    if (fleet.status[i] === RETIRED) continue;
    counts.total += 1;
    add(counts.byType, fleet.type[i]!);
    add(counts.batteries, fleet.battery[i]! < 0 ? 5 : Math.min(4, Math.floor(fleet.battery[i]! / 20)));
  }
  return counts;
}
