import { expect, test } from "vitest";
import { oneMore, problemOf, storyOf, type Dunning } from "./steps";

const step = (after_days: number, more: Partial<Dunning["steps"][number]> = {}) => ({ after_days, is_retried: true, is_noticed: true, fee_minor: 0, ...more });
const of = (steps: Dunning["steps"], write_off_days: number | null = 30): Dunning => ({ steps, write_off_days, block_above_minor: 0, dispute_is_owed: false });

test("the story goes by days, whatever order the steps were entered in", () => {
  const story = storyOf(of([step(7, { fee_minor: 250 }), step(1, { is_noticed: false }), step(3, { is_retried: false, is_noticed: false })]));
  expect(story).toEqual([
    { day: 0, what: ["opened"], fee: 0 },
    { day: 1, what: ["charged"], fee: 0 },
    { day: 7, what: ["charged", "noticed", "fee"], fee: 250 },
    { day: 30, what: ["written_off"], fee: 0 },
  ]);
  expect(storyOf(of([], null))).toEqual([{ day: 0, what: ["opened"], fee: 0 }]);
});

test("what cannot be walked through is told before it is sent", () => {
  expect(problemOf(of([step(1), step(3)]))).toBeNull();
  expect(problemOf(of([step(3), step(1)], null))).toBeNull();
  expect(problemOf(of([step(3), step(3)]))).toBe("sameDay");
  expect(problemOf(of([step(30)]))).toBe("writeOffTooSoon");
  expect(problemOf(of([], 1))).toBeNull();
});

test("a further step comes after the last one", () => {
  expect(oneMore([step(7, { fee_minor: 250 }), step(1)])).toEqual(step(14, { fee_minor: 250 }));
  expect(oneMore([])).toEqual(step(1));
  expect(oneMore([step(364)]).after_days).toBe(365);
});
