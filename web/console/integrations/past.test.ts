import { expect, test } from "vitest";
import { byFeed, type Hour } from "./past";

test("the week ends with this hour; what was not checked is a gap, what is older falls out", () => {
  const hour = (stamp: string, differences = 0): Hour => ({ feed: "gbfs", hour: stamp, checks: 12, vehicles: 5, shown: 5, differences });
  const [feed] = byFeed([hour("2026-03-01T00:00:00Z"), hour("2026-03-09T10:00:00Z"), hour("2026-03-10T10:00:00Z", 3)], Date.parse("2026-03-10T10:40:00Z"));
  expect(feed?.days.map((day) => day.length)).toEqual(Array(7).fill(24));
  const strip = feed?.days.flat() ?? [];
  expect(strip.at(-1)?.differences).toBe(3);
  expect(strip.at(-25)?.hour).toBe("2026-03-09T10:00:00Z");
  expect(strip.filter(Boolean)).toHaveLength(2);
});
