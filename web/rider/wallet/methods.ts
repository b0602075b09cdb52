import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";

/** "Visa •••• 4242", whatever language the platform has written its own label in. */
export const named = ({ brand, last4, label }: Pick<Schema<"Method">, "brand" | "last4" | "label">): string =>
  brand && last4 ? `${brand[0]?.toUpperCase()}${brand.slice(1)} •••• ${last4}` : label;

export const METHODS = ["methods"];
export const useMethods = () =>
  useQuery({ queryKey: METHODS, queryFn: () => ok(api.GET("/api/v1/payment-methods")), staleTime: 60_000 });
