// What the platform says of itself before anybody has signed in: GET /web/config.json.
export interface Operator {
  slug: string;
  name: string;
  currency: string;
  time_zone: string;
  locale: string;
}
export interface DemoLogin {
  who: string;
  operator: string;
  email: string;
  password: string;
  role: string;
}
export type Place = [longitude: number, latitude: number];
export interface Config {
  operator: Operator | null;
  /** `none`, `bundled` or the address of a MapLibre style. */
  map_style: string;
  /** Where the operator works; `null`: nobody can say yet. */
  map_centre: Place | null;
  /** Path of the bundled map's tiles; empty where another map is wanted or none was built. */
  map_archive?: string;
  map_credit: string;
  demo_logins: DemoLogin[];
}

const EMPTY: Config = { operator: null, map_style: "none", map_centre: null, map_credit: "", demo_logins: [] };
let known: Config = EMPTY;

export const config = (): Config => known;

/** Where a map begins: with the operator, or, while nobody knows where that is, with the whole world. */
export function mapStart(zoom: number): { centre: Place; zoom: number } {
  return known.map_centre ? { centre: known.map_centre, zoom } : { centre: [10, 25], zoom: 1 };
}

export async function loadConfig(): Promise<Config> {
  const kept = localStorage.getItem("fahrwerk.config");
  // Whose app it is: the host says it, or `?tenant=`, which the platform then remembers, as on all pages.
  const chosen = new URLSearchParams(location.search).get("tenant");
  try {
    const answer = await fetch(`/web/config.json${chosen ? `?tenant=${encodeURIComponent(chosen)}` : ""}`, { signal: AbortSignal.timeout(8_000) });
    if (!answer.ok) throw new Error(String(answer.status));
    known = (await answer.json()) as Config;
    localStorage.setItem("fahrwerk.config", JSON.stringify(known));
  } catch {
    known = kept ? (JSON.parse(kept) as Config) : EMPTY; // offline: as it was last
  }
  return known;
}

/** For tests, and for the console when an operator was chosen at sign-in. */
export function setConfig(change: Partial<Config>): void {
  known = { ...known, ...change };
}
