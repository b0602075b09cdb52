// From a booking to an open vehicle: secured payment, then the vehicle's own word. One step at a time,
// each told as it happens, each safe to repeat.
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { useCallback, useRef, useState } from "react";
import { useWords } from "../text";
import { useLookAgain, type Booking } from "./current";

export type Step = "sending" | "bank" | "vehicle" | "open";
export interface Unlocking {
  step: Step;
  problem: ApiProblem | null;
  /** When a silent vehicle may be asked again (RNT-27). */
  retryAt: number | null;
}

type NextAction = { type?: string; url?: string; complete_with?: string; payment_id?: string };
const RETRY_S = 60;

async function confirmPayment(booking: Booking, method: string | null): Promise<void> {
  await ok(
    api.POST("/api/v1/bookings/{booking_id}/confirm-payment", {
      params: { path: { booking_id: booking.id } },
      body: { payment_method_id: method },
    }),
  );
}

/** The bank's challenge: at the sandbox it is passed by saying so, elsewhere on the bank's page. */
export async function passChallenge(booking: Booking, problem: ApiProblem): Promise<Schema<"Payment"> | null> {
  const next = (problem.details.next_action ?? {}) as NextAction;
  if (next.url) {
    location.assign(next.url);
    return null;
  }
  return ok(api.POST("/api/v1/payments/{payment_id}/complete-3ds", { params: { path: { payment_id: booking.payment_id } } }));
}

export function useUnlocking(booking: Booking) {
  const t = useWords();
  const again = useLookAgain();
  const [state, setState] = useState<Unlocking | null>(null);
  const paid = useRef(booking.status === "confirmed");

  const run = useCallback(
    async (method: string | null = null) => {
      let step: Step = paid.current ? "vehicle" : "sending";
      setState({ step, problem: null, retryAt: null });
      try {
        if (!paid.current) await confirmPayment(booking, method);
        paid.current = true;
        step = "vehicle";
        setState({ step, problem: null, retryAt: null });
        await ok(
          api.POST("/api/v1/vehicles/{vehicle_id}/unlock", {
            params: { path: { vehicle_id: booking.vehicle.id } },
            body: { booking_id: booking.id },
          }),
        );
        setState({ step: "open", problem: null, retryAt: null });
        navigator.vibrate?.(80);
        setTimeout(() => void again(), 1_200); // long enough to be seen
      } catch (thrown) {
        const problem = thrown instanceof ApiProblem ? thrown : new ApiProblem(0, "UNEXPECTED", t("error.unexpected"));
        const wait = Number(problem.details.retry_after ?? RETRY_S);
        const silent = problem.code === "VEHICLE_OFFLINE";
        setState({
          step: problem.code === "PAYMENT_AUTHENTICATION_REQUIRED" ? "bank" : step,
          problem,
          retryAt: silent ? Date.now() + wait * 1000 : null,
        });
      }
    },
    [booking, again, t],
  );

  const challenge = async () => {
    if (!state?.problem) return;
    try {
      if (await passChallenge(booking, state.problem)) await run();
    } catch (thrown) {
      if (thrown instanceof ApiProblem) setState({ step: "sending", problem: thrown, retryAt: null });
    }
  };
  return { state, run, challenge, reset: () => setState(null) };
}
