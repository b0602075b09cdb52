// One city: what it is told and how, with what it reads, and what it has decided.
import { ActionIcon, Button, Group, Menu, SegmentedControl, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { ago, at, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { AgencyState, type Agency } from "./Cities";
import { Policies } from "./Policies";
import { Secret } from "./Secret";

const TABS = ["policies", "told", "tokens"] as const;
const path = (agency: Agency) => ({ params: { path: { agency_id: agency.id } } });

export function CityPanel({ agency, mayWrite, onClose }: { agency: Agency; mayWrite: boolean; onClose: () => void }) {
  const t = useWords();
  const may = useMay();
  const [tab, setTab] = useState<(typeof TABS)[number]>("policies");
  const [dialog, setDialog] = useState<"edit" | "delete" | null>(null);
  const turn = (is_enabled: boolean) => ok(api.PATCH("/api/v1/feeds/agencies/{agency_id}", { ...path(agency), body: { is_enabled } }));
  const pause = () =>
    deed(["agencies", "zones"], t(agency.is_enabled ? "integrations.pausedDone" : "integrations.resumedDone", { name: agency.name }), () => turn(!agency.is_enabled), () => turn(agency.is_enabled));
  const remove = async () => {
    await ok(api.DELETE("/api/v1/feeds/agencies/{agency_id}", path(agency)));
    onClose();
    await refresh("agencies", "zones");
    toast.good(t("integrations.agencyDeleted", { name: agency.name }));
  };
  const tabs = TABS.filter((name) => name !== "tokens" || may?.("feeds.token.read"));
  return (
    <Panel title={agency.name} label={t("integrations.city")} onClose={onClose} width={560}
      actions={mayWrite && (
        <>
          <Button size="compact-sm" variant="light" onClick={() => void pause()}>{t(agency.is_enabled ? "integrations.pause" : "integrations.resume")}</Button>
          <Menu position="bottom-end">
            <Menu.Target><ActionIcon variant="subtle" color="gray" size={36} aria-label={t("shell.edit")}><Icon name="dots" size={18} /></ActionIcon></Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<Icon name="edit" size={15} />} onClick={() => setDialog("edit")}>{t("integrations.editAgency")}</Menu.Item>
              <Menu.Item leftSection={<Icon name="trash" size={15} />} c="var(--danger)" onClick={() => setDialog("delete")}>{t("shell.delete")}</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      )}
    >
      <Stack gap="md">
        <Group gap="md">
          <AgencyState of={agency} />
          <Text size="sm" c="dimmed">{t("integrations.reportedSince", { at: at(agency.created_at, "date") })}</Text>
        </Group>
        {!agency.is_enabled && <Text size="sm" c="dimmed">{t("integrations.pausedText")}</Text>}
        <SegmentedControl size="sm" fullWidth aria-label={t("integrations.cityParts")} value={tab} onChange={(value) => setTab(value as typeof tab)} data={tabs.map((value) => ({ value, label: t(`integrations.tab.${value}`) }))} />
        {tab === "policies" && <Policies agency={agency} mayWrite={mayWrite} onEdit={() => setDialog("edit")} />}
        {tab === "told" && <Told agency={agency} mayWrite={mayWrite} />}
        {tab === "tokens" && <Tokens agency={agency} />}
      </Stack>
      {dialog === "edit" && <EditForm agency={agency} onClose={() => setDialog(null)} />}
      {dialog === "delete" && (
        <FormDialog title={t("integrations.deleteTitle", { name: agency.name })} submit={t("shell.delete")} danger onClose={() => setDialog(null)} onSubmit={remove}>
          <Text size="sm">{t("integrations.agencyDeleteText")}</Text>
        </FormDialog>
      )}
    </Panel>
  );
}

const ADDRESSES = ["policy_url", "geography_url", "jurisdiction_url"] as const;

function EditForm({ agency, onClose }: { agency: Agency; onClose: () => void }) {
  const t = useWords();
  const [form, setForm] = useState({ name: agency.name, is_published: agency.is_published, policy_url: agency.policy_url, geography_url: agency.geography_url, jurisdiction_url: agency.jurisdiction_url });
  const send = async () => {
    await ok(api.PATCH("/api/v1/feeds/agencies/{agency_id}", { ...path(agency), body: { ...form, name: form.name.trim() } }));
    await refresh("agencies");
    toast.good(t("integrations.agencySaved"));
  };
  return (
    <FormDialog title={t("integrations.editAgency")} submit={t("save")} disabled={!form.name.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("integrations.agencyName")} value={form.name} onChange={(e) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, name: value })); }} error={field("name")} data-autofocus />
          {ADDRESSES.map((name) => (
            <TextInput key={name} type="url" label={t(`integrations.${name}`)} placeholder="https://" value={form[name] ?? ""} onChange={(e) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, [name]: value.trim() || null })); }} error={field(name)} />
          ))}
          <Switch label={t("integrations.isPublished")} description={t("integrations.isPublishedText")} checked={form.is_published} onChange={(e) => { const { checked } = e.currentTarget; setForm((now) => ({ ...now, is_published: checked })); }} />
        </>
      )}
    </FormDialog>
  );
}

