// The keyboard layer: single keys and two-key words ("g r"), silent while somebody types.
import { useEffect } from "react";

export interface Key {
  /** "/", "?", "j", "Escape", or two keys: "g r". */
  keys: string;
  what: string;
  run: () => void;
}

const within = 1_200;
const registered = new Map<symbol, readonly Key[]>();
let before = { key: "", at: 0 };

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.getAttribute("role") === "textbox");

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) && event.key !== "Escape") return;
  const word = Date.now() - before.at < within ? `${before.key} ${event.key}` : "";
  // What was mounted last is nearest to the person: a dialogue before the page under it.
  const all = [...registered.values()].reverse().flat();
  const found = all.find((k) => k.keys === word) ?? all.find((k) => k.keys === event.key);
  before = { key: event.key, at: found ? 0 : Date.now() };
  if (!found) return;
  event.preventDefault();
  found.run();
}

/** Keys that hold while the component is mounted. */
export function useKeys(keys: readonly Key[]): void {
  useEffect(() => {
    const own = Symbol("keys");
    if (registered.size === 0) addEventListener("keydown", onKey);
    registered.set(own, keys);
    return () => {
      registered.delete(own);
      if (registered.size === 0) removeEventListener("keydown", onKey);
    };
  }, [keys]);
}

/** All that hold now, for the help that `?` shows. */
export const keysNow = (): Key[] => [...registered.values()].flat();
