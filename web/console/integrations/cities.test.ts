import { expect, test } from "vitest";
import { zonesOf, type Zone } from "./cities";

test("a policy's rule is enforced by the zones that name it, one for each geography", () => {
  const zone = (id: string, external_id: string | null) => ({ id, bbox: [], positions: 4, properties: { name: id, kind: "slow", external_id } }) as unknown as Zone;
  const zones = [zone("a", "p1/r1/g1"), zone("b", "p1/r1/g2"), zone("c", "p1/r11/g1"), zone("d", "p2/r1/g1"), zone("own", null)];
  expect(zonesOf(zones, "p1", "r1").map((each) => each.id)).toEqual(["a", "b"]);
});
