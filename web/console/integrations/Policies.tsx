// What a city has decided: each policy since when, which of its rules are enforced, and the zones that do it.
import { Button, FileButton, Group, Menu, Text } from "@mantine/core";
import { api, ok, sendRequest, type Schema } from "@lib/api/client";
import { problemOf } from "@lib/errors";
import { ago, at, speed } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { refresh } from "../office/deed";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import type { Agency } from "./Cities";
import { zonesOf, type Zone } from "./cities";
import classes from "./integrations.module.css";

type Policy = Schema<"FeedsPolicyShown">;
type Received = Schema<"ReceivedShown">;
const MOST_LINKS = 3;
const KINDS = ["geographies", "policies", "jurisdictions"] as const;

/** All zones that cities' policies made; the API gives a hundred at a time. */
function usePolicyZones(enabled: boolean) {
  return useQuery({
    queryKey: ["zones", "policy"],
    queryFn: async () => {
      const zones: Zone[] = [];
      for (let isMore = true; isMore; ) {
        const page = await ok(api.GET("/api/v1/zones", { params: { query: { source: "policy", limit: PAGE, offset: zones.length } } }));
        zones.push(...page.zones);
        isMore = page.pagination.has_more;
      }
      return zones;
    },
    enabled,
  });
}

export function Policies({ agency, mayWrite, onEdit }: { agency: Agency; mayWrite: boolean; onEdit: () => void }) {
  const t = useWords();
  const may = useMay();
  const [isBusy, setBusy] = useState(false);
  const one = { params: { path: { agency_id: agency.id } } };
  const found = usePages(
    ["policies", agency.id],
    (offset) => ok(api.GET("/api/v1/feeds/agencies/{agency_id}/policies", { params: { path: { agency_id: agency.id }, query: { offset, limit: PAGE } } })),
    (page) => page.policies,
  );
  const zones = usePolicyZones(may?.("fleet.zone.read") ?? false);
  const received = async (all: readonly Received[]) => {
    const sum = (of: (r: Received) => number) => all.reduce((total, each) => total + of(each), 0);
    toast.good(t("integrations.readResult", { created: sum((r) => r.zones_created), replaced: sum((r) => r.zones_replaced), deleted: sum((r) => r.zones_deleted) }));
    await refresh("agencies", "policies", "documents", "zones");
  };
  const doing = async (what: () => Promise<readonly Received[]>) => {
    setBusy(true);
    try {
      await received(await what());
    } catch (error) {
      toast.bad(error);
      await refresh("agencies");
    }
    setBusy(false);
  };
  const upload = (kind: (typeof KINDS)[number], file: File | null) => {
    if (!file) return;
    void doing(async () => {
      const address = new URL(`/api/v1/feeds/agencies/${agency.id}/documents/${kind}`, location.origin);
      const answer = await sendRequest(new Request(address, { method: "PUT", headers: { "content-type": "application/json" }, body: await file.text() }));
      if (!answer.ok) throw await problemOf(answer);
      return [(await answer.json()) as Received];
    });
  };
  return (
    <section>
      <Group justify="space-between" align="start" gap="xs">
        <Text size="sm" c="dimmed">
          {agency.policy_url ? (agency.read_at ? t("integrations.readAt", { ago: ago(agency.read_at) }) : t("integrations.neverRead")) : t("integrations.uploadedOnly")}
          {agency.policy_url && <span className={office.mono}> {agency.policy_url}</span>}
        </Text>
        {mayWrite && (
          <Group gap="xs" wrap="nowrap">
            {agency.policy_url
              ? <Button size="compact-sm" variant="light" loading={isBusy} onClick={() => void doing(async () => (await ok(api.POST("/api/v1/feeds/agencies/{agency_id}/read", one))).received)}>{t("integrations.readNow")}</Button>
              : <Button size="compact-sm" variant="light" onClick={onEdit}>{t("integrations.setAddress")}</Button>}
            <Menu position="bottom-end">
              <Menu.Target><Button size="compact-sm" variant="default" loading={isBusy} leftSection={<Icon name="upload" size={14} />}>{t("integrations.upload")}</Button></Menu.Target>
              <Menu.Dropdown>
                {KINDS.map((kind) => (
                  <FileButton key={kind} accept="application/json,.json,.geojson" onChange={(file) => upload(kind, file)}>
                    {(props) => <Menu.Item closeMenuOnClick={false} {...props}>{t(`integrations.document.${kind}`)}</Menu.Item>}
                  </FileButton>
                ))}
              </Menu.Dropdown>
            </Menu>
          </Group>
        )}
      </Group>
      {agency.read_error && <Text size="sm" c="var(--danger)" mt="xs" style={{ overflowWrap: "anywhere" }}>{agency.read_error}</Text>}
      {found.error && <Problem error={found.error} again={found.refetch} />}
      {found.isPending && <Rows count={3} height={64} />}
      {!found.isPending && !found.error && found.rows.length === 0 && <Empty icon="doc" title={t("integrations.policiesNone")}>{t("integrations.policiesNoneText")}</Empty>}
      {found.rows.map((policy) => <One key={policy.policy_id} policy={policy} isEnabled={agency.is_enabled} zones={zones.data} />)}
      {found.isMore && <Button size="compact-sm" variant="subtle" onClick={found.onEnd}>{t("shell.table.more")}</Button>}
      <Documents agency={agency} />
    </section>
  );
}

