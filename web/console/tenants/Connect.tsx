// An operator's Stripe account that is connected to the platform's own, and what the platform takes of each payment.
import { Button, Group, NumberInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ApiProblem } from "@lib/errors";
import { money, number } from "@lib/format";
import { Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { majorOf, minorOf } from "../office/minor";
import office from "../office/office.module.css";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useWords } from "../text";

type Tenant = Schema<"Tenant">;
type Connection = Schema<"ConnectionView">;
const of = (tenant: Tenant) => ({ params: { path: { tenant_id: tenant.id } } });

/** `null`: none is connected. */
async function connectionOf(tenant: Tenant): Promise<Connection | null> {
  try {
    return await ok(api.GET("/api/v1/tenants/{tenant_id}/connect", of(tenant)));
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return null;
    throw error;
  }
}

export function Connect({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const [asking, setAsking] = useState<"connect" | "disconnect" | null>(null);
  const found = useQuery({ queryKey: ["tenants", "connect", tenant.id], queryFn: () => connectionOf(tenant) });
  const own = found.data;
  const disconnect = async () => {
    await ok(api.DELETE("/api/v1/tenants/{tenant_id}/connect", of(tenant)));
    await refresh("tenants");
    toast.good(t("tenants.disconnected"));
  };
  return (
    <section aria-label={t("tenants.connect")}>
      <h3 className={office.section}>{t("tenants.connect")}</h3>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Rows count={2} height={24} />}
      {own === null && <Text size="sm" c="dimmed">{t("tenants.connectNone")}</Text>}
      {own && (
        <Pairs of={[
          [t("tenants.account"), <span key="a" className={office.mono}>{own.account}</span>],
          [t("tenants.status"), <State key="s" tone={own.is_disabled ? "offline" : "good"}>{t(own.is_disabled ? "tenants.connectOff" : own.is_live ? "tenants.connectLive" : "tenants.connectTest")}</State>],
          [t("tenants.fee"), t("tenants.feeOf", { share: number(own.fee_bp / 100, 2), fixed: money(majorOf(own.fee_minor, tenant.currency), tenant.currency) })],
        ]} />
      )}
      {found.isSuccess && (
        <Group mt="sm" gap="xs">
          <Button size="sm" variant="light" onClick={() => setAsking("connect")}>{t(own ? "tenants.changeFee" : "tenants.connectNow")}</Button>
          {own && <Button size="sm" variant="default" onClick={() => setAsking("disconnect")}>{t("tenants.disconnect")}</Button>}
        </Group>
      )}
      {asking === "connect" && <ConnectForm tenant={tenant} own={own ?? null} onClose={() => setAsking(null)} />}
      {asking === "disconnect" && (
        <FormDialog title={t("tenants.disconnectTitle")} submit={t("tenants.disconnect")} danger onClose={() => setAsking(null)} onSubmit={disconnect}>
          <Text size="sm">{t("tenants.disconnectText", { name: tenant.name })}</Text>
        </FormDialog>
      )}
    </section>
  );
}

function ConnectForm({ tenant, own, onClose }: { tenant: Tenant; own: Connection | null; onClose: () => void }) {
  const t = useWords();
  const [account, setAccount] = useState(own?.account ?? "");
  const [share, setShare] = useState<number | string>((own?.fee_bp ?? 0) / 100);
  const [fixed, setFixed] = useState<number | string>(majorOf(own?.fee_minor ?? 0, tenant.currency));
  const send = async () => {
    await ok(api.PUT("/api/v1/tenants/{tenant_id}/connect", { ...of(tenant), body: { account: account.trim(), fee_bp: Math.round(Number(share) * 100), fee_minor: minorOf(Number(fixed), tenant.currency) } }));
    await refresh("tenants");
    toast.good(t("tenants.connected"));
  };
  return (
    <FormDialog title={t(own ? "tenants.changeFee" : "tenants.connectNow")} submit={t("save")} disabled={!/^acct_[A-Za-z0-9]+$/.test(account.trim())} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <Text size="sm">{t("tenants.connectText")}</Text>
          <TextInput label={t("tenants.account")} description={t("tenants.accountHint")} value={account} maxLength={105} spellCheck={false} onChange={(e) => setAccount(e.currentTarget.value)} error={field("account")} data-autofocus />
          <Group grow align="flex-start">
            <NumberInput label={t("tenants.feeShare")} value={share} onChange={setShare} min={0} max={100} decimalScale={2} error={field("fee_bp") ?? field("fee")} />
            <NumberInput label={t("tenants.feeFixed", { currency: tenant.currency })} value={fixed} onChange={setFixed} min={0} max={10_000} decimalScale={2} error={field("fee_minor")} />
          </Group>
          <Text size="sm" c="dimmed">{t("tenants.feeText")}</Text>
        </>
      )}
    </FormDialog>
  );
}
