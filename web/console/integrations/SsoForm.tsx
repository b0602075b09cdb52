// A provider in four leaves: how it is reached, whose accounts, which roles, which attributes.
import { ActionIcon, Button, Group, MultiSelect, PasswordInput, SegmentedControl, Select, Stack, Switch, Tabs, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { Icon } from "@lib/icons";
import { toast } from "@lib/toast";
import { useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog, type FieldError } from "../office/FormDialog";
import { roleTitle } from "../people/roles";
import { useRoles } from "../people/Team";
import { useWords } from "../text";
import { bodyOf, FIELDS, filled, type Body, type Provider } from "./providers";

const KINDS = ["oidc", "saml", "ldap"] as const;
type Kind = (typeof KINDS)[number];
type Rule = { group: string; role: string };

const LEAVES = ["way", "accounts", "rolesLeaf", "attributes"] as const;
const EMPTY: Body = { name: "", protocol: { type: "oidc", issuer: "", client_id: "" }, default_roles: [], domains: [], redirect_uris: [], mapping: {}, role_rules: [], is_enabled: true, is_enforced: false, may_create: true, may_link_by_email: false };

/** Texts of the protocol's fields; lists as lines. What is empty is left out, so that the platform's own default holds. */
function protocolOf(kind: Kind, of: Record<string, string>, before: Body["protocol"]): Body["protocol"] {
  const text = (key: string) => (of[key] ?? "").trim();
  const some = (...keys: string[]) => Object.fromEntries(keys.flatMap((key) => (text(key) ? [[key, text(key)]] : [])));
  if (kind === "oidc") return { type: "oidc", issuer: text("issuer"), client_id: text("client_id"), ...(text("scopes") ? { scopes: text("scopes").split(/\s+/) } : {}) };
  if (kind === "ldap") return { type: "ldap", url: text("url"), bind_dn: text("bind_dn"), base_dn: text("base_dn"), ...some("user_filter", "group_base_dn", "group_filter", "ca_pem") };
  // What was read from metadata before stays unless other metadata is named.
  const isSame = before.type === "saml" && !text("metadata_xml") && (before.metadata_url ?? "") === text("metadata_url");
  return isSame ? before : { type: "saml", ...some("metadata_url", "metadata_xml") };
}

const textsOf = (protocol: Body["protocol"]): Record<string, string> =>
  Object.fromEntries(Object.entries(protocol).flatMap(([key, value]) => (key === "metadata_xml" ? [] : Array.isArray(value) ? [[key, value.join(" ")]] : [[key, value as string]])));

export function ProviderForm({ provider, onClose }: { provider: Provider | null; onClose: () => void }) {
  const t = useWords();
  const [form, setForm] = useState<Body>(provider ? bodyOf(provider) : EMPTY);
  const [kind, setKind] = useState<Kind>(provider?.protocol.type ?? "oidc");
  const [of, setOf] = useState(() => textsOf(form.protocol));
  const [rules, setRules] = useState<Rule[]>(form.role_rules ?? []);
  const [mapping, setMapping] = useState<Record<string, string>>(form.mapping ?? {});
  const [secret, setSecret] = useState("");
  const [leaf, setLeaf] = useState<string | null>("way");
  const put = (change: Partial<Body>) => setForm((now) => ({ ...now, ...change }));
  const send = async () => {
    const body: Body = { ...form, name: form.name.trim(), protocol: protocolOf(kind, of, form.protocol), role_rules: rules.filter((rule) => rule.group.trim() && rule.role), mapping: filled(mapping), ...(secret ? { secret } : {}) };
    if (provider) await ok(api.PUT("/api/v1/sso/providers/{sso_provider_id}", { params: { path: { sso_provider_id: provider.id } }, body }));
    else await ok(api.POST("/api/v1/sso/providers", { body }));
    await refresh("sso", "setup");
    toast.good(t("integrations.ssoSaved"));
  };
  return (
    <FormDialog title={provider ? t("integrations.editOf", { name: provider.name }) : t("integrations.addSso")} submit={t("save")} size="xl" disabled={!form.name.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <Tabs value={leaf} onChange={setLeaf} keepMounted mih={430}>
          <Tabs.List mb="md" style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>{LEAVES.map((each) => <Tabs.Tab key={each} value={each}>{t(`integrations.leaf.${each}`)}</Tabs.Tab>)}</Tabs.List>
          <Tabs.Panel value="way">
            <Stack>
              <SegmentedControl aria-label={t("integrations.ssoKind")} value={kind} onChange={(value) => setKind(value as Kind)} disabled={provider !== null} data={KINDS.map((value) => ({ value, label: value.toUpperCase() }))} />
              <TextInput label={t("integrations.ssoName")} description={t("integrations.ssoNameHint")} value={form.name} maxLength={100} onChange={(e) => put({ name: e.currentTarget.value })} error={field("name")} data-autofocus />
              <Way kind={kind} of={of} onPut={(key, value) => setOf((now) => ({ ...now, [key]: value }))} field={field} />
              {kind !== "saml" && <PasswordInput label={t("integrations.secret")} description={provider?.has_secret ? t("integrations.secretKept") : undefined} value={secret} autoComplete="off" onChange={(e) => setSecret(e.currentTarget.value)} error={field("secret")} />}
              <Switch label={t("integrations.isEnabled")} checked={form.is_enabled ?? true} onChange={(e) => put({ is_enabled: e.currentTarget.checked })} />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="accounts">
            <Stack>
              <TagsInput label={t("integrations.domainsLabel")} description={t("integrations.domainsHint")} value={form.domains ?? []} maxTags={50} onChange={(domains) => put({ domains })} error={field("domains")} />
              <Switch label={t("integrations.mayCreate")} description={t("integrations.mayCreateHint")} checked={form.may_create ?? true} onChange={(e) => put({ may_create: e.currentTarget.checked })} />
              <Switch label={t("integrations.mayLink")} description={t("integrations.mayLinkHint")} checked={form.may_link_by_email ?? false} onChange={(e) => put({ may_link_by_email: e.currentTarget.checked })} />
              <Switch label={t("integrations.isEnforced")} description={t("integrations.isEnforcedHint")} checked={form.is_enforced ?? false} onChange={(e) => put({ is_enforced: e.currentTarget.checked })} />
              <TagsInput label={t("integrations.redirects")} description={t("integrations.redirectsHint")} value={form.redirect_uris ?? []} maxTags={20} onChange={(redirect_uris) => put({ redirect_uris })} error={field("redirect_uris")} />
            </Stack>
          </Tabs.Panel>
          <Tabs.Panel value="rolesLeaf"><Roles rules={rules} onRules={setRules} given={form.default_roles ?? []} onGiven={(default_roles) => put({ default_roles })} field={field} /></Tabs.Panel>
          <Tabs.Panel value="attributes"><Attributes mapping={mapping} onMapping={setMapping} field={field} /></Tabs.Panel>
        </Tabs>
      )}
    </FormDialog>
  );
}

