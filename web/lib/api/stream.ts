// Server-sent events with a bearer token, which the browser's EventSource cannot send.
import { useEffect, useRef, useState } from "react";
import { PAUSES_MS, sendRequest } from "./client";

export type StreamState = "opening" | "live" | "lost" | "ended";

/** Takes a text apart into whole events; what is left over belongs to the next piece. */
export function eventsIn(text: string): { events: { name: string; data: string }[]; rest: string } {
  const parts = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = parts.pop() ?? "";
  const events = parts.flatMap((part) => {
    const lines = part.split("\n");
    const name = lines.find((l) => l.startsWith("event:"))?.slice(6).trim() ?? "message";
    const data = lines.filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
    return data ? [{ name, data }] : [];
  });
  return { events, rest };
}

export interface StreamOptions {
  signal: AbortSignal;
  onEvent: (name: string, data: unknown) => void;
  onState?: (state: StreamState) => void;
}

/** Listens until aborted or until the server says 4xx; comes back by itself after a loss. */
export async function listen(path: string, { signal, onEvent, onState }: StreamOptions): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      onState?.(attempt ? "lost" : "opening");
      const answer = await sendRequest(
        new Request(path, { signal, headers: { accept: "text/event-stream" }, cache: "no-store" }), [],
      );
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return onState?.("ended");
      if (!answer.ok || !answer.body) throw new Error(String(answer.status));
      onState?.("live");
      attempt = 0;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const found = eventsIn(rest + value);
        rest = found.rest;
        found.events.forEach(({ name, data }) => onEvent(name, JSON.parse(data)));
      }
    } catch {
      if (signal.aborted) return;
    }
    onState?.("lost");
    await new Promise((done) => setTimeout(done, PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)]));
  }
}

/** Listens while mounted; `null` listens to nothing. */
export function useStream(path: string | null, onEvent: (name: string, data: unknown) => void): StreamState {
  const [state, setState] = useState<StreamState>("opening");
  const latest = useRef(onEvent);
  useEffect(() => {
    latest.current = onEvent;
  });
  useEffect(() => {
    if (!path) return;
    const gone = new AbortController();
    void listen(path, { signal: gone.signal, onEvent: (n, d) => latest.current(n, d), onState: setState });
    return () => gone.abort();
  }, [path]);
  return state;
}
