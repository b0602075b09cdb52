import { expect, test } from "vitest";
import { offsetAt } from "./days";

test("an operator's clock is ahead of UTC by as much as its zone says that day", () => {
  expect(offsetAt(new Date("2026-07-01T12:00:00Z"), "Europe/Berlin")).toBe(120);
  expect(offsetAt(new Date("2026-12-01T12:00:00Z"), "America/New_York")).toBe(-300);
  expect(offsetAt(new Date("2026-10-25T00:59:59Z"), "Europe/Berlin")).toBe(120);
  expect(offsetAt(new Date("2026-10-25T01:00:00Z"), "Europe/Berlin")).toBe(60);
});
