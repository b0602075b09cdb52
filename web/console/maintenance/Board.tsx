// The board: a column for each state a ticket goes through.
import { Badge, Button, Group, NativeSelect, Stack, Text, UnstyledButton } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState, type DragEvent, type ReactNode } from "react";
import { Page } from "../parts/Page";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { NewTicket } from "./NewTicket";
import { TicketPanel } from "./TicketPanel";
import classes from "./maintenance.module.css";

export type Ticket = Schema<"TicketView">;
type Movable = "open" | "assigned" | "in_progress";
export const KINDS = ["service", "brakes", "lights", "tyre", "battery", "lock", "damage", "other"] as const;
const COLUMNS = ["open", "assigned", "in_progress", "done"] as const;
export const SEVERITY_COLOUR: Record<string, string> = { safety: "red", high: "amber", normal: "petrol", low: "gray" };

export const setState = (id: string, state: Movable | "cancelled", assignee?: string) =>
  ok(api.PATCH("/api/v1/maintenance/tickets/{ticket_id}", { params: { path: { ticket_id: id } }, body: { state, ...(assignee === undefined ? {} : { assignee }) } }));

export function Board({ parts: tabs }: { parts: ReactNode }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const client = useQueryClient();
  const [query, change] = useQueryPart();
  const kind = KINDS.find((k) => k === query.kind);
  const [over, setOver] = useState("");
  const open = useQuery({
    queryKey: ["tickets", "board", kind],
    queryFn: () => ok(api.GET("/api/v1/maintenance/tickets", { params: { query: { is_open: true, limit: 100, ...(kind ? { kind } : {}) } } })),
    refetchInterval: 10_000,
  });
  const done = useQuery({
    queryKey: ["tickets", "done", kind],
    queryFn: () => ok(api.GET("/api/v1/maintenance/tickets", { params: { query: { state: "done", limit: 15, ...(kind ? { kind } : {}) } } })),
    refetchInterval: 30_000,
  });
  const mayWrite = may?.("fleet.maintenance.write") ?? false;
  const add = useCallback(() => change({ new: "-" }, true), [change]);
  useKeys(useMemo(() => (mayWrite ? [{ keys: "n", what: t("maintenance.new"), run: add }] : []), [add, mayWrite, t]));
  const close = useCallback(() => change({ t: undefined }), [change]);

  const move = async (ticket: Ticket, to: string) => {
    if (to === ticket.state) return;
    if (to === "done") return change({ t: ticket.id, complete: "1" }, true);
    const before = ticket.state as Movable;
    try {
      await setState(ticket.id, to as Movable, to === "assigned" && !ticket.assignee ? "" : undefined);
      await client.invalidateQueries({ queryKey: ["tickets"] });
      toast.undoable(t("maintenance.moved", { name: ticket.identifier, state: n(`maintenance.state.${to}`) }), async () => {
        await setState(ticket.id, before);
        await client.invalidateQueries({ queryKey: ["tickets"] });
      });
    } catch (error) {
      toast.bad(error);
    }
  };
  const dropped = (event: DragEvent, to: string) => {
    setOver("");
    const ticket = open.data?.tickets.find((each) => each.id === event.dataTransfer.getData("text/plain"));
    if (ticket) void move(ticket, to);
  };
  return (
    <Page
      fill title={t("maintenance.title")} beside={open.data && <Text size="sm" c="dimmed">{t("maintenance.openAll", { count: open.data.pagination.total })}</Text>}
      actions={mayWrite && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={add}>{t("maintenance.new")}</Button>}
      below={
        <>
        {tabs}
        <div className={`${parts.filters} ${parts.underTabs}`}>
          <NativeSelect size="sm" aria-label={t("maintenance.kindLabel")} value={kind ?? ""} onChange={(e) => change({ kind: e.currentTarget.value })}
            data={[{ value: "", label: t("maintenance.filterKind") }, ...KINDS.map((value) => ({ value, label: t(`maintenance.kind.${value}`) }))]} />
        </div>
        </>
      }
    >
      {open.error ? <Problem error={open.error} again={() => void open.refetch()} /> : (
        <div className={classes.board}>
          {COLUMNS.map((column) => {
            const cards = column === "done" ? done.data?.tickets : open.data?.tickets.filter((ticket) => ticket.state === column);
            return (
              <section key={column} className={classes.column} aria-label={n(`maintenance.state.${column}`)} data-over={over === column || undefined}
                onDragOver={(e) => { if (mayWrite) { e.preventDefault(); setOver(column); } }} onDragLeave={() => setOver("")} onDrop={(e) => dropped(e, column)}>
                <Group justify="space-between" px={4}>
                  <Text component="h2" fw={600} size="sm">{column === "done" ? t("maintenance.closedShown") : n(`maintenance.state.${column}`)}</Text>
                  {cards && column !== "done" && <Text size="sm" c="dimmed" className="figures">{number(cards.length)}</Text>}
                </Group>
                <Stack gap="xs" className={classes.cards} tabIndex={0} role="region" aria-label={n(`maintenance.state.${column}`)}>
                  {!cards ? <Rows count={3} height={84} /> : cards.length === 0 ? <Text size="sm" c="dimmed" ta="center" py="lg">{t("maintenance.none")}</Text>
                    : cards.map((ticket) => <Card key={ticket.id} ticket={ticket} mayDrag={mayWrite && column !== "done"} onOpen={() => change({ t: ticket.id }, true)} />)}
                </Stack>
              </section>
            );
          })}
        </div>
      )}
      {query.new && <NewTicket vehicle={query.new === "-" ? "" : query.new} onClose={() => change({ new: undefined })} />}
      {query.t && <TicketPanel key={query.t} id={query.t} completes={query.complete === "1"} onClose={close} />}
    </Page>
  );
}

function Card({ ticket, mayDrag, onOpen }: { ticket: Ticket; mayDrag: boolean; onOpen: () => void }) {
  const n = useNames();
  const t = useWords();
  return (
    <UnstyledButton className={classes.card} draggable={mayDrag} onClick={onOpen} onDragStart={(e) => e.dataTransfer.setData("text/plain", ticket.id)}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text fw={600} size="sm">{ticket.identifier}</Text>
        <Badge size="sm" variant="light" color={SEVERITY_COLOUR[ticket.severity] ?? "gray"}>{n(`maintenance.severity.${ticket.severity}`)}</Badge>
      </Group>
      <Text size="sm">{n(`maintenance.kind.${ticket.kind}`)}</Text>
      {ticket.description && <Text size="sm" c="dimmed" lineClamp={2}>{ticket.description}</Text>}
      <Group gap="xs" mt={4} justify="space-between">
        <Text size="xs" c="dimmed">{ticket.assignee || n(`maintenance.source.${ticket.source}`)}{ticket.reports > 1 && ` · ${t("maintenance.reportsCount", { count: ticket.reports })}`}</Text>
        <Text size="xs" c="dimmed">{ago(ticket.closed_at ?? ticket.opened_at)}</Text>
      </Group>
    </UnstyledButton>
  );
}
