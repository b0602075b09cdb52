import { expect, test } from "vitest";
import { viewsIn } from "./views";

test("kept views are read, and what is broken is not", () => {
  expect(viewsIn('[{"name":"Low","search":"?battery=0-20"},{"name":1}]')).toEqual([{ name: "Low", search: "?battery=0-20" }]);
  expect([viewsIn(null), viewsIn("{"), viewsIn('{"a":1}')]).toEqual([[], [], []]);
});
