// For whoever runs the installation: its operators, and the wizard that makes one (WEB-16).
import { Button, Group, NumberInput, PasswordInput, Select, Stepper, Switch, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog, type FieldError } from "../office/FormDialog";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useQueryPart } from "../shell/place";
import { languageName, useNames, useWords } from "../text";
import { Connect } from "./Connect";

type Tenant = Schema<"Tenant">;
const toneOf = (status: string): string => (status === "active" ? "good" : status === "suspended" ? "notice" : "danger");
const PLANS = ["Trial", "Starter", "Business", "Enterprise"];

export default function Tenants() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [query, change] = useQueryPart();
  const found = usePages(["tenants"], (offset) => ok(api.GET("/api/v1/tenants", { params: { query: { offset, limit: PAGE } } })), (page) => page.tenants);
  const columns = useMemo<Column<Tenant>[]>(
    () => [
      { key: "name", label: t("tenants.name"), width: "minmax(11rem, 1fr)", cell: (o) => o.name, value: (o) => o.name },
      { key: "slug", label: t("tenants.slug"), width: "11rem", cell: (o) => o.slug, value: (o) => o.slug },
      { key: "status", label: t("tenants.status"), width: "9rem", cell: (o) => <State tone={toneOf(o.status)}>{n(`tenants.state.${o.status}`)}</State>, value: (o) => o.status },
      { key: "plan", label: t("tenants.plan"), width: "9rem", cell: (o) => o.plan, value: (o) => o.plan },
      { key: "domain", label: t("tenants.domain"), width: "12rem", cell: (o) => o.custom_domain ?? "–", value: (o) => o.custom_domain },
      { key: "currency", label: t("tenants.currency"), width: "7rem", cell: (o) => o.currency, value: (o) => o.currency },
      { key: "zone", label: t("tenants.zone"), width: "10rem", cell: (o) => o.time_zone, value: (o) => o.time_zone },
    ],
    [t, n],
  );
  const close = useCallback(() => change({ o: undefined }), [change]);
  const endWizard = useCallback(() => change({ wizard: undefined }), [change]);
  const add = may?.("tenancy.operator.create") && <Button size="sm" leftSection={<Icon name="plus" size={16} />} onClick={() => change({ wizard: "1" }, true)}>{t("tenants.add")}</Button>;
  const open = found.rows.find((o) => o.id === query.o);
  return (
    <Page title={t("tenants.title")} fill actions={add}>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={5} height={42} /> : (
        <DataTable label={t("tenants.list")} columns={columns} rows={found.rows} id={(o) => o.id} file="operators" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all} openId={query.o} onOpen={(o) => change({ o: o.id }, true)} empty={<Empty icon="building" title={t("tenants.none")} action={add} />} />
      )}
      {open && <One key={open.id} tenant={open} onClose={close} />}
      {query.wizard && <Wizard onClose={endWizard} />}
    </Page>
  );
}

const STEPS = ["company", "market", "admin", "check"] as const;
const EMPTY = { name: "", slug: "", domain: "", plan: "Business", currency: "EUR", time_zone: "Europe/Berlin", locale: "de", tax: 19, included: true, email: "", password: "", first_name: "", last_name: "" };

/** "Müller & Söhne GmbH" is "mueller-soehne-gmbh". */
export const slugOf = (name: string): string =>
  name.toLowerCase().replaceAll("ä", "ae").replaceAll("ö", "oe").replaceAll("ü", "ue").replaceAll("ß", "ss").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);

