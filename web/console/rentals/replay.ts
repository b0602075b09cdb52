// A recorded way as something that can be played.
export interface Way {
  at: readonly string[];
  latitude: readonly number[];
  longitude: readonly number[];
}

/** Seconds from the first to the last point. */
export function lengthOf(way: Way): number {
  const [first, last] = [way.at[0], way.at.at(-1)];
  return first && last ? (Date.parse(last) - Date.parse(first)) / 1000 : 0;
}

/** Where it was `seconds` after the first point; between two points on the straight line. */
export function placeAt(way: Way, seconds: number): [longitude: number, latitude: number] | null {
  const start = way.at[0];
  if (!start) return null;
  const wanted = Date.parse(start) + seconds * 1000;
  const next = way.at.findIndex((stamp) => Date.parse(stamp) >= wanted);
  const point = (i: number): [number, number] => [way.longitude[i] as number, way.latitude[i] as number];
  if (next < 0) return point(way.at.length - 1);
  if (next === 0) return point(0);
  const [before, after] = [Date.parse(way.at[next - 1] as string), Date.parse(way.at[next] as string)];
  const share = after === before ? 1 : (wanted - before) / (after - before);
  const [a, b] = [point(next - 1), point(next)];
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
}

/** South-west and north-east corner; null without a point. */
export function boundsOf(way: Way): [[number, number], [number, number]] | null {
  if (way.at.length === 0) return null;
  const { longitude: x, latitude: y } = way;
  return [[Math.min(...x), Math.min(...y)], [Math.max(...x), Math.max(...y)]];
}
