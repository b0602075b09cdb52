// Is everything at work? What the platform says of itself over HTTP; the rest is `fahrwerk doctor`.
import { Button, Text } from "@mantine/core";
import { api, ok } from "@lib/api/client";
import { currentUser } from "@lib/auth";
import { at, number } from "@lib/format";
import { useQuery } from "@tanstack/react-query";
import { refresh } from "../office/deed";
import { Card, Cards, Figure } from "../parts/Card";
import { Page } from "../parts/Page";
import { Pairs } from "../parts/Pairs";
import { State } from "../parts/State";
import { useMay } from "../shell/may";
import { useWords } from "../text";
import { sumsOf } from "./metrics";

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
  const metrics = useQuery({ queryKey: ["health", "metrics"], queryFn: () => fetch("/metrics").then(async (a) => (a.ok ? sumsOf(await a.text()) : null)), ...every });
  const up = (of: typeof live) => (of.data ? <State tone={of.data.isUp ? "good" : "danger"}>{t(of.data.isUp ? "health.answers" : "health.silent")}</State> : null);
  const ms = (of: typeof live) => of.data && `${t("health.time")}: ${number(of.data.ms)} ms`;
  const m = metrics.data;
  const figure = (name: string) => m?.get(name);
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
      <div style={{ marginTop: "0.9rem" }}>
        <Card title={t("health.metrics")}>
          {m === null && <Text size="sm" c="dimmed">{t("health.metricsNone")}</Text>}
          {m && (
            <Pairs of={[
              [t("health.running"), figure("process_start_time_seconds") && at(new Date((figure("process_start_time_seconds") ?? 0) * 1000))],
              [t("health.memory"), `${number((figure("process_resident_memory_bytes") ?? 0) / 2 ** 20)} MB`], [t("health.cpu"), `${number(figure("process_cpu_seconds_total") ?? 0)} s`], [t("health.files"), number(figure("process_open_fds") ?? 0)],
              [t("health.requests"), number(figure("fahrwerk_http_request_seconds_count") ?? 0)],
              [t("health.violated"), figure("fahrwerk_broken_invariants") === undefined ? t("health.unknown") : number(figure("fahrwerk_broken_invariants") ?? 0)],
              [t("health.invariants"), (figure("fahrwerk_invariants_examined_timestamp_seconds") ?? 0) > 0 && at(new Date((figure("fahrwerk_invariants_examined_timestamp_seconds") ?? 0) * 1000), "full")],
            ]} />
          )}
          <Text size="sm" c="dimmed" mt="sm">{t("health.doctor")}</Text>
        </Card>
      </div>
    </Page>
  );
}
