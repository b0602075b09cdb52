// From which score on a payment is looked at and refused, and what counts as unusual.
import { Group, NumberInput, TagsInput, Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { config } from "@lib/config";
import { number } from "@lib/format";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { PlainForm } from "../company/Settings";
import { deed } from "../office/deed";
import { HINT_BELOW } from "../office/FormDialog";
import { majorOf, minorOf } from "../office/minor";
import office from "../office/office.module.css";
import { Card } from "../parts/Card";
import { Problem } from "../parts/Problem";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import classes from "./books.module.css";

type Limits = Schema<"RiskLimitsBody">;

export function RiskRules() {
  const found = useQuery({ queryKey: ["risk-limits"], queryFn: () => ok(api.GET("/api/v1/risk/limits")) });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  return found.data ? <LimitsForm key={JSON.stringify(found.data)} of={found.data as Limits} /> : <Rows count={2} height={220} />;
}

function LimitsForm({ of }: { of: Limits }) {
  const t = useWords();
  const may = useMay();
  const [form, setForm] = useState(of);
  const currency = config().operator?.currency ?? "EUR";
  const put = (change: Partial<Limits>) => setForm((now) => ({ ...now, ...change }));
  const save = (body: Limits) => ok(api.PUT("/api/v1/risk/limits", { body }));
  const isWrong = form.block_at < form.review_at;
  const bad = (form.countries ?? []).filter((each) => !/^[A-Za-z]{2}$/.test(each));
  const score = (name: "review_at" | "block_at" | "hourly", more?: string) => (
    <NumberInput {...HINT_BELOW} label={t(`cases.${name}`)} description={t(`cases.${name}Hint`)} value={form[name]} min={1} max={10_000} allowDecimal={false} onChange={(value) => put({ [name]: Number(value) })} error={more} />
  );
  return (
    <div className={office.two}>
      <Card title={t("cases.limits")}>
        <PlainForm disabled={!(may?.("payments.risk.write") ?? false) || isWrong || bad.length > 0} onSave={() => deed(["risk-limits"], t("cases.limitsSaved"), () => save(form), () => save(of))}>
          <Group grow align="flex-start">{score("review_at")}{score("block_at", isWrong ? t("cases.blockTooLow") : undefined)}</Group>
          <Group grow align="flex-start">
            {score("hourly")}
            <NumberInput {...HINT_BELOW} label={t("cases.high", { currency })} description={t("cases.highHint")} value={majorOf(form.high_minor, currency)} min={0.01} decimalScale={2} hideControls onChange={(value) => put({ high_minor: minorOf(Number(value), currency) })} />
          </Group>
          <TagsInput {...HINT_BELOW} label={t("cases.countries")} description={t("cases.countriesHint")} value={form.countries ?? []} maxTags={250} onChange={(countries) => put({ countries: countries.map((each) => each.trim().toUpperCase()) })} error={bad.length > 0 ? t("cases.countriesBad", { bad: bad.join(", ") }) : undefined} />
        </PlainForm>
      </Card>
      <Card title={t("cases.scaleTitle")}>
        <Scale review={form.review_at} block={form.block_at} />
        <Text size="sm" c="dimmed" mt="md">{t("cases.scaleText")}</Text>
      </Card>
    </div>
  );
}

/** Where on the scale of scores a payment passes, is looked at, is refused. */
function Scale({ review, block }: { review: number; block: number }) {
  const t = useWords();
  const last = Math.max(block * 1.4, 1);
  const part = (from: number, to: number) => `${(100 * Math.max(0, to - from)) / last}%`;
  return (
    <>
      <div className={classes.scale} role="img" aria-label={t("cases.scaleLabel", { review: number(review), block: number(block) })}>
        <span style={{ width: part(0, review), background: "var(--good)" }} /><span style={{ width: part(review, block), background: "var(--notice)" }} /><span style={{ flex: 1, background: "var(--danger)" }} />
      </div>
      <div className={classes.marks}>
        <div>{t("cases.passes")}<span>0 – {number(Math.max(0, review - 1))}</span></div>
        <div>{t("cases.looked")}<span>{block > review ? `${number(review)} – ${number(block - 1)}` : "–"}</span></div>
        <div>{t("cases.refused")}<span>≥ {number(block)}</span></div>
      </div>
    </>
  );
}
