// What the overview asks for besides the live fleet.
import { api, ok } from "@lib/api/client";
import { useQuery } from "@tanstack/react-query";

/** What was sold on the last seven days of the operator, tax included; oldest first, today last. */
export const useRevenue = (enabled: boolean) =>
  useQuery({
    queryKey: ["revenue"],
    queryFn: () => ok(api.GET("/api/v1/books/revenue", { params: { query: { by: "day" } } })),
    refetchInterval: 15_000,
    enabled,
  });

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
