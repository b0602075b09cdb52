// Named parts of the fleet: a depot, a trial, a series.
import { Button, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { useKeys } from "@lib/keys";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useCallback, useMemo, useState } from "react";
import { useGroups } from "../fleet/Filters";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useWords } from "../text";
import { GroupPanel } from "./GroupPanel";

export type VehicleGroup = Schema<"GroupView">;

export default function Groups() {
  const t = useWords();
  const may = useMay();
  const [query, change] = useQueryPart();
  const found = useGroups();
  const [editing, setEditing] = useState<VehicleGroup | "new" | null>(null);
  const [ending, setEnding] = useState<VehicleGroup | null>(null);
  const mayWrite = may?.("fleet.vehicle.write") ?? false;
  const columns = useMemo<Column<VehicleGroup>[]>(() => [
    { key: "name", label: t("groups.name"), width: "minmax(10rem, 1fr)", cell: (g) => <b>{g.name}</b>, value: (g) => g.name },
    { key: "description", label: t("groups.description"), width: "minmax(12rem, 2fr)", cell: (g) => <Text span size="sm" c="dimmed">{g.description ?? "–"}</Text>, value: (g) => g.description },
    { key: "vehicles", label: t("groups.vehicles"), width: "8rem", end: true, cell: (g) => number(g.vehicles), value: (g) => g.vehicles },
    { key: "created", label: t("groups.created"), width: "9rem", end: true, cell: (g) => at(g.created_at, "date"), value: (g) => g.created_at },
  ], [t]);
  const add = useCallback(() => setEditing("new"), []);
  useKeys(useMemo(() => (mayWrite ? [{ keys: "n", what: t("groups.add"), run: add }] : []), [add, mayWrite, t]));
  const close = useCallback(() => change({ group: undefined }), [change]);
  const groups = found.data?.groups;
  const open = groups?.find((group) => group.id === query.group || group.name === query.group);
  const end = async () => {
    if (!ending) return;
    await ok(api.DELETE("/api/v1/fleet/groups/{group_id}", { params: { path: { group_id: ending.id } } }));
    await refresh("groups", "members");
    close();
    toast.good(t("groups.deleted", { name: ending.name }));
  };
  return (
    <Page fill title={t("groups.title")} actions={mayWrite && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={add}>{t("groups.add")}</Button>}>
      {found.error ? <Problem error={found.error} again={() => void found.refetch()} /> : !groups ? <Rows count={6} height={42} /> : (
        <DataTable label={t("groups.list")} columns={columns} rows={groups} id={(g) => g.id} name={(g) => g.name} file="groups" openId={open?.id} onOpen={(g) => change({ group: g.id }, true)}
          empty={<Empty icon="tag" title={t("groups.none")} action={mayWrite && <Button variant="light" onClick={add}>{t("groups.add")}</Button>}>{t("groups.noneText")}</Empty>} />
      )}
      {query.group && groups && <GroupPanel key={query.group} group={open} mayWrite={mayWrite} onEdit={setEditing} onDelete={setEnding} onClose={close} />}
      {editing && <GroupForm of={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {ending && (
        <FormDialog title={t("groups.deleteTitle", { name: ending.name })} submit={t("shell.delete")} danger onClose={() => setEnding(null)} onSubmit={end}>
          <Text size="sm">{t("groups.deleteText", { count: ending.vehicles })}</Text>
        </FormDialog>
      )}
    </Page>
  );
}

function GroupForm({ of, onClose }: { of: VehicleGroup | null; onClose: () => void }) {
  const t = useWords();
  const [name, setName] = useState(of?.name ?? "");
  const [description, setDescription] = useState(of?.description ?? "");
  const send = async () => {
    const body = { name: name.trim(), description: description.trim() || null };
    if (of) await ok(api.PATCH("/api/v1/fleet/groups/{group_id}", { params: { path: { group_id: of.id } }, body }));
    else await ok(api.POST("/api/v1/fleet/groups", { body }));
    await refresh("groups");
    toast.good(t("groups.saved"));
  };
  return (
    <FormDialog title={of?.name ?? t("groups.add")} submit={t("save")} disabled={!name.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("groups.name")} value={name} maxLength={50} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <Textarea label={t("groups.description")} value={description} maxLength={500} autosize minRows={2} onChange={(e) => setDescription(e.currentTarget.value)} error={field("description")} />
        </>
      )}
    </FormDialog>
  );
}
