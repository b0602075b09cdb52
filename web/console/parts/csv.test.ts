import { expect, test } from "vitest";
import { csvOf } from "./csv";
import { sorted, type Column } from "./DataTable";

test("cells are quoted, formulas disarmed, numbers stay numbers", () => {
  expect(csvOf([["a", 'b "c"', null], ["=1+1", -4, undefined]])).toBe('"a","b ""c""",""\r\n"\'=1+1","-4",""\r\n');
});

test("sorts by what a column says; what says nothing comes last either way", () => {
  const columns: Column<{ n: number | null }>[] = [{ key: "n", label: "n", cell: () => "", value: (row) => row.n }];
  const rows = [{ n: 2 }, { n: null }, { n: 10 }, { n: 1 }];
  expect(sorted(rows, columns, { key: "n", down: false }).map((r) => r.n)).toEqual([1, 2, 10, null]);
  expect(sorted(rows, columns, { key: "n", down: true }).map((r) => r.n)).toEqual([10, 2, 1, null]);
});
