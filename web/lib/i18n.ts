// Languages. Each entry gives its dictionaries, loaded when a language is chosen; `useText()` draws
// again when that happens. TypeScript checks the keys, so what is left to do here is to find a text,
// to choose its plural form and to put values in: too little to ask a phone to load a library for.
import { useSyncExternalStore } from "react";
import { shared } from "./texts/shared";

export const LANGUAGES = { de: "Deutsch", en: "English", fr: "Français", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
export type Dictionary = { [key: string]: string | Dictionary };
export type Dictionaries = Partial<Record<Language, () => Promise<Dictionary>>>;

const KEY = "fahrwerk.language";
const heard = new Set<() => void>();
const known = new Map<Language, Map<string, string>>();
const loaded = new Set<() => Promise<Dictionary>>();
const given: Dictionaries[] = [];
let spoken: Language = "en";

type Values = Record<string, string | number>;
type Say = (key: string, values?: Values) => string;
let say: Say = (key, values) => text(key, values); // another one for each language: what was drawn with it is old then

/** What the person chose here before, else the first of the browser's languages that we have. */
export function wantedLanguage(offered: readonly Language[]): Language {
  const kept = localStorage.getItem(KEY);
  const wishes = [kept, ...navigator.languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return (wishes.find((tag) => offered.includes(tag as Language)) as Language) ?? "en";
}

/** Has the person chosen a language here before? */
export const hasChosenLanguage = (): boolean => localStorage.getItem(KEY) !== null;

/** More words, on top of those that are there. */
export async function startLanguages(dictionaries: Dictionaries): Promise<void> {
  if (!given.includes(dictionaries)) given.push(dictionaries);
  await speak(wantedLanguage(Object.keys(dictionaries) as Language[]));
}

function* flat(texts: Dictionary, before = ""): Generator<[string, string]> {
  for (const [key, value] of Object.entries(texts))
    if (typeof value === "string") yield [before + key, value];
    else yield* flat(value, `${before}${key}.`);
}

async function load(language: Language): Promise<void> {
  const words = known.get(language) ?? new Map(flat(shared[language]));
  known.set(language, words);
  const missing = given.map((each) => each[language]).filter((each) => each !== undefined && !loaded.has(each));
  await Promise.all(
    missing.map(async (each) => {
      for (const [key, value] of flat(await each!())) words.set(key, value);
      loaded.add(each!);
    }),
  );
}

async function speak(language: Language): Promise<void> {
  await load(language);
  spoken = language;
  document.documentElement.lang = language;
  say = (key, values) => text(key, values);
  heard.forEach((tell) => tell());
}

export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await speak(language);
}

export const language = (): Language => spoken;
export const offeredLanguages = (): Language[] => [...new Set(given.flatMap((each) => Object.keys(each) as Language[]))];

/** Tells when another language is spoken; returns how to stop that. */
export const onLanguage = (tell: () => void): (() => void) => (heard.add(tell), () => heard.delete(tell));

/** `useText<RiderKey>()`: a function from a key and its values to the text. */
export function useText<Key extends string>(): (key: Key, values?: Values) => string {
  return useSyncExternalStore(onLanguage, () => say);
}

const plurals = new Map<Language, Intl.PluralRules>();

/** `x_one`, `x_other` by the count among the values, if there is one. */
function found(key: string, count: string | number | undefined): string | undefined {
  const words = known.get(spoken);
  if (count === undefined) return words?.get(key);
  if (!plurals.has(spoken)) plurals.set(spoken, new Intl.PluralRules(spoken));
  return words?.get(`${key}_${plurals.get(spoken)!.select(Number(count))}`) ?? words?.get(`${key}_other`) ?? words?.get(key);
}

/** A text outside of components; the key itself when nobody has said it yet. */
export function text(key: string, values: Values = {}): string {
  return (found(key, values.count) ?? key).replace(/{{\s*(\w+)\s*}}/g, (_, name: string) => String(values[name] ?? ""));
}
export const hasText = (key: string): boolean => known.get(spoken)?.has(key) ?? false;

/** Keys of a dictionary as `a.b.c`; of plural forms (`x_one`, `x_other`) the bare `x`. */
export type KeysOf<D> = {
  [K in keyof D & string]: D[K] extends string ? Bare<K> : `${K}.${KeysOf<D[K]>}`;
}[keyof D & string];
type Bare<K extends string> = K extends `${infer B}_one` | `${infer B}_other` ? B : K;
