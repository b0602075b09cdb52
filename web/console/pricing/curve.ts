// What a tariff costs by duration, as the platform computes it (pricing/rules.py): only for looking ahead
// while a price is being changed. What holds is always asked of the platform.
export interface Price {
  base: number;
  /** For one unit. */
  price: number;
  unit: "minute" | "hour";
  daily: number;
}

const DAY = 1440;
const cents = (amount: number): number => Math.round(amount * 100 + Number.EPSILON);

/** In major units; each day's time price is rounded, then capped; the base fee counts towards the first cap. */
export function costOf(of: Price, minutes: number): number {
  const time = (m: number) => Math.floor((Math.round(of.price * 10_000) * m * 100 * 2 + unitE4(of)) / (2 * unitE4(of)));
  const [base, cap] = [cents(of.base), cents(of.daily)];
  const days = Math.floor(minutes / DAY);
  const rest = minutes % DAY;
  if (days === 0) return (base + Math.min(time(rest), cap - base)) / 100;
  const whole = time(DAY);
  return (base + Math.min(whole, cap - base) + (days - 1) * Math.min(whole, cap) + Math.min(time(rest), cap)) / 100;
}

const unitE4 = (of: Price): number => 10_000 * (of.unit === "hour" ? 60 : 1);

/** Durations at which a price is shown: short rides closely, long ones coarsely. */
export const STEPS: readonly number[] = [1, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1440];