function Way({ kind, of, onPut, field }: { kind: Kind; of: Record<string, string>; onPut: (key: string, value: string) => void; field: FieldError }) {
  const t = useWords();
  const text = (key: string, label: string, more: { placeholder?: string; description?: string } = {}) => <TextInput label={label} value={of[key] ?? ""} spellCheck={false} onChange={(e) => onPut(key, e.currentTarget.value)} error={field(key)} {...more} />;
  if (kind === "oidc")
    return <>{text("issuer", t("integrations.issuer"), { placeholder: "https://" })}<Group grow align="flex-start">{text("client_id", t("integrations.clientId"))}{text("scopes", t("integrations.scopes"), { placeholder: "openid email profile" })}</Group></>;
  if (kind === "saml")
    return <>{text("metadata_url", t("integrations.metadataUrl"), { placeholder: "https://" })}<Textarea label={t("integrations.metadataXml")} description={t("integrations.metadataXmlHint")} value={of.metadata_xml ?? ""} autosize minRows={2} maxRows={8} spellCheck={false} onChange={(e) => onPut("metadata_xml", e.currentTarget.value)} error={field("metadata_xml")} /></>;
  return (
    <>
      <Group grow align="flex-start">{text("url", t("integrations.ldapUrl"), { placeholder: "ldaps://" })}{text("bind_dn", t("integrations.bindDn"))}</Group>
      <Group grow align="flex-start">{text("base_dn", t("integrations.baseDn"))}{text("user_filter", t("integrations.userFilter"), { placeholder: "(&(objectClass=person)(mail={login}))" })}</Group>
      <Group grow align="flex-start">{text("group_base_dn", t("integrations.groupBaseDn"))}{text("group_filter", t("integrations.groupFilter"), { placeholder: "(&(objectClass=groupOfNames)(member={dn}))" })}</Group>
      <Textarea label={t("integrations.caPem")} value={of.ca_pem ?? ""} autosize minRows={2} maxRows={6} spellCheck={false} onChange={(e) => onPut("ca_pem", e.currentTarget.value)} error={field("ca_pem")} />
    </>
  );
}

