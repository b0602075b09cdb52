// What a browser says of itself, as people say it: "Chrome, Android" for a line that nobody reads.
const BROWSERS: [sign: string, name: string][] = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["HeadlessChrome/", "Chrome"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
const SYSTEMS: [sign: string, name: string][] = [["Android", "Android"], ["iPhone", "iOS"], ["iPad", "iPadOS"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["Linux", "Linux"]];

/** The name of a device; what is no browser's line stays as it is. */
export function deviceName(said: string): string {
  const of = (names: typeof BROWSERS) => names.find(([sign]) => said.includes(sign))?.[1];
  const browser = of(BROWSERS);
  return said.startsWith("Mozilla/") && browser ? [browser, of(SYSTEMS)].filter(Boolean).join(", ") : said;
}
