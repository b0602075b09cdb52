import { expect, test } from "vitest";
import { boundsOf, lengthOf, placeAt } from "./replay";

const way = {
  at: ["2026-11-20T12:00:00Z", "2026-11-20T12:00:10Z", "2026-11-20T12:00:30Z"],
  latitude: [52.5, 52.6, 52.6],
  longitude: [13.4, 13.4, 13.8],
};

test("between two points it is on the line between them", () => {
  expect(lengthOf(way)).toBe(30);
  expect(placeAt(way, 5)).toEqual([13.4, 52.55]);
  expect(placeAt(way, 20)?.[0]).toBeCloseTo(13.6);
});

test("before and after it stands at the ends", () => {
  expect(placeAt(way, -3)).toEqual([13.4, 52.5]);
  expect(placeAt(way, 99)).toEqual([13.8, 52.6]);
});

test("two readings of the same instant are no division by nothing", () => {
  const still = { at: [way.at[0] as string, way.at[0] as string], latitude: [1, 2], longitude: [3, 4] };
  expect(placeAt(still, 1)).toEqual([4, 2]);
});

test("a way without points has neither place nor bounds", () => {
  const none = { at: [], latitude: [], longitude: [] };
  expect([placeAt(none, 0), boundsOf(none), lengthOf(none)]).toEqual([null, null, 0]);
  expect(boundsOf(way)).toEqual([[13.4, 52.5], [13.8, 52.6]]);
});
