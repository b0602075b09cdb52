import { Button, Checkbox, Chip, Group, Stack, Text, Textarea, Title } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { toast } from "@lib/toast";
import { useState } from "react";
import { useWords } from "../text";

const KINDS = ["brakes", "tyre", "lights", "battery", "lock", "damage", "other"] as const;
type Kind = (typeof KINDS)[number];
interface Props {
  vehicle: string;
  name: string;
  onDone: (unsafe: boolean) => void;
  onBack?: () => void;
}

export function FaultForm({ vehicle, name, onDone, onBack }: Props) {
  const t = useWords();
  const [kind, setKind] = useState<Kind>("brakes");
  const [words, setWords] = useState("");
  const [unsafe, setUnsafe] = useState(false);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      await ok(api.POST("/api/v1/vehicles/{vehicle_id}/faults", { params: { path: { vehicle_id: vehicle } }, body: { kind, description: words.trim(), is_unsafe: unsafe } }));
      toast.good(unsafe ? t("help.sentUnsafe") : t("help.sent"));
      onDone(unsafe);
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  return (
    <Stack gap="md">
      <div>
        <Title order={2} size="h4">{t("help.report")}</Title>
        <Text size="sm" c="dimmed">{t("help.forVehicle", { name })}</Text>
      </div>
      <Chip.Group value={kind} onChange={(value) => setKind(value as Kind)}>
        <Group gap="xs" role="group" aria-label={t("help.which")}>
          {KINDS.map((each) => <Chip key={each} value={each} size="md">{t(`help.kind.${each}`)}</Chip>)}
        </Group>
      </Chip.Group>
      <Textarea label={t("help.words")} value={words} autosize minRows={2} maxLength={500} onChange={(e) => setWords(e.currentTarget.value)} />
      <Checkbox size="md" label={t("help.unsafe")} checked={unsafe} onChange={(e) => setUnsafe(e.currentTarget.checked)} />
      <Button size="md" loading={busy} onClick={() => void send()}>{t("help.send")}</Button>
      {onBack && <Button variant="subtle" color="gray" onClick={onBack}>{t("back")}</Button>}
    </Stack>
  );
}
