// What is published for riders' apps (GBFS) and reported to cities (MDS), with a look whether it answers.
import { NumberInput, Switch, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { problemOf } from "@lib/errors";
import { ago, at, number } from "@lib/format";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { PlainForm } from "../company/Settings";
import { deed } from "../office/deed";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Cities } from "./Cities";
import { byFeed, type Hour } from "./past";
import classes from "./integrations.module.css";

type Setting = Schema<"SettingShown">;

export function Feeds() {
  const t = useWords();
  const may = useMay();
  const setting = useQuery({ queryKey: ["feeds-setting"], queryFn: () => ok(api.GET("/api/v1/feeds/setting")) });
  if (setting.error) return <Problem error={setting.error} again={() => void setting.refetch()} />;
  if (!setting.data) return <Rows />;
  return (
    <div className={office.two}>
      <div className={office.stack}>{may?.("feeds.agency.read") && <Cities />}<SelfCheck isPublic={setting.data.is_public} /></div>
      <Card title={t("integrations.settings")}><SettingForm key={JSON.stringify(setting.data)} of={setting.data} /></Card>
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
      <Past />
    </Card>
  );
}

/** The last week, an hour a bar: since when something is wrong is seen at a glance. */
function Past() {
  const t = useWords();
  const found = useQuery({ queryKey: ["feed-checks"], queryFn: () => ok(api.GET("/api/v1/feeds/checks")), refetchInterval: 300_000 });
  const feeds = useMemo(() => byFeed(found.data?.hours ?? [], found.dataUpdatedAt), [found.data, found.dataUpdatedAt]);
  if (feeds.length === 0) return null;
  return (
    <>
      <h3 className={office.section}>{t("integrations.past")}</h3>
      {feeds.map(({ feed, days }) => {
        const wrong = days.flat().filter((hour) => (hour?.differences ?? 0) > 0);
        const said = wrong.length === 0 ? t("integrations.pastRight") : t("integrations.pastWrong", { count: wrong.length, since: at(wrong[0]?.hour) });
        return (
          <div key={feed} className={classes.feed}>
            <Text size="sm" fw={600}>{feed === "gbfs" ? "GBFS" : feed.replace("mds:", "MDS ")}</Text>
            <div className={classes.week} role="img" aria-label={said}>
              {days.map((hours, n) => <div key={n} className={classes.day}>{hours.map((hour, m) => <i key={m} title={hourSaid(hour, t("integrations.unchecked"), (count) => t("integrations.found", { count }))} data-tone={hour ? (hour.differences > 0 ? "danger" : "good") : undefined} />)}</div>)}
            </div>
            <Text size="xs" c={wrong.length ? "var(--danger)" : "dimmed"}>{said}</Text>
          </div>
        );
      })}
    </>
  );
}

const hourSaid = (hour: Hour | null, none: string, found: (count: number) => string): string =>
  hour ? `${at(hour.hour)}: ${number(hour.shown)} / ${number(hour.vehicles)}, ${found(hour.differences)}` : none;
