import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { keep, useKept } from "../keep";

export type Found = Schema<"FoundVehicle">;
export type VehicleType = "scooter" | "ebike" | "car" | "van";
export const TYPES: VehicleType[] = ["scooter", "ebike", "car", "van"];

export interface Filter {
  type: VehicleType | null;
  minBattery: number;
  maxPrice: number | null;
  model: string;
  radius: number;
}
export const ANY: Filter = { type: null, minBattery: 0, maxPrice: null, model: "", radius: 1_000 };

export const useFilter = (): [Filter, (change: Partial<Filter>) => void] => {
  const filter = { ...ANY, ...useKept<Filter>("filter") };
  return [filter, (change) => keep("filter", { ...filter, ...change })];
};

/** How many of the filters behind the button are on. */
export const narrowing = (filter: Filter): number =>
  [filter.minBattery > 0, filter.maxPrice !== null, filter.model !== "", filter.radius !== ANY.radius].filter(Boolean).length;

const EVERY_MS = 20_000;
const near = (value: number) => Math.round(value * 2_000) / 2_000; // about fifty metres: steps ask anew, not pixels

export function useSearch(centre: { latitude: number; longitude: number }, filter: Filter) {
  const [lat, lon] = [near(centre.latitude), near(centre.longitude)];
  const query = {
    lat, lon, radius: filter.radius, limit: 100,
    ...(filter.type ? { type: filter.type } : {}),
    ...(filter.minBattery > 0 ? { min_battery: filter.minBattery } : {}),
    ...(filter.model ? { model: filter.model } : {}),
    ...(filter.maxPrice !== null ? { max_price_per_minute: filter.maxPrice } : {}),
  };
  return useQuery({
    queryKey: ["search", query],
    queryFn: () => ok(api.GET("/api/v1/vehicles/search", { params: { query } })),
    refetchInterval: EVERY_MS,
    placeholderData: keepPreviousData,
  });
}
