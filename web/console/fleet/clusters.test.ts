import { expect, test } from "vitest";
import { marks, mercatorX, mercatorY, shortCount, type View } from "./clusters";
import { emptyFleet, merge, type Fleet } from "./columns";

const CITY: View = { zoom: 11, west: 13, south: 52, east: 14, north: 53 };

function fleetOf(places: readonly (readonly [latitude: number, longitude: number, status?: number])[]): Fleet {
  const fleet = emptyFleet();
  merge(fleet, {
    at: "2026-01-01T00:00:00Z", cursor: "1", origin: [0, 0],
    id: places.map((_, n) => `sco_${n}`), identifier: places.map((_, n) => `B-${n}`), type: places.map(() => 0), status: places.map(([, , status]) => status ?? 0),
    latitude: places.map(([latitude]) => Math.round(latitude * 1e5)), longitude: places.map(([, longitude]) => Math.round(longitude * 1e5)),
    battery: places.map(() => 50), age: places.map(() => 1), flags: places.map(() => 0),
  });
  return fleet;
}
const all = (fleet: Fleet) => Array.from({ length: fleet.count }, (_, i) => i);

test("far away: one disc for those that stand together, with its middle and its share", () => {
  const fleet = fleetOf([[52.5, 13.4], [52.5002, 13.4002, 4], [52.9, 13.9]]);
  const [heap, lone] = marks(fleet, all(fleet), CITY, new Set());
  expect(heap).toMatchObject({ image: "heap|2|5", id: null });
  expect(heap!.x).toBeCloseTo((mercatorX(13.4) + mercatorX(13.4002)) / 2, 12);
  expect(heap!.y).toBeCloseTo((mercatorY(52.5) + mercatorY(52.5002)) / 2, 12);
  expect(lone).toMatchObject({ image: "one|available|3|0", id: "sco_2" });
});

test("near: each vehicle in view, chosen ones on top", () => {
  const fleet = fleetOf([[52.5, 13.4], [52.5001, 13.4], [40, 13.4]]);
  const near = marks(fleet, all(fleet), { ...CITY, zoom: 15 }, new Set(["sco_0"]));
  expect(near.map(({ id, image }) => [id, image])).toEqual([["sco_1", "one|available|3|0"], ["sco_0", "one|available|3|1"]]);
});

test("near, but too many to tell apart: heaps, until one is as near as can be", () => {
  const fleet = fleetOf(Array.from({ length: 3_000 }, (_, n) => [52.5 + n * 1e-5, 13.4] as const));
  expect(marks(fleet, all(fleet), { ...CITY, zoom: 14 }, new Set()).length).toBeLessThan(100);
  expect(marks(fleet, all(fleet), { ...CITY, zoom: 17 }, new Set())).toHaveLength(3_000);
});

test("counts that fit on a disc", () => {
  expect([7, 99, 104, 999, 1_000, 1_290, 50_000].map(shortCount)).toEqual(["7", "99", "100", "990", "1.0k", "1.2k", "50k"]);
});
