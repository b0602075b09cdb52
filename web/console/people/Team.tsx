// Who works here, and with which roles where.
import { ActionIcon, Badge, Button, Group, MultiSelect, PasswordInput, Select, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { nameOf, usePerson } from "../office/people";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { roleTitle } from "./roles";

type Person = Schema<"Profile">;
type Grant = Schema<"GrantBody">;

export function useRoles(enabled = true) {
  return useQuery({ queryKey: ["roles"], queryFn: () => ok(api.GET("/api/v1/roles")), enabled });
}

export default function Team() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [isAdding, setAdding] = useState(false);
  const team = usePages(["team"], (offset) => ok(api.GET("/api/v1/users", { params: { query: { staff: true, offset, limit: PAGE } } })), (page) => page.users);
  const columns = useMemo<Column<Person>[]>(
    () => [
      { key: "name", label: t("people.name"), width: "minmax(10rem, 1fr)", cell: nameOf, value: nameOf },
      { key: "email", label: t("people.email"), width: "minmax(14rem, 1.3fr)", cell: (p) => p.email ?? "–", value: (p) => p.email },
      { key: "roles", label: t("people.roles"), width: "minmax(12rem, 1fr)", cell: (p) => <Group gap={4} wrap="nowrap">{p.roles.map((role) => <Badge key={role} variant="default" tt="none">{roleTitle(role)}</Badge>)}</Group>, value: (p) => p.roles.join(" ") },
      { key: "status", label: t("people.status"), width: "8rem", cell: (p) => <State tone={p.status === "active" ? "good" : "danger"}>{n(`customers.state.${p.status}`)}</State>, value: (p) => p.status },
      { key: "since", label: t("people.since"), width: "8rem", end: true, cell: (p) => at(p.created_at, "date"), value: (p) => p.created_at },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ u: undefined }), [change]);
  const add = may?.("identity.person.create") && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setAdding(true)}>{t("people.add")}</Button>;
  return (
    <Page title={t("people.title")} fill actions={add}>
      {team.error ? <Problem error={team.error} again={team.refetch} /> : team.isPending ? <Rows count={6} height={42} /> : (
        <DataTable label={t("people.list")} columns={columns} rows={team.rows} id={(p) => p.id} name={nameOf} file="team" total={team.total} isMore={team.isMore} onEnd={team.onEnd} all={team.all}
          openId={query.u} onOpen={(p) => change({ u: p.id }, true)} empty={<Empty icon="users" title={t("people.none")} action={add}>{t("people.noneText")}</Empty>} />
      )}
      {query.u && <Member key={query.u} id={query.u} onClose={close} />}
      {isAdding && <Add onClose={() => setAdding(false)} />}
    </Page>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const roles = useRoles();
  const [form, setForm] = useState({ first_name: "", last_name: "", email: "", password: "" });
  const [given, setGiven] = useState<string[]>(["support"]);
  const put = (name: keyof typeof form) => (e: { currentTarget: { value: string } }) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, [name]: value })); };
  const send = async () => {
    const made = await ok(api.POST("/api/v1/users", { body: { ...form, roles: given } }));
    await refresh("team", "roles", "customers");
    toast.good(t("people.made", { name: nameOf(made) }));
  };
  return (
    <FormDialog title={t("people.add")} submit={t("save")} disabled={!form.email || form.password.length < 10 || given.length === 0} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Group grow>
            <TextInput label={t("people.firstName")} value={form.first_name} onChange={put("first_name")} error={field("first_name")} data-autofocus />
            <TextInput label={t("people.lastName")} value={form.last_name} onChange={put("last_name")} error={field("last_name")} />
          </Group>
          <TextInput label={t("people.email")} type="email" value={form.email} onChange={put("email")} error={field("email")} />
          <PasswordInput label={t("people.password")} description={t("people.addText")} value={form.password} autoComplete="new-password" onChange={put("password")} error={field("password")} />
          <MultiSelect label={t("people.roles")} value={given} onChange={setGiven} data={roles.data?.roles.map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) })) ?? given} error={field("roles")} />
        </>
      )}
    </FormDialog>
  );
}

