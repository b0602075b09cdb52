// Accounts at payment providers, what they have reported, and what stands differently here and there.
import { Badge, Button, Group, MultiSelect, NumberInput, PasswordInput, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, at, money, number } from "@lib/format";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { DataTable, type Column } from "../parts/DataTable";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";

type Account = Schema<"GatewayAccountView">;
const KINDS = ["card", "sepa_debit", "paypal", "sepa"] as const;
const of = (gateway: string) => ({ params: { path: { gateway } } });

export function Gateways() {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const [open, setOpen] = useState<Account | "new" | null>(null);
  const found = useQuery({ queryKey: ["gateways"], queryFn: () => ok(api.GET("/api/v1/gateways")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={2} height={160} />;
  const mayWrite = may?.("payments.gateway.write") ?? false;
  const add = mayWrite && <Button size="sm" onClick={() => setOpen("new")}>{t("integrations.addGateway")}</Button>;
  const turn = (a: Account) => {
    const off = () => ok(api.POST("/api/v1/gateways/{gateway}/disable", of(a.gateway)));
    const on = () => ok(api.POST("/api/v1/gateways/{gateway}/enable", of(a.gateway)));
    return deed(["gateways"], t(a.is_disabled ? "integrations.enabled" : "integrations.disabled", { name: a.gateway }), a.is_disabled ? on : off, a.is_disabled ? off : on);
  };
  const tryKeys = async (a: Account) => {
    try {
      const { problem } = await ok(api.POST("/api/v1/gateways/{gateway}/test", of(a.gateway)));
      await refresh("gateways");
      if (problem) toast.bad(t("integrations.triedBad", { problem }));
      else toast.good(t("integrations.tried"));
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <>
      {found.data.gateways.length === 0 ? <Empty icon="card" title={t("integrations.gatewaysNone")} action={add}>{t("integrations.gatewaysNoneText")}</Empty> : (
        <div className={office.stack}>
          <div>{add}</div>
          {found.data.gateways.map((a) => (
            <Card key={a.gateway} title={a.gateway} beside={<Group gap="xs"><Badge variant="default" tt="none">{t(a.is_live ? "integrations.live" : "integrations.test")}</Badge><State tone={a.problem ? "danger" : a.is_disabled ? "offline" : "good"}>{a.problem ?? t(a.is_disabled ? "integrations.off" : "integrations.on")}</State></Group>}>
              <Pairs of={[
                [t("integrations.publicKey"), <span key="k" className={office.mono}>{a.public_key}</span>], [t("integrations.secret"), a.is_connected ? t("integrations.platformKeys") : t("integrations.secretEnds", { end: a.secret_ends_with })], [t("integrations.connected"), a.is_connected && <span key="c" className={office.mono}>{a.account}</span>],
                [t("integrations.webhookUrl"), <span key="w" className={office.mono}>{a.webhook_url}</span>], [t("integrations.webhookSecret"), !a.has_webhook_secret && !a.is_connected && t("integrations.noHook")],
                [t("integrations.kinds"), a.kinds.map((kind) => n(`integrations.kind.${kind}`)).join(", ")], [t("integrations.rank"), a.rank], [t("integrations.fee"), `${number(a.fee_bp / 100, 2)} % + ${number(a.fee_minor / 100, 2)}`], [t("integrations.platformFee"), a.is_connected && `${number(a.platform_fee_bp / 100, 2)} % + ${number(a.platform_fee_minor / 100, 2)}`], [t("integrations.tested"), ago(a.tested_at)],
              ]} />
              {mayWrite && (
                <Group mt="sm" gap="xs">
                  <Button size="compact-sm" variant="light" onClick={() => void tryKeys(a)}>{t("integrations.tryKeys")}</Button>
                  {!a.is_connected && <Button size="compact-sm" variant="default" onClick={() => setOpen(a)}>{t("integrations.replaceKeys")}</Button>}
                  <Button size="compact-sm" variant="default" onClick={() => void turn(a)}>{t(a.is_disabled ? "integrations.enable" : "integrations.disable")}</Button>
                </Group>
              )}
            </Card>
          ))}
        </div>
      )}
      {open && <AccountForm account={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </>
  );
}

function AccountForm({ account, onClose }: { account: Account | null; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const [gateway, setGateway] = useState(account?.gateway ?? "stripe");
  const [publicKey, setPublicKey] = useState(account?.public_key ?? "");
  const [secret, setSecret] = useState("");
  const [hook, setHook] = useState("");
  const [kinds, setKinds] = useState<string[]>(account?.kinds ?? ["card"]);
  const [rank, setRank] = useState<number | string>(account?.rank ?? 1);
  const [pct, setPct] = useState<number | string>((account?.fee_bp ?? 0) / 100);
  const [fixed, setFixed] = useState<number | string>(account?.fee_minor ?? 0);
  const send = async () => {
    await ok(api.PUT("/api/v1/gateways/{gateway}", {
      ...of(gateway.trim()),
      body: { public_key: publicKey.trim(), secret, ...(hook ? { webhook_secret: hook } : {}), kinds: KINDS.filter((k) => kinds.includes(k)), rank: Number(rank), fee_bp: Math.round(Number(pct) * 100), fee_minor: Number(fixed) },
    }));
    await refresh("gateways", "setup");
    toast.good(t("integrations.gatewaySaved"));
  };
  return (
    <FormDialog title={account ? t("integrations.replaceKeys") : t("integrations.addGateway")} submit={t("save")} disabled={!gateway.trim() || !publicKey.trim() || !secret} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <TextInput label={t("integrations.gateway")} value={gateway} disabled={account !== null} onChange={(e) => setGateway(e.currentTarget.value)} error={field("gateway")} />
          <TextInput label={t("integrations.publicKey")} value={publicKey} onChange={(e) => setPublicKey(e.currentTarget.value)} error={field("public_key")} spellCheck={false} />
          <PasswordInput label={t("integrations.secret")} value={secret} autoComplete="off" onChange={(e) => setSecret(e.currentTarget.value)} error={field("secret")} />
          <PasswordInput label={t("integrations.webhookSecret")} value={hook} autoComplete="off" onChange={(e) => setHook(e.currentTarget.value)} error={field("webhook_secret")} />
          <MultiSelect label={t("integrations.kinds")} value={kinds} onChange={setKinds} data={KINDS.map((value) => ({ value, label: n(`integrations.kind.${value}`) }))} error={field("kinds")} />
          <Group grow>
            <NumberInput label={t("integrations.rank")} value={rank} onChange={setRank} min={1} error={field("rank")} />
            <NumberInput label={t("integrations.feePct")} value={pct} onChange={setPct} min={0} decimalScale={2} error={field("fee_bp")} />
            <NumberInput label={t("integrations.feeFixed")} value={fixed} onChange={setFixed} min={0} allowDecimal={false} error={field("fee_minor")} />
          </Group>
        </>
      )}
    </FormDialog>
  );
}

export function Webhooks() {
  const t = useWords();
  const may = useMay();
  const found = usePages(["webhooks"], (offset) => ok(api.GET("/api/v1/gateway-webhooks", { params: { query: { offset, limit: PAGE } } })), (page) => page.webhooks);
  const columns = useMemo<Column<Schema<"WebhookView">>[]>(
    () => [
      { key: "at", label: t("integrations.received"), width: "12rem", cell: (w) => at(w.received_at, "full"), value: (w) => w.received_at },
      { key: "gateway", label: t("integrations.gateway"), width: "9rem", cell: (w) => w.gateway, value: (w) => w.gateway },
      { key: "type", label: t("integrations.type"), width: "minmax(12rem, 1fr)", cell: (w) => w.type, value: (w) => w.type },
      { key: "handled", label: t("integrations.handled"), width: "11rem", cell: (w) => (w.handled_at ? at(w.handled_at) : "–"), value: (w) => w.handled_at },
      { key: "event", label: t("integrations.event"), width: "14rem", cell: (w) => w.event_id, value: (w) => w.event_id },
      { key: "again", label: "", width: "9rem", cell: (w) => may?.("payments.gateway.write") && <Button size="compact-sm" variant="subtle" onClick={() => void deed(["webhooks"], t("integrations.replayed"), () => ok(api.POST("/api/v1/gateway-webhooks/{gateway}/{event_id}/replay", { params: { path: { gateway: w.gateway, event_id: w.event_id } } })))}>{t("integrations.replay")}</Button> },
    ],
    [t, may],
  );
  if (found.error) return <Problem error={found.error} again={found.refetch} />;
  if (found.isPending) return <Rows count={5} height={42} />;
  return <DataTable label={t("integrations.webhooks")} columns={columns} rows={found.rows} id={(w) => `${w.gateway} ${w.event_id}`} file="webhooks" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all} empty={<Empty icon="bell" title={t("integrations.hooksNone")} />} />;
}

export function Differences() {
  const t = useWords();
  const may = useMay();
  const last = useQuery({ queryKey: ["comparisons"], queryFn: () => ok(api.GET("/api/v1/gateway-comparisons")) });
  const found = usePages(["differences"], (offset) => ok(api.GET("/api/v1/gateway-differences", { params: { query: { offset, limit: PAGE } } })), (page) => page.differences);
  const columns = useMemo<Column<Schema<"DifferenceView">>[]>(
    () => [
      { key: "since", label: t("integrations.since"), width: "11rem", cell: (d) => at(d.first_seen_at), value: (d) => d.first_seen_at },
      { key: "gateway", label: t("integrations.gateway"), width: "9rem", cell: (d) => d.gateway, value: (d) => d.gateway },
      { key: "kind", label: t("integrations.type"), width: "10rem", cell: (d) => d.kind, value: (d) => d.kind },
      { key: "subject", label: t("integrations.event"), width: "minmax(12rem, 1fr)", cell: (d) => d.subject, value: (d) => d.subject },
      { key: "ours", label: t("integrations.ours"), width: "8rem", end: true, cell: (d) => (d.ours === null ? "–" : money(d.ours, d.currency)), value: (d) => d.ours },
      { key: "theirs", label: t("integrations.theirs"), width: "8rem", end: true, cell: (d) => (d.theirs === null ? "–" : money(d.theirs, d.currency)), value: (d) => d.theirs },
    ],
    [t],
  );
  return (
    <>
      <Group mb="sm" gap="md">
        {may?.("payments.gateway.write") && <Button size="sm" variant="light" onClick={() => void deed(["comparisons", "differences"], t("integrations.compared"), () => ok(api.POST("/api/v1/gateway-comparisons")))}>{t("integrations.compareNow")}</Button>}
        {last.data?.comparisons.map((c) => <Text key={c.gateway} size="sm" c="dimmed">{c.gateway}: {c.problem ?? t("integrations.compareResult", { compared: c.compared, found: c.found })} · {ago(c.at)}</Text>)}
      </Group>
      {found.error ? <Problem error={found.error} again={found.refetch} /> : found.isPending ? <Rows count={3} height={42} /> : (
        <DataTable label={t("integrations.differences")} columns={columns} rows={found.rows} id={(d) => `${d.gateway} ${d.kind} ${d.subject}`} file="differences" total={found.total} isMore={found.isMore} onEnd={found.onEnd} all={found.all}
          empty={<Empty icon="check" title={t("integrations.differencesNone")}>{t("integrations.differencesNoneText")}</Empty>} />
      )}
    </>
  );
}
