import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";

const MINUTES_5 = 300_000;

export function useZones(): Schema<"ZoneCollection"> | undefined {
  return useQuery({ queryKey: ["zones"], queryFn: () => ok(api.GET("/api/v1/zones.geojson")), staleTime: MINUTES_5 }).data;
}
