// The ledger: accounts with their statements, the trial balance, and single journals.
import { Button, Group, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { at, money, number } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { refresh } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { Parts, usePart } from "../office/Parts";
import { PersonName } from "../office/PersonName";
import { saveAnswer } from "../office/saveAnswer";
import { Wide } from "../office/Wide";
import { DataTable, type Column } from "../parts/DataTable";
import { Listed } from "../parts/Listed";
import { Day } from "../parts/Day";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { textOf, useQueryPart } from "../shell/place";
import { useWords, wordFor } from "../text";

export default function Books() {
  const t = useWords();
  const part = usePart(["accounts", "trial"]);
  return (
    <Page title={t("books.title")} fill below={<Parts label={t("books.partsOf")} now={part} of={[["accounts", t("books.accounts")], ["trial", t("books.trial")]]} />}>
      {part === "accounts" ? <Accounts /> : <Trial />}
    </Page>
  );
}

/** An account by its name, and beside it the code that exports and reports say (`revenue.1900`: 19 per cent). */
function Account({ code }: { code: string }) {
  const [stem = code, rate] = code.split(".");
  const name = wordFor("books.accountName", stem);
  return <>{name}{rate && ` ${number(Number(rate) / 100, 2)} %`}{name !== stem && <Text span size="xs" c="dimmed" ml={6}>{code}</Text>}</>;
}

const save = (path: string, name: string) => void saveAnswer(path, name).catch((error: unknown) => toast.bad(error));

function Accounts() {
  const t = useWords();
  const [query, change] = useQueryPart();
  const found = usePages(["books", "accounts", query.code], (offset) => ok(api.GET("/api/v1/books/accounts", { params: { query: { offset, limit: PAGE, ...(query.code ? { code: query.code } : {}) } } })), (page) => page.accounts);
  const columns = useMemo<Column<Schema<"PaymentsAccountView">>[]>(
    () => [
      { key: "code", label: t("books.code"), width: "minmax(12rem, 1fr)", cell: (a) => <Account code={a.code} />, value: (a) => a.code },
      { key: "owner", label: t("books.owner"), width: "minmax(10rem, 1fr)", cell: (a) => <PersonName id={a.owner} />, value: (a) => a.owner },
      { key: "kind", label: t("books.kind"), width: "8rem", cell: (a) => wordFor("books.accountKind", a.kind), value: (a) => a.kind },
      { key: "balance", label: t("books.balance"), width: "10rem", end: true, cell: (a) => money(a.balance, a.currency), value: (a) => a.balance },
      { key: "held", label: t("books.held"), width: "9rem", end: true, cell: (a) => (a.held ? money(a.held, a.currency) : "–"), value: (a) => a.held },
      { key: "entries", label: t("books.entries"), width: "7rem", end: true, cell: (a) => number(a.entries), value: (a) => a.entries },
    ],
    [t],
  );
  const close = useCallback(() => change({ a: undefined, j: undefined }), [change]);
  const closeJournal = useCallback(() => change({ j: undefined }), [change]);
  const only = query.code && <Button size="compact-sm" variant="light" rightSection={<Icon name="close" size={14} />} onClick={() => change({ code: undefined })}>{query.code}</Button>;
  return (
    <>
      <Listed found={found} label={t("books.accounts")} columns={columns} id={(a) => a.id} file="accounts" bar={only} openId={query.a} onOpen={(a) => change({ a: a.id, j: undefined }, true)}
        empty={<Empty icon="doc" title={t("books.none")}>{t("books.noneText")}</Empty>} />
      {query.j ? <Journal id={query.j} onClose={closeJournal} /> : query.a && <Statement key={query.a} id={query.a} onClose={close} />}
    </>
  );
}

function Statement({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const [, change] = useQueryPart();
  const found = useInfiniteQuery({
    queryKey: ["books", "entries", id],
    queryFn: ({ pageParam }) => ok(api.GET("/api/v1/books/accounts/{account_id}/entries", { params: { path: { account_id: id }, query: { limit: 50, ...(pageParam ? { after: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const account = found.data?.pages[0]?.account;
  return (
    <Panel title={account ? <Account code={account.code} /> : t("books.statement")} label={t("books.statement")} onClose={onClose} width={620}>
      {found.error && <Problem error={found.error} />}
      {!account && !found.error && <Rows />}
      {account && (
        <>
          <Group justify="space-between" mb="sm"><Text fw={650}>{money(account.balance, account.currency)}</Text><Button size="compact-sm" variant="default" leftSection={<Icon name="download" size={15} />} onClick={() => save(`/api/v1/books/accounts/${id}/entries.csv`, `${account.code}.csv`)}>{t("books.csv")}</Button></Group>
          <Wide>
            <table className={office.lines}>
              <thead><tr><th scope="col">{t("books.at")}</th><th scope="col">{t("books.narration")}</th><th scope="col" className={office.end}>{t("books.debit")}</th><th scope="col" className={office.end}>{t("books.credit")}</th><th scope="col" className={office.end}>{t("books.balance")}</th></tr></thead>
              <tbody>
                {found.data?.pages.flatMap((page) => page.entries).map((e) => (
                  <tr key={`${e.journal_id} ${e.balance}`}>
                    <td>{at(e.at)}</td>
                    <td><Button size="compact-xs" variant="subtle" px={0} onClick={() => change({ j: e.journal_id }, true)}>{wordFor("books.journalKind", e.kind)}</Button><Text size="xs" c="dimmed">{e.narration}</Text></td>
                    <td className={office.end}>{e.debit === null ? "" : money(e.debit, account.currency)}</td><td className={office.end}>{e.credit === null ? "" : money(e.credit, account.currency)}</td><td className={office.end}>{money(e.balance, account.currency)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
          {found.hasNextPage && <Button size="compact-sm" variant="subtle" onClick={() => void found.fetchNextPage()}>{t("books.more")}</Button>}
        </>
      )}
    </Panel>
  );
}

function Journal({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const found = useQuery({ queryKey: ["books", "journal", id], queryFn: () => ok(api.GET("/api/v1/books/journals/{journal_id}", { params: { path: { journal_id: id } } })) });
  const j = found.data;
  const reverse = async () => {
    await ok(api.POST("/api/v1/books/journals/{journal_id}/reverse", { params: { path: { journal_id: id } }, body: { reason: reason.trim() } }));
    await refresh("books");
    toast.good(t("books.reversed"));
  };
  return (
    <Panel title={t("books.journal")} label={t("books.journalOf", { id })} onClose={onClose} width={560}>
      {found.error && <Problem error={found.error} />}
      {j && (
        <>
          <Pairs of={[[t("books.kind"), wordFor("books.journalKind", j.kind)], [t("books.at"), at(j.at, "full")], [t("books.narration"), j.narration], [t("books.reference"), j.reference], [t("books.actor"), <PersonName key="p" id={j.actor} />], [t("books.reverses"), j.reverses], [t("books.reversedBy"), j.reversed_by]]} />
          <table className={office.lines}>
            <thead><tr><th scope="col">{t("books.code")}</th><th scope="col" className={office.end}>{t("books.debit")}</th><th scope="col" className={office.end}>{t("books.credit")}</th></tr></thead>
            <tbody>{j.lines.map((line, i) => <tr key={i}><td><Account code={line.code} /><Text size="xs" c="dimmed"><PersonName id={line.owner} /></Text></td><td className={office.end}>{line.debit === null ? "" : money(line.debit, line.currency)}</td><td className={office.end}>{line.credit === null ? "" : money(line.credit, line.currency)}</td></tr>)}</tbody>
          </table>
          {!j.reversed_by && !j.reverses && may?.("payments.ledger.write") && <Button mt="sm" size="sm" variant="default" onClick={() => setOpen(true)}>{t("books.reverse")}</Button>}
        </>
      )}
      {isOpen && <FormDialog title={t("books.reverseTitle")} submit={t("books.reverse")} danger disabled={!reason.trim()} onClose={() => setOpen(false)} onSubmit={reverse}>{(field) => <><Text size="sm">{t("books.reverseText")}</Text><TextInput label={t("books.reason")} value={reason} maxLength={300} onChange={(e) => setReason(e.currentTarget.value)} error={field("reason")} data-autofocus /></>}</FormDialog>}
    </Panel>
  );
}

function Trial() {
  const t = useWords();
  const [query, change] = useQueryPart();
  const iso = (day: string | undefined, after: number) => (day ? new Date(Date.parse(`${day}T00:00:00`) + after * 86_400_000).toISOString() : undefined);
  const [from, to] = [iso(query.from, 0), iso(query.to, 1)];
  const period = { ...(from ? { from } : {}), ...(to ? { to } : {}) };
  const found = useQuery({ queryKey: ["books", "trial", from, to], queryFn: () => ok(api.GET("/api/v1/books/trial-balance", { params: { query: period } })) });
  const columns = useMemo<Column<Schema<"TrialRow">>[]>(
    () => [
      { key: "code", label: t("books.code"), width: "minmax(12rem, 1fr)", cell: (r) => <Account code={r.code} />, value: (r) => r.code },
      { key: "kind", label: t("books.kind"), width: "8rem", cell: (r) => wordFor("books.accountKind", r.kind), value: (r) => r.kind },
      ...(["opening", "debit", "credit", "closing"] as const).map((key): Column<Schema<"TrialRow">> => ({ key, label: t(`books.${key}`), width: "10rem", end: true, cell: (r) => money(r[key], r.currency), value: (r) => r[key] })),
    ],
    [t],
  );
  return (
    <>
      <div className={parts.filters} style={{ marginBottom: "0.6rem" }}>
        <Day label={t("books.from")} value={query.from} onChange={(from) => change({ from })} />
        <Day label={t("books.to")} value={query.to} onChange={(to) => change({ to })} />
        {found.data && <State tone={found.data.is_balanced ? "good" : "danger"}>{t(found.data.is_balanced ? "books.balanced" : "books.unbalanced")}</State>}
        <Button size="sm" variant="default" ml="auto" leftSection={<Icon name="download" size={16} />} onClick={() => save(`/api/v1/books/trial-balance.csv${textOf(period)}`, "trial-balance.csv")}>{t("books.csv")}</Button>
      </div>
      {found.error ? <Problem error={found.error} again={() => void found.refetch()} /> : !found.data ? <Rows count={6} height={42} /> : (
        <DataTable label={t("books.trial")} columns={columns} rows={found.data.rows} id={(r) => `${r.code} ${r.currency}`} empty={<Empty icon="doc" title={t("books.none")}>{t("books.noneText")}</Empty>} />
      )}
    </>
  );
}
