import { expect, test } from "vitest";
import { areaIn, areaOf, canDrawArea, cornersOf, polygonsOf } from "./shape";

const ring = [[13.4, 52.5], [13.5, 52.5], [13.5, 52.6], [13.4, 52.5]];

test("an area comes out of a geometry, a feature and a collection of one", () => {
  const polygon = { type: "Polygon", coordinates: [ring] };
  for (const wrapped of [polygon, { type: "Feature", geometry: polygon }, { type: "FeatureCollection", features: [{ type: "Feature", geometry: polygon }] }])
    expect(areaIn(JSON.stringify(wrapped))).toEqual(polygon);
});

test("what is no area is none", () => {
  for (const text of ["", "{", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":[[[1,2],[3,"x"],[5,6]]]}', '{"type":"Feature","geometry":null}'])
    expect(areaIn(text)).toBeNull();
});

test("several polygons are one area and come apart again", () => {
  const area = areaOf([[ring], [ring]]);
  expect(area?.type).toBe("MultiPolygon");
  expect(polygonsOf(area)).toHaveLength(2);
  expect(cornersOf(area)).toBe(6);
});

test("the pencil is not given what has holes", () => {
  expect(canDrawArea({ type: "Polygon", coordinates: [ring, ring] })).toBe(false);
});
