import { expect, test } from "vitest";
import type { Dictionary } from "../i18n";
import { doorTexts } from "../../rider/door/texts";
import { shared } from "./shared";

const modules = import.meta.glob<{ default: Dictionary }>("../../{rider,console}/texts/{de,en,fr,es}.ts", { eager: true });

/** key -> text, with plural endings as they are. */
function flat(texts: Dictionary, before = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts))
    if (typeof value === "string") found.set(before + key, value);
    else flat(value, `${before}${key}.`).forEach((text, name) => found.set(name, text));
  return found;
}
const values = (text: string) => [...text.matchAll(/{{(\w+)}}/g)].map((m) => m[1]).sort();

const sets: Record<string, Record<string, Dictionary>> = { shared, door: doorTexts };
for (const [path, module] of Object.entries(modules)) {
  const [, app = "", language = ""] = /(rider|console)\/texts\/(\w+)/.exec(path) ?? [];
  (sets[app] ??= {})[language] = module.default;
}

test.each(Object.keys(sets))("every language of %s says everything, with the same values", (name) => {
  const languages = sets[name] ?? {};
  const original = flat(languages.de ?? {});
  for (const [language, texts] of Object.entries(languages)) {
    const own = flat(texts);
    expect([...own.keys()].sort(), language).toEqual([...original.keys()].sort());
    for (const [key, text] of own) {
      // what is empty in the original (the unit of something that has none) is so everywhere
      expect(text.trim() === "", `${language} ${key}`).toBe(original.get(key)?.trim() === "");
      expect(values(text), `${language} ${key}`).toEqual(values(original.get(key) ?? ""));
    }
  }
});

test("the texts that are specified are word for word (RNT-16, 23, 27, 28)", () => {
  const { error } = shared.en as unknown as { error: Record<string, string> };
  expect(error.VEHICLE_UNAVAILABLE).toBe("This vehicle is no longer available. Here are other nearby options:");
  expect(error.PAYMENT_FAILED).toBe("Payment failed. Please try another payment method.");
  expect(error.VEHICLE_OFFLINE).toBe("Vehicle may be offline. Try unlock again in 1 minute.");
  expect(error.SERVICE_UNAVAILABLE).toBe("We're experiencing issues. Please try again shortly.");
});