function Wizard({ onClose }: { onClose: () => void }) {
  const t = useWords();
  const [step, setStep] = useState(0);
  const [form, setForm] = useState(EMPTY);
  const put = (key: keyof typeof EMPTY) => (e: { currentTarget: { value: string } }) => { const { value } = e.currentTarget; setForm((now) => ({ ...now, [key]: value, ...(key === "name" && (now.slug === slugOf(now.name)) ? { slug: slugOf(value) } : {}) })); };
  const fine = [form.name.trim() && /^[a-z0-9-]{2,}$/.test(form.slug), form.currency.length === 3 && form.time_zone, form.email.includes("@") && form.password.length >= 10, true][step];
  const send = async () => {
    if (step < 3) { setStep(step + 1); return false; }
    const { tax, included, email, password, first_name, last_name, domain, ...more } = form;
    const made = await ok(api.POST("/api/v1/tenants", {
      body: { ...more, ...(domain.trim() ? { domain: domain.trim() } : {}), locale: more.locale as "de", tax_rate_pct: tax, tax_included: included, admin_user: { email: email.trim(), password, ...(first_name ? { first_name } : {}), ...(last_name ? { last_name } : {}) } },
    }));
    await refresh("tenants");
    toast.good(t("tenants.made", { name: made.name }));
    return true;
  };
  const text = (key: "name" | "slug" | "domain" | "currency" | "time_zone" | "email" | "first_name" | "last_name", label: string, at: FieldError, more: object = {}) => <TextInput label={label} value={form[key]} onChange={put(key)} error={at(key)} {...more} />;
  return (
    <FormDialog title={`${t("tenants.add")} · ${t("tenants.step", { n: step + 1, of: STEPS.length })}`} submit={t(step < 3 ? "tenants.next" : "tenants.create")} size="lg" disabled={!fine} onClose={onClose} onSubmit={send}>
      {(at) => (
        <>
          <Stepper active={step} onStepClick={(to) => to < step && setStep(to)} size="xs" iconSize={26}>{STEPS.map((name) => <Stepper.Step key={name} label={t(`tenants.stepOf.${name}`)} />)}</Stepper>
          {step === 0 && <>{text("name", t("tenants.name"), at, { "data-autofocus": true, maxLength: 200 })}{text("slug", t("tenants.slug"), at, { description: t("tenants.slugHint"), maxLength: 63 })}{text("domain", t("tenants.domain"), at)}<Select label={t("tenants.plan")} value={form.plan} data={PLANS} allowDeselect={false} onChange={(plan) => setForm((now) => ({ ...now, plan: plan ?? "Business" }))} /></>}
          {step === 1 && (
            <>
              <Group grow>{text("currency", t("tenants.currency"), at, { maxLength: 3 })}{text("time_zone", t("tenants.zone"), at)}</Group>
              <Text size="sm" c="dimmed">{t("tenants.fixed")}</Text>
              <Group grow align="flex-end">
                <Select label={t("tenants.locale")} value={form.locale} allowDeselect={false} data={[{ value: "de", label: "Deutsch" }, { value: "en", label: "English" }]} onChange={(locale) => setForm((now) => ({ ...now, locale: locale ?? "de" }))} />
                <NumberInput label={t("tenants.tax")} value={form.tax} min={0} max={50} decimalScale={2} onChange={(tax) => setForm((now) => ({ ...now, tax: Number(tax) }))} />
              </Group>
              <Switch label={t("tenants.taxIncluded")} checked={form.included} onChange={(e) => { const { checked } = e.currentTarget; setForm((now) => ({ ...now, included: checked })); }} />
            </>
          )}
          {step === 2 && <><Group grow>{text("first_name", t("tenants.firstName"), at)}{text("last_name", t("tenants.lastName"), at)}</Group>{text("email", t("tenants.email"), at, { type: "email" })}<PasswordInput label={t("tenants.password")} value={form.password} onChange={put("password")} autoComplete="new-password" error={at("password")} /></>}
          {step === 3 && <><Pairs of={[[t("tenants.name"), form.name], [t("tenants.slug"), form.slug], [t("tenants.domain"), form.domain], [t("tenants.plan"), form.plan], [t("tenants.currency"), form.currency], [t("tenants.zone"), form.time_zone], [t("tenants.tax"), `${form.tax}`], [t("tenants.email"), form.email]]} /><Text size="sm" c="dimmed">{t("tenants.goOn")}</Text></>}
        </>
      )}
    </FormDialog>
  );
}

