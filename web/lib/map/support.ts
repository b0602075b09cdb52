// Whether this device draws maps. To ask for WebGL starts the graphics process, half a second in software; so it
// is believed until a map could not be made.
import { useSyncExternalStore } from "react";

let can = typeof WebGL2RenderingContext !== "undefined";
const heard = new Set<() => void>();

export function cannotDraw(): void {
  can = false;
  heard.forEach((tell) => tell());
}

const canDraw = (): boolean => can;
const onChange = (tell: () => void): (() => void) => (heard.add(tell), () => heard.delete(tell));
export const useCanDraw = (): boolean => useSyncExternalStore(onChange, canDraw);
