// How debts are collected: the steps, their fees and days, and beside them the story they make.
import { ActionIcon, Button, Checkbox, Group, NumberInput, Switch, Text } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { config } from "@lib/config";
import { money } from "@lib/format";
import { Icon } from "@lib/icons";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { PlainForm } from "../company/Settings";
import { deed } from "../office/deed";
import { HINT_BELOW } from "../office/FormDialog";
import { majorOf, minorOf } from "../office/minor";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card } from "../parts/Card";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useNames, useWords } from "../text";
import classes from "./books.module.css";
import { inOrder, oneMore, problemOf, storyOf, type Dunning, type Step } from "./steps";

const MOST_STEPS = 10;
const ownCurrency = (): string => config().operator?.currency ?? "EUR";

export function DunningSettings() {
  const found = useQuery({ queryKey: ["dunning"], queryFn: () => ok(api.GET("/api/v1/debt-settings")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <DunningForm key={JSON.stringify(found.data)} of={found.data} /> : <Rows count={2} height={220} />;
}

function DunningForm({ of }: { of: Dunning }) {
  const t = useWords();
  const may = useMay();
  const [form, setForm] = useState(of);
  const currency = ownCurrency();
  const isReader = !(may?.("payments.debt.write") ?? false);
  const problem = problemOf(form);
  const put = (change: Partial<Dunning>) => setForm((now) => ({ ...now, ...change }));
  const set = (at: number, change: Partial<Step>) => setForm((now) => ({ ...now, steps: now.steps.map((step, i) => (i === at ? { ...step, ...change } : step)) }));
  const save = (body: Dunning) => ok(api.PUT("/api/v1/debt-settings", { body: { ...body, steps: inOrder(body.steps) } }));
  return (
    <div className={office.two}>
      <Card title={t("cases.dunning")}>
        <PlainForm disabled={isReader || problem !== null} onSave={() => deed(["dunning"], t("cases.dunningSaved"), () => save(form), () => save(of))}>
          <Wide>
            <table className={classes.steps} aria-label={t("cases.stepsTable")}>
              <thead><tr><th scope="col">{t("cases.afterDays")}</th><th scope="col">{t("cases.isRetried")}</th><th scope="col">{t("cases.isNoticed")}</th><th scope="col">{t("cases.fee", { currency })}</th><th scope="col"><span className="sr-only">{t("shell.delete")}</span></th></tr></thead>
              <tbody>
                {form.steps.map((step, i) => (
                  <tr key={i}>
                    <td><NumberInput size="sm" w={72} aria-label={t("cases.afterDaysOf", { number: i + 1 })} value={step.after_days} min={1} max={365} allowDecimal={false} onChange={(value) => set(i, { after_days: Number(value) })} /></td>
                    <td><Checkbox aria-label={t("cases.isRetriedOf", { number: i + 1 })} checked={step.is_retried ?? true} onChange={(e) => set(i, { is_retried: e.currentTarget.checked })} /></td>
                    <td><Checkbox aria-label={t("cases.isNoticedOf", { number: i + 1 })} checked={step.is_noticed ?? true} onChange={(e) => set(i, { is_noticed: e.currentTarget.checked })} /></td>
                    <td><NumberInput size="sm" w={80} aria-label={t("cases.feeOfStep", { number: i + 1 })} value={majorOf(step.fee_minor ?? 0, currency)} min={0} max={1000} decimalScale={2} hideControls onChange={(value) => set(i, { fee_minor: minorOf(Number(value), currency) })} /></td>
                    <td><ActionIcon variant="subtle" color="gray" aria-label={t("cases.dropStep", { number: i + 1 })} onClick={() => put({ steps: form.steps.filter((_, n) => n !== i) })}><Icon name="trash" size={16} /></ActionIcon></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
          {form.steps.length === 0 && <Text size="sm" c="dimmed">{t("cases.stepsNone")}</Text>}
          <div><Button size="compact-sm" variant="light" leftSection={<Icon name="plus" size={15} />} disabled={form.steps.length >= MOST_STEPS} onClick={() => put({ steps: [...form.steps, oneMore(form.steps)] })}>{t("cases.addStep")}</Button></div>
          <Group grow align="flex-start">
            <NumberInput {...HINT_BELOW} label={t("cases.writeOffDays")} description={t("cases.writeOffDaysHint")} value={form.write_off_days ?? ""} min={1} max={3650} allowDecimal={false} onChange={(value) => put({ write_off_days: value === "" ? null : Number(value) })} />
            <NumberInput {...HINT_BELOW} label={t("cases.blockAbove", { currency })} description={t("cases.blockAboveHint")} value={majorOf(form.block_above_minor ?? 0, currency)} min={0} decimalScale={2} hideControls onChange={(value) => put({ block_above_minor: minorOf(Number(value), currency) })} />
          </Group>
          <Switch label={t("cases.disputeIsOwed")} description={t("cases.disputeIsOwedHint")} checked={form.dispute_is_owed ?? false} onChange={(e) => put({ dispute_is_owed: e.currentTarget.checked })} />
          {problem && <Text role="alert" size="sm" c="var(--danger)">{t(`cases.problem.${problem}`)}</Text>}
        </PlainForm>
      </Card>
      <Card title={t("cases.storyTitle")}><Story of={form} currency={currency} /></Card>
    </div>
  );
}

function Story({ of, currency }: { of: Dunning; currency: string }) {
  const t = useWords();
  const n = useNames();
  return (
    <>
      <ol className={classes.story} aria-label={t("cases.storyTitle")}>
        {storyOf(of).map((each) => (
          <li key={`${each.day} ${each.what.join()}`} data-end={each.what.includes("written_off") || undefined}>
            <span className={classes.day}>{t("cases.day", { day: each.day })}</span>
            <span>{each.what.map((what) => (what === "fee" ? t("cases.feeOf", { amount: money(majorOf(each.fee, currency), currency) }) : n(`cases.happens.${what}`))).join(", ")}</span>
          </li>
        ))}
      </ol>
      <Text size="sm" c="dimmed" mt="sm">{of.block_above_minor ? t("cases.blockedAbove", { amount: money(majorOf(of.block_above_minor, currency), currency) }) : t("cases.blockedAtOnce")}</Text>
    </>
  );
}