function One({ tenant, onClose }: { tenant: Tenant; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [open, setOpen] = useState<"suspend" | "close" | "limits" | null>(null);
  const [reason, setReason] = useState("");
  const [days, setDays] = useState<number | string>(90);
  const one = { params: { path: { tenant_id: tenant.id } } };
  const life = useQuery({ queryKey: ["tenants", "life", tenant.id], queryFn: () => ok(api.GET("/api/v1/tenants/{tenant_id}/status", one)) });
  const { name } = tenant;
  const resume = () => ok(api.POST("/api/v1/tenants/{tenant_id}/resume", one));
  const suspend = () => ok(api.POST("/api/v1/tenants/{tenant_id}/suspend", { ...one, body: { reason: reason.trim() } }));
  const carryOut = async () => {
    if (open === "suspend") { await suspend(); await deed(["tenants"], t("tenants.suspended", { name }), async () => undefined, resume); }
    if (open === "close") { await ok(api.POST("/api/v1/tenants/{tenant_id}/close", { ...one, body: { reason: reason.trim(), keep_days: Number(days) } })); await deed(["tenants"], t("tenants.closed", { name }), async () => undefined, resume); }
  };
  return (
    <Panel title={name} label={t("tenants.title")} onClose={onClose}>
      <Pairs of={[
        [t("tenants.status"), <State key="s" tone={toneOf(life.data?.status ?? tenant.status)}>{n(`tenants.state.${life.data?.status ?? tenant.status}`)}</State>], [t("tenants.reason"), life.data?.reason], [t("tenants.since"), life.data?.since && at(life.data.since)], [t("tenants.deletesAt"), life.data?.deletes_at && at(life.data.deletes_at)],
        [t("tenants.slug"), tenant.slug], [t("tenants.plan"), tenant.plan], [t("tenants.domain"), tenant.custom_domain], [t("tenants.currency"), tenant.currency], [t("tenants.zone"), tenant.time_zone], [t("tenants.locale"), languageName(tenant.locale)], [t("tenants.tax"), tenant.settings.tax_rate_pct],
      ]} />
      <Group mt="md" gap="xs">
        {may?.("tenancy.operator.limit") && <Button size="sm" variant="light" onClick={() => setOpen("limits")}>{t("tenants.limits")}</Button>}
        {may?.("tenancy.operator.suspend") && ((life.data?.status ?? tenant.status) === "active"
          ? <Button size="sm" variant="default" onClick={() => setOpen("suspend")}>{t("tenants.suspend")}</Button>
          : <Button size="sm" variant="default" onClick={() => void deed(["tenants"], t("tenants.resumed", { name }), resume)}>{t("tenants.resume")}</Button>)}
        {may?.("tenancy.operator.close") && <Button size="sm" variant="light" color="red" onClick={() => setOpen("close")}>{t("tenants.close")}</Button>}
      </Group>
      {may?.("tenancy.operator.charge") && <Connect tenant={tenant} />}
      {(open === "suspend" || open === "close") && (
        <FormDialog title={`${t(`tenants.${open}`)}: ${name}`} submit={t(`tenants.${open}`)} danger disabled={!reason.trim()} onClose={() => setOpen(null)} onSubmit={carryOut}>
          {(field) => <><Text size="sm">{open === "close" ? t("tenants.closeText", { days: Number(days) }) : t("tenants.suspendText")}</Text><TextInput label={t("tenants.reason")} value={reason} onChange={(e) => setReason(e.currentTarget.value)} error={field("reason")} data-autofocus />{open === "close" && <NumberInput label={t("tenants.keepDays")} value={days} onChange={setDays} min={30} max={4000} error={field("keep_days")} />}</>}
        </FormDialog>
      )}
      {open === "limits" && <LimitsForm tenant={tenant} onClose={() => setOpen(null)} />}
    </Panel>
  );
}

function LimitsForm({ tenant, onClose }: { tenant: Tenant; onClose: () => void }) {
  const t = useWords();
  const [plan, setPlan] = useState(tenant.plan);
  const [most, setMost] = useState<Record<"max_vehicles" | "max_users" | "max_requests_per_minute", number | string | null>>({ max_vehicles: null, max_users: null, max_requests_per_minute: null });
  const field = (key: keyof typeof most, label: string) => <NumberInput label={label} value={most[key] ?? ""} min={0} allowDecimal={false} onChange={(value) => setMost((now) => ({ ...now, [key]: value }))} />;
  const send = async () => {
    const own = Object.fromEntries(Object.entries(most).filter(([, value]) => value !== null && value !== "").map(([key, value]) => [key, Number(value)]));
    await ok(api.PATCH("/api/v1/tenants/{tenant_id}/limits", { params: { path: { tenant_id: tenant.id } }, body: { plan, ...own } }));
    await refresh("tenants");
    toast.good(t("tenants.limitsSaved"));
  };
  return (
    <FormDialog title={t("tenants.limits")} submit={t("save")} onClose={onClose} onSubmit={send}>
      <Select label={t("tenants.plan")} value={plan} data={[...new Set([...PLANS, tenant.plan])]} allowDeselect={false} onChange={(value) => setPlan(value ?? tenant.plan)} />
      {field("max_vehicles", t("tenants.vehicles"))}{field("max_users", t("tenants.users"))}{field("max_requests_per_minute", t("tenants.requests"))}
    </FormDialog>
  );
}
