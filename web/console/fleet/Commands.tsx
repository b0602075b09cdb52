// Commands and what became of them: waiting, sent, acknowledged, done - or why not.
import { Button, Group, Stack, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago } from "@lib/format";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";
import { Story } from "./Story";

type Command = Schema<"CommandView">;
type Name = Schema<"CommandBody">["command"];
const TONE: Record<string, string> = { queued: "notice", sent: "notice", acknowledged: "in_use", verified: "good", failed: "danger", expired: "danger" };
const isOver = (status: string) => ["verified", "failed", "expired"].includes(status);
const FOR: Record<string, readonly Name[]> = {
  scooter: ["sound", "lights", "lock", "unlock", "battery_cover"],
  ebike: ["sound", "lights", "lock", "unlock", "battery_cover"],
};
const OTHERS: readonly Name[] = ["sound", "lights", "lock", "unlock"];

export function Commands({ id, type }: { id: string; type: string }) {
  const t = useWords();
  const may = useMay();
  const [sent, setSent] = useState<Command[]>([]);
  const client = useQueryClient();
  const [busy, setBusy] = useState("");
  const send = async (command: Name) => {
    setBusy(command);
    try {
      const made = await ok(api.POST("/api/v1/vehicles/{vehicle_id}/commands", { params: { path: { vehicle_id: id } }, body: { command, ...(command === "lights" ? { args: { on: true } } : {}) } }));
      setSent((now) => [made, ...now].slice(0, 6));
      void client.invalidateQueries({ queryKey: ["story", id] });
    } catch (error) {
      toast.bad(error);
    } finally {
      setBusy("");
    }
  };
  return (
    <Stack>
      {may?.("fleet.command.create") && (
        <Group gap="xs">
          {(FOR[type] ?? OTHERS).map((command) => (
            <Button key={command} size="xs" variant="light" loading={busy === command} onClick={() => void send(command)}>{t(`fleet.command.${command}`)}</Button>
          ))}
        </Group>
      )}
      <Stack gap="xs" role="status">{sent.map((command) => <Sent key={command.id} of={command} />)}</Stack>
      <Story id={id} hours={24} kind="command" />
    </Stack>
  );
}

function Sent({ of }: { of: Command }) {
  const n = useNames();
  const { data = of } = useQuery({
    queryKey: ["command", of.id],
    queryFn: () => ok(api.GET("/api/v1/commands/{command_id}", { params: { path: { command_id: of.id } } })),
    refetchInterval: ({ state }) => (isOver(state.data?.status ?? "") ? false : 1_000),
  });
  return (
    <Group justify="space-between" wrap="nowrap">
      <Text size="sm" fw={600}>{n(`fleet.command.${data.command}`)}</Text>
      {data.reason && <Text size="sm" c="dimmed" truncate>{data.reason}</Text>}
      <State tone={TONE[data.status] ?? "quiet"}>{n(`fleet.command.status.${data.status}`)}</State>
      <Text size="xs" c="dimmed">{ago(data.queued_at)}</Text>
    </Group>
  );
}
