import { expect, test } from "vitest";
import { queryOf, textOf } from "../shell/place";
import { emptyFleet, merge } from "./columns";
import { shortCount } from "./clusters";
import { asQuery, filterOf, isSet, isWithin, matching, NO_FILTER, type FleetFilter } from "./filter";

const FULL: FleetFilter = { types: ["scooter", "van"], statuses: ["offline"], battery: [0, 20], text: "SC 1&2", group: "Depot Nord", box: [52.4, 13.1, 52.6, 13.6] };

test("an address says the filter, and the filter comes back out of it", () => {
  const text = textOf(asQuery(FULL));
  expect(text).toBe("?type=scooter,van&status=offline&battery=0-20&q=SC+1%262&group=Depot+Nord&box=52.4,13.1,52.6,13.6");
  expect(filterOf(queryOf(text))).toEqual(FULL);
  expect(textOf(asQuery(NO_FILTER))).toBe("");
});

test("what an address says wrongly is passed over", () => {
  expect(filterOf({ type: "scooter,submarine", status: "", battery: "80-20", box: "1,2,3" })).toEqual({ ...NO_FILTER, types: ["scooter"] });
  expect(isSet(filterOf({ battery: "x-y" }))).toBe(false);
});

const fleet = emptyFleet();
merge(fleet, {
  at: "2026-11-20T08:00:00Z", cursor: "1", origin: [5200000, 1300000], types: ["scooter", "ebike", "car", "van"], statuses: ["available", "reserved", "in_use", "maintenance", "offline", "retired"], count: 4,
  id: ["a", "b", "c", "d"], identifier: ["SC001", "SC002", "CA001", "VA001"], type: [0, 0, 2, 3], status: [0, 5, 4, 0],
  latitude: [0, 10, 100_000, null], longitude: [0, 10, 100_000, null], battery: [10, 90, null, 50], age: [1, 1, 1, null], flags: [0, 0, 0, 0],
});
const found = (filter: Partial<FleetFilter>, members: ReadonlySet<string> | null = null) => matching(fleet, { ...NO_FILTER, ...filter }, members).map((i) => fleet.id[i]);

test("filters the columns; the retired only when asked for", () => {
  expect(found({})).toEqual(["a", "c", "d"]);
  expect(found({ statuses: ["retired"] })).toEqual(["b"]);
  expect(found({ types: ["car", "van"] })).toEqual(["c", "d"]);
  expect(found({ battery: [0, 20] })).toEqual(["a"]);
  expect(found({ text: "a001" })).toEqual(["c", "d"]);
  expect(found({ box: [51.9, 12.9, 52.1, 13.1] })).toEqual(["a"]);
  expect(found({}, new Set(["d"]))).toEqual(["d"]);
});

test("a box across the antimeridian and a lasso", () => {
  expect(found({ box: [-90, 13.5, 90, -170] })).toEqual(["c"]);
  const triangle: [number, number][] = [[0, 0], [10, 0], [0, 10]];
  expect([isWithin(triangle, 2, 2), isWithin(triangle, 8, 8)]).toEqual([true, false]);
});

test("counts are short", () => {
  expect([7, 99, 431, 1999, 9_999, 50_123].map(shortCount)).toEqual(["7", "99", "430", "1.9k", "9.9k", "50k"]);
});
