import { useEffect, useRef, useState } from "react";
import { reader } from "./reader";

const EVERY_MS = 200;
export type CameraState = "starting" | "on" | "none";
type Torch = MediaTrackConstraintSet & { torch?: boolean };

/** The camera behind the phone, read until a code is found. */
export function useCamera(onCode: (text: string) => Promise<void>) {
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<CameraState>("starting");
  const [torch, setTorch] = useState<boolean | null>(null);
  const track = useRef<MediaStreamTrack | null>(null);
  const found = useRef(onCode);
  useEffect(() => {
    found.current = onCode;
  });

  useEffect(() => {
    let gone = false;
    let stream: MediaStream | null = null;
    let timer: ReturnType<typeof setTimeout>;
    (async () => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
      const screen = video.current;
      if (gone || !screen) return stream.getTracks().forEach((each) => each.stop());
      screen.srcObject = stream;
      await screen.play();
      track.current = stream.getVideoTracks()[0] ?? null;
      const can = track.current?.getCapabilities?.() as { torch?: boolean } | undefined;
      if (can?.torch) setTorch(false);
      setState("on");
      const read = await reader();
      let last = ""; // what led nowhere is not asked for again until something else was seen
      const look = async () => {
        if (gone) return;
        const text = screen.readyState >= 2 ? await read(screen).catch(() => null) : null;
        if (text && text !== last && !gone) await found.current((last = text));
        if (!gone) timer = setTimeout(() => void look(), EVERY_MS);
      };
      await look();
    })().catch(() => !gone && setState("none"));
    return () => {
      gone = true;
      clearTimeout(timer);
      stream?.getTracks().forEach((each) => each.stop());
    };
  }, []);

  const light = async () => {
    await track.current?.applyConstraints({ advanced: [{ torch: !torch } as Torch] });
    setTorch(!torch);
  };
  return { video, state, torch, light };
}
