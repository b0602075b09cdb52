import { expect, test } from "vitest";
import { filled, reordered, type Provider } from "./providers";

const of = (...ranks: number[]) => ranks.map((rank, i) => ({ id: `sso_${i}`, rank }) as Provider);
const after = (ranks: number[], from: number, to: number) => {
  const providers = of(...ranks);
  const changed = reordered(providers, from, to);
  const rank = (p: Provider) => changed.find((c) => c.provider === p)?.rank ?? p.rank;
  return [[...providers].sort((a, b) => rank(a) - rank(b)).map((p) => p.id.slice(-1)).join(""), changed.length];
};

test("one goes up or down, and no more is written than has to be", () => {
  expect(after([50, 50, 50], 2, 1)).toEqual(["021", 3]); // all of the same rank: numbered for the first time
  expect(after([1, 2, 3, 4], 1, 0)).toEqual(["1023", 2]);
  expect(after([1, 2, 3, 4], 3, 2)).toEqual(["0132", 2]);
});

test("empty fields are left out", () => {
  expect(filled({ email: " Mail ", role: "", groups: "  " })).toEqual({ email: "Mail" });
});
