import type { Schema } from "@lib/api/client";
import { metresBetween } from "../find/place";

export type Ride = Schema<"RideStatus">;
const FRESH_MS = 30_000;

/** km/h from the last two fresh points of the route, else the average so far. */
export function speedNow(ride: Ride | null, now: number): number {
  if (!ride) return 0;
  const [a, b] = ride.route.slice(-2);
  if (!a || !b || now - new Date(b.timestamp).getTime() > FRESH_MS) return ride.average_speed;
  const hours = (new Date(b.timestamp).getTime() - new Date(a.timestamp).getTime()) / 3_600_000;
  return hours > 0 ? Math.min(60, metresBetween(a, b) / 1000 / hours) : ride.average_speed;
}
