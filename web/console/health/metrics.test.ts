import { expect, test } from "vitest";
import { sumsOf } from "./metrics";

test("a figure is the sum over its labels", () => {
  const sums = sumsOf('# HELP x y\nx_count{a="1"} 2\nx_count{a="2"} 3.5\nplain 1e3\n\n');
  expect([...sums]).toEqual([["x_count", 5.5], ["plain", 1000]]);
});
