// What could not be sent, and is sent as soon as there is a network: the end of a ride, its photo.
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { text } from "@lib/i18n";
import { toast } from "@lib/toast";
import { keep, kept, useKept } from "../keep";
import { putPhoto } from "./upload";

export type Place = { latitude: number; longitude: number };
export type Waiting =
  | { kind: "end"; rental: string; key: string; place: Place | null; photo: string | null }
  | { kind: "photo"; rental: string; photo: string };
export interface Ended {
  receipt: Schema<"EndedRide">;
  photo: "none" | "sent" | "later";
}

const NAME = "waiting";
const AGAIN_MS = 5_000;
let busy = false;

export const waiting = (): Waiting[] => kept<Waiting[]>(NAME) ?? [];
export const useQueue = (): Waiting[] => useKept<Waiting[]>(NAME) ?? [];

export function enqueue(item: Waiting): void {
  const others = waiting().filter((each) => each.rental !== item.rental || each.kind !== item.kind);
  keep(NAME, [...others, item]);
}

function done(item: Waiting): void {
  keep(NAME, waiting().filter((each) => JSON.stringify(each) !== JSON.stringify(item)));
}

export async function endRide(rental: string, place: Place | null, key: string): Promise<Schema<"EndedRide">> {
  return ok(
    api.POST("/api/v1/rentals/{rental_id}/end", {
      params: { path: { rental_id: rental } },
      body: { end_location: place },
      headers: { "idempotency-key": key },
    }),
  );
}

async function send(item: Waiting): Promise<void> {
  if (item.kind === "photo") {
    await putPhoto(item.rental, item.photo);
    done(item);
    toast.good(text("offline.photoSent"));
    return;
  }
  const receipt = await endRide(item.rental, item.place, item.key);
  done(item);
  keep("trip", null);
  if (item.photo) enqueue({ kind: "photo", rental: item.rental, photo: item.photo });
  keep("ended", { receipt, photo: item.photo ? "later" : "none" } satisfies Ended);
}

/** Sends what waits, in its order. What the platform refuses for good is told and forgotten. */
export async function flush(told: () => void): Promise<void> {
  if (busy || waiting().length === 0) return;
  busy = true;
  try {
    for (const item of waiting()) {
      try {
        await send(item);
        told();
      } catch (error) {
        const isRefusal = error instanceof ApiProblem && error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 401;
        if (!isRefusal) return;
        done(item);
        toast.bad(error);
        told();
      }
    }
  } finally {
    busy = false;
  }
}

/** Looks whenever the network comes back, and now and then. */
export function keepFlushing(told: () => void): () => void {
  const look = () => void flush(told);
  const timer = setInterval(look, AGAIN_MS);
  addEventListener("online", look);
  look();
  return () => {
    clearInterval(timer);
    removeEventListener("online", look);
  };
}
