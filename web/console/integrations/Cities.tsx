// The cities that are reported to, and whose policies are enforced: a list; one of them beside it.
import { Button, Text, TextInput, UnstyledButton } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { Card } from "../parts/Card";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { useWords } from "../text";
import { CityPanel } from "./CityPanel";
import classes from "./integrations.module.css";

export type Agency = Schema<"AgencyShown">;

/** Right, paused, or what is wrong with it in a word. */
export function AgencyState({ of }: { of: Agency }) {
  const t = useWords();
  const isWrong = of.read_error !== null || of.subscriptions.some((s) => s.failures > 0);
  if (!of.is_enabled) return <State tone="offline">{t("integrations.paused")}</State>;
  return <State tone={isWrong ? "danger" : "good"}>{t(isWrong ? "integrations.trouble" : "integrations.on")}</State>;
}

export function Cities() {
  const t = useWords();
  const may = useMay();
  const [query, change] = useQueryPart();
  const [isAdding, setAdding] = useState(false);
  const found = useQuery({ queryKey: ["agencies"], queryFn: () => ok(api.GET("/api/v1/feeds/agencies")), refetchInterval: 30_000 });
  const mayWrite = may?.("feeds.agency.write") ?? false;
  const close = useCallback(() => change({ city: undefined }), [change]);
  const add = mayWrite && <Button size="sm" variant="light" onClick={() => setAdding(true)}>{t("integrations.addAgency")}</Button>;
  const agencies = found.data?.agencies;
  const open = agencies?.find((agency) => agency.id === query.city);
  const said = (agency: Agency) =>
    [
      agency.read_at ? t("integrations.readAt", { ago: ago(agency.read_at) }) : agency.policy_url ? t("integrations.neverRead") : t("integrations.uploadedOnly"),
      ...agency.subscriptions.map((s) => `${t("integrations.pushes")}: ${number(s.events_behind + s.trips_behind)} ${t("integrations.waiting")}`),
    ].join(" · ");
  return (
    <Card title={t("integrations.agencies")} beside={agencies && agencies.length > 0 && add}>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={2} height={48} />}
      {agencies?.length === 0 && <Empty icon="building" title={t("integrations.agenciesNone")} action={add}>{t("integrations.agenciesNoneText")}</Empty>}
      {agencies?.map((agency) => (
        <UnstyledButton key={agency.id} className={classes.city} onClick={() => change({ city: agency.id }, true)}>
          <Text fw={600} truncate>{agency.name}</Text>
          <AgencyState of={agency} />
          <Icon name="chevron" size={16} />
          <small>{said(agency)}</small>
        </UnstyledButton>
      ))}
      {isAdding && <AgencyForm onClose={() => setAdding(false)} onMade={(id) => change({ city: id }, true)} />}
      {open && <CityPanel key={open.id} agency={open} mayWrite={mayWrite} onClose={close} />}
    </Card>
  );
}

function AgencyForm({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const t = useWords();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState("");
  const send = async () => {
    const made = await ok(api.POST("/api/v1/feeds/agencies", { body: { name: name.trim(), slug: slug.trim() } }));
    await refresh("agencies");
    toast.good(t("integrations.agencySaved"));
    onMade(made.id);
  };
  return (
    <FormDialog title={t("integrations.addAgency")} submit={t("save")} disabled={!name.trim() || !slug.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("integrations.agencyName")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <TextInput label={t("integrations.agencySlug")} description={t("integrations.agencySlugHint")} value={slug} onChange={(e) => setSlug(e.currentTarget.value)} error={field("slug")} />
        </>
      )}
    </FormDialog>
  );
}
