import { hasText, LANGUAGES, text, useText, type KeysOf, type Language } from "@lib/i18n";
import type { Shared } from "@lib/texts/shared";
import type de from "./texts/de";

export type Key = KeysOf<typeof de> | KeysOf<Shared>;
/** `const t = useWords(); t("fleet.title")`: every key of the console, checked by the compiler. */
export const useWords = useText<Key>;
/** For keys made of a value of the API (`status.` + status): the compiler cannot know those. */
export const useNames = useText<string>;
/** The word for a value of the API when there is one (`wordFor("audit.outcomes", "done")`), else the value itself. */
export const wordFor = (group: string, value: string): string => (hasText(`${group}.${value}`) ? text(`${group}.${value}`) : value);
/** "Deutsch" for "de" and "de-AT". */
export const languageName = (locale: string): string => LANGUAGES[locale.slice(0, 2) as Language] ?? locale;
