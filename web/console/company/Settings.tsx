// The rules of the operator: market, wallet, security, limits, areas, and how far the set-up is.
import { Card } from "../parts/Card";
import { Page } from "../parts/Page";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Parts, usePart } from "../office/Parts";
import { deed } from "../office/deed";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Button, Checkbox, MultiSelect, NumberInput, Select, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { config } from "@lib/config";
import { number } from "@lib/format";
import { LANGUAGES } from "@lib/i18n";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { roleTitle } from "../people/roles";
import { useRoles } from "../people/Team";
import { useMay } from "../shell/may";
import { Go } from "../shell/place";
import { useNames, useWords } from "../text";
import { Areas } from "./Areas";

export default function Settings() {
  const t = useWords();
  const part = usePart(["rules", "wallet", "security", "areas", "limits", "setup"]);
  return (
    <Page title={t("company.title")} below={<Parts label={t("company.partsOf")} now={part} of={[["rules", t("company.rules")], ["wallet", t("company.wallet")], ["security", t("company.security")], ["areas", t("company.areas")], ["limits", t("company.limits")], ["setup", t("company.setup")]]} />}>
      {part === "rules" && <Rules />}
      {part === "wallet" && <WalletRules />}
      {part === "security" && <Security />}
      {part === "areas" && <Areas />}
      {part === "limits" && <Limits />}
      {part === "setup" && <Setup />}
    </Page>
  );
}

/** A form on the page that is saved as a whole. */
export function PlainForm({ onSave, children, label, disabled = false }: { onSave: () => Promise<unknown>; children: ReactNode; label?: string; disabled?: boolean }) {
  const t = useWords();
  const [busy, setBusy] = useState(false);
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await onSave();
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void send(event)} style={{ maxWidth: 880 }} noValidate>
      <Card><div className={office.fields}>{children}<div className={office.all}><Button type="submit" loading={busy} disabled={disabled}>{label ?? t("save")}</Button></div></div></Card>
    </form>
  );
}

