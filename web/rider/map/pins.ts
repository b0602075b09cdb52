// Vehicles on the map: a pin of its type, with a ring that shows the battery; drawn once each.
import { ICON_PATHS, vehicleIcon } from "@lib/icons";
import type { MapLibre } from "@lib/map/MapView";
import { token } from "./layers";

const SIZE = 44;
const STEPS = 5;

export function pinName(type: string, battery: number | null, chosen: boolean): string {
  const step = battery === null ? "x" : Math.ceil((battery / 100) * STEPS);
  return `pin-${type}-${step}-${chosen ? "on" : "off"}`;
}

function drawn(type: string, step: number | null, chosen: boolean, scale: number): ImageData {
  const canvas = document.createElement("canvas");
  const size = (chosen ? SIZE * 1.25 : SIZE) * scale;
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  const middle = size / 2;
  const radius = middle - 3 * scale;
  const circle = (r: number, colour: string) => {
    pen.beginPath();
    pen.arc(middle, middle, r, 0, Math.PI * 2);
    pen.fillStyle = colour;
    pen.fill();
  };
  circle(radius + 2 * scale, "rgb(0 0 0 / 18%)");
  circle(radius + 0.5 * scale, token("--card"));
  circle(radius - 5 * scale, chosen ? token("--ink") : token("--brand"));
  if (step !== null) {
    pen.beginPath();
    pen.arc(middle, middle, radius - 2 * scale, -Math.PI / 2, -Math.PI / 2 + (Math.PI * 2 * step) / STEPS);
    pen.strokeStyle = step <= 1 ? token("--danger") : token("--good");
    pen.lineWidth = 3 * scale;
    pen.lineCap = "round";
    pen.stroke();
  }
  const icon = (size * 0.5) / 24;
  pen.translate(middle - 12 * icon, middle - 12 * icon);
  pen.scale(icon, icon);
  pen.strokeStyle = chosen ? token("--card") : token("--on-brand");
  pen.lineWidth = 2.1;
  pen.lineJoin = pen.lineCap = "round";
  pen.stroke(new Path2D(ICON_PATHS[vehicleIcon(type)]));
  return pen.getImageData(0, 0, size, size);
}

/** Adds the image if it is not there yet; its name. */
export function pin(map: MapLibre, type: string, battery: number | null, chosen: boolean): string {
  const name = pinName(type, battery, chosen);
  const scale = Math.min(2, devicePixelRatio || 1);
  if (!map.hasImage(name))
    map.addImage(name, drawn(type, battery === null ? null : Math.ceil((battery / 100) * STEPS), chosen, scale), { pixelRatio: scale });
  return name;
}