function One({ policy, isEnabled, zones }: { policy: Policy; isEnabled: boolean; zones: readonly Zone[] | undefined }) {
  const t = useWords();
  const n = useNames();
  const isOn = policy.is_in_force && isEnabled;
  return (
    <article className={classes.policy} aria-label={policy.name}>
      <Group justify="space-between" wrap="nowrap" align="start">
        <Text fw={600} size="sm">{policy.name}</Text>
        <State tone={isOn ? "good" : "offline"}>{t(isOn ? "integrations.inForce" : "integrations.notInForce")}</State>
      </Group>
      <Text size="xs" c="dimmed">{t("integrations.from", { at: at(policy.start_at, "date") })}{policy.end_at && ` ${t("integrations.until", { at: at(policy.end_at, "date") })}`}</Text>
      {policy.description && <Text size="sm" c="dimmed" lineClamp={3}>{policy.description}</Text>}
      <ul className={classes.rules}>
        {policy.rules.map((rule) => {
          const made = isOn && zones ? zonesOf(zones, policy.policy_id, rule.rule_id) : [];
          return (
            <li key={rule.rule_id}>
              <span>{rule.name}</span>
              <Text span size="xs" c="dimmed">
                {rule.enforced_as ? n(`zones.kind.${rule.enforced_as}`) : t("integrations.notEnforced", { type: rule.rule_type })}
                {rule.speed_limit_kmh !== null && ` ${speed(rule.speed_limit_kmh)}`}
                {rule.vehicle_types.length > 0 && ` · ${rule.vehicle_types.map((type) => n(`type.${type}`)).join(", ")}`}
              </Text>
              {made.slice(0, MOST_LINKS).map((zone, i) => <Go key={zone.id} to="/zones" query={{ zone: zone.id }} title={zone.properties.name}>{made.length === 1 ? t("integrations.zoneLink") : t("integrations.zoneNo", { n: i + 1 })}</Go>)}
              {made.length > MOST_LINKS && <Text span size="xs" c="dimmed">{t("integrations.moreZones", { count: made.length - MOST_LINKS })}</Text>}
            </li>
          );
        })}
      </ul>
    </article>
  );
}

/** Every version that was read in: who brought it and when. */
function Documents({ agency }: { agency: Agency }) {
  const t = useWords();
  const found = useQuery({
    queryKey: ["documents", agency.id],
    queryFn: async () => {
      const all = await Promise.all(KINDS.map((kind) => ok(api.GET("/api/v1/feeds/agencies/{agency_id}/documents/{kind}", { params: { path: { agency_id: agency.id, kind }, query: { limit: 10 } } }))));
      return all.flatMap((page) => page.documents).sort((a, b) => b.received_at.localeCompare(a.received_at));
    },
  });
  if (!found.data || found.data.length === 0) return null;
  return (
    <>
      <h3 className={office.section}>{t("integrations.documents")}</h3>
      <ul className={classes.versions}>
        {found.data.map((document) => (
          <li key={`${document.kind} ${document.version}`}>
            <span>{t("integrations.documentOf", { kind: t(`integrations.document.${document.kind as (typeof KINDS)[number]}`), version: document.version })}</span>
            <Text span size="xs" c="dimmed">{t("integrations.items", { count: document.items })} · {document.origin === "fetched" ? t("integrations.fetched") : <PersonName id={document.received_by} />}</Text>
            <time className="figures">{at(document.received_at)}</time>
          </li>
        ))}
      </ul>
    </>
  );
}
