// Clocks of the operator, whatever the browser's own zone is.

/** Minutes by which a zone is ahead of UTC at a moment. */
export function offsetAt(moment: Date, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(moment);
  const of = (name: string) => Number(parts.find((part) => part.type === name)?.value);
  const there = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return Math.round((there - Math.floor(moment.getTime() / 1000) * 1000) / 60_000);
}
