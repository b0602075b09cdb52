// The organisation's log-in (OIDC, SAML, LDAP): providers in the order they are offered, and a log-in run dry.
import { ActionIcon, Alert, Anchor, Badge, Button, Group, PasswordInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { hasText } from "@lib/i18n";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useRoles } from "../people/Team";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";
import { bodyOf, reordered, type Provider } from "./providers";
import { ProviderForm } from "./SsoForm";

export function Sso() {
  const t = useWords();
  const may = useMay();
  const [open, setOpen] = useState<Provider | "new" | null>(null);
  const [leaving, setLeaving] = useState<Provider | null>(null);
  const [trying, setTrying] = useState<Provider | null>(null);
  const found = useQuery({ queryKey: ["sso"], queryFn: () => ok(api.GET("/api/v1/sso/providers")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} height={140} />;
  const { providers } = found.data;
  const mayWrite = may?.("identity.sso.write") ?? false;
  const add = mayWrite && <Button size="sm" flex="none" onClick={() => setOpen("new")}>{t("integrations.addSso")}</Button>;
  const leave = async () => {
    if (!leaving) return;
    await ok(api.DELETE("/api/v1/sso/providers/{sso_provider_id}", { params: { path: { sso_provider_id: leaving.id } } }));
    await refresh("sso");
    toast.good(t("integrations.ssoDeleted", { name: leaving.name }));
  };
  const move = (at: number, by: -1 | 1) =>
    deed(["sso"], t("integrations.orderSaved"), async () => {
      for (const { provider, rank } of reordered(providers, at, at + by))
        await ok(api.PUT("/api/v1/sso/providers/{sso_provider_id}", { params: { path: { sso_provider_id: provider.id } }, body: { ...bodyOf(provider), rank } }));
    });
  return (
    <>
      {providers.length === 0 ? <Card><Empty icon="key" title={t("integrations.ssoNone")} action={add}>{t("integrations.ssoNoneText")}</Empty></Card> : (
        <div className={office.stack}>
          <Group justify="space-between" wrap="nowrap"><Text size="sm" c="dimmed">{t("integrations.orderText")}</Text>{add}</Group>
          {providers.map((p, i) => (
            <Card key={p.id} title={p.name} beside={<State tone={p.is_enabled ? "good" : "offline"}>{t(p.is_enabled ? "integrations.on" : "integrations.off")}</State>}>
              <About provider={p} />
              {mayWrite && (
                <Group mt="md" gap="xs">
                  <Button size="compact-sm" variant="light" onClick={() => setTrying(p)}>{t("integrations.testSso")}</Button>
                  <Button size="compact-sm" variant="default" aria-label={t("integrations.editOf", { name: p.name })} onClick={() => setOpen(p)}>{t("shell.edit")}</Button>
                  <Group gap={0} ml="auto">
                    {providers.length > 1 && <ActionIcon variant="subtle" color="gray" style={{ visibility: i === 0 ? "hidden" : undefined }} aria-label={t("integrations.earlier", { name: p.name })} onClick={() => void move(i, -1)}><Icon name="chevron" size={16} style={{ rotate: "-90deg" }} /></ActionIcon>}
                    {providers.length > 1 && <ActionIcon variant="subtle" color="gray" style={{ visibility: i === providers.length - 1 ? "hidden" : undefined }} aria-label={t("integrations.later", { name: p.name })} onClick={() => void move(i, 1)}><Icon name="chevron" size={16} style={{ rotate: "90deg" }} /></ActionIcon>}
                    <ActionIcon variant="subtle" color="gray" aria-label={t("integrations.deleteOf", { name: p.name })} onClick={() => setLeaving(p)}><Icon name="trash" size={16} /></ActionIcon>
                  </Group>
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

function About({ provider: p }: { provider: Provider }) {
  const t = useWords();
  const n = useNames();
  const roles = useRoles();
  const title = (name: string) => roles.data?.roles.find((r) => r.name === name)?.title ?? name;
  const mapped = Object.entries(p.mapping);
  return (
    <Pairs of={[
      [t("integrations.ssoKind"), p.protocol.type.toUpperCase()], [t("integrations.domainsLabel"), p.domains.join(", ")],
      [t("integrations.isEnforced"), p.is_enforced && <Icon key="e" name="check" size={16} label={t("integrations.isEnforced")} />],
      [t("integrations.defaultRoles"), p.default_roles.map(title).join(", ")],
      [t("integrations.roleRules"), p.role_rules.length > 0 && <Group key="r" gap={4}>{p.role_rules.map((rule) => <Badge key={`${rule.group} ${rule.role}`} variant="default" tt="none">{rule.group} → {title(rule.role)}</Badge>)}</Group>],
      [t("integrations.mapping"), mapped.length > 0 && mapped.map(([field, attribute]) => `${n(`integrations.fields.${field}`)}: ${attribute}`).join(", ")],
      [t("integrations.callback"), p.protocol.type === "oidc" && <span key="c" className={office.mono}>{p.callback_url}</span>], [t("integrations.ownMetadata"), p.protocol.type === "saml" && <span key="m" className={office.mono}>{p.metadata_url}</span>],
    ]} />
  );
}

/** A log-in that logs nobody in. OIDC and SAML go on in another window: the steps are asked for until it is over. */
function DryRun({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const t = useWords();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [begun, setBegun] = useState<Schema<"SsoTest"> | null>(null);
  const isLdap = provider.protocol.type === "ldap";
  const id = begun?.id ?? null;
  const later = useQuery({
    queryKey: ["sso-test", id],
    queryFn: () => ok(api.GET("/api/v1/sso/tests/{sso_test_id}", { params: { path: { sso_test_id: id as string } } })),
    enabled: id !== null && begun?.is_over === false,
    refetchInterval: (query) => (query.state.data?.is_over ? false : 2_000),
  });
  const result = later.data ?? begun;
  const send = async () => {
    setBegun(await ok(api.POST("/api/v1/sso/providers/{sso_provider_id}/test", { params: { path: { sso_provider_id: provider.id } }, body: isLdap ? { login, password } : {} })));
    return false;
  };
  return (
    <FormDialog title={t("integrations.testOf", { name: provider.name })} submit={t(begun ? "integrations.testAgain" : "integrations.testSso")} size="lg" disabled={isLdap && !login} onClose={onClose} onSubmit={send}>
      <Text size="sm" c="dimmed">{t(isLdap ? "integrations.testLdapText" : "integrations.testText")}</Text>
      {isLdap && <Group grow align="flex-start"><TextInput label={t("integrations.login")} value={login} onChange={(e) => setLogin(e.currentTarget.value)} data-autofocus /><PasswordInput label={t("integrations.passwordTry")} value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="off" /></Group>}
      {begun?.url && result && !result.is_over && <Alert variant="light" color="amber"><Anchor href={begun.url} target="_blank" rel="noreferrer" underline="always">{t("integrations.openTest")}</Anchor><Text size="sm">{t("integrations.testWaits")}</Text></Alert>}
      {result && <Trace of={result} />}
    </FormDialog>
  );
}

function Trace({ of }: { of: Schema<"SsoTest"> }) {
  const t = useWords();
  const n = useNames();
  const word = (name: string) => (hasText(`integrations.steps.${name}`) ? n(`integrations.steps.${name}`) : name);
  return (
    <div role="status">
      <ol className={office.trace} aria-label={t("integrations.trace")}>
        {of.steps.map((step, i) => (
          <li key={i} data-bad={!step.is_ok || undefined}>
            <Icon name={step.is_ok ? "check" : "close"} size={16} label={t(step.is_ok ? "integrations.stepGood" : "integrations.stepBad")} />
            <div><b>{word(step.name)}</b><Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>{step.detail}</Text></div>
          </li>
        ))}
      </ol>
      {of.is_over && <Alert mt="sm" variant="light" color={of.is_ok ? "petrol" : "red"}>{t(of.is_ok ? "integrations.testGood" : "integrations.testBad")}</Alert>}
    </div>
  );
}
