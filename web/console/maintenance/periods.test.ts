import { expect, test } from "vitest";
import { spent, steps } from "./periods";

test("steps join without a gap and cover the period", () => {
  const now = Date.parse("2026-03-10T10:20:00Z");
  for (const [period, count, days] of [["7", 7, 7], ["28", 14, 28], ["91", 13, 91]] as const) {
    const found = steps(period, now);
    expect(found).toHaveLength(count);
    expect(found.slice(1).map((each) => each.since)).toEqual(found.slice(0, -1).map((each) => each.until));
    expect(found.at(-1)?.until).toBe("2026-03-10T11:00:00.000Z");
    expect(Date.parse(found.at(-1)!.until) - Date.parse(found[0]!.since)).toBe(days * 86_400_000);
  }
});

test("costs are summed by kind, the dearest first; what cost nothing still counts", () => {
  const cost = (type: string, money: number | null) => ({ type, cost: money });
  expect(spent([cost("repair", 10), cost("service", 25), cost("repair", 5), cost("inspection", null)])).toEqual([
    { type: "service", cost: 25, times: 1 }, { type: "repair", cost: 15, times: 2 }, { type: "inspection", cost: 0, times: 1 },
  ]);
});
