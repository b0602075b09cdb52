// The self-checks of a week as a strip of hours.
import type { Schema } from "@lib/api/client";

export type Hour = Schema<"PastCheckShown">;
const HOUR = 3_600_000;
const DAYS = 7;

/** For each feed seven times 24 hours up to this one; `null` where nothing was checked. */
export function byFeed(hours: readonly Hour[], now: number): { feed: string; days: (Hour | null)[][] }[] {
  const last = Math.floor(now / HOUR);
  const feeds = new Map<string, (Hour | null)[]>();
  for (const hour of hours) {
    const strip = feeds.get(hour.feed) ?? Array<Hour | null>(DAYS * 24).fill(null);
    const at = DAYS * 24 - 1 - (last - Math.floor(Date.parse(hour.hour) / HOUR));
    if (at >= 0 && at < strip.length) strip[at] = hour;
    feeds.set(hour.feed, strip);
  }
  return [...feeds].map(([feed, strip]) => ({ feed, days: Array.from({ length: DAYS }, (_, n) => strip.slice(n * 24, n * 24 + 24)) }));
}
