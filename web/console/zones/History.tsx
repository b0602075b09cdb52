import { Button, Group, Stack, Text } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { at } from "@lib/format";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useNames, useWords } from "../text";

interface HistoryProps {
  id: string;
  current: number;
  mayWrite: boolean;
  onRestore: (id: string, version: number) => Promise<void>;
}

export function History({ id, current, mayWrite, onRestore }: HistoryProps) {
  const t = useWords();
  const n = useNames();
  const found = useQuery({ queryKey: ["zones", "history", id], queryFn: () => ok(api.GET("/api/v1/zones/{zone_id}/history", { params: { path: { zone_id: id }, query: { limit: 20 } } })) });
  const restore = async (version: number) => {
    try {
      await onRestore(id, version);
      toast.undoable(t("zones.restored", { n: version }), () => onRestore(id, current));
    } catch (error) {
      toast.bad(error);
    }
  };
  if (found.isPending) return <Rows count={2} height={32} />;
  return (
    <Stack gap={6} mt="sm">
      <Text component="h3" size="sm" fw={600}>{t("zones.history")}</Text>
      {(found.data?.versions ?? []).map(({ properties: each }) => (
        <Group key={each.version} justify="space-between" wrap="nowrap" gap="xs">
          <Text size="sm">{t("zones.version", { n: each.version ?? 0 })} · {each.change ? n(`zones.change.${each.change}`) : ""}</Text>
          <Text size="xs" c="dimmed">{at(each.changed_at)}</Text>
          {mayWrite && each.version !== current && <Button size="compact-xs" variant="subtle" onClick={() => void restore(each.version ?? 1)}>{t("zones.restore")}</Button>}
        </Group>
      ))}
    </Stack>
  );
}
