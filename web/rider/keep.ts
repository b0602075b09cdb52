// What the app remembers on this device: never anything secret.
import { useSyncExternalStore } from "react";

const heard = new Set<() => void>();
const parsed = new Map<string, { text: string; value: unknown }>();

export function kept<Value>(name: string): Value | null {
  const text = localStorage.getItem(`fahrwerk.${name}`);
  if (text === null) return null;
  const before = parsed.get(name);
  if (before?.text === text) return before.value as Value;
  try {
    const value = JSON.parse(text) as Value;
    parsed.set(name, { text, value });
    return value;
  } catch {
    return null;
  }
}

export function keep(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(`fahrwerk.${name}`);
    else localStorage.setItem(`fahrwerk.${name}`, JSON.stringify(value));
  } catch {
    // a full or forbidden store: the app works, it only forgets
  }
  heard.forEach((tell) => tell());
}

/** A remembered value; draws again when it changes. */
export function useKept<Value>(name: string): Value | null {
  return useSyncExternalStore(
    (tell) => (heard.add(tell), () => heard.delete(tell)),
    () => kept<Value>(name),
  );
}
