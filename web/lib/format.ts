// Figures as people read them: by the language of the page, in the currency and zone of the operator.
import { config } from "./config";
import { language } from "./i18n";

const REGION: Record<string, string> = { de: "de-DE", en: "en-GB", fr: "fr-FR", es: "es-ES" };
export const locale = (): string => REGION[language()] ?? "en-GB";
export const zone = (): string => config().operator?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Major units: 4.2 and "EUR" is "4,20 €" in German. Prices per minute may have three decimals. */
export function money(amount: number, currency = config().operator?.currency ?? "EUR", digits?: number): string {
  const more = digits === undefined ? {} : { minimumFractionDigits: Math.min(2, digits), maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale(), { style: "currency", currency, ...more }).format(amount);
}
export const price = (perMinute: number, currency?: string): string => money(perMinute, currency, 3);

export const number = (value: number, digits = 0): string =>
  new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
export const percent = (value: number): string =>
  new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(value / 100);

/** Metres: "350 m", from one kilometre on "1.4 km". */
export function distance(metres: number): string {
  const [unit, value, digits] =
    metres < 995 ? ["meter", Math.round(metres / 5) * 5, 0] : ["kilometer", metres / 1000, metres < 9_950 ? 1 : 0];
  return new Intl.NumberFormat(locale(), { style: "unit", unit: unit as string, maximumFractionDigits: digits as number }).format(
    value as number,
  );
}
export const speed = (kmh: number): string =>
  new Intl.NumberFormat(locale(), { style: "unit", unit: "kilometer-per-hour", maximumFractionDigits: 0 }).format(kmh);
export const minutes = (value: number): string =>
  new Intl.NumberFormat(locale(), { style: "unit", unit: "minute", unitDisplay: "short" }).format(value);

/** Seconds as a clock shows them: 4:07, 1:04:07. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(left / 60) % 60, left % 60].map((n) => String(n).padStart(2, "0"));
  const hours = Math.floor(left / 3600);
  return hours > 0 ? `${hours}:${parts[0]}:${parts[1]}` : `${Number(parts[0])}:${parts[1]}`;
}

const styles = {
  time: { timeStyle: "short" },
  date: { dateStyle: "medium" },
  day: { day: "2-digit", month: "2-digit" },
  dateTime: { dateStyle: "medium", timeStyle: "short" },
  full: { dateStyle: "medium", timeStyle: "medium" },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

/** A time of the platform (ISO 8601) in the operator's zone. */
export function at(stamp: string | Date | null | undefined, style: keyof typeof styles = "dateTime"): string {
  if (!stamp) return "–";
  return new Intl.DateTimeFormat(locale(), { ...styles[style], timeZone: zone() }).format(new Date(stamp));
}

/** "3 minutes ago", "in 2 hours"; short: "3 min. ago". */
export function ago(stamp: string | Date, now = Date.now(), style: "long" | "short" = "long"): string {
  const seconds = (new Date(stamp).getTime() - now) / 1000;
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style }).format(Math.trunc(seconds / size), unit);
}

export const agoShort = (stamp: string | Date): string => ago(stamp, Date.now(), "short");

/** Minutes on foot: 80 metres a minute, streets a third longer than the straight line. */
export const walk = (metres: number): number => Math.max(1, Math.round((metres * 1.3) / 80));

/** The same for the platform's own words, as receipts have them: "Visa ending in 4242". */
export const masked = (label: string | null): string => (label ?? "–").replace(/\s+ending in\s+(?=\d{4}$)/, " •••• ");
