// The rider's booking or ride of now. Kept on the device, so that a reload without a network still
// shows the ride, and with it the way to end it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { keep, kept } from "../keep";

export type Booking = Schema<"Booking">;
export type Vehicle = Schema<"VehicleDetail">;
export interface TripNow {
  booking: Booking;
  vehicle: Vehicle | null;
}

const KEY = ["trip"];
const ALIVE = ["in_progress", "confirmed", "pending"];
const EVERY_MS = { waiting: 15_000, riding: 30_000 };

/** The ride under way before bookings, the newest first; null when there is none. */
export function chosen(bookings: Booking[]): Booking | null {
  const alive = bookings.filter((each) => ALIVE.includes(each.status));
  return alive.sort((a, b) => ALIVE.indexOf(a.status) - ALIVE.indexOf(b.status))[0] ?? null;
}

async function look(before: TripNow | null): Promise<TripNow | null> {
  try {
    const { bookings } = await ok(api.GET("/api/v1/bookings", { params: { query: { limit: 20 } } }));
    const booking = chosen(bookings);
    if (!booking) {
      keep("trip", null);
      return null;
    }
    let vehicle = before?.booking.vehicle.id === booking.vehicle.id ? before.vehicle : null;
    vehicle ??= await ok(api.GET("/api/v1/vehicles/{vehicle_id}", { params: { path: { vehicle_id: booking.vehicle.id } } })).catch(() => null);
    const now = { booking, vehicle };
    keep("trip", now);
    return now;
  } catch (error) {
    // Only silence leaves what was last known; a refusal does not.
    if (error instanceof ApiProblem && (error.status === 0 || error.status >= 500)) return kept<TripNow>("trip");
    throw error;
  }
}

export function useTrip(): TripNow | null {
  const client = useQueryClient();
  const { data } = useQuery({
    queryKey: KEY,
    queryFn: () => look(client.getQueryData<TripNow>(KEY) ?? kept<TripNow>("trip")),
    placeholderData: () => kept<TripNow>("trip") ?? undefined,
    refetchInterval: ({ state }) =>
      !state.data ? false : state.data.booking.status === "in_progress" ? EVERY_MS.riding : EVERY_MS.waiting,
  });
  return data ?? null;
}

/** Ask again now, because something was done. */
export function useLookAgain(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await client.invalidateQueries({ queryKey: KEY });
  };
}

/** Known already from an answer: shown at once, asked again behind it. */
export function useTripIs(): (now: TripNow | null) => void {
  const client = useQueryClient();
  return (now) => {
    keep("trip", now);
    client.setQueryData(KEY, now);
  };
}
