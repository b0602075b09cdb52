// The marks of the map, made on a canvas when the map first asks for one: a shape and a colour for each
// status (never the colour alone), the battery as a bar below, a disc with a ring for a heap.
import { tone } from "../parts/Chart";

const SIZE = 26;
const HEAP_SIZE = 44;
type Pen = CanvasRenderingContext2D;

const SHAPES: Record<string, (pen: Pen) => void> = {
  available: (pen) => pen.arc(13, 11, 8, 0, 7),
  reserved: (pen) => poly(pen, [13, 1.5], [22.5, 11], [13, 20.5], [3.5, 11]),
  in_use: (pen) => poly(pen, [13, 1.5], [22, 19], [13, 15], [4, 19]),
  maintenance: (pen) => pen.roundRect(5, 3, 16, 16, 3),
  offline: (pen) => { pen.arc(13, 11, 8, 0, 7); pen.moveTo(17.5, 11); pen.arc(13, 11, 4.5, 0, 7, true); },
  retired: (pen) => poly(pen, [6, 3], [13, 9], [20, 3], [21, 4], [15, 11], [21, 18], [20, 19], [13, 13], [6, 19], [5, 18], [11, 11], [5, 4]),
};

function poly(pen: Pen, ...points: [number, number][]): void {
  points.forEach(([px, py], n) => (n ? pen.lineTo(px, py) : pen.moveTo(px, py)));
  pen.closePath();
}

export const statusTone = (status: string): string => (status === "retired" ? "quiet" : status);

/** A mark as a picture, `scale` pixels to one of the page; null for a name that means nothing. */
export function drawMark(name: string, scale: number): HTMLCanvasElement | null {
  const [kind, ...parts] = name.split("|");
  if (kind === "one") return drawn(SIZE, scale, (pen) => one(pen, parts[0] ?? "", parts[1] ?? "x", parts[2] === "1"));
  if (kind === "heap") return drawn(HEAP_SIZE, scale, (pen) => heap(pen, parts[0] ?? "", Number(parts[1])));
  return null;
}

function drawn(size: number, scale: number, paint: (pen: Pen) => void): HTMLCanvasElement | null {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [size * scale, size * scale];
  const pen = canvas.getContext("2d");
  if (!pen) return null;
  pen.scale(scale, scale);
  paint(pen);
  return canvas;
}

function one(pen: Pen, status: string, bars: string, isChosen: boolean): void {
  pen.beginPath();
  (SHAPES[status] ?? SHAPES.available!)(pen);
  pen.lineJoin = "round";
  pen.lineWidth = isChosen ? 6 : 3.5;
  pen.strokeStyle = isChosen ? tone("brand") : tone("card");
  pen.stroke();
  if (isChosen) { pen.lineWidth = 2; pen.strokeStyle = tone("card"); pen.stroke(); }
  pen.fillStyle = tone(statusTone(status));
  pen.fill();
  if (bars === "x") return;
  pen.fillStyle = tone("card");
  pen.beginPath(); pen.roundRect(3, 20.5, 20, 5, 2); pen.fill();
  pen.fillStyle = tone(Number(bars) <= 1 ? "danger" : Number(bars) === 2 ? "notice" : "good");
  pen.fillRect(4.5, 21.75, Math.max(2, (17 * Number(bars)) / 5), 2.5);
}

function heap(pen: Pen, label: string, tenths: number): void {
  pen.fillStyle = tone("card");
  pen.beginPath(); pen.arc(22, 22, 20, 0, 7); pen.fill();
  pen.lineWidth = 4;
  pen.strokeStyle = tone("line");
  pen.beginPath(); pen.arc(22, 22, 17.5, 0, 7); pen.stroke();
  pen.strokeStyle = tone("available");
  pen.beginPath(); pen.arc(22, 22, 17.5, -Math.PI / 2, -Math.PI / 2 + (tenths / 10) * 2 * Math.PI); pen.stroke();
  pen.fillStyle = tone("ink");
  pen.font = `600 ${label.length > 3 ? 11 : 12.5}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(label, 22, 22.5);
}
