// Every list of the console: virtual rows (fifty thousand are fine), sorting, selection, j/k/Enter/x,
// export of what it shows. Rows that come in pages are asked for by `onEnd`.
import { Button, Checkbox, Group, Text } from "@mantine/core";
import { number } from "@lib/format";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { toast } from "@lib/toast";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useId, useMemo, useRef, useState, type ReactNode } from "react";
import { useWords } from "../text";
import { csvOf, saveFile } from "./csv";
import classes from "./parts.module.css";

export interface Column<Row> {
  key: string;
  label: string;
  /** CSS grid width, e.g. "8rem" or "minmax(10rem, 1fr)". */
  width?: string;
  end?: boolean;
  cell: (row: Row) => ReactNode;
  /** What stands in the CSV, and what is sorted by; without it neither. */
  value?: (row: Row) => string | number | null | undefined;
  /** Stands in the CSV alone. */
  inFileOnly?: boolean;
}
export interface Order {
  key: string;
  down: boolean;
}

export interface DataTableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  id: (row: Row) => string;
  name?: (row: Row) => string;
  onOpen?: (row: Row) => void;
  /** The row whose panel is open. */
  openId?: string | undefined;
  selected?: ReadonlySet<string>;
  onSelect?: (ids: ReadonlySet<string>) => void;
  /** Sorted by the table itself unless the caller does it. */
  order?: Order | undefined;
  onOrder?: (order: Order) => void;
  /** Asked for when the end comes near. */
  onEnd?: (() => void) | undefined;
  isMore?: boolean;
  /** Every row there is: what is exported. Without it those that are here. */
  all?: (() => Promise<readonly Row[]>) | undefined;
  total?: number | undefined;
  /** Name of the exported file, without ".csv"; without it there is no export here. */
  file?: string;
  /** In the bar above the rows, e.g. bulk actions. */
  bar?: ReactNode;
  empty?: ReactNode;
  rowHeight?: number;
}

