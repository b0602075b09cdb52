// People: found by a part of name, e-mail or phone; the open one stands in the address (`?c=`).
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { api, ok, type Schema } from "@lib/api/client";
import { at } from "@lib/format";
import { Icon } from "@lib/icons";
import { Empty, Rows } from "@lib/states";
import { useCallback, useMemo, useState } from "react";
import { nameOf } from "../office/people";
import { roleTitle } from "../people/roles";
import { DataTable, type Column } from "../parts/DataTable";
import { Page } from "../parts/Page";
import { PAGE, usePages } from "../parts/pages";
import parts from "../parts/parts.module.css";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Views } from "../parts/Views";
import { useQueryPart } from "../shell/place";
import { useNames, useWords } from "../text";
import { Customer } from "./Customer";

export const personTone = (status: string): string => (status === "active" ? "good" : status === "blocked" ? "danger" : "offline");

export default function Customers() {
  const t = useWords();
  const n = useNames();
  const [query, change] = useQueryPart();
  const [typed, setTyped] = useState(query.q ?? "");
  const search = useDebouncedCallback((text: string) => change({ q: text.trim() }), 250);
  const q = query.q ?? "";
  const isAll = query.who === "all";
  const people = usePages(
    ["customers", q, isAll],
    (offset) => ok(api.GET("/api/v1/users", { params: { query: { offset, limit: PAGE, ...(q ? { q } : {}), ...(isAll ? {} : { staff: false }) } } })),
    (page) => page.users,
  );
  const columns = useMemo<Column<Schema<"Profile">>[]>(
    () => [
      { key: "name", label: t("customers.name"), width: "minmax(10rem, 1fr)", cell: nameOf, value: nameOf },
      { key: "email", label: t("customers.email"), width: "minmax(14rem, 1.4fr)", cell: (p) => p.email ?? "–", value: (p) => p.email },
      { key: "phone", label: t("customers.phone"), width: "10rem", cell: (p) => p.phone ?? "–", value: (p) => p.phone },
      { key: "status", label: t("customers.status"), width: "8rem", cell: (p) => <State tone={personTone(p.status)}>{n(`customers.state.${p.status}`)}</State>, value: (p) => p.status },
      ...(isAll ? [{ key: "roles", label: t("customers.roles"), width: "10rem", cell: (p: Schema<"Profile">) => p.roles.map((role) => roleTitle(role)).join(", "), value: (p: Schema<"Profile">) => p.roles.join(" ") }] : []),
      { key: "since", label: t("customers.since"), width: "8rem", end: true, cell: (p) => at(p.created_at, "date"), value: (p) => p.created_at },
    ],
    [t, n, isAll],
  );
  const close = useCallback(() => change({ c: undefined }), [change]);
  return (
    <Page
      title={t("customers.title")} fill
      below={
        <div className={parts.filters}>
          <TextInput size="sm" w={280} maw="100%" type="search" aria-label={t("customers.searchLabel")} placeholder={t("customers.searchHint")} leftSection={<Icon name="search" size={16} />}
            value={typed} maxLength={100} onChange={(e) => { setTyped(e.currentTarget.value); search(e.currentTarget.value); }} />
          <SegmentedControl size="sm" aria-label={t("customers.who")} value={isAll ? "all" : ""} onChange={(who) => change({ who })}
            data={[{ value: "", label: t("customers.whoRiders") }, { value: "all", label: t("customers.whoAll") }]} />
          <Views screen="customers" path="/customers" shown={{ ...(q ? { q } : {}), ...(isAll ? { who: "all" } : {}) }} />
        </div>
      }
    >
      {people.error ? <Problem error={people.error} again={people.refetch} /> : people.isPending ? <Rows count={8} height={42} /> : (
        <DataTable
          label={t("customers.list")} columns={columns} rows={people.rows} id={(p) => p.id} name={nameOf} file="customers" total={people.total} isMore={people.isMore} onEnd={people.onEnd} all={people.all}
          openId={query.c} onOpen={(p) => change({ c: p.id }, true)}
          empty={q ? <Empty icon="search" title={t("customers.noneFound")} action={<Button variant="light" onClick={() => { setTyped(""); change({ q: undefined }); }}>{t("shell.filter.reset")}</Button>} />
            : <Empty icon="users" title={t("customers.none")}>{t("customers.noneText")}</Empty>}
        />
      )}
      {query.c && <Customer key={query.c} id={query.c} onClose={close} />}
    </Page>
  );
}
