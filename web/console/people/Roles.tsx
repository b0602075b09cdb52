// The matrix of roles and rights. Built-in roles are to look at; own ones can be made and changed.
import { ActionIcon, Badge, Button, Checkbox, Group, Select, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { csvOf, saveFile } from "../parts/csv";
import { Page } from "../parts/Page";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { byRoom, holds } from "./permissions";
import { roleTitle } from "./roles";
import { useRoles } from "./Team";

type Role = Schema<"RoleView">;
type Permission = Schema<"PermissionView">;

const putRole = (role: Pick<Role, "name" | "title" | "permissions">, version: number | null) =>
  ok(api.PUT("/api/v1/roles/{name}", { params: { path: { name: role.name } }, body: { title: role.title, permissions: role.permissions, ...(version === null ? {} : { version }) } }));

export default function Roles() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [open, setOpen] = useState<Role | "new" | null>(null);
  const roles = useRoles();
  const catalogue = useQuery({ queryKey: ["permissions"], queryFn: () => ok(api.GET("/api/v1/permissions")), staleTime: 300_000 });
  const all = useMemo(() => catalogue.data?.permissions ?? [], [catalogue.data]);
  const rooms = useMemo(() => byRoom(all, query.q ?? ""), [all, query.q]);
  const shown = (roles.data?.roles ?? []).filter((r) => !query.role || r.name === query.role);
  const mayWrite = may?.("identity.role.write") ?? false;
  const error = roles.error ?? catalogue.error;
  const forget = (role: Role) =>
    deed(["roles"], t("people.roleDeleted", { name: role.title }), () => ok(api.DELETE("/api/v1/roles/{name}", { params: { path: { name: role.name } } })), () => putRole(role, null));
  const exported = () => saveFile("roles.csv", csvOf([["", ...shown.map((r) => r.name)], ...all.map((p) => [p.name, ...shown.map((r) => (holds(r.permissions, p.name) ? "x" : ""))])]));
  return (
    <Page
      title={t("people.rolesTitle")} fill
      actions={<>
        <Button size="sm" variant="default" leftSection={<Icon name="download" size={16} />} onClick={exported}>{t("shell.table.export")}</Button>
        {mayWrite && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setOpen("new")}>{t("people.addRole")}</Button>}
      </>}
      below={
        <div className={parts.filters}>
          <TextInput size="sm" w={240} type="search" aria-label={t("people.filter")} placeholder={t("people.filter")} leftSection={<Icon name="search" size={16} />} value={query.q ?? ""} onChange={(e) => change({ q: e.currentTarget.value })} />
          <Select size="sm" w={200} aria-label={t("people.which")} placeholder={t("people.allRoles")} clearable value={query.role ?? null} onChange={(role) => change({ role: role ?? undefined })}
            clearButtonProps={{ "aria-label": t("people.allRoles") }} data={roles.data?.roles.map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) })) ?? []} />
        </div>
      }
    >
      {error ? <Problem error={error} again={() => { void roles.refetch(); void catalogue.refetch(); }} /> : !roles.data || !catalogue.data ? <Rows count={10} height={36} /> : (
        <div className={office.matrix} tabIndex={0} role="region" aria-label={t("people.matrix")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("people.permissions")}</th>
                {shown.map((role) => (
                  <th key={role.name} scope="col">
                    {roleTitle(role.name, role.title)}
                    <Text size="xs" c="dimmed" fw={400}>{t("people.holders", { count: role.holders })}</Text>
                    {role.is_built_in ? <Badge size="sm" variant="default" tt="none">{t("people.builtIn")}</Badge> : mayWrite && (
                      <Group gap={2} justify="center" wrap="nowrap">
                        <ActionIcon size="sm" variant="subtle" aria-label={t("people.editRole", { name: role.title })} onClick={() => setOpen(role)}><Icon name="edit" size={15} /></ActionIcon>
                        <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("people.deleteRole", { name: role.title })} onClick={() => void forget(role)}><Icon name="trash" size={15} /></ActionIcon>
                      </Group>
                    )}
                  </th>
                ))}
              </tr>
            </thead>
            {rooms.map(([room, of]) => (
              <tbody key={room}>
                <tr className={office.room}><th scope="rowgroup" colSpan={shown.length + 1}>{n(`people.room.${room}`)}</th></tr>
                {of.map((p) => (
                  <tr key={p.name}>
                    <th scope="row">{p.name}<small>{p.about[0]}</small></th>
                    {shown.map((role) => (
                      <td key={role.name}>
                        {holds(role.permissions, p.name) ? <Icon name="check" size={17} label={t("people.has", { role: roleTitle(role.name, role.title), permission: p.name })} /> : <span className="sr-only">–</span>}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            ))}
          </table>
          {rooms.length === 0 && <Empty icon="search" title={t("people.nothing")} />}
        </div>
      )}
      {open && <RoleForm role={open === "new" ? null : open} roles={roles.data?.roles ?? []} all={all} onClose={() => setOpen(null)} />}
    </Page>
  );
}

function RoleForm({ role, roles, all, onClose }: { role: Role | null; roles: readonly Role[]; all: readonly Permission[]; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [name, setName] = useState(role?.name ?? "");
  const [title, setTitle] = useState(role?.title ?? "");
  const [text, setText] = useState("");
  const [given, setGiven] = useState<ReadonlySet<string>>(new Set(role?.permissions ?? []));
  const turn = (permission: string, on: boolean) => setGiven((now) => { const next = new Set(now); if (on) next.add(permission); else next.delete(permission); return next; });
  const send = async () => {
    try {
      await putRole({ name: name.trim(), title: title.trim(), permissions: [...given].sort() }, role?.version ?? null);
    } catch (error) {
      throw error instanceof ApiProblem && error.code === "ROLE_CHANGED" ? new ApiProblem(error.status, "", t("people.changed"), {}, error.requestId) : error;
    }
    await refresh("roles", "may");
    toast.good(t("people.roleSaved", { name: title.trim() }));
  };
  const take = (from: string | null) => {
    const other = roles.find((r) => r.name === from);
    if (other) setGiven(new Set(all.filter((p) => p.is_held && holds(other.permissions, p.name)).map((p) => p.name)));
  };
  return (
    <FormDialog title={role ? t("people.editRole", { name: role.title }) : t("people.addRole")} submit={t("save")} size="xl" disabled={!/^[a-z][a-z0-9_]*$/.test(name.trim()) || !title.trim() || given.size === 0} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Group grow align="flex-start" preventGrowOverflow={false}>
            <TextInput label={t("people.roleTitle")} value={title} maxLength={100} onChange={(e) => setTitle(e.currentTarget.value)} error={field("title")} data-autofocus />
            <TextInput label={t("people.roleName")} description={t("people.roleNameHint")} inputWrapperOrder={["label", "input", "description", "error"]} value={name} maxLength={50} disabled={role !== null} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} />
            {!role && <Select label={t("people.basedOn")} data={roles.map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) }))} onChange={take} />}
          </Group>
          <Group justify="space-between">
            <TextInput size="sm" type="search" aria-label={t("people.filter")} placeholder={t("people.filter")} value={text} onChange={(e) => setText(e.currentTarget.value)} />
            <Text size="sm" c="dimmed" role="status">{t("people.count", { count: given.size, all: all.length })}</Text>
          </Group>
          <div style={{ maxHeight: "45vh", overflowY: "auto" }} tabIndex={0} role="group" aria-label={t("people.permissions")}>
            {byRoom(all, text).map(([room, of]) => (
              <fieldset key={room} style={{ border: 0, padding: 0, margin: 0 }}>
                <legend className={office.section}>{n(`people.room.${room}`)}</legend>
                {of.map((p) => (
                  <Checkbox key={p.name} my={6} size="sm" label={p.name} description={p.is_held ? p.about[0] : t("people.notYours")} disabled={!p.is_held} checked={given.has(p.name)} onChange={(e) => turn(p.name, e.currentTarget.checked)} />
                ))}
              </fieldset>
            ))}
          </div>
        </>
      )}
    </FormDialog>
  );
}
