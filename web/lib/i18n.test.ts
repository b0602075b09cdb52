import { beforeEach, expect, test } from "vitest";
import { chooseLanguage, hasText, startLanguages, text } from "./i18n";

const words = {
  en: async () => ({ bikes_one: "{{count}} bike", bikes_other: "{{count}} bikes", at: { door: "Hello {{name}}, {{name}}" }, plain: "As {{it}} is" }),
  fr: async () => ({ bikes_one: "{{count}} vélo", bikes_other: "{{count}} vélos", at: { door: "Salut {{name}}" }, plain: "Tel quel" }),
};
beforeEach(async () => {
  localStorage.clear();
  await startLanguages(words);
  await chooseLanguage("en");
});

test("values, plural forms and nested keys", async () => {
  expect(text("at.door", { name: "Ada" })).toBe("Hello Ada, Ada");
  expect([0, 1, 2].map((count) => text("bikes", { count }))).toEqual(["0 bikes", "1 bike", "2 bikes"]);
  await chooseLanguage("fr");
  expect([0, 1, 1_000_000].map((count) => text("bikes", { count }))).toEqual(["0 vélo", "1 vélo", "1000000 vélos"]);
  expect(document.documentElement.lang).toBe("fr");
});

test("what nobody said is seen, not hidden", () => {
  expect(text("no.such.key")).toBe("no.such.key");
  expect([hasText("at.door"), hasText("no.such.key")]).toEqual([true, false]);
  expect(text("plain")).toBe("As  is");
});

test("more words come on top of those that are there", async () => {
  await startLanguages({ en: async () => ({ later: "Later" }) });
  expect([text("later"), text("at.door", { name: "B" }), text("signIn")]).toEqual(["Later", "Hello B, B", "Sign in"]);
});
