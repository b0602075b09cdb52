// Directories that keep accounts (SCIM).
import { ActionIcon, Button, Group, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Secret } from "./Secret";

type Source = Schema<"ScimSource">;

export function Scim() {
  const t = useWords();
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Source | null>(null);
  const [rotating, setRotating] = useState<Source | null>(null);
  const [secret, setSecret] = useState<{ name: string; token: string } | null>(null);
  const [name, setName] = useState("");
  const found = useQuery({ queryKey: ["scim"], queryFn: () => ok(api.GET("/api/v1/scim/sources")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} />;
  const mayWrite = may?.("identity.scim.write") ?? false;
  const add = mayWrite && <Button size="sm" onClick={() => setAdding(true)}>{t("integrations.addScim")}</Button>;
  const of = (source: Source) => ({ params: { path: { scim_source_id: source.id } } });
  const make = async () => {
    const made = await ok(api.POST("/api/v1/scim/sources", { body: { name: name.trim() } }));
    await refresh("scim");
    setSecret({ name: made.source.name, token: made.token });
  };
  const rotate = async () => {
    if (!rotating) return;
    const made = await ok(api.POST("/api/v1/scim/sources/{scim_source_id}/rotate", { ...of(rotating), body: { grace_s: 86_400 } }));
    await refresh("scim");
    setSecret({ name: made.source.name, token: made.token });
  };
  const leave = async () => {
    if (!leaving) return;
    await ok(api.DELETE("/api/v1/scim/sources/{scim_source_id}", of(leaving)));
    await refresh("scim");
    toast.good(t("integrations.scimDeleted", { name: leaving.name }));
  };
  return (
    <>
      {found.data.sources.length === 0 ? <Card><Empty icon="users" title={t("integrations.scimNone")} action={add}>{t("integrations.scimNoneText")}</Empty></Card> : (
        <div className={office.stack}>
          <div>{add}</div>
          {found.data.sources.map((source) => (
            <Card key={source.id} title={source.name}>
              <Pairs of={[[t("integrations.base"), <span key="b" className={office.mono}>{source.base_url}</span>], [t("integrations.users"), number(source.users)], [t("integrations.groups"), number(source.groups)], [t("integrations.lastUsed"), source.last_used_at ? ago(source.last_used_at) : t("integrations.never")]]} />
              {mayWrite && (
                <Group mt="sm" gap="xs">
                  <Button size="compact-sm" variant="default" onClick={() => setRotating(source)}>{t("integrations.rotate")}</Button>
                  <ActionIcon ml="auto" variant="subtle" color="gray" aria-label={t("integrations.deleteOf", { name: source.name })} onClick={() => setLeaving(source)}><Icon name="trash" size={16} /></ActionIcon>
                </Group>
              )}
            </Card>
          ))}
        </div>
      )}
      {isAdding && <FormDialog title={t("integrations.addScim")} submit={t("save")} disabled={!name.trim()} onClose={() => setAdding(false)} onSubmit={make}>{(field) => <TextInput label={t("integrations.ssoName")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />}</FormDialog>}
      {rotating && <FormDialog title={t("integrations.rotate")} submit={t("integrations.rotate")} onClose={() => setRotating(null)} onSubmit={rotate}><Text size="sm">{t("integrations.rotateText")}</Text></FormDialog>}
      {leaving && <FormDialog title={t("integrations.deleteTitle", { name: leaving.name })} submit={t("shell.delete")} danger onClose={() => setLeaving(null)} onSubmit={leave}><Text size="sm">{t("integrations.scimDeleteText")}</Text></FormDialog>}
      {secret && <Secret title={t("integrations.secretOf", { name: secret.name })} secret={secret.token} onClose={() => setSecret(null)} />}
    </>
  );
}
