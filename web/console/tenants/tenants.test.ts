import { expect, test } from "vitest";
import { slugOf } from "./Tenants";

test("a short name is made of a long one", () => {
  expect(slugOf("Müller & Söhne GmbH")).toBe("mueller-soehne-gmbh");
  expect(slugOf("  --Fließ!  ")).toBe("fliess");
});
