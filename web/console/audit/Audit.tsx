// Who did what to what, from where; searched by the address, exported as a file.
import { Alert, Button, Menu, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { toast } from "@lib/toast";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import office from "../office/office.module.css";
import { PersonName } from "../office/PersonName";
import { saveAnswer } from "../office/saveAnswer";
import { Wide } from "../office/Wide";
import { roleTitle } from "../people/roles";
import { DataTable, type Column } from "../parts/DataTable";
import { Day } from "../parts/Day";
import { Page } from "../parts/Page";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { textOf, useQueryPart, type Query } from "../shell/place";
import { useWords, wordFor } from "../text";
import { changesOf, filterOf } from "./entry";

type Entry = Schema<"IdentityEntryView">;
const toneOf = (outcome: string): string => (outcome === "done" || outcome === "seen" ? "good" : outcome === "begun" ? "notice" : "offline");

/** Most are a word of ours; a refusal is the code that the caller was told. */
const outcomeText = (outcome: string): string => wordFor("audit.outcomes", outcome);

export default function Audit() {
  const t = useWords();
  const may = useMay();
  const [query, change] = useQueryPart();
  const filter = useMemo(() => filterOf(query), [query]);
  const found = useInfiniteQuery({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam }) => ok(api.GET("/api/v1/audit", { params: { query: { ...filter, limit: 100, ...(pageParam ? { after: pageParam } : {}) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.entries) ?? [], [found.data]);
  const verify = useMutation({ mutationFn: () => ok(api.GET("/api/v1/audit/verification")), onError: (error) => toast.bad(error) });
  const columns = useMemo<Column<Entry>[]>(
    () => [
      { key: "at", label: t("audit.at"), width: "12rem", cell: (e) => at(e.at, "full"), value: (e) => e.at },
      { key: "actor", label: t("audit.actor"), width: "minmax(8rem, 1fr)", cell: (e) => <PersonName id={e.actor} />, value: (e) => e.actor },
      { key: "action", label: t("audit.action"), width: "minmax(11rem, 1.2fr)", cell: (e) => e.action, value: (e) => e.action },
      { key: "subject", label: t("audit.subject"), width: "minmax(8rem, 1fr)", cell: (e) => e.subject || "–", value: (e) => e.subject },
      { key: "outcome", label: t("audit.outcome"), width: "10rem", cell: (e) => <State tone={toneOf(e.outcome)}>{outcomeText(e.outcome)}</State>, value: (e) => e.outcome },
      { key: "address", label: t("audit.address"), width: "8rem", cell: (e) => e.address, value: (e) => e.address },
      { key: "request", label: t("audit.request"), width: "9rem", cell: (e) => e.request_id, value: (e) => e.request_id },
    ],
    [t],
  );
  const save = (format: "csv" | "ndjson") =>
    saveAnswer(`/api/v1/audit/export${textOf({ format, ...filter })}`, `audit.${format}`).then(() => toast.plain(t("audit.exported")), toast.bad);
  const close = useCallback(() => change({ e: undefined }), [change]);
  const { fetchNextPage } = found;
  const onEnd = useCallback(() => void fetchNextPage(), [fetchNextPage]);
  const open = rows.find((e) => e.id === query.e);
  return (
    <Page
      title={t("audit.title")} fill
      actions={<>
        <Button size="sm" variant="default" leftSection={<Icon name="shield" size={16} />} loading={verify.isPending} onClick={() => verify.mutate()}>{t("audit.verify")}</Button>
        {may?.("identity.audit.export") && (
          <Menu withinPortal={false}>
            <Menu.Target><Button size="sm" variant="default" leftSection={<Icon name="download" size={16} />}>{t("audit.export")}</Button></Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={() => void save("csv")}>{t("audit.csv")}</Menu.Item>
              <Menu.Item onClick={() => void save("ndjson")}>{t("audit.ndjson")}</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </>}
      below={<Filters query={query} change={change} />}
    >
      {verify.data && (
        <Alert mb="sm" color={verify.data.holds ? "petrol" : "red"} variant="light" role="status" withCloseButton closeButtonLabel={t("close")} onClose={() => verify.reset()}>
          {verify.data.holds ? t("audit.holds") : t("audit.broken", { row: verify.data.broken_at ?? "?" })}
        </Alert>
      )}
      {found.error ? <Problem error={found.error} again={() => void found.refetch()} /> : found.isPending ? <Rows count={10} height={42} /> : (
        <DataTable label={t("audit.list")} columns={columns} rows={rows} id={(e) => e.id} isMore={found.hasNextPage} onEnd={onEnd}
          openId={query.e} onOpen={(e) => change({ e: e.id }, true)} empty={<Empty icon="search" title={t("audit.none")}>{t("audit.noneText")}</Empty>} />
      )}
      {open && <One entry={open} onClose={close} />}
    </Page>
  );
}

function Filters({ query, change }: { query: Query; change: (part: Record<string, string | undefined>) => void }) {
  const t = useWords();
  const [typed, setTyped] = useState({ action: query.action ?? "", actor: query.actor ?? "", subject: query.subject ?? "" });
  const search = useDebouncedCallback((part: Record<string, string>) => change(part), 350);
  const put = (name: keyof typeof typed) => (e: { currentTarget: { value: string } }) => {
    const { value } = e.currentTarget;
    setTyped((now) => ({ ...now, [name]: value }));
    search({ [name]: value.trim() });
  };
  return (
    <div className={parts.filters}>
      <SegmentedControl size="sm" aria-label={t("audit.outcome")} value={query.outcome ?? ""} onChange={(outcome) => change({ outcome })}
        data={[{ value: "", label: t("audit.outcomes.all") }, { value: "done", label: t("audit.outcomes.done") }, { value: "seen", label: t("audit.outcomes.seen") }]} />
      <TextInput size="sm" w={150} aria-label={t("audit.actionFilter")} placeholder={t("audit.actionFilter")} value={typed.action} onChange={put("action")} />
      <TextInput size="sm" w={150} aria-label={t("audit.actorFilter")} placeholder={t("audit.actorFilter")} value={typed.actor} onChange={put("actor")} />
      <TextInput size="sm" w={150} aria-label={t("audit.subjectFilter")} placeholder={t("audit.subjectFilter")} value={typed.subject} onChange={put("subject")} />
      <Day label={t("audit.from")} value={query.from} onChange={(from) => change({ from })} />
      <Day label={t("audit.to")} value={query.to} onChange={(to) => change({ to })} />
    </div>
  );
}

function One({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const t = useWords();
  const changes = changesOf(entry.detail);
  return (
    <Panel title={entry.action} label={t("audit.entry")} onClose={onClose}>
      <Pairs of={[
        [t("audit.at"), at(entry.at, "full")], [t("audit.actor"), <PersonName key="p" id={entry.actor} link={entry.actor.startsWith("usr_")} />], [t("audit.roles"), entry.roles.map((role) => roleTitle(role)).join(", ")],
        [t("audit.subject"), entry.subject && <span key="s" className={office.mono}>{entry.subject}</span>], [t("audit.outcome"), outcomeText(entry.outcome)], [t("audit.address"), entry.address],
        [t("audit.request"), <span key="r" className={office.mono}>{entry.request_id}</span>], [t("audit.seq"), entry.seq ?? t("audit.notYet")],
      ]} />
      {changes.length > 0 && (
        <>
          <h3 className={office.section}>{t("audit.detail")}</h3>
          <Wide>
            <table className={office.lines}>
              <thead><tr><th scope="col">{t("audit.field")}</th><th scope="col">{t("audit.before")}</th><th scope="col">{t("audit.after")}</th></tr></thead>
              <tbody>{changes.map(([name, before, after]) => <tr key={name}><td>{name}</td><td className={office.mono}>{before}</td><td className={office.mono}>{after}</td></tr>)}</tbody>
            </table>
          </Wide>
        </>
      )}
    </Panel>
  );
}
