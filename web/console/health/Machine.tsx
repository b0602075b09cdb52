// What the installation does: events that wait, jobs and when they ran, connections, the process that answers.
import { Text } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { ago, at, number } from "@lib/format";
import { Rows } from "@lib/states";
import { useQuery } from "@tanstack/react-query";
import office from "../office/office.module.css";
import { Wide } from "../office/Wide";
import { Card } from "../parts/Card";
import { Pairs } from "../parts/Pairs";
import { Problem } from "../parts/Problem";
import { State } from "../parts/State";
import { useWords } from "../text";
import { queueTone, jobTone } from "./tone";

export function Machine() {
  const t = useWords();
  const found = useQuery({ queryKey: ["health", "system"], queryFn: () => ok(api.GET("/api/v1/system/health")), refetchInterval: 10_000 });
  if (found.error) return <Problem error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Rows count={3} height={120} />;
  const { queues, jobs, process, ...more } = found.data;
  return (
    <div className={office.two} style={{ marginTop: "0.9rem" }}>
      <Queues queues={queues} />
      <div className={office.stack}>
        <Card title={t("health.metrics")}>
          <Pairs of={[
            [t("health.running"), process.started_at && at(process.started_at)], [t("health.memory"), process.memory_bytes !== null && `${number(process.memory_bytes / 2 ** 20)} MB`],
            [t("health.cpu"), process.cpu_seconds !== null && `${number(process.cpu_seconds)} s`], [t("health.files"), process.open_files !== null && number(process.open_files)],
            [t("health.connections"), t("health.connectionsOf", { open: number(more.connections), most: number(more.connections_most) })],
            [t("health.violated"), more.broken_promises === null ? t("health.unknown") : <State key="b" tone={more.broken_promises ? "danger" : "good"}>{number(more.broken_promises)}</State>], [t("health.invariants"), more.promises_examined_at && at(more.promises_examined_at, "full")],
          ]} />
        </Card>
        <Jobs jobs={jobs} />
      </div>
    </div>
  );
}

function Queues({ queues }: { queues: Schema<"QueueView">[] }) {
  const t = useWords();
  return (
    <Card title={t("health.queues")}>
      <Wide>
        <table className={office.lines}>
          <thead><tr><th scope="col">{t("health.room")}</th><th scope="col">{t("health.lag")}</th><th scope="col" className={office.end}>{t("health.waiting")}</th><th scope="col" className={office.end}>{t("health.dead")}</th></tr></thead>
          <tbody>
            {queues.map((each) => (
              <tr key={each.name}>
                <td>{each.name}</td>
                <td><State tone={queueTone(each)}>{t("health.seconds", { s: number(each.oldest_seconds, each.oldest_seconds < 10 ? 1 : 0) })}</State></td>
                <td className={office.end}>{number(each.waiting)}</td>
                <td className={office.end}>{number(each.dead_letters)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </Card>
  );
}

function Jobs({ jobs }: { jobs: Schema<"JobView">[] }) {
  const t = useWords();
  return (
    <Card title={t("health.jobs")}>
      {jobs.length === 0 && <Text size="sm" c="dimmed">{t("health.jobsNone")}</Text>}
      {jobs.length > 0 && (
        <Wide>
          <table className={office.lines}>
            <thead><tr><th scope="col">{t("health.job")}</th><th scope="col">{t("health.lastDone")}</th><th scope="col" className={office.end}>{t("health.waiting")}</th><th scope="col" className={office.end}>{t("health.nowRunning")}</th><th scope="col" className={office.end}>{t("health.failed")}</th></tr></thead>
            <tbody>
              {jobs.map((each) => (
                <tr key={each.name}>
                  <td className={office.mono}>{each.name}</td>
                  <td><State tone={jobTone(each)}>{each.last_done_at ? ago(each.last_done_at) : t("health.never")}</State></td>
                  <td className={office.end}>{number(each.waiting)}</td>
                  <td className={office.end}>{number(each.running)}</td>
                  <td className={office.end} title={each.last_failed_at ? at(each.last_failed_at) : undefined}>{number(each.failed)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </Card>
  );
}
