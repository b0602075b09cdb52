// What is published for riders' apps (GBFS) and reported to cities (MDS), with a look whether it answers.
import { Button, Group, NumberInput, Switch, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { problemOf } from "@lib/errors";
import { ago, number } from "@lib/format";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { PlainForm } from "../company/Settings";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Secret } from "./Secret";

type Setting = Schema<"SettingShown">;

export function Feeds() {
  const may = useMay();
  const setting = useQuery({ queryKey: ["feeds-setting"], queryFn: () => ok(api.GET("/api/v1/feeds/setting")) });
  if (setting.error) return <Problem error={setting.error} again={() => void setting.refetch()} />;
  if (!setting.data) return <Rows />;
  return (
    <div className={office.two}>
      <Card><SettingForm key={JSON.stringify(setting.data)} of={setting.data} /></Card>
      <div className={office.stack}><SelfCheck isPublic={setting.data.is_public} />{may?.("feeds.agency.read") && <Agencies />}</div>
    </div>
  );
}

function SettingForm({ of }: { of: Setting }) {
  const t = useWords();
  const [form, setForm] = useState(of);
  const put = <K extends keyof Setting>(name: K, value: Setting[K]) => setForm((now) => ({ ...now, [name]: value }));
  const patch = (body: Setting) => ok(api.PATCH("/api/v1/feeds/setting", { body }));
  const line = (name: "contact_email" | "license_url" | "micromobility_id" | "car_share_id", label: string) => (
    <TextInput label={label} value={form[name] ?? ""} onChange={(e) => put(name, e.currentTarget.value || null)} />
  );
  return (
    <PlainForm onSave={() => deed(["feeds-setting"], t("integrations.saved"), () => patch(form), () => patch(of))}>
      <Switch label={t("integrations.feedPublic")} checked={form.is_public} onChange={(e) => put("is_public", e.currentTarget.checked)} />
      <Switch label={t("integrations.feedDraft")} checked={form.has_draft} onChange={(e) => put("has_draft", e.currentTarget.checked)} />
      {line("contact_email", t("integrations.contact"))}
      {line("license_url", t("integrations.license"))}
      {line("micromobility_id", t("integrations.micromobilityId"))}
      {line("car_share_id", t("integrations.carShareId"))}
      <NumberInput label={t("integrations.mdsDays")} value={form.mds_days} min={1} allowDecimal={false} onChange={(value) => put("mds_days", Number(value))} />
    </PlainForm>
  );
}

/** GET /gbfs/<operator>/check.json (docs/gbfs.md): public, and so not in the API's client. */
interface Check {
  checked_at: string;
  is_right: boolean;
  truth: Record<string, number>;
  feed: Record<string, number>;
  differences: Record<string, number>;
  mds: { agency: string; is_right: boolean; checked_at: string; vehicles: number; shown: number }[];
}

function SelfCheck({ isPublic }: { isPublic: boolean }) {
  const t = useWords();
  const slug = currentUser()?.tenant ?? "";
  const check = useQuery({
    queryKey: ["feed-check", slug],
    queryFn: async () => {
      const answer = await fetch(`/gbfs/${slug}/check.json`);
      if (answer.status === 404) return null;
      if (!answer.ok) throw await problemOf(answer);
      return (await answer.json()) as Check;
    },
    enabled: isPublic, refetchInterval: 60_000,
  });
  const c = check.data;
  return (
    <Card title={t("integrations.selfCheck")} beside={c && <State tone={c.is_right ? "good" : "danger"}>{t(c.is_right ? "integrations.right" : "integrations.wrong")}</State>}>
      {check.error && <Problem error={check.error} again={() => void check.refetch()} />}
      {!c && !check.error && <Text size="sm" c="dimmed">{t("integrations.notChecked")}</Text>}
      {c && (
        <Pairs of={[
          [t("integrations.checkedAt"), ago(c.checked_at)],
          [t("integrations.shownOf"), `${number(c.feed.available ?? 0)} / ${number(c.truth.available ?? 0)}`],
          [t("integrations.differences"), number(Object.values(c.differences).reduce((a, b) => a + b, 0))],
          ...c.mds.map((m) => [`MDS ${m.agency}`, <State key={m.agency} tone={m.is_right ? "good" : "danger"}>{`${number(m.shown)} / ${number(m.vehicles)}`}</State>] as const),
        ]} />
      )}
    </Card>
  );
}

type Agency = Schema<"AgencyShown">;

