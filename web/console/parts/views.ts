// Saved views: an address of a list under a name, kept by the platform, shown to the team if wanted.
import { api, ok, type Schema } from "@lib/api/client";
import { queries } from "@lib/Frame";
import { useQuery } from "@tanstack/react-query";
import { textOf, type Query } from "../shell/place";

export type View = Schema<"ViewShown">;
export type NewView = Schema<"ViewBody">;

export const useViews = (screen: string) =>
  useQuery({ queryKey: ["views", screen], queryFn: () => ok(api.GET("/api/v1/views", { params: { query: { screen } } })), staleTime: 60_000 });

const again = (): Promise<void> => queries.invalidateQueries({ queryKey: ["views"] });

export async function keep(view: NewView): Promise<void> {
  await ok(api.PUT("/api/v1/views", { body: view }));
  await again();
}

export async function drop(view: View): Promise<void> {
  await ok(api.DELETE("/api/v1/views/{view_id}", { params: { path: { view_id: view.id } } }));
  await again();
}

/** What stands behind the `?`, without the question mark. */
export const asText = (query: Query): string => textOf(query).slice(1);

// --- what browsers kept before the platform did

interface Local {
  name: string;
  search: string;
}
/** Views of the fleet: it was the only list that had any. */
const LOCAL = "fahrwerk.console.views";

export function localIn(text: string | null): Local[] {
  try {
    const kept: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter((v): v is Local => typeof v?.name === "string" && typeof v?.search === "string") : [];
  } catch {
    return [];
  }
}

export const localViews = (screen: string): Local[] => (screen === "fleet" ? localIn(localStorage.getItem(LOCAL)) : []);

/** Brings them to the platform; what has come is no longer kept here, so a second try goes on from there. */
export async function takeOver(screen: string): Promise<number> {
  const all = localViews(screen);
  for (const [n, { name, search }] of all.entries()) {
    await ok(api.PUT("/api/v1/views", { body: { screen, name: name.slice(0, 60), query: search.replace(/^\?/, ""), is_shared: false } }));
    localStorage.setItem(LOCAL, JSON.stringify(all.slice(n + 1)));
  }
  localStorage.removeItem(LOCAL);
  await again();
  return all.length;
}
