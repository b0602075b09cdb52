// What the overview asks for besides the live fleet.
import { api, ok } from "@lib/api/client";
import { zone } from "@lib/format";
import { useQueries, useQuery } from "@tanstack/react-query";
import { midnights } from "./days";

const MINUTE = 60_000;

/** What was sold between two moments, tax included, in major units. */
async function sold(from: Date, to: Date): Promise<number> {
  const books = await ok(api.GET("/api/v1/books/trial-balance", { params: { query: { from: from.toISOString(), to: to.toISOString() } } }));
  // Sales stand on the credit side of revenue; the tax of refunds is on the debit side of its account.
  return books.rows.filter((row) => /^(revenue|vat|refunds)\./.test(row.code)).reduce((sum, row) => sum + row.credit - row.debit, 0);
}

/** Days of the operator, oldest first, today last; `null` until known. */
export function useRevenue(days: number, enabled: boolean): { day: Date; amount: number | null }[] {
  const limits = midnights(new Date(), zone(), days);
  return useQueries({
    queries: limits.slice(0, -1).map((from, n) => ({
      queryKey: ["sold", from.toISOString()],
      queryFn: () => sold(from, limits[n + 1]!),
      enabled,
      staleTime: n === days - 1 ? 0 : 60 * MINUTE,
      ...(n === days - 1 ? { refetchInterval: 15_000 } : {}),
    })),
    combine: (answers) => answers.map((answer, n) => ({ day: limits[n]!, amount: answer.data ?? null })),
  });
}

export const useActiveRides = () =>
  useQuery({
    queryKey: ["active-rides"],
    queryFn: async () => (await ok(api.GET("/api/v1/rentals", { params: { query: { status: "active", limit: 1 } } }))).pagination.total,
    refetchInterval: 5_000,
  });

export const useOpenTickets = (enabled: boolean) =>
  useQuery({
    queryKey: ["tickets", "counted"],
    queryFn: async () => {
      const ask = (more: { severity?: "safety" }) => ok(api.GET("/api/v1/maintenance/tickets", { params: { query: { is_open: true, limit: 1, ...more } } }));
      const [all, safety] = await Promise.all([ask({}), ask({ severity: "safety" })]);
      return { all: all.pagination.total, safety: safety.pagination.total };
    },
    refetchInterval: 15_000,
    enabled,
  });

export const useOpenAlerts = (enabled: boolean) =>
  useQuery({
    queryKey: ["alerts", "newest"],
    queryFn: () => ok(api.GET("/api/v1/alerts", { params: { query: { state: "active", limit: 6 } } })),
    refetchInterval: 10_000,
    enabled,
  });
