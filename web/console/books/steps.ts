// How debts are collected, as a list of what happens on which day.
import type { Schema } from "@lib/api/client";

export type Dunning = Schema<"DunningView">;
export type Step = Dunning["steps"][number];

export interface Happening {
  day: number;
  what: ("opened" | "charged" | "noticed" | "fee" | "written_off")[];
  /** Minor units. */
  fee: number;
}

/** From the opening on, in the order of days; a step in which nothing is done is left out. */
export function storyOf({ steps, write_off_days: last }: Dunning): Happening[] {
  const taken = inOrder(steps).flatMap((step): Happening[] => {
    const fee = step.fee_minor ?? 0;
    const what = [...((step.is_retried ?? true) ? ["charged" as const] : []), ...((step.is_noticed ?? true) ? ["noticed" as const] : []), ...(fee > 0 ? ["fee" as const] : [])];
    return what.length > 0 ? [{ day: step.after_days, what, fee }] : [];
  });
  return [{ day: 0, what: ["opened"], fee: 0 }, ...taken, ...(last === null ? [] : [{ day: last, what: ["written_off" as const], fee: 0 }])];
}

export const inOrder = (steps: readonly Step[]): Step[] => [...steps].sort((a, b) => a.after_days - b.after_days);

/** What the platform would refuse: two steps on one day, or a write-off that does not come after all of them. */
export function problemOf({ steps, write_off_days: last }: Dunning): "sameDay" | "writeOffTooSoon" | null {
  const days = inOrder(steps).map((step) => step.after_days);
  if (new Set(days).size < days.length) return "sameDay";
  return last !== null && (days.at(-1) ?? 0) >= last ? "writeOffTooSoon" : null;
}

/** A further step: a few days after the last one, as it. */
export function oneMore(steps: readonly Step[]): Step {
  const last = inOrder(steps).at(-1);
  return { after_days: Math.min(365, (last?.after_days ?? 0) + (last ? 7 : 1)), is_retried: last?.is_retried ?? true, is_noticed: last?.is_noticed ?? true, fee_minor: last?.fee_minor ?? 0 };
}
