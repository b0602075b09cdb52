import { hasText } from "@lib/i18n";
import { useCallback } from "react";
import { useNames } from "../text";

/** Why money could not be collected: our words for the gateway's code, where there are any. */
export function useReason(): (code: string) => string {
  const n = useNames();
  return useCallback((code: string) => (hasText(`cases.reasons.${code}`) ? n(`cases.reasons.${code}`) : code), [n]);
}
