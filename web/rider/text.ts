import { useText, type KeysOf } from "@lib/i18n";
import type { Shared } from "@lib/texts/shared";
import type de from "./texts/de";

export type Key = KeysOf<typeof de> | KeysOf<Shared>;
export const useWords = useText<Key>;
