// Where the API speaks of minor units (cents), people speak of major ones.
const digitsOf = (currency: string): number =>
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** 250 and "EUR" is 2.5; yen have no minor units. */
export const majorOf = (minor: number, currency: string): number => minor / 10 ** digitsOf(currency);
export const minorOf = (major: number, currency: string): number => Math.round(major * 10 ** digitsOf(currency));