/** Where it reads by itself, and its own servers that are pushed to. */
function Told({ agency, mayWrite }: { agency: Agency; mayWrite: boolean }) {
  const t = useWords();
  const [isAdding, setAdding] = useState(false);
  const [ending, setEnding] = useState("");
  const end = async () => {
    await ok(api.DELETE("/api/v1/feeds/agencies/{agency_id}/subscriptions/{mode}", { params: { path: { agency_id: agency.id, mode: ending as "micromobility" } } }));
    await refresh("agencies");
    toast.good(t("integrations.subscriptionGone"));
  };
  return (
    <section>
      <h3 className={office.section}>{t("integrations.reads")}</h3>
      <Text size="sm" c="dimmed" mb="xs">{t("integrations.readsText")}</Text>
      <Pairs of={Object.entries(agency.provider_apis).map(([mode, address]) => [mode, <span key={mode} className={office.mono}>{address}</span>] as const)} />
      <Group justify="space-between" mt="md"><h3 className={office.section} style={{ margin: 0 }}>{t("integrations.pushed")}</h3>{mayWrite && <Button size="compact-sm" variant="light" onClick={() => setAdding(true)}>{t("integrations.subscribe")}</Button>}</Group>
      <Text size="sm" c="dimmed" mb="xs">{t("integrations.pushedText")}</Text>
      {agency.subscriptions.map((s) => (
        <div key={s.mode} style={{ paddingBlock: "0.5rem" }}>
          <Group justify="space-between" wrap="nowrap">
            <State tone={s.failures > 0 ? "danger" : "good"}>{s.mode}</State>
            {mayWrite && <ActionIcon variant="subtle" color="gray" aria-label={t("integrations.unsubscribe", { mode: s.mode })} onClick={() => setEnding(s.mode)}><Icon name="trash" size={16} /></ActionIcon>}
          </Group>
          <Pairs of={[
            [t("integrations.server"), <span key="url" className={office.mono}>{s.url}</span>],
            [t("integrations.lastPush"), s.pushed_at ? ago(s.pushed_at) : t("integrations.never")],
            [t("integrations.stillToTell"), number(s.events_behind + s.trips_behind)],
            [t("integrations.refused"), s.refused > 0 ? `${number(s.refused)}${s.last_refused ? `: ${s.last_refused}` : ""}` : null],
            [t("integrations.lastError"), s.failures > 0 ? <Text key="e" span size="sm" c="var(--danger)">{s.error}</Text> : null],
            [t("integrations.telemetry"), t(s.has_telemetry ? "integrations.yes" : "integrations.no")],
          ]} />
        </div>
      ))}
      {isAdding && <SubscribeForm agency={agency} onClose={() => setAdding(false)} />}
      {ending && <FormDialog title={t("integrations.unsubscribe", { mode: ending })} submit={t("integrations.endPush")} danger onClose={() => setEnding("")} onSubmit={end}><Text size="sm">{t("integrations.unsubscribeText")}</Text></FormDialog>}
    </section>
  );
}

const MODES = ["micromobility", "car-share"] as const;