function Roles({ rules, onRules, given, onGiven, field }: { rules: Rule[]; onRules: (rules: Rule[]) => void; given: string[]; onGiven: (roles: string[]) => void; field: FieldError }) {
  const t = useWords();
  const roles = useRoles();
  // Two roles no provider may give: the platform refuses them.
  const offered = roles.data?.roles.filter((r) => !["platform", "recorder"].includes(r.name)).map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) })) ?? [];
  const set = (at: number, change: Partial<Rule>) => onRules(rules.map((rule, i) => (i === at ? { ...rule, ...change } : rule)));
  return (
    <Stack>
      <MultiSelect label={t("integrations.defaultRoles")} description={t("integrations.defaultRolesHint")} value={given} onChange={onGiven} data={offered.length > 0 ? offered : given} error={field("default_roles")} />
      <div role="group" aria-label={t("integrations.roleRules")}>
        <Text size="sm" fw={500}>{t("integrations.roleRules")}</Text>
        <Text size="xs" c="dimmed" mb="xs">{t("integrations.roleRulesHint")}</Text>
        <Stack gap="xs">
          {rules.map((rule, i) => (
            <Group key={i} gap="xs" wrap="nowrap">
              <TextInput flex={1} aria-label={t("integrations.groupOf", { number: i + 1 })} placeholder={t("integrations.group")} value={rule.group} maxLength={500} spellCheck={false} onChange={(e) => set(i, { group: e.currentTarget.value })} />
              <Icon name="arrow" size={16} />
              <Select flex={1} aria-label={t("integrations.roleOf", { number: i + 1 })} placeholder={t("people.role")} value={rule.role || null} allowDeselect={false} onChange={(role) => set(i, { role: role ?? "" })} data={offered} />
              <ActionIcon variant="subtle" color="gray" aria-label={t("integrations.dropRule", { number: i + 1 })} onClick={() => onRules(rules.filter((_, n) => n !== i))}><Icon name="trash" size={16} /></ActionIcon>
            </Group>
          ))}
          {field("role_rules") && <Text size="sm" c="var(--danger)" role="alert">{field("role_rules")}</Text>}
          <div><Button size="compact-sm" variant="light" leftSection={<Icon name="plus" size={15} />} disabled={rules.length >= 200} onClick={() => onRules([...rules, { group: "", role: "" }])}>{t("integrations.addRule")}</Button></div>
        </Stack>
      </div>
    </Stack>
  );
}

function Attributes({ mapping, onMapping, field }: { mapping: Record<string, string>; onMapping: (mapping: Record<string, string>) => void; field: FieldError }) {
  const t = useWords();
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">{t("integrations.mappingHint")}</Text>
      <div style={{ display: "grid", gap: "0.6rem 1rem", gridTemplateColumns: "repeat(auto-fit, minmax(min(15rem, 100%), 1fr))" }}>
        {FIELDS.map((each) => <TextInput key={each} size="sm" label={t(`integrations.fields.${each}`)} placeholder={t("integrations.usual")} value={mapping[each] ?? ""} maxLength={300} spellCheck={false} onChange={(e) => onMapping({ ...mapping, [each]: e.currentTarget.value })} />)}
      </div>
      {field("mapping") && <Text size="sm" c="var(--danger)" role="alert">{field("mapping")}</Text>}
    </Stack>
  );
}
