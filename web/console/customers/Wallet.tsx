// Somebody's balance, what moved it, and goodwill by hand.
import { Alert, Button, Group, NumberInput, Text, Textarea, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money } from "@lib/format";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { toast } from "@lib/toast";
import { useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";

const ofUser = (user_id: string) => ({ params: { path: { user_id } } });

export function Wallet({ userId }: { userId: string }) {
  const t = useWords();
  const may = useMay();
  const [open, setOpen] = useState<"adjust" | "freeze" | null>(null);
  const wallet = useQuery({
    queryKey: ["wallet", userId],
    queryFn: () => ok(api.GET("/api/v1/wallets/{user_id}", ofUser(userId))),
  });
  const w = wallet.data;
  if (wallet.error) return <Problem error={wallet.error} again={() => void wallet.refetch()} />;
  if (!w) return null;
  const freeze = async (reason: string) => ok(api.PUT("/api/v1/wallets/{user_id}/freeze", { ...ofUser(userId), body: { reason } }));
  const unfreeze = () =>
    deed(["wallet"], t("customers.unfreezeDone"), () => ok(api.DELETE("/api/v1/wallets/{user_id}/freeze", ofUser(userId))), () => freeze(w.frozen_reason ?? ""));
  return (
    <>
      {w.frozen && <Alert color="amber" variant="light" mb="sm">{t("customers.frozenBecause", { reason: w.frozen_reason ?? "" })}</Alert>}
      <Pairs of={[
        [t("customers.balance"), <Text key="b" span fw={650}>{money(w.amount, w.currency)}</Text>],
        [t("customers.available"), w.held > 0 && money(w.available, w.currency)],
        [t("customers.held"), w.held > 0 && money(w.held, w.currency)],
        [t("customers.bonus"), w.bonus > 0 && money(w.bonus, w.currency)],
        [t("customers.expires"), w.next_expiry && `${money(w.next_expiry.amount, w.currency)} · ${at(w.next_expiry.at, "date")}`],
        [t("customers.auto"), w.auto_topup.enabled && `${money(w.auto_topup.amount, w.currency)} < ${money(w.auto_topup.threshold, w.currency)}`],
      ]} />
      <Group gap="xs" mt="sm">
        {may?.("wallet.account.adjust") && <Button size="sm" variant="light" onClick={() => setOpen("adjust")}>{t("customers.adjust")}</Button>}
        {may?.("wallet.account.freeze") && (w.frozen
          ? <Button size="sm" variant="default" onClick={() => void unfreeze()}>{t("customers.unfreeze")}</Button>
          : <Button size="sm" variant="default" onClick={() => setOpen("freeze")}>{t("customers.freeze")}</Button>)}
      </Group>
      <Transactions userId={userId} />
      {open === "adjust" && <Adjust wallet={w} onClose={() => setOpen(null)} />}
      {open === "freeze" && <Freeze onClose={() => setOpen(null)} onFreeze={async (reason) => { await freeze(reason); await refresh("wallet"); toast.good(t("customers.freezeDone")); }} />}
    </>
  );
}

function Adjust({ wallet, onClose }: { wallet: Schema<"WalletView">; onClose: () => void }) {
  const t = useWords();
  const [amount, setAmount] = useState<number | string>("");
  const [reason, setReason] = useState("");
  const by = Number(amount);
  const send = async () => {
    await ok(api.POST("/api/v1/wallets/{user_id}/adjustments", { ...ofUser(wallet.user_id), body: { amount: by, reason: reason.trim() } }));
    await refresh("wallet");
    toast.good(t("customers.adjustDone", { amount: money(by, wallet.currency) }));
  };
  return (
    <FormDialog title={t("customers.adjustTitle")} submit={t("save")} disabled={!by || !reason.trim()} onClose={onClose} onSubmit={send}>
      {(field) => (
        <>
          <NumberInput label={t("customers.adjustAmount", { currency: wallet.currency })} description={t("customers.adjustHint")} value={amount} onChange={setAmount} decimalScale={2} hideControls data-autofocus error={field("amount")} />
          <Textarea label={t("customers.adjustReason")} value={reason} autosize minRows={2} maxLength={300} onChange={(e) => setReason(e.currentTarget.value)} error={field("reason")} />
          <Text size="sm" c="dimmed" role="status">{t("customers.adjustAfter", { amount: money(wallet.amount + (by || 0), wallet.currency) })}</Text>
        </>
      )}
    </FormDialog>
  );
}

function Freeze({ onClose, onFreeze }: { onClose: () => void; onFreeze: (reason: string) => Promise<void> }) {
  const t = useWords();
  const [reason, setReason] = useState("");
  return (
    <FormDialog title={t("customers.freezeTitle")} submit={t("customers.freeze")} danger disabled={!reason.trim()} onClose={onClose} onSubmit={() => onFreeze(reason.trim())}>
      {(field) => (
        <>
          <Text size="sm">{t("customers.freezeText")}</Text>
          <TextInput label={t("customers.adjustReason")} value={reason} maxLength={300} onChange={(e) => setReason(e.currentTarget.value)} error={field("reason")} data-autofocus />
        </>
      )}
    </FormDialog>
  );
}

function Transactions({ userId }: { userId: string }) {
  const t = useWords();
  const n = useNames();
  const found = useInfiniteQuery({
    queryKey: ["wallet", userId, "transactions"],
    queryFn: ({ pageParam }) =>
      ok(api.GET("/api/v1/wallets/{user_id}/transactions", { params: { path: { user_id: userId }, query: { first: 20, ...(pageParam ? { after: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = found.data?.pages.flatMap((page) => page.transactions) ?? [];
  return (
    <section aria-label={t("customers.transactions")}>
      <h3 className={office.section}>{t("customers.transactions")}</h3>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.data && rows.length === 0 && <Text size="sm" c="dimmed">{t("customers.transactionsNone")}</Text>}
      <table className={office.lines}>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>{at(row.at)}</td>
              <td>{n(`customers.type.${row.type}`)}<Text size="xs" c="dimmed">{row.description}</Text></td>
              <td className={office.end}>{money(row.amount, row.currency)}<Text size="xs" c="dimmed">{money(row.balance, row.currency)}</Text></td>
            </tr>
          ))}
        </tbody>
      </table>
      {found.hasNextPage && <Button size="compact-sm" variant="subtle" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>{t("customers.more")}</Button>}
    </section>
  );
}
