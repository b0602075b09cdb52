import { expect, test } from "vitest";
import { clockOf, minutesOf } from "./clock";

test("a time of day comes back as it was", () => {
  for (let minute = 0; minute < 1440; minute++) expect(minutesOf(clockOf(minute))).toBe(minute);
  expect(clockOf(605)).toBe("10:05");
  expect([minutesOf(""), minutesOf("24:00"), minutesOf("9:30")]).toEqual([null, null, null]);
});
