import type { MapLibre } from "@lib/map/MapView";
import { beforeEach, expect, test, vi } from "vitest";
import { mercatorX, mercatorY, type Mark } from "./clusters";
import { Overlay } from "./overlay";

const drawn = vi.hoisted(() => vi.fn(() => Object.assign(document.createElement("canvas"), { width: 20, height: 20 })));
vi.mock("./marks", () => ({ drawMark: drawn }));

const pen = { setTransform: vi.fn(), clearRect: vi.fn(), drawImage: vi.fn() };
beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(pen as never);
  pen.drawImage.mockReset();
  drawn.mockClear();
});

const CITY = { lng: 13.4, lat: 52.5 };
const heard = new Map<string, () => void>();

/** A map of 800 by 600 with the city in its middle, turned by `bearing` degrees. */
function mapOf(zoom: number, bearing = 0): MapLibre {
  const canvas = document.createElement("canvas");
  Object.defineProperties(canvas, { clientWidth: { value: 800 }, clientHeight: { value: 600 } });
  document.body.append(canvas);
  const map = {
    getCanvas: () => canvas, getCenter: () => CITY, getZoom: () => zoom, getBearing: () => bearing, project: () => ({ x: 400, y: 300 }),
    on: (name: string, run: () => void) => heard.set(name, run), off: (name: string) => heard.delete(name),
  };
  return map as unknown as MapLibre;
}
const mark = (dx: number, dy: number, zoom: number, image = "one|available|3|0", id: string | null = "sco_1"): Mark => ({
  x: mercatorX(CITY.lng) + dx / (512 * 2 ** zoom), y: mercatorY(CITY.lat) + dy / (512 * 2 ** zoom), image, id,
});

test("marks lie where the map has their place, also when it is turned; what is out of sight is not drawn", () => {
  const over = new Overlay(mapOf(12));
  over.show([mark(100, -50, 12), mark(5_000, 0, 12)]);
  expect(pen.drawImage.mock.calls.map(([, left, top]) => [left, top])).toEqual([[490, 240]]);
  pen.drawImage.mockReset();
  new Overlay(mapOf(12, 90)).show([mark(100, 0, 12)]); // east is up
  expect(pen.drawImage.mock.calls.map(([, left, top]) => [left, top])).toEqual([[390, 190]]);
});

test("a click finds the topmost within reach, a heap farther than a vehicle", () => {
  const over = new Overlay(mapOf(15));
  over.show([mark(0, 0, 15, "one|offline|1|0", "below"), mark(4, 0, 15, "one|offline|1|0", "above"), mark(100, 0, 15, "heap|20|5", null)]);
  expect(over.at({ x: 402, y: 300 })?.id).toBe("above");
  expect(over.at({ x: 387, y: 300 })?.id).toBe("below");
  expect(over.at({ x: 480, y: 300 })?.image).toBe("heap|20|5");
  expect(over.at({ x: 430, y: 300 })).toBeNull();
});

test("each picture is made once, and anew in other colours; nothing is left behind", () => {
  const over = new Overlay(mapOf(12));
  over.show([mark(0, 0, 12), mark(9, 9, 12)]);
  heard.get("move")?.();
  expect(drawn).toHaveBeenCalledTimes(1);
  over.forget();
  expect(drawn).toHaveBeenCalledTimes(2);
  over.remove();
  expect([...heard.keys()]).toEqual([]);
  expect(document.querySelectorAll("canvas[aria-hidden]")).toHaveLength(3); // those of the tests before
});
