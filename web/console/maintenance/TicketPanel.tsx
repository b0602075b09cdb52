import { Badge, Button, Group, NumberInput, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AskText } from "../parts/AskText";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import { setState, SEVERITY_COLOUR } from "./Board";

type Detail = Schema<"TicketDetail">;

export function TicketPanel({ id, completes, onClose }: { id: string; completes: boolean; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const found = useQuery({ queryKey: ["tickets", "one", id], queryFn: () => ok(api.GET("/api/v1/maintenance/tickets/{ticket_id}", { params: { path: { ticket_id: id } } })) });
  const ticket = found.data;
  return (
    <Panel title={ticket ? `${ticket.identifier} · ${n(`maintenance.kind.${ticket.kind}`)}` : t("loading")} label={t("maintenance.title")} onClose={onClose}>
      {found.isPending && <Rows count={6} height={36} />}
      {found.error && <Problem error={found.error} />}
      {ticket && (
        <Stack>
          <Group gap="sm">
            <Badge variant="light" color={SEVERITY_COLOUR[ticket.severity] ?? "gray"}>{n(`maintenance.severity.${ticket.severity}`)}</Badge>
            <Text size="sm">{n(`maintenance.state.${ticket.state}`)}</Text>
            <Go to="/vehicles" query={{ v: ticket.identifier }}>{ticket.identifier}</Go>
            {ticket.severity === "safety" && !ticket.closed_at && <Text size="sm" c="var(--danger)">{t("maintenance.outOf")}</Text>}
          </Group>
          <Text>{ticket.description}</Text>
          <Pairs of={[
            [t("maintenance.assignee"), ticket.assignee],
            [t("maintenance.sourceLabel"), n(`maintenance.source.${ticket.source}`)],
            [t("maintenance.since"), at(ticket.opened_at)],
            [t("maintenance.resolution"), ticket.resolution],
            [t("maintenance.cost"), ticket.cost.total > 0 ? money(ticket.cost.total, ticket.cost.currency) : null],
          ]} />
          {ticket.fault_reports.length > 0 && (
            <div>
              <Text fw={600}>{t("maintenance.reports")}</Text>
              {ticket.fault_reports.map((report) => (
                <Text key={report.reported_at} size="sm">{at(report.reported_at)}: {report.description || "–"} {report.is_unsafe && <Text span c="var(--danger)">({t("maintenance.unsafe")})</Text>}</Text>
              ))}
            </div>
          )}
          {!ticket.closed_at && may?.("fleet.maintenance.write") && <Work ticket={ticket} completes={completes} />}
        </Stack>
      )}
    </Panel>
  );
}

interface Part { name: string; quantity: number; unit_cost: number }

function Work({ ticket, completes }: { ticket: Detail; completes: boolean }) {
  const t = useWords();
  const client = useQueryClient();
  const [isAssigning, setAssigning] = useState(false);
  const [isOpen, setOpen] = useState(completes);
  const [text, setText] = useState("");
  const [minutes, setMinutes] = useState(ticket.labour_minutes);
  const [rate, setRate] = useState(ticket.labour_rate);
  const [used, setUsed] = useState<Part[]>(ticket.parts.map(({ name, quantity, unit_cost }) => ({ name, quantity, unit_cost })));
  const run = async (what: () => Promise<unknown>, said: string) => {
    try {
      await what();
      await client.invalidateQueries({ queryKey: ["tickets"] });
      toast.good(said);
    } catch (error) {
      toast.bad(error);
    }
  };
  const cancel = () =>
    run(async () => {
      await setState(ticket.id, "cancelled");
    }, t("maintenance.state.cancelled"));
  const complete = () =>
    run(() => ok(api.POST("/api/v1/maintenance/tickets/{ticket_id}/complete", {
      params: { path: { ticket_id: ticket.id } },
      body: { resolution: text, labour_minutes: minutes, labour_rate: rate, parts: used.filter((part) => part.name.trim()) },
    })), t("maintenance.done"));
  const put = (at: number, change: Partial<Part>) => setUsed((now) => now.map((part, i) => (i === at ? { ...part, ...change } : part)));
  return (
    <Stack>
      <Group gap="xs">
        {ticket.state !== "in_progress" && <Button size="sm" variant="light" onClick={() => void run(() => setState(ticket.id, "in_progress"), t("maintenance.state.in_progress"))}>{t("maintenance.start")}</Button>}
        <Button size="sm" variant="light" onClick={() => setAssigning(true)}>{t("maintenance.assign")}</Button>
        {!isOpen && <Button size="sm" onClick={() => setOpen(true)}>{t("maintenance.complete")}</Button>}
        <Button size="sm" variant="subtle" color="gray" onClick={() => void cancel()}>{t("maintenance.cancelTicket")}</Button>
      </Group>
      {isAssigning && (
        <AskText title={t("maintenance.assignTo")} label={t("maintenance.person")} initial={ticket.assignee ?? ""} go={t("maintenance.assign")} onClose={() => setAssigning(false)}
          onDone={(assignee) => void run(() => ok(api.PATCH("/api/v1/maintenance/tickets/{ticket_id}", { params: { path: { ticket_id: ticket.id } }, body: { assignee } })), t("maintenance.state.assigned"))} />
      )}
      {isOpen && (
        <form onSubmit={(e) => { e.preventDefault(); void complete(); }}>
          <Stack gap="sm">
            <Textarea label={t("maintenance.resolution")} required autosize minRows={2} value={text} onChange={(e) => setText(e.currentTarget.value)} />
            <Group grow>
              <NumberInput label={t("maintenance.labour")} min={0} value={minutes} onChange={(v) => setMinutes(Number(v) || 0)} />
              <NumberInput label={t("maintenance.rate")} min={0} decimalScale={2} value={rate} onChange={(v) => setRate(Number(v) || 0)} />
            </Group>
            {used.map((part, i) => (
              <Group key={i} grow wrap="nowrap">
                <TextInput label={t("maintenance.part")} value={part.name} onChange={(e) => put(i, { name: e.currentTarget.value })} />
                <NumberInput label={t("maintenance.quantity")} min={1} value={part.quantity} onChange={(v) => put(i, { quantity: Number(v) || 1 })} />
                <NumberInput label={t("maintenance.unitCost")} min={0} decimalScale={2} value={part.unit_cost} onChange={(v) => put(i, { unit_cost: Number(v) || 0 })} />
              </Group>
            ))}
            <Group justify="space-between">
              <Button size="sm" variant="subtle" leftSection={<Icon name="plus" size={15} />} onClick={() => setUsed((now) => [...now, { name: "", quantity: 1, unit_cost: 0 }])}>{t("maintenance.addPart")}</Button>
              <Text className="figures" fw={600}>{money((minutes / 60) * rate + used.reduce((sum, part) => sum + part.quantity * part.unit_cost, 0))}</Text>
            </Group>
            <Button type="submit" disabled={!text.trim()}>{t("maintenance.complete")}</Button>
          </Stack>
        </form>
      )}
    </Stack>
  );
}
