// What the log's filter and its details mean.
import type { Query } from "../shell/place";

export interface Filter {
  actor?: string;
  action?: string;
  subject?: string;
  outcome?: string;
  from?: string;
  to?: string;
}

/** Days of the address become whole days in time: `to` is the end of its day. */
export function filterOf(query: Query): Filter {
  const { actor, action, subject, outcome, from, to } = query;
  const day = (text: string, after: number) => new Date(Date.parse(`${text}T00:00:00`) + after * 86_400_000).toISOString();
  return {
    ...(actor ? { actor } : {}), ...(action ? { action } : {}), ...(subject ? { subject } : {}), ...(outcome ? { outcome } : {}),
    ...(from ? { from: day(from, 0) } : {}), ...(to ? { to: day(to, 1) } : {}),
  };
}

const said = (value: unknown): string => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** `{before: {a: 1}, after: {a: 2}}` is [["a", "1", "2"]]; anything else stands as what is there after. */
export function changesOf(detail: Record<string, unknown> | null): [name: string, before: string, after: string][] {
  if (!detail) return [];
  const { before, after, ...more } = detail as { before?: Record<string, unknown>; after?: Record<string, unknown> };
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return [
    ...names.map((name): [string, string, string] => [name, said(before?.[name]), said(after?.[name])]),
    ...Object.entries(more).map(([name, value]): [string, string, string] => [name, "", said(value)]),
  ];
}
