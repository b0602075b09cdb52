import { expect, test } from "vitest";
import { changesOf, filterOf } from "./entry";

test("what was and what is stand side by side", () => {
  expect(changesOf({ before: { tax: 19, old: true }, after: { tax: 7 }, times: 2 })).toEqual([["tax", "19", "7"], ["old", "true", ""], ["times", "", "2"]]);
  expect(changesOf(null)).toEqual([]);
});

test("a day in the filter is the whole day", () => {
  const { from, to } = filterOf({ from: "2026-11-20", to: "2026-11-20", q: "no filter" });
  expect(Date.parse(to as string) - Date.parse(from as string)).toBe(86_400_000);
  expect(filterOf({})).toEqual({});
});
