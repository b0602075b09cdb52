// Is everything at work? What the platform says of itself; the rest is `fahrwerk doctor`.
import { Button, Text } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { number } from "@lib/format";
import { useQuery } from "@tanstack/react-query";
import { refresh } from "../office/deed";
import { Cards, Figure } from "../parts/Card";
import { Page } from "../parts/Page";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { Machine } from "./Machine";

async function timed(path: string): Promise<{ isUp: boolean; ms: number }> {
  const began = performance.now();
  const isUp = await fetch(path, { signal: AbortSignal.timeout(5_000) }).then((answer) => answer.ok, () => false);
  return { isUp, ms: performance.now() - began };
}

export default function Health() {
  const t = useWords();
  const may = useMay();
  const every = { refetchInterval: 10_000 };
  const slug = currentUser()?.tenant ?? "";
  const live = useQuery({ queryKey: ["health", "live"], queryFn: () => timed("/health"), ...every });
  const ready = useQuery({ queryKey: ["health", "ready"], queryFn: () => timed("/ready"), ...every });
  const books = useQuery({ queryKey: ["health", "books"], queryFn: () => ok(api.GET("/api/v1/books/trial-balance")), enabled: may?.("payments.ledger.read") ?? false });
  const audit = useQuery({ queryKey: ["health", "audit"], queryFn: () => ok(api.GET("/api/v1/audit/verification")), enabled: may?.("identity.audit.read") ?? false });
  const gateways = useQuery({ queryKey: ["health", "gateways"], queryFn: () => ok(api.GET("/api/v1/gateway-differences", { params: { query: { limit: 1 } } })), enabled: may?.("payments.gateway.read") ?? false });
  const feeds = useQuery({ queryKey: ["health", "feeds"], queryFn: () => fetch(`/gbfs/${slug}/check.json`).then(async (a) => (a.ok ? ((await a.json()) as { is_right: boolean }) : null)), ...every });
  const up = (of: typeof live) => (of.data ? <State tone={of.data.isUp ? "good" : "danger"}>{t(of.data.isUp ? "health.answers" : "health.silent")}</State> : null);
  const ms = (of: typeof live) => of.data && `${t("health.time")}: ${number(of.data.ms)} ms`;
  return (
    <Page title={t("health.title")} actions={<Button size="sm" variant="default" onClick={() => void refresh("health")}>{t("health.check")}</Button>}>
      <Cards>
        <Figure label={t("health.process")} value={up(live)} more={ms(live)} />
        <Figure label={t("health.database")} value={up(ready)} more={ms(ready)} />
        {books.data && <Figure label={t("health.books")} value={<State tone={books.data.is_balanced ? "good" : "danger"}>{t(books.data.is_balanced ? "health.balanced" : "health.unbalanced")}</State>} />}
        {audit.data && <Figure label={t("health.audit")} value={<State tone={audit.data.holds ? "good" : "danger"}>{audit.data.holds ? t("health.whole") : t("health.broken", { row: audit.data.broken_at ?? "?" })}</State>} />}
        {feeds.data && <Figure label={t("health.feeds")} value={<State tone={feeds.data.is_right ? "good" : "danger"}>{t(feeds.data.is_right ? "health.right" : "health.wrong")}</State>} />}
        {gateways.data && <Figure label={t("health.gateways")} value={<State tone={gateways.data.pagination.total === 0 ? "good" : "danger"}>{t("health.differences", { count: gateways.data.pagination.total })}</State>} />}
      </Cards>
      {may?.("site.health.read") && <Machine />}
      <Text size="sm" c="dimmed" mt="sm">{t("health.doctor")}</Text>
    </Page>
  );
}
