// What the rules say of a place: asked of the platform, which decides it again when a ride ends.
import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";

export type ZoneAnswer = Schema<"Answer">;
export interface Spot {
  latitude: number;
  longitude: number;
  accuracy_m?: number | null;
}
type VehicleType = "scooter" | "ebike" | "car" | "van";

export const checkPlace = (spot: Spot, type: string): Promise<ZoneAnswer> =>
  ok(api.POST("/api/v1/zones/check", { body: { latitude: spot.latitude, longitude: spot.longitude, accuracy_m: spot.accuracy_m ?? null, vehicle_type: type as VehicleType } }));

const round = (value: number) => Math.round(value * 5_000) / 5_000; // about twenty metres

export function useZoneHere(spot: Spot | null, type: string) {
  return useQuery({
    queryKey: ["zone", type, spot && round(spot.latitude), spot && round(spot.longitude)],
    queryFn: () => checkPlace(spot as Spot, type),
    enabled: spot !== null,
    staleTime: 30_000,
    placeholderData: (before) => before,
  });
}
