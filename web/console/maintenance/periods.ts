// A time behind us in equal steps, for a chart.
export const PERIODS = { "7": { days: 7, step: 1 }, "28": { days: 28, step: 2 }, "91": { days: 91, step: 7 } } as const;
export type Period = keyof typeof PERIODS;

const DAY = 86_400_000;

/** Beginnings and ends, the oldest first; the last step ends at the next full hour, so that answers can be kept. */
export function steps(period: Period, now: number): { since: string; until: string }[] {
  const { days, step } = PERIODS[period];
  const end = Math.ceil(now / 3_600_000) * 3_600_000;
  return Array.from({ length: Math.ceil(days / step) }, (_, n, all = Math.ceil(days / step)) => {
    const until = end - (all - 1 - n) * step * DAY;
    return { since: new Date(until - step * DAY).toISOString(), until: new Date(until).toISOString() };
  });
}

/** What was spent, by kind, the dearest first. */
export function spent(records: readonly { type: string; cost: number | null }[]): { type: string; cost: number; times: number }[] {
  const sums = new Map<string, { cost: number; times: number }>();
  for (const { type, cost } of records) {
    const sum = sums.get(type) ?? { cost: 0, times: 0 };
    sums.set(type, { cost: sum.cost + (cost ?? 0), times: sum.times + 1 });
  }
  return [...sums].map(([type, sum]) => ({ type, ...sum })).sort((a, b) => b.cost - a.cost || b.times - a.times);
}
