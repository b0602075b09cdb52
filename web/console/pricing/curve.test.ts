import { expect, test } from "vitest";
import { costOf, type Price } from "./curve";

const scooter: Price = { base: 1.5, price: 0.25, unit: "minute", daily: 75 };
const car: Price = { base: 0, price: 2.5, unit: "hour", daily: 75 };

test("base and time, as the platform rates it", () => {
  expect([1, 10, 30].map((m) => costOf(scooter, m))).toEqual([1.75, 4, 9]);
  expect(costOf(car, 60)).toBe(2.5);
  expect(costOf(car, 7)).toBe(0.29); // 29.17 cents
});

test("half a cent goes up", () => {
  expect(costOf({ ...scooter, base: 0, price: 0.005 }, 1)).toBe(0.01);
  expect(costOf({ ...scooter, base: 0, price: 0.0049 }, 1)).toBe(0);
});

test("a day never costs more than its cap, the base fee in it", () => {
  expect(costOf(scooter, 1439)).toBe(75);
  expect(costOf(scooter, 1440)).toBe(75);
  expect(costOf(scooter, 1441)).toBe(75.25);
  expect(costOf(scooter, 3 * 1440)).toBe(225);
});
