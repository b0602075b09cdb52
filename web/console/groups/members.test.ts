import { expect, test } from "vitest";
import { emptyFleet, merge } from "../fleet/columns";
import { meant, namesIn } from "./members";

test("a list, a column of a table, or whatever was pasted", () => {
  expect(namesIn("A-1\nA-2, A-3;A-2\n\n")).toEqual(["A-1", "A-2", "A-3"]);
  expect(namesIn("Typ;Kennung\nRoller;A-1\nRad;A-2\n")).toEqual(["A-1", "A-2"]);
  expect(namesIn("\uFEFFidentifier\nA-1\n'A-2\n")).toEqual(["A-1", "A-2"]);
  expect(namesIn("  ")).toEqual([]);
});

test("identifiers in any case and ids are found, the rest is named", () => {
  const fleet = emptyFleet();
  merge(fleet, {
    at: "2026-01-01T00:00:00Z", cursor: "1", origin: [0, 0], id: ["sco_1", "sco_2"], identifier: ["BER-1", "BER-2"], type: [0, 0], status: [0, 0],
    latitude: [0, 0], longitude: [0, 0], battery: [1, 1], age: [1, 1], flags: [0, 0],
  });
  expect(meant(fleet, ["ber-1", "sco_2", "BER-9"])).toEqual({ ids: ["sco_1", "sco_2"], unknown: ["BER-9"] });
});