function Member({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const may = useMay();
  const { data: person, error } = usePerson(id);
  const isReader = may?.("identity.role.read") ?? false;
  const grants = useQuery({ queryKey: ["grants", id], queryFn: () => ok(api.GET("/api/v1/users/{user}/roles", { params: { path: { user: id } } })), enabled: isReader });
  return (
    <Panel title={person ? nameOf(person) : t("people.title")} label={t("people.title")} onClose={onClose}>
      {error && <Problem error={error} />}
      {person && <Text size="sm" c="dimmed" mb="sm">{person.email}</Text>}
      <Go to="/customers" query={{ who: "all", c: id }}>{t("people.open")}</Go>
      {grants.error && <Problem error={grants.error} again={() => void grants.refetch()} />}
      {grants.data && person && <GrantList key={JSON.stringify(grants.data)} person={person} grants={grants.data.grants} />}
      {may?.("identity.role.grant") && <DepartmentForm id={id} />}
    </Panel>
  );
}

/** Where a role can hold: everywhere, in an area, for a group of vehicles. */
function useScopes() {
  const t = useWords();
  const areas = useQuery({ queryKey: ["areas"], queryFn: () => ok(api.GET("/api/v1/areas")) });
  const groups = useQuery({ queryKey: ["vehicle-groups"], queryFn: () => ok(api.GET("/api/v1/fleet/groups")) });
  return useMemo(
    () => [
      { value: "", label: t("people.everywhere") },
      ...(areas.data?.areas.map((a) => ({ value: `area:${a.id}`, label: t("people.scopeArea", { name: a.name }) })) ?? []),
      ...(groups.data?.groups.map((g) => ({ value: `group:${g.id}`, label: t("people.scopeGroup", { name: g.name }) })) ?? []),
    ],
    [t, areas.data, groups.data],
  );
}

function GrantList({ person, grants }: { person: Person; grants: readonly Grant[] }) {
  const t = useWords();
  const may = useMay();
  const roles = useRoles();
  const scopes = useScopes();
  const [role, setRole] = useState<string | null>(null);
  const [scope, setScope] = useState("");
  const put = (of: readonly Grant[]) => ok(api.PUT("/api/v1/users/{user}/roles", { params: { path: { user: person.id } }, body: { grants: [...of] } }));
  const save = (of: readonly Grant[]) => deed(["grants", "team", "roles", "person", "may"], t("people.grantsSaved", { name: nameOf(person) }), () => put(of), () => put(grants));
  const label = (of: string | null | undefined) => scopes.find((s) => s.value === (of ?? ""))?.label ?? of ?? "";
  const mayGrant = may?.("identity.role.grant") ?? false;
  return (
    <section aria-label={t("people.grants")}>
      <h3 className={office.section}>{t("people.grants")}</h3>
      <table className={office.lines}>
        <tbody>
          {grants.map((g) => (
            <tr key={`${g.role} ${g.scope ?? ""}`}>
              <td>{roleTitle(g.role, roles.data?.roles.find((r) => r.name === g.role)?.title)}</td><td>{label(g.scope)}</td>
              <td className={office.end}>{mayGrant && grants.length > 1 && (
                <ActionIcon variant="subtle" color="gray" aria-label={t("people.removeGrant", { role: g.role })} onClick={() => void save(grants.filter((each) => each !== g))}><Icon name="trash" size={16} /></ActionIcon>
              )}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {mayGrant && (
        <Group gap="xs" mt="sm" align="flex-end">
          <Select size="sm" flex={1} miw={140} label={t("people.role")} value={role} onChange={setRole} data={roles.data?.roles.map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) })) ?? []} />
          <Select size="sm" flex={1} miw={140} label={t("people.scope")} value={scope} allowDeselect={false} onChange={(value) => setScope(value ?? "")} data={scopes} />
          <Button size="sm" disabled={!role} onClick={() => { if (role) void save([...grants, scope ? { role, scope } : { role }]); }}>{t("people.addGrant")}</Button>
        </Group>
      )}
    </section>
  );
}

function DepartmentForm({ id }: { id: string }) {
  const t = useWords();
  const [name, setName] = useState("");
  const save = () => deed(["person"], t("people.departmentSaved"), () => ok(api.PUT("/api/v1/users/{user}/department", { params: { path: { user: id } }, body: { department: name.trim() || null } })));
  return (
    <form onSubmit={(e) => { e.preventDefault(); void save(); }}>
      <h3 className={office.section}>{t("people.department")}</h3>
      <Group gap="xs">
        <TextInput size="sm" flex={1} aria-label={t("people.department")} value={name} maxLength={100} onChange={(e) => setName(e.currentTarget.value)} />
        <Button size="sm" type="submit" variant="default">{t("save")}</Button>
      </Group>
    </form>
  );
}
