// The rules, one card each; a set is saved whole, and not over somebody else's change.
import { Alert as Notice, Button, Group, MultiSelect, NativeSelect, NumberInput, SimpleGrid, Stack, Switch, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { TYPES } from "../fleet/columns";
import { Card } from "../parts/Card";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";

type Rule = Schema<"AlertRule">;
const KINDS = ["moved_without_ride", "outside_area", "tipped_over", "silent", "battery_falling_fast", "battery_low", "temperature_high", "temperature_low"] as const;
const ROLES = ["admin", "provider", "support"] as const;
const TICKETS = ["battery", "brakes", "damage", "lights", "lock", "other", "service", "tyre"] as const;

export default function Rules() {
  const t = useWords();
  const found = useQuery({ queryKey: ["alert-rules"], queryFn: () => ok(api.GET("/api/v1/alert-rules")), refetchOnWindowFocus: false });
  if (found.isPending) return <Page title={t("alerts.rulesTitle")}><Rows count={4} height={150} /></Page>;
  if (found.error) return <Page title={t("alerts.rulesTitle")}><Problem error={found.error} again={() => void found.refetch()} /></Page>;
  return <Editor key={found.data.version} saved={found.data} />;
}

function Editor({ saved }: { saved: Schema<"AlertRules"> }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const client = useQueryClient();
  const [rules, setRules] = useState<Rule[]>(saved.rules);
  const [isBusy, setBusy] = useState(false);
  const isChanged = JSON.stringify(rules) !== JSON.stringify(saved.rules);
  const put = (next: Rule[], version: number) => ok(api.PUT("/api/v1/alert-rules", { body: { rules: next, version } }));
  const save = async () => {
    setBusy(true);
    try {
      const made = await put(rules, saved.version);
      client.setQueryData(["alert-rules"], made);
      toast.undoable(t("alerts.rulesSaved"), async () => { client.setQueryData(["alert-rules"], await put(saved.rules, made.version)); });
    } catch (error) {
      toast.bad(error);
      setBusy(false);
    }
  };
  const put1 = (at: number, change: Partial<Rule>) => setRules((now) => now.map((rule, i) => (i === at ? { ...rule, ...change } : rule)));
  const add = (kind: Rule["kind"]) => {
    const like = saved.rules.find((rule) => rule.kind === kind) ?? { kind, severity: "warning" as const, raise_at: 1, clear_at: 0 };
    const name = Array.from({ length: 50 }, (_, i) => `${kind}_${i + 2}`).find((each) => !rules.some((rule) => rule.name === each)) ?? kind;
    setRules((now) => [{ ...like, name }, ...now]);
  };
  const mayWrite = may?.("fleet.alert.write") ?? false;
  return (
    <Page
      title={t("alerts.rulesTitle")} beside={isChanged && <Text size="sm" c="var(--notice)" role="status">{t("alerts.unsaved")}</Text>}
      actions={mayWrite && (
        <>
          <NativeSelect size="sm" aria-label={t("alerts.addRule")} value="" onChange={(e) => add(e.currentTarget.value as Rule["kind"])}
            data={[{ value: "", label: t("alerts.addRule") }, ...KINDS.map((kind) => ({ value: kind, label: n(`alerts.kind.${kind}`) }))]} />
          {isChanged && <Button size="sm" variant="default" onClick={() => setRules(saved.rules)}>{t("alerts.discard")}</Button>}
          <Button size="sm" loading={isBusy} disabled={!isChanged} onClick={() => void save()}>{t("save")}</Button>
        </>
      )}
    >
      <Stack gap="md">
        <Notice variant="light" color="gray" icon={<Icon name="help" size={18} />}>{t("alerts.rulesText")}</Notice>
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
          {rules.map((rule, i) => (
            <fieldset key={rule.name} disabled={!mayWrite} style={{ border: 0, padding: 0, margin: 0, minWidth: 0 }}>
              <legend className="sr-only">{rule.name}</legend>
              <One rule={rule} change={(change) => put1(i, change)} drop={() => setRules((now) => now.filter((_, at) => at !== i))} />
            </fieldset>
          ))}
        </SimpleGrid>
      </Stack>
    </Page>
  );
}

function One({ rule, change, drop }: { rule: Rule; change: (change: Partial<Rule>) => void; drop: () => void }) {
  const t = useWords();
  const n = useNames();
  const whole = (value: string | number) => (value === "" ? 0 : Math.round(Number(value)));
  const title = n(`alerts.kind.${rule.kind}`);
  return (
    <Card title={title} beside={
      <Group gap="xs">
        {rule.name !== rule.kind && <Text size="xs" c="dimmed">{rule.name}</Text>}
        <Switch aria-label={`${title}: ${t("alerts.on")}`} checked={rule.is_enabled ?? true} onChange={(e) => change({ is_enabled: e.currentTarget.checked })} />
        <Button size="compact-sm" variant="subtle" color="gray" aria-label={`${t("shell.delete")}: ${rule.name}`} onClick={drop}><Icon name="trash" size={16} /></Button>
      </Group>
    }>
      <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="sm" style={{ opacity: rule.is_enabled === false ? 0.75 : 1 }}>
        <NumberInput size="sm" label={t("alerts.raiseAt")} suffix={` ${n(`alerts.unit.${rule.kind}`)}`} value={rule.raise_at} onChange={(v) => change({ raise_at: Number(v) })} />
        <NumberInput size="sm" label={t("alerts.clearAt")} suffix={` ${n(`alerts.unit.${rule.kind}`)}`} value={rule.clear_at} onChange={(v) => change({ clear_at: Number(v) })} />
        <NativeSelect size="sm" label={t("alerts.severity.label")} value={rule.severity} onChange={(e) => change({ severity: e.currentTarget.value as Rule["severity"] })}
          data={(["info", "warning", "critical"] as const).map((value) => ({ value, label: t(`alerts.severity.${value}`) }))} />
        <NumberInput size="sm" label={t("alerts.hold")} min={0} value={rule.hold_s ?? 0} onChange={(v) => change({ hold_s: whole(v) })} />
        <NumberInput size="sm" label={t("alerts.escalate")} placeholder={t("alerts.never")} min={60} value={rule.escalate_after_s ?? ""} onChange={(v) => change({ escalate_after_s: v === "" ? null : whole(v) })} />
        <NumberInput size="sm" label={t("alerts.group")} min={2} value={rule.group_above ?? 20} onChange={(v) => change({ group_above: whole(v) })} />
        <MultiSelect size="sm" label={t("alerts.tell")} placeholder={rule.tell?.length ? "" : t("alerts.nobody")} value={rule.tell ?? []} onChange={(v) => change({ tell: v as NonNullable<Rule["tell"]> })} data={ROLES.map((value) => ({ value, label: t(`alerts.role.${value}`) }))} />
        <MultiSelect size="sm" label={t("alerts.types")} placeholder={rule.vehicle_types?.length ? "" : t("alerts.allTypes")} value={rule.vehicle_types ?? []} onChange={(v) => change({ vehicle_types: v })} data={TYPES.map((value) => ({ value, label: t(`type.${value}`) }))} />
        <NativeSelect size="sm" label={t("alerts.ticket")} value={rule.opens_ticket?.kind ?? ""} onChange={(e) => change({ opens_ticket: e.currentTarget.value ? { kind: e.currentTarget.value as (typeof TICKETS)[number] } : null })}
          data={[{ value: "", label: t("alerts.noTicket") }, ...TICKETS.map((value) => ({ value, label: n(`maintenance.kind.${value}`) }))]} />
      </SimpleGrid>
    </Card>
  );
}