export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | undefined): readonly Row[] {
  const by = order && columns.find((c) => c.key === order.key)?.value;
  if (!by) return rows;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return (typeof x === "string" && typeof y === "string" ? (x < y ? -1 : 1) : Number(x) - Number(y)) * sign;
  });
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, columns: known, rows, id, onOpen, openId, selected, onSelect, onOrder, onEnd, isMore, all, total, file, bar, empty, rowHeight = 42 } = props;
  const t = useWords();
  const columns = useMemo(() => known.filter((c) => !c.inFileOnly), [known]);
  const table = useId();
  const scroll = useRef<HTMLDivElement>(null);
  const [ownOrder, setOwnOrder] = useState<Order | undefined>();
  const [at, setAt] = useState(-1);
  const order = onOrder ? props.order : ownOrder;
  const shown = useMemo(() => (onOrder ? rows : sorted(rows, columns, ownOrder)), [onOrder, rows, columns, ownOrder]);
  // eslint-disable-next-line react-hooks/incompatible-library -- its functions stay in this component
  const virtual = useVirtualizer({
    count: shown.length, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 12,
    initialRect: { width: 800, height: 600 },
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (isMore && onEnd && lastShown >= shown.length - 10) onEnd();
  }, [isMore, onEnd, lastShown, shown.length]);

  const mark = useCallback(
    (row: Row) => {
      if (!onSelect) return;
      const next = new Set(selected);
      if (!next.delete(id(row))) next.add(id(row));
      onSelect(next);
    },
    [id, onSelect, selected],
  );
  const latest = useRef({ at, shown, openId, mark, onOpen, virtual });
  useEffect(() => {
    latest.current = { at, shown, openId, mark, onOpen, virtual };
  });
  const keys = useMemo(() => {
    const step = (by: number) => {
      const now = latest.current;
      const open = now.openId ? now.shown.findIndex((row) => id(row) === now.openId) : -1;
      const next = Math.max(0, Math.min(now.shown.length - 1, (open >= 0 ? open : now.at) + by));
      setAt(next);
      now.virtual.scrollToIndex(next);
      const row = now.shown[next];
      if (row && open >= 0) now.onOpen?.(row);
    };
    const here = () => latest.current.shown[latest.current.at];
    return [
      { keys: "j", what: t("shell.key.down"), run: () => step(1) },
      { keys: "k", what: t("shell.key.up"), run: () => step(-1) },
      ...(onOpen ? [{ keys: "o", what: t("shell.key.open"), run: () => { const row = here(); if (row) latest.current.onOpen?.(row); } }] : []),
      ...(onSelect ? [{ keys: "x", what: t("shell.key.mark"), run: () => { const row = here(); if (row) latest.current.mark(row); } }] : []),
    ];
  }, [id, onOpen, onSelect, t]);
  useKeys(keys);
  // Enter opens the row one has walked to; on a button or link it stays what it is there.
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const busy = event.target instanceof HTMLElement && event.target.closest("a,button,input,textarea,select,[role=dialog],aside");
      const row = latest.current.shown[latest.current.at];
      if (event.key !== "Enter" || busy || !row || !latest.current.onOpen) return;
      event.preventDefault();
      latest.current.onOpen(row);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const template = `${onSelect ? "2.75rem " : ""}${columns.map((c) => c.width ?? "minmax(7rem, 1fr)").join(" ")}`;
  // What the columns need at least: below that the table scrolls sideways, and all rows agree on it.
  const least = `${columns.reduce((sum, c) => sum + Number(/([\d.]+)rem/.exec(c.width ?? "7rem")?.[1] ?? 7), onSelect ? 2.75 : 0)}rem`;
  const [isExporting, setExporting] = useState(false);
  const exported = async () => {
    const of = known.filter((c) => c.value);
    setExporting(true);
    try {
      const every = isMore && all ? sorted(await all(), columns, order) : shown;
      saveFile(`${file}.csv`, csvOf([of.map((c) => c.label), ...every.map((row) => of.map((c) => c.value?.(row)))]));
    } catch (error) {
      toast.bad(error);
    }
    setExporting(false);
  };
  const turn = (column: Column<Row>) => {
    const next = { key: column.key, down: order?.key === column.key ? !order.down : false };
    if (onOrder) onOrder(next);
    else setOwnOrder(next);
  };
  const chosen = selected?.size ?? 0;
  const isEmpty = shown.length === 0 && Boolean(empty);
  return (
    <div className={classes.table}>
      {(!isEmpty || bar) && <div className={classes.bar}>
        <Text size="sm" c="dimmed" role="status" className="figures">
          {chosen > 0 ? t("shell.table.selected", { count: chosen, shown: number(chosen) }) : t("shell.table.rows", { count: total ?? shown.length, shown: number(total ?? shown.length) })}
        </Text>
        {chosen > 0 && <Button size="compact-sm" variant="subtle" onClick={() => onSelect?.(new Set())}>{t("shell.table.clear")}</Button>}
        {bar}
        {file && shown.length > 0 && (
          <Button size="compact-sm" variant="subtle" color="gray" ml="auto" leftSection={<Icon name="download" size={15} />} loading={isExporting} onClick={() => void exported()}>{t("shell.table.export")}</Button>
        )}
      </div>}
      {isEmpty ? empty : (
        <div ref={scroll} className={classes.scroll} role="grid" aria-label={label} aria-rowcount={shown.length + 1} aria-multiselectable={onSelect ? true : undefined} tabIndex={0} style={{ "--least": least } as React.CSSProperties}>
          <div className={classes.headRow} role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
            {onSelect && (
              <span className={classes.headCell} role="columnheader">
                <Checkbox size="xs" radius={4} aria-label={t("shell.table.all")} checked={chosen > 0 && chosen >= shown.length} indeterminate={chosen > 0 && chosen < shown.length}
                  onChange={(e) => onSelect(e.currentTarget.checked ? new Set(shown.map(id)) : new Set())} />
              </span>
            )}
            {columns.map((column) => (
              <span key={column.key} role="columnheader" className={`${classes.headCell} ${column.end ? classes.end : ""}`}
                aria-sort={order?.key === column.key ? (order.down ? "descending" : "ascending") : undefined}>
                {column.value ? (
                  <button type="button" title={t("shell.table.sortBy", { name: column.label })} onClick={() => turn(column)}>
                    {column.label}{order?.key === column.key && <span aria-hidden>{order.down ? "↓" : "↑"}</span>}
                  </button>
                ) : column.label}
              </span>
            ))}
          </div>
          <div role="rowgroup" className={classes.grid2} style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const row = shown[item.index];
              if (row === undefined) return null;
              const key = id(row);
              return (
                <div key={key} id={`${table}-${item.index}`} role="row" aria-rowindex={item.index + 2} aria-selected={onSelect ? (selected?.has(key) ?? false) : undefined}
                  data-at={item.index === at || key === openId || undefined} data-opens={onOpen ? true : undefined} className={classes.row}
                  style={{ gridTemplateColumns: template, height: item.size, transform: `translateY(${item.start}px)` }}
                  onClick={() => { setAt(item.index); onOpen?.(row); }}>
                  {onSelect && (
                    <span role="gridcell" className={classes.cell} onClick={(e) => e.stopPropagation()}>
                      <Checkbox size="xs" radius={4} tabIndex={-1} aria-label={t("shell.table.select", { name: props.name?.(row) ?? key })} checked={selected?.has(key) ?? false} onChange={() => mark(row)} />
                    </span>
                  )}
                  {columns.map((column) => <span key={column.key} role="gridcell" className={`${classes.cell} ${column.end ? `${classes.end} figures` : ""}`}>{column.cell(row)}</span>)}
                </div>
              );
            })}
          </div>
          {isMore && <Group p="sm"><Text size="sm" c="dimmed">{t("shell.table.more")}</Text></Group>}
        </div>
      )}
    </div>
  );
}
