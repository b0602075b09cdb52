import { expect, test } from "vitest";
import { batteryOf, counted, emptyFleet, merge, statusOf, typeOf, type Columns } from "./columns";

const rows = (more: Partial<Columns> & Pick<Columns, "id">): Columns => {
  const all = <T,>(value: T) => more.id.map(() => value);
  return {
    at: "2026-11-20T08:00:00Z", cursor: "1", origin: [5248231, 1318402], identifier: more.id.map((id) => id.toUpperCase()),
    type: all(0), status: all(0), latitude: all(0), longitude: all(0), battery: all(50), age: all(4), flags: all(3), ...more,
  };
};
const NAMES = { types: ["car", "scooter"], statuses: ["retired", "available", "offline"], count: 2 };

test("a snapshot fills the columns, by the names it brings", () => {
  const fleet = emptyFleet();
  merge(fleet, rows({ ...NAMES, id: ["a", "b"], type: [0, 1], status: [1, 2], latitude: [3769, null], longitude: [0, null], battery: [87, null], age: [4, null] }));
  expect(fleet.count).toBe(2);
  expect([typeOf(fleet, 0), statusOf(fleet, 0), batteryOf(fleet, 0)]).toEqual(["car", "available", 87]);
  expect([typeOf(fleet, 1), statusOf(fleet, 1), batteryOf(fleet, 1)]).toEqual(["scooter", "offline", null]);
  expect(fleet.latitude[0]).toBeCloseTo(52.52, 6);
  expect(fleet.latitude[1]).toBeNaN();
  expect(fleet.heard[0]).toBe(Date.parse("2026-11-20T08:00:00Z") / 1000 - 4);
  expect(fleet.heard[1]).toBeNaN();
});

test("a difference changes its rows in place and adds new ones, with the names from before", () => {
  const fleet = emptyFleet();
  merge(fleet, rows({ ...NAMES, id: ["a", "b"], status: [1, 1] }));
  expect(merge(fleet, rows({ id: ["b", "c"], status: [0, 2], battery: [12, 99] }))).toEqual([1, 2]);
  expect(fleet.id.slice(0, fleet.count)).toEqual(["a", "b", "c"]);
  expect([statusOf(fleet, 0), statusOf(fleet, 1), statusOf(fleet, 2)]).toEqual(["available", "retired", "offline"]);
  expect(batteryOf(fleet, 0)).toBe(50);
});

test("many differences on a large fleet keep every row once", () => {
  const fleet = emptyFleet();
  const ids = Array.from({ length: 5000 }, (_, n) => `v${n}`);
  merge(fleet, rows({ id: ids }));
  for (let round = 0; round < 20; round++) merge(fleet, rows({ id: ids.filter((_, n) => n % 7 === round % 7), battery: ids.filter((_, n) => n % 7 === round % 7).map(() => round) }));
  expect(fleet.count).toBe(5000);
  expect(new Set(fleet.id).size).toBe(5000);
  expect(fleet.battery[fleet.place.get("v6")!]).toBe(13);
});

test("retired vehicles count for their status only", () => {
  const fleet = emptyFleet();
  merge(fleet, rows({ ...NAMES, id: ["a", "b", "c"], status: [0, 1, 1], battery: [5, 5, null] }));
  expect(counted(fleet)).toMatchObject({ total: 2, byStatus: [2, 0, 0, 0, 0, 1], batteries: [1, 0, 0, 0, 0, 1] });
});
