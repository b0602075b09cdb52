import { Button, FileInput, Group, Modal, Stack, Text } from "@mantine/core";
import { sendRequest, type Schema } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useWords } from "../text";

type Result = Schema<"ZoneImport">;

async function send(text: string, isDry: boolean): Promise<Result> {
  const answer = await sendRequest(new Request(`/api/v1/zones/import?dry_run=${isDry}`, { method: "POST", headers: { "content-type": "application/json" }, body: text }));
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()) as Result;
}

/** A file of zones: looked at first, then written, all or none. */
export function ImportZones({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const client = useQueryClient();
  const [text, setText] = useState("");
  const [result, setResult] = useState<Result | null>(null);
  const [isBusy, setBusy] = useState(false);
  const take = async (file: File | null) => {
    setResult(null);
    if (!file) return;
    setBusy(true);
    try {
      const read = await file.text();
      setText(read);
      setResult(await send(read, true));
    } catch (error) {
      toast.bad(error);
    } finally {
      setBusy(false);
    }
  };
  const write = async () => {
    setBusy(true);
    try {
      const done = await send(text, false);
      await client.invalidateQueries({ queryKey: ["zones"] });
      toast.good(t("zones.importDone", { created: done.created, replaced: done.replaced }));
      onClose();
    } catch (error) {
      toast.bad(error);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={t("zones.import")} closeButtonProps={{ "aria-label": t("close") }}>
      <Stack>
        <FileInput label="GeoJSON" accept=".geojson,.json,application/geo+json" placeholder="zones.geojson" onChange={(file) => void take(file)} />
        <div role="status">
          {result && <Text>{t("zones.importCheck", { features: result.features, ok: Math.max(0, result.features - new Set(result.problems.map((p) => p.feature)).size) })}</Text>}
          {result?.problems.slice(0, 20).map((p, i) => <Text key={i} size="sm" c="var(--danger)">{t("zones.importProblem", { n: p.feature, field: p.field, issue: p.issue })}</Text>)}
        </div>
        <Group justify="end">
          <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
          <Button loading={isBusy} disabled={!result || result.problem_count > 0} onClick={() => void write()}>{t("zones.importDo", { count: result?.features ?? 0 })}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
