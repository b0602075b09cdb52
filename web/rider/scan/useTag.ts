import { useCallback, useEffect, useRef, useState } from "react";
import { readsTags, saidBy, tagReader } from "./tag";

export type TagState = "none" | "asleep" | "ready" | "refused" | "off" | "unreadable";

/** The tag on the vehicle, which says what its QR code says; `none` where no tag can be read. */
export function useTag(onCode: (text: string) => void) {
  const [state, setState] = useState<TagState>(() => (readsTags() ? "asleep" : "none"));
  const stop = useRef<AbortController | null>(null);
  const found = useRef(onCode);
  useEffect(() => {
    found.current = onCode;
  });

  /** The browser asks for the permission here, so this wants a tap, the first time. */
  const listen = useCallback(async () => {
    stop.current?.abort();
    const { signal } = (stop.current = new AbortController());
    const reader = tagReader();
    reader.onreading = ({ message }) => {
      const said = saidBy(message.records);
      setState(said ? "ready" : "unreadable");
      if (said) found.current(said);
    };
    reader.onreadingerror = () => setState("unreadable");
    try {
      await reader.scan({ signal });
      if (!signal.aborted) setState("ready");
    } catch (error) {
      // the other names mean: switched off, or not built in
      if (!signal.aborted) setState((error as DOMException).name === "NotAllowedError" ? "refused" : "off");
    }
  }, []);

  useEffect(() => {
    if (!readsTags()) return;
    const listenIf = (may: PermissionStatus) => (may.state === "granted" ? listen() : undefined);
    navigator.permissions?.query({ name: "nfc" as PermissionName }).then(listenIf).catch(() => undefined);
    return () => stop.current?.abort();
  }, [listen]);

  return { state, listen };
}