function Agencies() {
  const t = useWords();
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  const [giving, setGiving] = useState<Agency | null>(null);
  const [secret, setSecret] = useState<{ label: string; secret: string } | null>(null);
  const found = useQuery({ queryKey: ["agencies"], queryFn: () => ok(api.GET("/api/v1/feeds/agencies")) });
  const mayWrite = may?.("feeds.agency.write") ?? false;
  const one = (agency: Agency) => ({ params: { path: { agency_id: agency.id } } });
  const turn = (agency: Agency, is_enabled: boolean) => ok(api.PATCH("/api/v1/feeds/agencies/{agency_id}", { ...one(agency), body: { is_enabled } }));
  return (
    <Card title={t("integrations.agencies")} beside={mayWrite && <Button size="sm" variant="light" onClick={() => setAdding(true)}>{t("integrations.addAgency")}</Button>}>
      {found.error && <Problem error={found.error} />}
      {found.data?.agencies.length === 0 && <Text size="sm" c="dimmed">{t("integrations.agenciesNone")}</Text>}
      {found.data?.agencies.map((agency) => (
        <section key={agency.id} aria-label={agency.name} style={{ paddingBlock: "0.5rem" }}>
          <Group justify="space-between"><Text fw={600}>{agency.name}</Text><State tone={agency.read_error ? "danger" : agency.is_enabled ? "good" : "offline"}>{agency.read_error ?? t(agency.is_enabled ? "integrations.on" : "integrations.off")}</State></Group>
          {agency.read_at && <Text size="sm" c="dimmed">{t("integrations.readAt", { ago: ago(agency.read_at) })}</Text>}
          {agency.subscriptions.map((s) => <Text key={s.mode} size="sm" c="dimmed">{s.mode}: {s.error ?? t("integrations.behind", { count: s.events_behind + s.trips_behind })}</Text>)}
          <Group gap="xs" mt={6}>
            {agency.policy_url && mayWrite && <Button size="compact-sm" variant="default" onClick={() => void deed(["agencies"], t("integrations.readDone"), () => ok(api.POST("/api/v1/feeds/agencies/{agency_id}/read", one(agency))))}>{t("integrations.readNow")}</Button>}
            {may?.("feeds.token.write") && <Button size="compact-sm" variant="default" onClick={() => setGiving(agency)}>{t("integrations.token")}</Button>}
            {mayWrite && <Button size="compact-sm" variant="subtle" onClick={() => void deed(["agencies"], t("integrations.saved"), () => turn(agency, !agency.is_enabled), () => turn(agency, agency.is_enabled))}>{t(agency.is_enabled ? "integrations.pause" : "integrations.resume")}</Button>}
          </Group>
        </section>
      ))}
      {isAdding && <AgencyForm onClose={() => setAdding(false)} />}
      {giving && <TokenForm agency={giving} onClose={() => setGiving(null)} onMade={setSecret} />}
      {secret && <Secret title={t("integrations.tokenMade", { label: secret.label })} secret={secret.secret} onClose={() => setSecret(null)} />}
    </Card>
  );
}

function AgencyForm({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState("");
  const send = async () => {
    await ok(api.POST("/api/v1/feeds/agencies", { body: { name: name.trim(), slug: slug.trim() } }));
    await refresh("agencies");
    toast.good(t("integrations.agencySaved"));
  };
  return (
    <FormDialog title={t("integrations.addAgency")} submit={t("save")} disabled={!name.trim() || !slug.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("integrations.agencyName")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <TextInput label={t("integrations.agencySlug")} value={slug} onChange={(e) => setSlug(e.currentTarget.value)} error={field("slug")} />
        </>
      )}
    </FormDialog>
  );
}

function TokenForm({ agency, onClose, onMade }: { agency: Agency; onClose: () => void; onMade: (made: { label: string; secret: string }) => void }) {
  const t = useWords();
  const [label, setLabel] = useState(agency.name);
  const send = async () => {
    const made = await ok(api.POST("/api/v1/feeds/agencies/{agency_id}/tokens", { params: { path: { agency_id: agency.id } }, body: { label: label.trim() } }));
    onMade({ label: made.token.label, secret: made.secret });
  };
  return (
    <FormDialog title={t("integrations.token")} submit={t("save")} disabled={!label.trim()} onClose={onClose} onSubmit={send}>
      <TextInput label={t("integrations.tokenLabel")} value={label} onChange={(e) => setLabel(e.currentTarget.value)} data-autofocus />
    </FormDialog>
  );
}
