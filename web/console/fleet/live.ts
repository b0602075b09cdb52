// One live fleet for all screens: the first that needs it opens the stream, the last closes it.
import { api, ok } from "@lib/api/client";
import { listen, type StreamState } from "@lib/api/stream";
import { currentUser } from "@lib/auth";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { emptyFleet, merge, type Columns, type Fleet } from "./columns";

export interface LiveFleet {
  /** The same object for ever; `version` says that something in it changed. */
  fleet: Fleet;
  version: number;
  state: "loading" | "failed" | StreamState;
  error: unknown;
}

const start = (): LiveFleet => ({ fleet: emptyFleet(), version: 0, state: "loading", error: null });
let now: LiveFleet = start();
let of = "";
let gone: AbortController | null = null;
const heard = new Set<() => void>();

function become(change: Partial<LiveFleet>): void {
  now = { ...now, ...change };
  heard.forEach((tell) => tell());
}

async function follow(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const first = await ok(api.GET("/api/v1/fleet/live", { signal }));
      merge(now.fleet, first);
      become({ version: now.version + 1, state: "opening", error: null });
      await untilReset(first.cursor, signal);
    } catch (error) {
      if (signal.aborted) return;
      become({ state: "failed", error });
      return;
    }
  }
}

/** Hears the stream until the server wants the snapshot to be taken again. */
async function untilReset(cursor: string, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener("abort", stop);
  await listen(`/api/v1/fleet/live/stream?cursor=${cursor}`, {
    signal: over.signal,
    onEvent: (name, data) => {
      if (name === "reset") return stop();
      if (name !== "vehicles") return;
      merge(now.fleet, data as Columns);
      become({ version: now.version + 1 });
    },
    // After a loss the first event brings what changed since the cursor, or a 409 ends it: begin anew.
    onState: (state) => become({ state }),
  });
  signal.removeEventListener("abort", stop);
  if (now.state === "ended" && !over.signal.aborted) await new Promise((done) => setTimeout(done, 2_000));
}

function open(): void {
  const who = currentUser()?.id ?? "";
  if (who !== of) now = start();
  of = who;
  gone = new AbortController();
  void follow(gone.signal);
}

export function again(): void {
  gone?.abort();
  become({ state: "loading", error: null });
  open();
}

/** Also the retired ones, which no snapshot has unless it is asked for them. */
export async function withRetired(): Promise<void> {
  merge(now.fleet, await ok(api.GET("/api/v1/fleet/live", { params: { query: { status: "retired" } } })));
  become({ version: now.version + 1 });
}

/** What we know better than the stream for a moment: after a change of our own. */
export const fleetNow = (): Fleet => now.fleet;

export function useFleet(): LiveFleet {
  useEffect(() => {
    users += 1;
    if (users === 1 && !gone) open();
    return () => {
      users -= 1;
      // A screen that comes next takes over; only who leaves for longer closes the stream.
      setTimeout(() => {
        if (users > 0 || !gone) return;
        gone.abort();
        gone = null;
      }, 20_000);
    };
  }, []);
  const subscribe = useCallback((tell: () => void) => {
    heard.add(tell);
    return () => heard.delete(tell);
  }, []);
  return useSyncExternalStore(subscribe, () => now);
}
let users = 0;

/** Ids of a group's vehicles; asked again now and then, as groups change by hand only. `null`: no group is asked for. */
export function useMembers(group: string): ReadonlySet<string> | null {
  const { data } = useQuery({
    queryKey: ["members", group],
    queryFn: () => ok(api.GET("/api/v1/fleet/live", { params: { query: { group } } })),
    enabled: group !== "",
    refetchInterval: 30_000,
  });
  return useMemo(() => (group === "" ? null : new Set(data?.id ?? [])), [group, data]);
}
