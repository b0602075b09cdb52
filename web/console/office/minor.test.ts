import { expect, test } from "vitest";
import { majorOf, minorOf } from "./minor";

test("minor units are those of the currency, and come back as they were", () => {
  expect(majorOf(250, "EUR")).toBe(2.5);
  expect(majorOf(250, "JPY")).toBe(250);
  expect(minorOf(1.15, "EUR")).toBe(115); // 1.15 * 100 is 114.99999999999999
  for (let cents = 0; cents < 2_000; cents++) expect(minorOf(majorOf(cents, "EUR"), "EUR")).toBe(cents);
});
