// The marks over the map, on a canvas of their own. Through the map's sources fifty thousand vehicles would go
// to a worker, into tiles, into an atlas of images and onto the graphics card with each change; here a change
// and a frame of a drag are some hundred pictures copied, also where no graphics card helps.
import type { MapLibre } from "@lib/map/MapView";
import { mercatorX, mercatorY, type Mark } from "./clusters";
import { drawMark } from "./marks";

/** Discs have thousands of different counts in a day; these are a few megabytes. */
const MOST_PICTURES = 500;
const REACH_PX = { one: 14, heap: 22 };

export class Overlay {
  private readonly canvas = document.createElement("canvas");
  private readonly scale = Math.min(2, Math.max(1, Math.round(devicePixelRatio)));
  private readonly pictures = new Map<string, HTMLCanvasElement | null>();
  private marks: readonly Mark[] = [];

  constructor(private readonly map: MapLibre) {
    this.canvas.setAttribute("aria-hidden", "true");
    Object.assign(this.canvas.style, { position: "absolute", inset: "0", pointerEvents: "none" });
    map.getCanvas().after(this.canvas);
    map.on("move", this.draw);
    map.on("resize", this.draw);
  }

  show(marks: readonly Mark[]): void {
    this.marks = marks;
    this.draw();
  }

  /** The colours are others now. */
  forget(): void {
    this.pictures.clear();
    this.draw();
  }

  remove(): void {
    this.map.off("move", this.draw);
    this.map.off("resize", this.draw);
    this.canvas.remove();
  }

  /** The topmost mark at a point of the map. */
  at(point: { x: number; y: number }): Mark | null {
    const place = this.places();
    for (let n = this.marks.length - 1; n >= 0; n--) {
      const mark = this.marks[n]!;
      const [x, y] = place(mark);
      if (Math.hypot(x - point.x, y - point.y) <= (mark.id ? REACH_PX.one : REACH_PX.heap)) return mark;
    }
    return null;
  }

  /** Where a mark is on the page. The map lies flat: one point, its zoom and its turn say where all are. */
  private places(): (mark: Mark) => [x: number, y: number] {
    const { lng, lat } = this.map.getCenter();
    const here = this.map.project([lng, lat]);
    const world = 512 * 2 ** this.map.getZoom();
    const turn = (-this.map.getBearing() * Math.PI) / 180;
    const [cos, sin] = [Math.cos(turn) * world, Math.sin(turn) * world];
    const [x0, y0] = [mercatorX(lng), mercatorY(lat)];
    return ({ x, y }) => [here.x + (x - x0) * cos - (y - y0) * sin, here.y + (x - x0) * sin + (y - y0) * cos];
  }

  private readonly draw = (): void => {
    const { clientWidth: width, clientHeight: height } = this.map.getCanvas();
    const { canvas, scale } = this;
    if (canvas.width !== width * scale || canvas.height !== height * scale) {
      [canvas.width, canvas.height] = [width * scale, height * scale];
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const place = this.places();
    for (const mark of this.marks) {
      const picture = this.picture(mark.image);
      if (!picture) continue;
      const [x, y] = place(mark);
      const [left, top] = [Math.round(x * scale - picture.width / 2), Math.round(y * scale - picture.height / 2)];
      if (left > -picture.width && top > -picture.height && left < canvas.width && top < canvas.height) pen.drawImage(picture, left, top);
    }
  };

  private picture(name: string): HTMLCanvasElement | null {
    let found = this.pictures.get(name);
    if (found === undefined) {
      found = drawMark(name, this.scale);
      if (this.pictures.size >= MOST_PICTURES) this.pictures.clear();
      this.pictures.set(name, found);
    }
    return found;
  }
}