function SubscribeForm({ agency, onClose }: { agency: Agency; onClose: () => void }) {
  const t = useWords();
  const [mode, setMode] = useState<(typeof MODES)[number]>("micromobility");
  const [url, setUrl] = useState("");
  const [token, setToken] = useState("");
  const [hasTelemetry, setTelemetry] = useState(false);
  const send = async () => {
    await ok(api.PUT("/api/v1/feeds/agencies/{agency_id}/subscriptions/{mode}", { params: { path: { agency_id: agency.id, mode } }, body: { url: url.trim(), token, has_telemetry: hasTelemetry } }));
    await refresh("agencies");
    toast.good(t("integrations.subscribed"));
  };
  return (
    <FormDialog title={t("integrations.subscribe")} submit={t("save")} disabled={!url.trim() || !token} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Select label={t("integrations.mode")} value={mode} allowDeselect={false} data={[...MODES]} onChange={(value) => setMode(MODES.find((each) => each === value) ?? "micromobility")} />
          <TextInput type="url" label={t("integrations.server")} placeholder="https://" value={url} onChange={(e) => setUrl(e.currentTarget.value)} error={field("url")} data-autofocus />
          <TextInput label={t("integrations.theirToken")} autoComplete="off" value={token} onChange={(e) => setToken(e.currentTarget.value)} error={field("token")} />
          <Switch label={t("integrations.telemetry")} checked={hasTelemetry} onChange={(e) => setTelemetry(e.currentTarget.checked)} />
        </>
      )}
    </FormDialog>
  );
}

function Tokens({ agency }: { agency: Agency }) {
  const t = useWords();
  const may = useMay();
  const mayWrite = may?.("feeds.token.write") ?? false;
  const [label, setLabel] = useState<string | null>(null);
  const [ending, setEnding] = useState<{ id: string; label: string } | null>(null);
  const [secret, setSecret] = useState<{ label: string; secret: string } | null>(null);
  const found = useQuery({ queryKey: ["agency-tokens", agency.id], queryFn: () => ok(api.GET("/api/v1/feeds/agencies/{agency_id}/tokens", { params: { path: { agency_id: agency.id }, query: { limit: 100 } } })) });
  const make = async () => {
    const made = await ok(api.POST("/api/v1/feeds/agencies/{agency_id}/tokens", { ...path(agency), body: { label: (label ?? "").trim() } }));
    await refresh("agency-tokens");
    setSecret({ label: made.token.label, secret: made.secret });
  };
  const end = async () => {
    if (!ending) return;
    await ok(api.DELETE("/api/v1/feeds/agencies/{agency_id}/tokens/{token_id}", { params: { path: { agency_id: agency.id, token_id: ending.id } } }));
    await refresh("agency-tokens");
    toast.good(t("integrations.tokenEnded", { label: ending.label }));
  };
  return (
    <section>
      <Group justify="space-between"><Text size="sm" c="dimmed" maw="70%">{t("integrations.tokensText")}</Text>{mayWrite && <Button size="compact-sm" variant="light" onClick={() => setLabel(agency.name)}>{t("integrations.token")}</Button>}</Group>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={2} height={36} />}
      {found.data?.tokens.length === 0 && <Text size="sm" mt="sm">{t("integrations.tokensNone")}</Text>}
      {found.data && found.data.tokens.length > 0 && (
        <table className={office.lines}>
          <thead><tr><th scope="col">{t("integrations.tokenLabel")}</th><th scope="col">{t("integrations.madeAt")}</th><th scope="col" className={office.end}><span className="sr-only">{t("integrations.revoke")}</span></th></tr></thead>
          <tbody>
            {found.data.tokens.map((token) => (
              <tr key={token.id}>
                <td>{token.label}</td>
                <td>{at(token.created_at, "date")} · <PersonName id={token.created_by} /></td>
                <td className={office.end}>
                  {token.revoked_at ? <State tone="offline">{t("integrations.revoked")}</State> : mayWrite && <Button size="compact-sm" variant="subtle" color="red" onClick={() => setEnding(token)}>{t("integrations.revoke")}</Button>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {label !== null && (
        <FormDialog title={t("integrations.token")} submit={t("save")} disabled={!label.trim()} onClose={() => setLabel(null)} onSubmit={make}>
          <TextInput label={t("integrations.tokenLabel")} value={label} maxLength={100} onChange={(e) => setLabel(e.currentTarget.value)} data-autofocus />
        </FormDialog>
      )}
      {ending && <FormDialog title={t("integrations.tokenEndTitle", { label: ending.label })} submit={t("integrations.revoke")} danger onClose={() => setEnding(null)} onSubmit={end}><Text size="sm">{t("integrations.revokeText")}</Text></FormDialog>}
      {secret && <Secret title={t("integrations.tokenMade", { label: secret.label })} secret={secret.secret} onClose={() => setSecret(null)} />}
    </section>
  );
}
