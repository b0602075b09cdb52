import { beforeAll, expect, test } from "vitest";
import { setConfig } from "./config";
import { ago, at, countdown, distance, money, price, walk } from "./format";
import { chooseLanguage, startLanguages } from "./i18n";

beforeAll(async () => {
  setConfig({ operator: { slug: "m", name: "M", currency: "EUR", time_zone: "Europe/Berlin", locale: "de" } });
  await startLanguages({ de: async () => ({}), en: async () => ({}), fr: async () => ({}), es: async () => ({}) });
});
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

test("money is written as the reader's language does", async () => {
  await chooseLanguage("de");
  expect(plain(money(1234.5))).toBe("1.234,50 €");
  expect(plain(money(20, undefined, 0))).toBe("20 €");
  expect(plain(price(0.195))).toBe("0,195 €");
  expect(plain(price(0.25))).toBe("0,25 €");
  await chooseLanguage("en");
  expect(money(1234.5)).toBe("€1,234.50");
  expect(plain(money(5, "CHF"))).toBe("CHF 5.00");
});

test("times are the operator's, wherever the reader is", async () => {
  await chooseLanguage("de");
  expect(at("2026-07-01T22:30:00Z")).toBe("02.07.2026, 00:30");
  expect(at("2026-12-01T22:30:00Z", "time")).toBe("23:30");
  expect(at(null)).toBe("–");
});

test("distances change their unit where people do", async () => {
  await chooseLanguage("en");
  expect([4, 352, 994, 996, 1_440, 12_300].map(distance)).toEqual(["5 m", "350 m", "995 m", "1 km", "1.4 km", "12 km"]);
});

test("a countdown never runs below nothing", () => {
  expect([247.4, 59, 3_661, -5].map(countdown)).toEqual(["4:07", "0:59", "1:01:01", "0:00"]);
});

test("what was is said in words", async () => {
  await chooseLanguage("en");
  expect(ago("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:03:10Z"))).toBe("3 minutes ago");
  expect(walk(10)).toBe(1);
  expect(walk(800)).toBe(13);
});