function Rules() {
  const found = useQuery({ queryKey: ["tenant"], queryFn: () => ok(api.GET("/api/v1/tenant/settings")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <RulesForm key={JSON.stringify(found.data)} of={found.data} /> : <Rows />;
}

type Tenant = Schema<"Tenant">;

function RulesForm({ of }: { of: Tenant }) {
  const t = useWords();
  const [form, setForm] = useState({ ...of.settings, name: of.name, locale: of.locale.slice(0, 2) });
  const put = <K extends keyof typeof form>(name: K, value: (typeof form)[K]) => setForm((now) => ({ ...now, [name]: value }));
  const count = (name: "payment_hold_s" | "unlock_window_s" | "max_active_rentals" | "max_ride_h" | "max_ride_km", label: string) => (
    <NumberInput label={label} value={form[name]} min={1} allowDecimal={false} onChange={(value) => put(name, Number(value))} />
  );
  const bodyOf = (s: typeof form): Schema<"TenancyChange"> => s;
  const patch = (body: Schema<"TenancyChange">) => ok(api.PATCH("/api/v1/tenant", { body }));
  const save = () => deed(["tenant", "tariffs", "quote"], t("company.saved"), () => patch(bodyOf(form)), () => patch(bodyOf({ ...of.settings, name: of.name, locale: of.locale.slice(0, 2) })));
  return (
    <PlainForm onSave={save}>
      <TextInput label={t("company.name")} value={form.name} maxLength={200} onChange={(e) => put("name", e.currentTarget.value)} />
      <Select label={t("company.locale")} value={form.locale} allowDeselect={false} data={["de", "en"].map((value) => ({ value, label: LANGUAGES[value as "de" | "en"] }))} onChange={(value) => put("locale", value ?? "de")} />
      <NumberInput label={t("company.taxRate")} value={form.tax_rate_pct} min={0} max={50} decimalScale={2} onChange={(value) => put("tax_rate_pct", Number(value))} />
      <Switch label={t("company.taxIncluded")} checked={form.tax_included} onChange={(e) => put("tax_included", e.currentTarget.checked)} />
      <NumberInput label={t("company.refundLimit", { currency: of.currency })} description={t("company.refundLimitHint")} value={form.refund_limit ?? ""} min={0} decimalScale={2} onChange={(value) => put("refund_limit", value === "" ? null : Number(value))} />
      {count("payment_hold_s", t("company.hold"))}
      {count("unlock_window_s", t("company.unlock"))}
      {count("max_active_rentals", t("company.rides"))}
      {count("max_ride_h", t("company.hours"))}
      {count("max_ride_km", t("company.km"))}
      {"web_origins" in form && Array.isArray(form.web_origins) && (
        <Textarea label={t("company.origins")} description={t("company.originsHint")} autosize minRows={2} value={form.web_origins.join("\n")} onChange={(e) => { const lines = e.currentTarget.value.split("\n"); setForm((now) => ({ ...now, web_origins: lines })); }} />
      )}
      <Text size="sm" c="dimmed" className={office.all}>{t("company.fixed", { currency: of.currency, zone: of.time_zone })}</Text>
    </PlainForm>
  );
}

function WalletRules() {
  const found = useQuery({ queryKey: ["wallet-settings"], queryFn: () => ok(api.GET("/api/v1/wallet-settings")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <WalletForm key={JSON.stringify(found.data)} of={found.data} /> : <Rows />;
}

function WalletForm({ of }: { of: Schema<"SettingsShown"> }) {
  const t = useWords();
  const [form, setForm] = useState(of);
  const field = (name: "least" | "most" | "bonus_from" | "bonus" | "low", label: string) => (
    <NumberInput label={label} value={form[name]} min={0} decimalScale={2} suffix={` ${config().operator?.currency ?? "EUR"}`} onChange={(value) => setForm((now) => ({ ...now, [name]: Number(value) }))} />
  );
  const put = (body: Schema<"SettingsShown">) => ok(api.PUT("/api/v1/wallet-settings", { body }));
  return (
    <PlainForm onSave={() => deed(["wallet-settings"], t("company.saved"), () => put(form), () => put(of))}>
      {field("least", t("company.least"))}
      {field("most", t("company.most"))}
      {field("bonus_from", t("company.bonusFrom"))}
      {field("bonus", t("company.bonus"))}
      <NumberInput label={t("company.bonusDays")} value={form.bonus_days ?? ""} min={1} allowDecimal={false} onChange={(value) => setForm((now) => ({ ...now, bonus_days: value === "" ? null : Number(value) }))} />
      {field("low", t("company.low"))}
    </PlainForm>
  );
}

function Security() {
  const may = useMay();
  const isReader = may?.("identity.policy.read") ?? false;
  const found = useQuery({ queryKey: ["policy"], queryFn: () => ok(api.GET("/api/v1/identity/policy")), enabled: isReader });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <SecurityForm key={JSON.stringify(found.data)} of={found.data} /> : <Rows />;
}

const CHECKS = ["age", "licence"];

function SecurityForm({ of }: { of: Schema<"IdentityPolicyShown"> }) {
  const t = useWords();
  const n = useNames();
  const roles = useRoles();
  const [form, setForm] = useState(of);
  const put = <K extends keyof typeof form>(name: K, value: (typeof form)[K]) => setForm((now) => ({ ...now, [name]: value }));
  const patch = (body: Schema<"IdentityPolicyShown">) => {
    const { second_factor_roles, bind_sessions, verify_at_register, ride_needs_contact, ride_checks } = body;
    return ok(api.PATCH("/api/v1/identity/policy", { body: { second_factor_roles, bind_sessions, verify_at_register, ride_needs_contact, ride_checks } }));
  };
  return (
    <PlainForm onSave={() => deed(["policy"], t("company.saved"), () => patch(form), () => patch(of))}>
      <MultiSelect className={office.all} label={t("company.secondFactor")} value={form.second_factor_roles} onChange={(value) => put("second_factor_roles", value)} data={roles.data?.roles.map((r) => ({ value: r.name, label: roleTitle(r.name, r.title) })) ?? form.second_factor_roles} />
      <Switch label={t("company.bind")} checked={form.bind_sessions} onChange={(e) => put("bind_sessions", e.currentTarget.checked)} />
      <Switch label={t("company.verify")} checked={form.verify_at_register} onChange={(e) => put("verify_at_register", e.currentTarget.checked)} />
      <Switch label={t("company.contact")} checked={form.ride_needs_contact} onChange={(e) => put("ride_needs_contact", e.currentTarget.checked)} />
      <Wide>
        <table className={office.lines} aria-label={t("company.checks")}>
          <thead><tr><th scope="col">{t("company.checks")}</th>{CHECKS.map((kind) => <th key={kind} scope="col">{n(`company.checkKind.${kind}`)}</th>)}</tr></thead>
          <tbody>
            {["scooter", "ebike", "car", "van"].map((type) => (
              <tr key={type}>
                <td>{n(`type.${type}`)}</td>
                {CHECKS.map((kind) => {
                  const now = form.ride_checks[type] ?? [];
                  return (
                    <td key={kind}><Checkbox aria-label={`${t("company.checksFor", { type: n(`type.${type}`) })}: ${n(`company.checkKind.${kind}`)}`} checked={now.includes(kind)}
                      onChange={(e) => put("ride_checks", { ...form.ride_checks, [type]: e.currentTarget.checked ? [...now, kind] : now.filter((each) => each !== kind) })} /></td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </PlainForm>
  );
}

function Limits() {
  const t = useWords();
  const found = useQuery({ queryKey: ["limits"], queryFn: () => ok(api.GET("/api/v1/tenant/limits")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  const shown = (limit: number | null) => (limit === null ? t("company.unlimited") : number(limit));
  return found.data ? (
    <Card><Pairs of={[[t("company.plan"), found.data.plan], [t("company.vehicles"), shown(found.data.max_vehicles)], [t("company.users"), shown(found.data.max_users)], [t("company.requests"), shown(found.data.max_requests_per_minute)]]} /></Card>
  ) : <Rows count={2} />;
}

/** Where each step of the set-up is done. */
const PLACES: Record<string, [string, Record<string, string>]> = {
  company: ["/settings", {}], admin: ["/team", {}], area: ["/settings", { part: "areas" }], market: ["/settings", { part: "areas" }], brand: ["/brand", {}], domain: ["/brand", { part: "domains" }],
  sso: ["/integrations", { part: "sso" }], payments: ["/integrations", { part: "gateways" }], tariffs: ["/tariffs", {}], vehicles: ["/vehicles", {}],
};

export function Setup() {
  const t = useWords();
  const n = useNames();
  const found = useQuery({ queryKey: ["setup"], queryFn: () => ok(api.GET("/api/v1/tenant/setup")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows />;
  const put = (step: string, state: "skipped" | null) => ok(api.PUT("/api/v1/tenant/setup/{step}", { params: { path: { step } }, body: { state } }));
  const { steps, next, is_ready } = found.data;
  return (
    <Card title={t("company.setup")} beside={<State tone={is_ready ? "good" : "notice"}>{t(is_ready ? "company.ready" : "company.notReady")}</State>}>
      <ol className={office.steps}>
        {steps.map((step) => {
          const place = PLACES[step.name];
          return (
            <li key={step.name}>
              <State tone={step.state === "done" ? "good" : step.state === "skipped" ? "offline" : "notice"}>{n(`company.${step.state}`)}</State>
              <Text span fw={next === step.name ? 650 : 400}>{n(`company.step.${step.name}`)}{step.is_needed && step.state !== "done" && <Text span size="sm" c="dimmed"> · {t("company.needed")}</Text>}</Text>
              {step.state === "open" && !step.is_needed && <Button size="compact-sm" variant="subtle" color="gray" c="dimmed" onClick={() => void deed(["setup"], t("company.skipped"), () => put(step.name, "skipped"), () => put(step.name, null))}>{t("company.skip")}</Button>}
              {step.state === "skipped" && <Button size="compact-sm" variant="subtle" onClick={() => void deed(["setup"], t("company.open"), () => put(step.name, null))}>{t("company.unskip")}</Button>}
              {place && <Go to={place[0]} query={place[1]}>{t("company.goThere")}</Go>}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}
