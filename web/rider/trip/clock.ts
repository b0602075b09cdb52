import { useEffect, useState } from "react";

/** The time, once a second. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
export const secondsUntil = (stamp: string | null, now: number): number =>
  stamp ? Math.max(0, (new Date(stamp).getTime() - now) / 1000) : 0;
