// As whom and how direct debits are collected.
import { Button, Group, NumberInput, PasswordInput, Switch, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { PlainForm } from "../company/Settings";
import { deed, refresh } from "../office/deed";
import { FormDialog, HINT_BELOW } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { useSepaSettings } from "./BankRuns";
import { clockOf, minutesOf } from "./clock";

type Settings = Schema<"SepaSettingsBody">;

export function BankSettings() {
  const t = useWords();
  const may = useMay();
  const found = useSepaSettings();
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} height={220} />;
  return (
    <div className={office.two}>
      {may?.("payments.gateway.read") && <Creditor />}
      <Card title={t("bank.howTitle")}><SettingsForm key={JSON.stringify(found.data)} of={found.data} /></Card>
    </div>
  );
}

function Creditor() {
  const t = useWords();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  const found = useQuery({ queryKey: ["gateways"], queryFn: () => ok(api.GET("/api/v1/gateways")) });
  const own = found.data?.gateways.find((each) => each.gateway === "sepa");
  const mayWrite = may?.("payments.gateway.write") ?? false;
  const set = mayWrite && <Button size="sm" variant={own ? "default" : "filled"} onClick={() => setOpen(true)}>{t(own ? "bank.changeAccount" : "bank.setAccount")}</Button>;
  return (
    <Card title={t("bank.creditor")} beside={own && <State tone={own.is_disabled || own.problem ? "danger" : "good"}>{t(own.is_disabled ? "bank.accountOff" : own.problem ? "bank.accountBad" : "bank.accountOn")}</State>}>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={3} height={28} />}
      {found.data && !own && <Empty icon="building" title={t("bank.creditorNone")} action={set}>{t("bank.creditorNoneText")}</Empty>}
      {own && (
        <>
          <Pairs of={[
            [t("bank.creditorId"), <span key="c" className={office.mono}>{own.public_key}</span>], [t("books.iban"), <span key="i" className={office.mono}>{t("bank.ibanEnds", { end: own.secret_ends_with })}</span>],
            [t("bank.fee"), `${number(own.fee_bp / 100, 2)} %`], [t("bank.problem"), own.problem],
          ]} />
          <Group mt="md">{set}</Group>
        </>
      )}
      {isOpen && <CreditorForm own={own ?? null} onClose={() => setOpen(false)} />}
    </Card>
  );
}

function CreditorForm({ own, onClose }: { own: Schema<"GatewayAccountView"> | null; onClose: () => void }) {
  const t = useWords();
  const [creditor, setCreditor] = useState(own?.public_key ?? "");
  const [iban, setIban] = useState("");
  const [fee, setFee] = useState<number | string>((own?.fee_bp ?? 0) / 100);
  const send = async () => {
    await ok(api.PUT("/api/v1/gateways/{gateway}", { params: { path: { gateway: "sepa" } }, body: { public_key: creditor.replaceAll(" ", ""), secret: iban.replaceAll(" ", ""), rank: own?.rank ?? 50, fee_bp: Math.round(Number(fee) * 100), fee_minor: own?.fee_minor ?? 0 } }));
    await refresh("gateways", "sepa", "setup");
    toast.good(t("bank.accountSaved"));
  };
  return (
    <FormDialog title={t("bank.creditor")} submit={t("save")} disabled={!creditor.trim() || !iban.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("bank.creditorId")} description={t("bank.creditorHint")} value={creditor} spellCheck={false} onChange={(e) => setCreditor(e.currentTarget.value)} error={field("public_key")} data-autofocus />
          <PasswordInput label={t("books.iban")} description={own ? t("bank.ibanAgain", { end: own.secret_ends_with }) : t("bank.ibanHint")} value={iban} autoComplete="off" onChange={(e) => setIban(e.currentTarget.value)} error={field("secret")} />
          <NumberInput label={t("bank.feePct")} value={fee} onChange={setFee} min={0} max={100} decimalScale={2} error={field("fee_bp")} />
        </>
      )}
    </FormDialog>
  );
}

function SettingsForm({ of }: { of: Settings }) {
  const t = useWords();
  const may = useMay();
  const [form, setForm] = useState(of);
  const put = <K extends keyof Settings>(name: K, value: Settings[K]) => setForm((now) => ({ ...now, [name]: value }));
  const count = (name: "notice_days" | "lead_days" | "most_per_run", most: number) => (
    <NumberInput {...HINT_BELOW} label={t(`bank.${name}`)} description={t(`bank.${name}Hint`)} value={form[name]} min={1} max={most} allowDecimal={false} onChange={(value) => put(name, Number(value))} />
  );
  const save = (body: Settings) => ok(api.PUT("/api/v1/payments/sepa/settings", { body }));
  const isReader = !(may?.("payments.sepa.write") ?? false);
  return (
    <PlainForm onSave={() => deed(["sepa"], t("bank.settingsSaved"), () => save(form), () => save(of))} disabled={isReader}>
      <TextInput {...HINT_BELOW} label={t("bank.creditorName")} description={t("bank.creditorNameHint")} value={form.creditor_name ?? ""} maxLength={70} onChange={(e) => put("creditor_name", e.currentTarget.value || null)} />
      <Group grow align="flex-start">{count("notice_days", 14)}{count("lead_days", 5)}</Group>
      <Group grow align="flex-start">
        <TextInput {...HINT_BELOW} type="time" label={t("bank.cutOff")} description={t("bank.cutOffHint")} value={clockOf(form.cut_off_minute ?? 600)} onChange={(e) => put("cut_off_minute", minutesOf(e.currentTarget.value) ?? form.cut_off_minute ?? 600)} />
        {count("most_per_run", 5000)}
      </Group>
      <Switch label={t("bank.twoPerson")} description={t("bank.twoPersonHint")} checked={form.two_person ?? false} onChange={(e) => put("two_person", e.currentTarget.checked)} />
      {isReader && <Text size="sm" c="dimmed">{t("bank.readOnly")}</Text>}
    </PlainForm>
  );
}
