// One person: who it is, wallet, debts, checks, sessions; blocking with an undo.
import { Badge, Button, Group, Text, TextInput } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, at, money } from "@lib/format";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { toast } from "@lib/toast";
import { useState, type ReactNode } from "react";
import { deed } from "../office/deed";
import { FormDialog } from "../office/FormDialog";
import office from "../office/office.module.css";
import { nameOf, usePerson } from "../office/people";
import { roleTitle } from "../people/roles";
import { Pairs } from "../parts/Pairs";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { Go } from "../shell/place";
import { useMay } from "../shell/may";
import { languageName, useNames, useWords, wordFor } from "../text";
import { personTone } from "./Customers";
import { Wallet } from "./Wallet";

const ofUser = (user: string) => ({ params: { path: { user } } });

export function Customer({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords();
  const n = useNames();
  const may = useMay();
  const person = usePerson(id);
  const p = person.data;
  return (
    <Panel title={p ? nameOf(p) : t("customers.one")} label={t("customers.one")} onClose={onClose} width={500}>
      {person.error && <Problem error={person.error} again={() => void person.refetch()} />}
      {!p && !person.error && <Rows count={4} />}
      {p && (
        <>
          <Group justify="space-between" mb="sm">
            <State tone={personTone(p.status)}>{n(`customers.state.${p.status}`)}</State>
            <Block person={p} />
          </Group>
          <Pairs of={[
            [t("customers.email"), p.email], [t("customers.phone"), p.phone], [t("customers.language"), p.locale && languageName(p.locale)], [t("customers.since"), at(p.created_at)],
            [t("customers.roles"), <Group key="r" gap={4}>{p.roles.map((role) => <Badge key={role} variant="default" tt="none">{roleTitle(role)}</Badge>)}</Group>],
            ["ID", <span key="id" className={office.mono}>{p.id}</span>],
          ]} />
          <Group gap="md" mt="sm">
            {may?.("rentals.rental.read_any") && <Go to="/rentals" query={{ rider: p.id }}>{t("customers.rides")}</Go>}
            {may?.("identity.person.correct") && <BirthDate id={p.id} />}
          </Group>
          {may?.("wallet.account.read_any") && <Section title={t("customers.wallet")}><Wallet userId={p.id} /></Section>}
          {may?.("payments.payment.read_any") && <Debts userId={p.id} />}
          {may?.("identity.check.read") && <Checks id={p.id} />}
          {may?.("identity.session.read") && <><Sessions id={p.id} /><LogIns id={p.id} /></>}
        </>
      )}
    </Panel>
  );
}


function Section({ title, children }: { title: string; children: ReactNode }) {
  return <section aria-label={title}><h3 className={office.section}>{title}</h3>{children}</section>;
}

function Block({ person }: { person: Schema<"Profile"> }) {
  const t = useWords();
  const may = useMay();
  if (!may?.("identity.person.block")) return null;
  const block = () => ok(api.POST("/api/v1/users/{user}/block", ofUser(person.id)));
  const unblock = () => ok(api.POST("/api/v1/users/{user}/unblock", ofUser(person.id)));
  const keys = ["person", "customers", "team"];
  const name = nameOf(person);
  return person.status === "blocked"
    ? <Button size="sm" variant="light" onClick={() => void deed(keys, t("customers.unblocked", { name }), unblock, block)}>{t("customers.unblock")}</Button>
    : <Button size="sm" variant="light" color="red" onClick={() => void deed(keys, t("customers.blocked", { name }), block, unblock)}>{t("customers.block")}</Button>;
}

function BirthDate({ id }: { id: string }) {
  const t = useWords();
  const [isOpen, setOpen] = useState(false);
  const [day, setDay] = useState("");
  const send = async () => {
    await ok(api.PUT("/api/v1/users/{user}/birth-date", { ...ofUser(id), body: { birth_date: day } }));
    toast.good(t("customers.birthDone"));
  };
  return (
    <>
      <Button size="compact-sm" variant="subtle" onClick={() => setOpen(true)}>{t("customers.birth")}</Button>
      {isOpen && (
        <FormDialog title={t("customers.birth")} submit={t("save")} disabled={!day} onClose={() => setOpen(false)} onSubmit={send}>
          {(field) => <TextInput type="date" label={t("customers.birthDate")} value={day} onChange={(e) => setDay(e.currentTarget.value)} error={field("birth_date")} />}
        </FormDialog>
      )}
    </>
  );
}

/** The API lists everybody's debts; those of one person are picked out of all that are open. */
async function openDebtsOf(userId: string): Promise<Schema<"DebtView">[]> {
  const found: Schema<"DebtView">[] = [];
  for (let offset = 0, more = true; more; offset += 100) {
    const page = await ok(api.GET("/api/v1/debts", { params: { query: { all: true, status: "open", limit: 100, offset } } }));
    found.push(...page.debts.filter((debt) => debt.user_id === userId));
    more = page.pagination.has_more;
  }
  return found;
}

function Debts({ userId }: { userId: string }) {
  const t = useWords();
  const debts = useQuery({ queryKey: ["debts", "of", userId], queryFn: () => openDebtsOf(userId) });
  return (
    <Section title={t("customers.debts")}>
      {debts.error && <Problem error={debts.error} />}
      {debts.data?.length === 0 && <Text size="sm" c="dimmed">{t("customers.debtsNone")}</Text>}
      <table className={office.lines}>
        <tbody>
          {debts.data?.map((debt) => (
            <tr key={debt.id}><td>{at(debt.opened_at)}</td><td>{debt.reason}</td><td className={office.end}>{money(debt.amount, debt.currency)}</td></tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

function Checks({ id }: { id: string }) {
  const t = useWords();
  const n = useNames();
  const checks = useQuery({ queryKey: ["checks", id], queryFn: () => ok(api.GET("/api/v1/users/{user}/id-checks", ofUser(id))) });
  return (
    <Section title={t("customers.checks")}>
      {checks.error && <Problem error={checks.error} />}
      {checks.data?.id_checks.length === 0 && <Text size="sm" c="dimmed">{t("customers.checksNone")}</Text>}
      <table className={office.lines}>
        <tbody>
          {checks.data?.id_checks.map((check) => (
            <tr key={check.id}>
              <td>{n(`customers.checkKind.${check.kind}`)} {check.classes.join(", ")}</td>
              <td><State tone={check.status === "verified" ? "good" : check.status === "pending" ? "notice" : "danger"}>{n(`customers.checkStatus.${check.status}`)}</State></td>
              <td>{check.good_until ? t("customers.goodUntil", { at: at(check.good_until, "date") }) : check.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

function Sessions({ id }: { id: string }) {
  const t = useWords();
  const may = useMay();
  const [isOpen, setOpen] = useState(false);
  const sessions = useQuery({ queryKey: ["sessions", id], queryFn: () => ok(api.GET("/api/v1/users/{user}/sessions", ofUser(id))) });
  const of = sessions.data?.sessions ?? [];
  const end = async () => {
    const answer = await ok(api.POST("/api/v1/users/{user}/sessions/end", ofUser(id)));
    await deed(["sessions"], t("customers.endSessionsDone", { count: answer.ended }), async () => undefined);
  };
  return (
    <Section title={t("customers.sessions")}>
      {sessions.error && <Problem error={sessions.error} />}
      {sessions.data && of.length === 0 && <Text size="sm" c="dimmed">{t("customers.sessionsNone")}</Text>}
      <table className={office.lines}>
        <tbody>
          {of.map((session) => (
            <tr key={session.id}><td>{session.device || "–"}<Text size="xs" c="dimmed">{session.address} · {session.methods.map((method) => wordFor("customers.method", method)).join(", ")}</Text></td><td className={office.end}>{t("customers.lastUsed", { ago: ago(session.last_used_at) })}</td></tr>
          ))}
        </tbody>
      </table>
      {of.length > 0 && may?.("identity.session.end") && <Button mt="xs" size="sm" variant="default" onClick={() => setOpen(true)}>{t("customers.endSessions")}</Button>}
      {isOpen && <FormDialog title={t("customers.endSessionsTitle")} submit={t("customers.endSessions")} danger onClose={() => setOpen(false)} onSubmit={end}><Text size="sm">{t("customers.endSessionsText")}</Text></FormDialog>}
    </Section>
  );
}

function LogIns({ id }: { id: string }) {
  const t = useWords();
  const found = useQuery({ queryKey: ["log-ins", id], queryFn: () => ok(api.GET("/api/v1/users/{user}/log-ins", { params: { path: { user: id }, query: { limit: 10 } } })) });
  return (
    <Section title={t("customers.logins")}>
      {found.error && <Problem error={found.error} />}
      {found.data?.log_ins.length === 0 && <Text size="sm" c="dimmed">{t("customers.loginsNone")}</Text>}
      <table className={office.lines}>
        <tbody>{found.data?.log_ins.map((each) => <tr key={each.id}><td>{at(each.at)}</td><td>{wordFor("customers.loginOutcome", each.outcome)}</td><td>{each.address}</td></tr>)}</tbody>
      </table>
    </Section>
  );
}
