// The organisation's log-in (OIDC, SAML, LDAP) and directories that keep accounts (SCIM).
import { ActionIcon, Anchor, Button, Group, MultiSelect, PasswordInput, SegmentedControl, Switch, Text, TextInput } from "@mantine/core";
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
import { State } from "../parts/State";
import { useRoles } from "../people/Team";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Secret } from "./Secret";

type Provider = Schema<"SsoProviderView">;
type Protocol = Schema<"SsoProviderBody">["protocol"];
const KINDS = ["oidc", "saml", "ldap"] as const;

export function Sso() {
  const t = useWords();
  const may = useMay();
  const [open, setOpen] = useState<Provider | "new" | null>(null);
  const [leaving, setLeaving] = useState<Provider | null>(null);
  const [trying, setTrying] = useState<Provider | null>(null);
  const found = useQuery({ queryKey: ["sso"], queryFn: () => ok(api.GET("/api/v1/sso/providers")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} height={140} />;
  const mayWrite = may?.("identity.sso.write") ?? false;
  const add = mayWrite && <Button size="sm" onClick={() => setOpen("new")}>{t("integrations.addSso")}</Button>;
  const leave = async () => {
    if (!leaving) return;
    await ok(api.DELETE("/api/v1/sso/providers/{sso_provider_id}", { params: { path: { sso_provider_id: leaving.id } } }));
    await refresh("sso");
    toast.good(t("integrations.ssoDeleted", { name: leaving.name }));
  };
  return (
    <>
      {found.data.providers.length === 0 ? <Empty icon="key" title={t("integrations.ssoNone")} action={add}>{t("integrations.ssoNoneText")}</Empty> : (
        <div className={office.stack}>
          <div>{add}</div>
          {found.data.providers.map((p) => (
            <Card key={p.id} title={p.name} beside={<State tone={p.is_enabled ? "good" : "offline"}>{t(p.is_enabled ? "integrations.on" : "integrations.off")}</State>}>
              <Pairs of={[
                [t("integrations.ssoKind"), p.protocol.type.toUpperCase()], [t("integrations.ssoDomains"), p.domains.join(", ")], [t("integrations.defaultRoles"), p.default_roles.join(", ")],
                [t("integrations.isEnforced"), p.is_enforced && <Icon key="e" name="check" size={16} label={t("integrations.isEnforced")} />], [t("integrations.callback"), <span key="c" className={office.mono}>{p.callback_url}</span>],
              ]} />
              {mayWrite && (
                <Group mt="sm" gap="xs">
                  <Button size="compact-sm" variant="light" onClick={() => setTrying(p)}>{t("integrations.testSso")}</Button>
                  <ActionIcon ml="auto" variant="subtle" aria-label={t("integrations.editOf", { name: p.name })} onClick={() => setOpen(p)}><Icon name="edit" size={16} /></ActionIcon>
                  <ActionIcon variant="subtle" color="gray" aria-label={t("integrations.deleteOf", { name: p.name })} onClick={() => setLeaving(p)}><Icon name="trash" size={16} /></ActionIcon>
                </Group>
              )}
            </Card>
          ))}
        </div>
      )}
      {open && <ProviderForm provider={open === "new" ? null : open} onClose={() => setOpen(null)} />}
      {trying && <DryRun provider={trying} onClose={() => setTrying(null)} />}
      {leaving && <FormDialog title={t("integrations.deleteTitle", { name: leaving.name })} submit={t("shell.delete")} danger onClose={() => setLeaving(null)} onSubmit={leave}><Text size="sm">{t("integrations.ssoDeleteText")}</Text></FormDialog>}
    </>
  );
}

function ProviderForm({ provider, onClose }: { provider: Provider | null; onClose: () => void }) {
  const t = useWords();
  const roles = useRoles();
  const before = (provider?.protocol ?? { type: "oidc", issuer: "", client_id: "" }) as unknown as Record<string, string>;
  const [kind, setKind] = useState<(typeof KINDS)[number]>(provider?.protocol.type ?? "oidc");
  const [of, setOf] = useState<Record<string, string>>(before);
  const [name, setName] = useState(provider?.name ?? "");
  const [secret, setSecret] = useState("");
  const [domains, setDomains] = useState(provider?.domains.join(", ") ?? "");
  const [given, setGiven] = useState<string[]>(provider?.default_roles ?? []);
  const [flags, setFlags] = useState({ is_enabled: provider?.is_enabled ?? true, is_enforced: provider?.is_enforced ?? false, may_create: provider?.may_create ?? false });
  const put = (key: string) => (e: { currentTarget: { value: string } }) => { const { value } = e.currentTarget; setOf((now) => ({ ...now, [key]: value })); };
  const protocol = (): Protocol => {
    const kept = provider?.protocol.type === kind ? provider.protocol : {};
    const part = (...keys: string[]) => Object.fromEntries(keys.map((key) => [key, of[key] ?? ""]));
    if (kind === "oidc") return { ...kept, type: "oidc", ...part("issuer", "client_id") } as Protocol;
    if (kind === "saml") return { ...kept, type: "saml", ...part("metadata_url") } as Protocol;
    return { ...kept, type: "ldap", ...part("url", "bind_dn", "base_dn") } as Protocol;
  };
  const send = async () => {
    const body: Schema<"SsoProviderBody"> = {
      name: name.trim(), protocol: protocol(), ...(secret ? { secret } : {}), domains: domains.split(",").map((each) => each.trim()).filter(Boolean), default_roles: given, ...flags,
      ...(provider ? { mapping: provider.mapping, role_rules: provider.role_rules, redirect_uris: provider.redirect_uris, may_link_by_email: provider.may_link_by_email, version: provider.version } : {}),
    };
    if (provider) await ok(api.PUT("/api/v1/sso/providers/{sso_provider_id}", { params: { path: { sso_provider_id: provider.id } }, body }));
    else await ok(api.POST("/api/v1/sso/providers", { body }));
    await refresh("sso", "setup");
    toast.good(t("integrations.ssoSaved"));
  };
  const flag = (key: keyof typeof flags, label: string) => <Switch label={label} checked={flags[key]} onChange={(e) => { const { checked } = e.currentTarget; setFlags((now) => ({ ...now, [key]: checked })); }} />;
  return (
    <FormDialog title={provider ? t("integrations.editOf", { name: provider.name }) : t("integrations.addSso")} submit={t("save")} disabled={!name.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <SegmentedControl aria-label={t("integrations.ssoKind")} value={kind} onChange={(value) => setKind(value as typeof kind)} disabled={provider !== null} data={KINDS.map((value) => ({ value, label: value.toUpperCase() }))} />
          <TextInput label={t("integrations.ssoName")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={field("name")} data-autofocus />
          {kind === "oidc" && <><TextInput label={t("integrations.issuer")} value={of.issuer ?? ""} onChange={put("issuer")} error={field("issuer")} placeholder="https://" /><TextInput label={t("integrations.clientId")} value={of.client_id ?? ""} onChange={put("client_id")} error={field("client_id")} /></>}
          {kind === "saml" && <TextInput label={t("integrations.metadataUrl")} value={of.metadata_url ?? ""} onChange={put("metadata_url")} error={field("metadata_url")} placeholder="https://" />}
          {kind === "ldap" && <><TextInput label={t("integrations.ldapUrl")} value={of.url ?? ""} onChange={put("url")} error={field("url")} /><TextInput label={t("integrations.bindDn")} value={of.bind_dn ?? ""} onChange={put("bind_dn")} error={field("bind_dn")} /><TextInput label={t("integrations.baseDn")} value={of.base_dn ?? ""} onChange={put("base_dn")} error={field("base_dn")} /></>}
          {kind !== "saml" && <PasswordInput label={t("integrations.secret")} description={provider?.has_secret ? t("integrations.secretKept") : undefined} value={secret} autoComplete="off" onChange={(e) => setSecret(e.currentTarget.value)} error={field("secret")} />}
          <TextInput label={t("integrations.ssoDomains")} value={domains} onChange={(e) => setDomains(e.currentTarget.value)} error={field("domains")} />
          <MultiSelect label={t("integrations.defaultRoles")} value={given} onChange={setGiven} data={roles.data?.roles.map((r) => ({ value: r.name, label: r.title })) ?? given} error={field("default_roles")} />
          {flag("is_enabled", t("integrations.isEnabled"))}{flag("may_create", t("integrations.mayCreate"))}{flag("is_enforced", t("integrations.isEnforced"))}
        </>
      )}
    </FormDialog>
  );
}

function DryRun({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const t = useWords();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [result, setResult] = useState<Schema<"SsoTest"> | null>(null);
  const isLdap = provider.protocol.type === "ldap";
  const send = async () => {
    setResult(await ok(api.POST("/api/v1/sso/providers/{sso_provider_id}/test", { params: { path: { sso_provider_id: provider.id } }, body: isLdap ? { login, password } : {} })));
    return false;
  };
  return (
    <FormDialog title={t("integrations.testSteps")} submit={t("integrations.testSso")} disabled={isLdap && !login} onClose={onClose} onSubmit={send}>
      {isLdap && <><TextInput label={t("integrations.login")} value={login} onChange={(e) => setLogin(e.currentTarget.value)} /><PasswordInput label={t("integrations.passwordTry")} value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="off" /></>}
      {result?.url && <Anchor href={result.url} target="_blank" rel="noreferrer" underline="always">{t("integrations.openTest")}</Anchor>}
      {result && <ul className={office.steps} role="status">{result.steps.map((step) => <li key={step.name}><State tone={step.is_ok ? "good" : "danger"}>{step.name}</State><Text size="sm" c="dimmed">{step.detail}</Text></li>)}</ul>}
    </FormDialog>
  );
}

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
      {found.data.sources.length === 0 ? <Empty icon="users" title={t("integrations.scimNone")} action={add}>{t("integrations.scimNoneText")}</Empty> : (
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
