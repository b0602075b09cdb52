/** Sums of a Prometheus text by name, over all labels. */
export function sumsOf(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (!found) continue;
    const [, name, value] = found as unknown as [string, string, string];
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}
