// What resellers are paid: drafted by one person, paid by another.
import { Button, Group, SegmentedControl, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { at, money } from "@lib/format";
import { Empty } from "@lib/states";
import { toast } from "@lib/toast";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { deed, refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import { PersonName } from "../office/PersonName";
import type { Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { Go, useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { Notes } from "./Notes";
import { toneOf } from "./tone";

export type Payout = Schema<"PayoutView">;

/** Names of resellers where the API gives ids: the first hundred by name, which are nearly always all. */
export function useResellerNames(enabled = true): (id: string) => string {
  const found = useQuery({ queryKey: ["resellers", "names"], queryFn: () => ok(api.GET("/api/v1/resellers", { params: { query: { limit: 100 } } })), enabled });
  return useCallback((id) => found.data?.resellers.find((r) => r.id === id)?.name ?? `…${id.slice(-6)}`, [found.data]);
}

/** `of`: only those of one reseller. */
export function Payouts({ of }: { of?: string }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const nameOf = useResellerNames(of === undefined);
  const [query, change] = useQueryPart();
  const [busy, setBusy] = useState(false);
  const found = usePages(["payouts", "list", of], (offset) => ok(api.GET("/api/v1/reseller-payouts", { params: { query: { offset, limit: PAGE, ...(of ? { reseller_id: of } : {}) } } })), (page) => page.payouts);
  const columns = useMemo<Column<Payout>[]>(
    () => [
      ...(of ? [] : [{ key: "who", label: t("reseller.one"), width: "minmax(10rem, 1fr)", cell: (p: Payout) => nameOf(p.reseller_id), value: (p: Payout) => nameOf(p.reseller_id) }]),
      { key: "amount", label: t("books.amount"), width: "8rem", end: true, cell: (p) => money(p.amount, p.currency), value: (p) => p.amount },
      { key: "state", label: t("books.status"), width: "9rem", cell: (p) => <State tone={toneOf(p.state)}>{n(`books.payoutState.${p.state}`)}</State>, value: (p) => p.state },
      { key: "at", label: t("books.at"), width: "11rem", cell: (p) => at(p.made_at), value: (p) => p.made_at },
      { key: "until", label: t("books.until"), width: "11rem", cell: (p) => at(p.until), value: (p) => p.until },
      { key: "by", label: t("books.draftedBy"), width: "11rem", cell: (p) => <PersonName id={p.made_by} />, value: (p) => p.made_by },
      { key: "paid", label: t("reseller.paidBy"), width: "11rem", cell: (p) => (p.paid_by ? <PersonName id={p.paid_by} /> : "–"), value: (p) => p.paid_by },
      { key: "reference", label: t("books.bankReference"), width: "minmax(10rem, 1fr)", cell: (p) => p.bank_reference || p.gateway || p.reason || "–", value: (p) => p.bank_reference },
    ],
    [t, n, of, nameOf],
  );
  const run = async () => {
    setBusy(true);
    try {
      const made = await ok(api.POST("/api/v1/reseller-payouts", { body: {} }));
      await refresh("payouts", "resellers");
      if (made.payouts.length > 0) toast.good(t("books.payoutDrafted", { count: made.payouts.length }));
      else toast.plain(t("reseller.nothingDue"));
    } catch (error) {
      toast.bad(error);
    }
    setBusy(false);
  };
  const close = useCallback(() => change({ payout: undefined }), [change]);
  const open = found.rows.find((each) => each.id === query.payout);
  const add = !of && may?.("wallet.payout.create") && <Button size="sm" loading={busy} onClick={() => void run()}>{t("books.payoutRun")}</Button>;
  return (
    <>
      <Listed found={found} label={t("books.payouts")} columns={columns} id={(p) => p.id} file="payouts" bar={found.rows.length > 0 && add} openId={query.payout} onOpen={(p) => change({ payout: p.id }, true)}
        empty={<Empty icon="wallet" title={t("books.payoutsNone")} action={add}>{t("reseller.payoutsNoneText")}</Empty>} />
      {open && <PayoutPanel key={open.id} payout={open} name={of ? undefined : nameOf(open.reseller_id)} onClose={close} />}
    </>
  );
}

function PayoutPanel({ payout: p, name, onClose }: { payout: Payout; name: string | undefined; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  return (
    <Panel title={money(p.amount, p.currency)} label={t("reseller.payout")} onClose={onClose}>
      <Pairs of={[
        [t("reseller.one"), name && <Go key="n" to={`/resellers/${p.reseller_id}`}>{name}</Go>], [t("books.status"), <State key="s" tone={toneOf(p.state)}>{n(`books.payoutState.${p.state}`)}</State>], [t("books.until"), at(p.until)],
        [t("books.draftedBy"), <span key="d"><PersonName id={p.made_by} /> · {at(p.made_at)}</span>], [t("reseller.paidBy"), p.paid_by && <span key="p"><PersonName id={p.paid_by} /> {p.paid_at && `· ${at(p.paid_at)}`}</span>],
        [t("books.bankReference"), p.bank_reference], [t("reseller.gateway"), p.gateway], [t("reseller.refused"), p.reason],
      ]} />
      {p.state === "draft" && <PayoutDeeds payout={p} />}
      <Notes on="payout" id={p.id} mayWrite={may?.("wallet.payout.create") ?? false} />
    </Panel>
  );
}

/** What may be done with a draft: paid by somebody else than who drafted it, or dropped. */
export function PayoutDeeds({ payout, onDone }: { payout: Payout; onDone?: () => void }) {
  const t = useWords();
  const may = useMay();
  const [isPaying, setPaying] = useState(false);
  const isOwn = payout.made_by === currentUser()?.id;
  const mayPay = (may?.("wallet.payout.pay") ?? false) && !isOwn;
  const drop = async () => {
    if (await deed(["payouts", "resellers"], t("books.dropped"), () => ok(api.POST("/api/v1/reseller-payouts/{payout_id}/cancel", { params: { path: { payout_id: payout.id } } })))) onDone?.();
  };
  return (
    <>
      <Group mt="md" gap="xs">
        {mayPay && <Button size="sm" onClick={() => setPaying(true)}>{t("reseller.pay")}</Button>}
        {may?.("wallet.payout.create") && <Button size="sm" variant="default" onClick={() => void drop()}>{t("reseller.drop")}</Button>}
      </Group>
      {isOwn && <Text size="sm" c="dimmed" mt="sm">{t("reseller.ownDraft")}</Text>}
      {isPaying && <PayForm payout={payout} onClose={() => setPaying(false)} onDone={onDone} />}
    </>
  );
}

function PayForm({ payout, onClose, onDone }: { payout: Payout; onClose: () => void; onDone: (() => void) | undefined }) {
  const t = useWords();
  const [way, setWay] = useState<"bank" | "transfer">("bank");
  const [reference, setReference] = useState("");
  const of = { params: { path: { payout_id: payout.id } } };
  const pay = async () => {
    if (way === "bank") await ok(api.POST("/api/v1/reseller-payouts/{payout_id}/pay", { ...of, body: { bank_reference: reference.trim() } }));
    else await ok(api.POST("/api/v1/reseller-payouts/{payout_id}/transfer", of));
    await refresh("payouts", "resellers", "books");
    toast.good(t(way === "bank" ? "books.paid" : "reseller.sent"));
    onDone?.();
  };
  return (
    <FormDialog title={t("reseller.payTitle", { amount: money(payout.amount, payout.currency) })} submit={t(way === "bank" ? "reseller.notePaid" : "reseller.send")} onClose={onClose} onSubmit={pay}>
      {(field) => (
        <>
          <SegmentedControl aria-label={t("reseller.way")} value={way} onChange={(value) => setWay(value as typeof way)} data={(["bank", "transfer"] as const).map((value) => ({ value, label: t(`reseller.ways.${value}`) }))} />
          <Text size="sm">{t(`reseller.waysText.${way}`)}</Text>
          {way === "bank" && <TextInput label={t("books.bankReference")} value={reference} maxLength={140} onChange={(e) => setReference(e.currentTarget.value)} error={field("bank_reference")} data-autofocus />}
        </>
      )}
    </FormDialog>
  );
}
