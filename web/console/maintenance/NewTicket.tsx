import { Button, Group, Modal, NativeSelect, Stack, Textarea, TextInput } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { ApiProblem, errorText } from "@lib/errors";
import { toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNames, useWords } from "../text";
import { KINDS } from "./Board";

const SEVERITIES = ["low", "normal", "high", "safety"] as const;

export function NewTicket({ vehicle, onClose }: { vehicle: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const client = useQueryClient();
  const [name, setName] = useState(vehicle);
  const [kind, setKind] = useState<(typeof KINDS)[number]>("damage");
  const [severity, setSeverity] = useState("");
  const [description, setDescription] = useState("");
  const [problem, setProblem] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const field = problem instanceof ApiProblem ? String(problem.details.field ?? (problem.status === 404 ? "vehicle_id" : "")) : "";
  const save = async () => {
    setBusy(true);
    try {
      const chosen = SEVERITIES.find((s) => s === severity);
      await ok(api.POST("/api/v1/maintenance/tickets", { body: { vehicle_id: name.trim(), kind, description, ...(chosen ? { severity: chosen } : {}) } }));
      await client.invalidateQueries({ queryKey: ["tickets"] });
      toast.good(t("maintenance.opened"));
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
      if (!(error instanceof ApiProblem) || (error.status !== 404 && !error.details.field)) toast.bad(error);
    }
  };
  return (
    <Modal opened onClose={onClose} title={t("maintenance.new")} closeButtonProps={{ "aria-label": t("close") }}>
      <form onSubmit={(e) => { e.preventDefault(); void save(); }}>
        <Stack>
          <TextInput data-autofocus={!vehicle || undefined} label={t("maintenance.vehicle")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={field === "vehicle_id" && errorText(problem)} />
          <Group grow align="start">
            <NativeSelect label={t("maintenance.kindLabel")} value={kind} onChange={(e) => setKind(e.currentTarget.value as typeof kind)} data={KINDS.map((value) => ({ value, label: t(`maintenance.kind.${value}`) }))} />
            <NativeSelect label={t("maintenance.severityLabel")} value={severity} onChange={(e) => setSeverity(e.currentTarget.value)}
              data={[{ value: "", label: t("maintenance.severity.auto") }, ...SEVERITIES.map((value) => ({ value, label: n(`maintenance.severity.${value}`) }))]} />
          </Group>
          <Textarea data-autofocus={vehicle ? true : undefined} label={t("maintenance.description")} autosize minRows={3} value={description} onChange={(e) => setDescription(e.currentTarget.value)} error={field === "description" && errorText(problem)} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("cancel")}</Button>
            <Button type="submit" loading={isBusy} disabled={!name.trim() || !description.trim()}>{t("save")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
