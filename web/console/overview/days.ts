// Days of the operator's zone, as the books want them: from midnight to midnight there, whatever the browser's
// own zone is.

/** Minutes by which a zone is ahead of UTC at a moment. */
export function offsetAt(moment: Date, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(moment);
  const of = (name: string) => Number(parts.find((part) => part.type === name)?.value);
  const there = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return Math.round((there - Math.floor(moment.getTime() / 1000) * 1000) / 60_000);
}

/** The beginning of the day that `moment` is in, and of those before it: `count` days, the oldest first, then tomorrow's. */
export function midnights(moment: Date, zone: string, count: number): Date[] {
  const there = new Date(moment.getTime() + offsetAt(moment, zone) * 60_000);
  return Array.from({ length: count + 1 }, (_, n) => {
    const midnight = Date.UTC(there.getUTCFullYear(), there.getUTCMonth(), there.getUTCDate() - count + 1 + n);
    // The offset at that midnight itself: clocks may have been changed since.
    const guess = new Date(midnight - offsetAt(new Date(midnight), zone) * 60_000);
    return new Date(midnight - offsetAt(guess, zone) * 60_000);
  });
}
