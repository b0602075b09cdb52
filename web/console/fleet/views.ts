// Saved views: an address under a name, in this browser.
import { useCallback, useState } from "react";

export interface SavedView {
  name: string;
  search: string;
}
const KEY = "fahrwerk.console.views";

export function viewsIn(text: string | null): SavedView[] {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter((v): v is SavedView => typeof v?.name === "string" && typeof v?.search === "string") : [];
  } catch {
    return [];
  }
}

export function useViews() {
  const [views, setViews] = useState(() => viewsIn(localStorage.getItem(KEY)));
  const keep = useCallback((next: SavedView[]) => {
    localStorage.setItem(KEY, JSON.stringify(next));
    setViews(next);
  }, []);
  return { views, keep };
}
