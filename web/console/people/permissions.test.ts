import { expect, test } from "vitest";
import { byRoom, holds } from "./permissions";

test("wildcards reach their own room only", () => {
  expect(holds(["fleet.*"], "fleet.zone.write")).toBe(true);
  expect(holds(["fleet.*"], "payments.refund.create")).toBe(false);
  expect(holds(["*"], "payments.refund.create")).toBe(true);
  expect(holds(["fleet.zone.read"], "fleet.zone.write")).toBe(false);
});

test("rights are found by name, words and endpoint, and stand by room", () => {
  const all = [
    { name: "fleet.zone.write", about: ["Draw a zone"], endpoints: ["POST /api/v1/zones"] },
    { name: "fleet.zone.read", about: [], endpoints: ["GET /api/v1/zones"] },
    { name: "payments.refund.create", about: ["Give money back"], endpoints: [] },
  ];
  expect(byRoom(all, "").map(([room, of]) => [room, of.length])).toEqual([["fleet", 2], ["payments", 1]]);
  expect(byRoom(all, "MONEY").map(([room]) => room)).toEqual(["payments"]);
  expect(byRoom(all, "post /api/v1/zones")[0]?.[1].length).toBe(1);
  expect(byRoom(all, "nothing like it")).toEqual([]);
});
