// Where the person is, if they let us know; asked once, kept in memory only.
import { useSyncExternalStore } from "react";

export interface Here {
  latitude: number;
  longitude: number;
  accuracy_m: number;
}
export type PlaceState = { place: Here | null; asked: "not yet" | "asking" | "known" | "refused" };

let state: PlaceState = { place: null, asked: "not yet" };
const heard = new Set<() => void>();
let watch: number | null = null;

function become(next: PlaceState): void {
  state = next;
  heard.forEach((tell) => tell());
}

export function askPlace(): void {
  if (watch !== null || !("geolocation" in navigator)) {
    if (!("geolocation" in navigator)) become({ ...state, asked: "refused" });
    return;
  }
  become({ ...state, asked: state.place ? "known" : "asking" });
  watch = navigator.geolocation.watchPosition(
    ({ coords }) =>
      become({ place: { latitude: coords.latitude, longitude: coords.longitude, accuracy_m: coords.accuracy }, asked: "known" }),
    () => {
      if (watch !== null) navigator.geolocation.clearWatch(watch);
      watch = null;
      become({ ...state, asked: state.place ? "known" : "refused" });
    },
    { enableHighAccuracy: true, maximumAge: 10_000, timeout: 15_000 },
  );
}

export const usePlace = (): PlaceState =>
  useSyncExternalStore((tell) => (heard.add(tell), () => heard.delete(tell)), () => state);
export const placeNow = (): Here | null => state.place;

/** Metres between two points, well enough for a city. */
export function metresBetween(a: { latitude: number; longitude: number }, b: { latitude: number; longitude: number }): number {
  const north = (b.latitude - a.latitude) * 111_195;
  const east = (b.longitude - a.longitude) * 111_195 * Math.cos(((a.latitude + b.latitude) / 2) * (Math.PI / 180));
  return Math.hypot(north, east);
}
