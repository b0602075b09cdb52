import { afterEach, expect, test, vi } from "vitest";
import { asText, localIn, localViews, takeOver } from "./views";

const put = vi.hoisted(() => vi.fn());
vi.mock("@lib/api/client", () => ({ api: { PUT: put }, ok: (answer: unknown) => answer }));
vi.mock("@lib/Frame", () => ({ queries: { invalidateQueries: vi.fn() } }));
afterEach(() => {
  localStorage.clear();
  put.mockReset();
});

test("kept views are read, and what is broken is not", () => {
  expect(localIn('[{"name":"Low","search":"?battery=0-20"},{"name":1}]')).toEqual([{ name: "Low", search: "?battery=0-20" }]);
  expect([localIn(null), localIn("{"), localIn('{"a":1}')]).toEqual([[], [], []]);
});

test("a view is what stands behind the question mark", () => {
  expect(asText({ type: "scooter,ebike", q: "ä b", v: "" })).toBe("type=scooter,ebike&q=%C3%A4+b");
});

test("what this browser kept comes to the platform, and goes on where it was interrupted", async () => {
  localStorage.setItem("fahrwerk.console.views", '[{"name":"A","search":"?q=1"},{"name":"B","search":"?q=2"}]');
  put.mockResolvedValueOnce({}).mockRejectedValueOnce(new Error("no network"));
  await expect(takeOver("fleet")).rejects.toThrow();
  expect(localViews("fleet")).toEqual([{ name: "B", search: "?q=2" }]);
  expect(localViews("rentals")).toEqual([]);
  put.mockResolvedValueOnce({});
  expect(await takeOver("fleet")).toBe(1);
  expect(put.mock.calls.map(([, { body }]) => body)).toEqual([
    { screen: "fleet", name: "A", query: "q=1", is_shared: false },
    ...Array(2).fill({ screen: "fleet", name: "B", query: "q=2", is_shared: false }),
  ]);
  expect(localViews("fleet")).toEqual([]);
});
