// Languages: i18next without a framework on top. Each entry gives its dictionaries, loaded when a
// language is chosen; `useText()` re-draws when that happens. Keys are checked by TypeScript.
import i18next, { type i18n as I18n } from "i18next";
import { useSyncExternalStore } from "react";
import { shared } from "./texts/shared";

export const LANGUAGES = { de: "Deutsch", en: "English", fr: "Français", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
export type Dictionary = { [key: string]: string | Dictionary };
type Load = () => Promise<Dictionary>;

const KEY = "fahrwerk.language";
const heard = new Set<() => void>();
let loads: Partial<Record<Language, Load>> = {};
let version = 0;

export const i18n: I18n = i18next.createInstance();

/** What the person chose here before, else the first of the browser's languages that we have. */
export function wantedLanguage(offered: readonly Language[]): Language {
  const kept = localStorage.getItem(KEY);
  const wishes = [kept, ...navigator.languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return (wishes.find((tag) => offered.includes(tag as Language)) as Language) ?? "en";
}

/** Has the person chosen a language here before? */
export const hasChosenLanguage = (): boolean => localStorage.getItem(KEY) !== null;

export async function startLanguages(dictionaries: Partial<Record<Language, Load>>): Promise<void> {
  loads = dictionaries;
  const offered = Object.keys(dictionaries) as Language[];
  const first = wantedLanguage(offered);
  await i18n.init({ lng: first, fallbackLng: "en", interpolation: { escapeValue: false }, resources: {} });
  await Promise.all([...new Set([first, "en" as Language])].map(load));
  await speak(first);
}

async function load(language: Language): Promise<void> {
  if (i18n.hasResourceBundle(language, "translation")) return;
  const own = await loads[language]?.();
  i18n.addResourceBundle(language, "translation", { ...shared[language], ...own });
}

async function speak(language: Language): Promise<void> {
  await load(language);
  await i18n.changeLanguage(language);
  document.documentElement.lang = language;
  version += 1;
  heard.forEach((tell) => tell());
}

export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await speak(language);
}

export const language = (): Language => (i18n.language as Language) ?? "en";
export const offeredLanguages = (): Language[] => Object.keys(loads) as Language[];

type Values = Record<string, string | number>;

/** `useText<RiderKey>()`: a function from a key and its values to the text. */
export function useText<Key extends string>(): (key: Key, values?: Values) => string {
  useSyncExternalStore(
    (tell) => (heard.add(tell), () => heard.delete(tell)),
    () => version,
  );
  return (key, values) => i18n.t(key, values ?? {});
}

/** A text outside of components. */
export const text = (key: string, values?: Values): string => i18n.t(key, values ?? {});
export const hasText = (key: string): boolean => i18n.exists(key);

/** Keys of a dictionary as `a.b.c`; of plural forms (`x_one`, `x_other`) the bare `x`. */
export type KeysOf<D> = {
  [K in keyof D & string]: D[K] extends string ? Bare<K> : `${K}.${KeysOf<D[K]>}`;
}[keyof D & string];
type Bare<K extends string> = K extends `${infer B}_one` | `${infer B}_other` ? B : K;
