import { expect, test } from "vitest";
import { midnights, offsetAt } from "./days";

test("a day begins at midnight of the operator, in summer and winter", () => {
  expect(offsetAt(new Date("2026-07-01T12:00:00Z"), "Europe/Berlin")).toBe(120);
  expect(offsetAt(new Date("2026-12-01T12:00:00Z"), "America/New_York")).toBe(-300);
  const [day, next] = midnights(new Date("2026-11-20T23:30:00Z"), "Europe/Berlin", 1);
  expect(day?.toISOString()).toBe("2026-11-20T23:00:00.000Z");
  expect(next?.toISOString()).toBe("2026-11-21T23:00:00.000Z");
});

test("the day on which clocks are put back has 25 hours", () => {
  const days = midnights(new Date("2026-10-26T12:00:00Z"), "Europe/Berlin", 3).map((d) => d.toISOString());
  expect(days).toEqual(["2026-10-23T22:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z", "2026-10-26T23:00:00.000Z"]);
});
