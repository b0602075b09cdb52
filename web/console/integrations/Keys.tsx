// Keys with which programs work under somebody's rights.
import { Button, MultiSelect, NumberInput, PasswordInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { ago, at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useWords } from "../text";
import { Secret } from "./Secret";

type Key = Schema<"KeyShown">;
type KeyState = "active" | "revoked" | "expired";
export const keyState = (key: Pick<Key, "revoked_at" | "expires_at">, now: number): KeyState => (key.revoked_at ? "revoked" : Date.parse(key.expires_at) < now ? "expired" : "active");

export default function Keys() {
  const t = useWords();
  const [isAdding, setAdding] = useState(false);
  const [ending, setEnding] = useState<Key | null>(null);
  const [rotating, setRotating] = useState<Key | null>(null);
  const [secret, setSecret] = useState<Schema<"KeyMade"> | null>(null);
  const [now] = useState(() => Date.now());
  const found = usePages(["keys"], (offset) => ok(api.GET("/api/v1/api-keys", { params: { query: { offset, limit: PAGE } } })), (page) => page.api_keys);
  const columns = useMemo<Column<Key>[]>(
    () => [
      { key: "name", label: t("integrations.keyName"), width: "minmax(9rem, 1fr)", cell: (k) => k.name, value: (k) => k.name },
      { key: "state", label: t("integrations.keyState"), width: "7rem", cell: (k) => { const s = keyState(k, now); return <State tone={s === "active" ? "good" : "offline"}>{t(`integrations.${s}`)}</State>; }, value: (k) => keyState(k, now) },
      { key: "owner", label: t("integrations.keyOwner"), width: "9rem", cell: (k) => <PersonName id={k.user_id} />, value: (k) => k.user_id },
      { key: "hint", label: t("integrations.keyHint"), width: "7.5rem", cell: (k) => k.hint, value: (k) => k.hint },
      { key: "scopes", label: t("integrations.keyScopes"), width: "minmax(8rem, 1.5fr)", cell: (k) => k.scopes.join(", "), value: (k) => k.scopes.join(" ") },
      { key: "expires", label: t("integrations.keyExpires"), width: "8rem", cell: (k) => at(k.expires_at, "date"), value: (k) => k.expires_at },
      { key: "used", label: t("integrations.lastUsed"), width: "9rem", cell: (k) => (k.last_used_at ? ago(k.last_used_at) : t("integrations.never")), value: (k) => k.last_used_at },
      { key: "acts", label: "", width: "14rem", end: true, cell: (k) => keyState(k, now) === "active" && <><Button size="compact-sm" variant="subtle" onClick={() => setRotating(k)}>{t("integrations.rotate")}</Button> <Button size="compact-sm" variant="subtle" color="red" onClick={() => setEnding(k)}>{t("integrations.revoke")}</Button></> },
    ],
    [t, now],
  );
  const end = async () => {
    if (!ending) return;
    await ok(api.DELETE("/api/v1/api-keys/{key_id}", { params: { path: { key_id: ending.id } } }));
    await refresh("keys");
    toast.good(t("integrations.revokedDone", { name: ending.name }));
  };
  const add = <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => setAdding(true)}>{t("integrations.addKey")}</Button>;
  const shown = async (made: Schema<"KeyMade">) => { setSecret(made); await refresh("keys"); };
  return (
    <Page title={t("integrations.keysTitle")} fill actions={add}>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={4} height={42} /> : (
        <DataTable label={t("integrations.keysList")} columns={columns} rows={found.rows} id={(k) => k.id} file="api-keys" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all} empty={<Empty icon="key" title={t("integrations.keysNone")} action={add}>{t("integrations.keysNoneText")}</Empty>} />
      )}
      {isAdding && <KeyForm onClose={() => setAdding(false)} onMade={shown} />}
      {rotating && <Confirmed title={t("integrations.rotate")} submit={t("integrations.rotate")} onClose={() => setRotating(null)} text={t("integrations.rotateKeyText")}
        run={async () => shown(await ok(api.POST("/api/v1/api-keys/{key_id}/rotate", { params: { path: { key_id: rotating.id } }, body: { overlap_h: 24 } })))} />}
      {ending && <FormDialog title={t("integrations.revokeTitle")} submit={t("integrations.revoke")} danger onClose={() => setEnding(null)} onSubmit={end}><Text size="sm">{t("integrations.revokeText")}</Text></FormDialog>}
      {secret && <Secret title={t("integrations.secretOf", { name: secret.api_key.name })} secret={secret.secret} onClose={() => setSecret(null)} />}
    </Page>
  );
}

/** What needs a fresh proof of who one is: does it; when the platform asks for the password, sends that first. */
function useConfirmed() {
  const [isAsked, setAsked] = useState(false);
  const [password, setPassword] = useState("");
  const run = async (deed: () => Promise<unknown>): Promise<boolean> => {
    if (isAsked && password) await ok(api.POST("/api/v1/me/confirm", { body: { password } }));
    try {
      await deed();
      return true;
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== "CONFIRMATION_NEEDED") throw error;
      setAsked(true);
      return false;
    }
  };
  return { isAsked, password, setPassword, run };
}

function Proof({ of }: { of: ReturnType<typeof useConfirmed> }) {
  const t = useWords();
  return of.isAsked && <PasswordInput label={t("integrations.password")} description={t("integrations.confirmFirst")} value={of.password} autoComplete="current-password" onChange={(e) => of.setPassword(e.currentTarget.value)} />;
}

function Confirmed({ title, submit, text, onClose, run }: { title: string; submit: string; text: string; onClose: () => void; run: () => Promise<unknown> }) {
  const confirmed = useConfirmed();
  return <FormDialog title={title} submit={submit} onClose={onClose} onSubmit={() => confirmed.run(run)}><Text size="sm">{text}</Text><Proof of={confirmed} /></FormDialog>;
}

function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: (made: Schema<"KeyMade">) => Promise<void> }) {
  const t = useWords();
  const confirmed = useConfirmed();
  const own = useQuery({ queryKey: ["may", "names"], queryFn: () => ok(api.GET("/api/v1/me/permissions")) });
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>([]);
  const [days, setDays] = useState<number | string>(90);
  const make = async () => onMade(await ok(api.POST("/api/v1/api-keys", { body: { name: name.trim(), scopes, expires_in_days: Number(days) } })));
  return (
    <FormDialog title={t("integrations.addKey")} submit={t("save")} disabled={!name.trim() || scopes.length === 0} onClose={onClose} onSubmit={() => confirmed.run(make)}>
      {(field) => (
        <>
          <TextInput label={t("integrations.keyName")} value={name} maxLength={100} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          <MultiSelect label={t("integrations.keyScopes")} searchable value={scopes} onChange={setScopes} data={own.data?.permissions ?? []} error={field("scopes")} limit={60} />
          <NumberInput label={t("integrations.keyDays")} value={days} onChange={setDays} min={1} max={366} error={field("expires_in_days")} />
          <Proof of={confirmed} />
        </>
      )}
    </FormDialog>
  );
}
