// A list that comes in pages, whatever it is just now: on its way, failed, or there.
import { Rows } from "@lib/states";
import { DataTable, type DataTableProps } from "./DataTable";
import { Problem } from "./Problem";

interface Found<Row> {
  rows: readonly Row[];
  total: number | undefined;
  isMore: boolean;
  isPending: boolean;
  error: unknown;
  onEnd: () => void;
  all: () => Promise<readonly Row[]>;
  refetch: () => void;
}

type ListedProps<Row> = Omit<DataTableProps<Row>, "rows" | "total" | "isMore" | "onEnd" | "all"> & { found: Found<Row> };

/** `found` is what `usePages` gives; the rest is DataTable's. */
export function Listed<Row>({ found, ...table }: ListedProps<Row>) {
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={5} height={42} />;
  const { rows, total, isMore, onEnd, all } = found;
  return <DataTable {...table} {...{ rows, total, isMore, onEnd, all }} />;
}
