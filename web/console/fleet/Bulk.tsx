// What is done to many vehicles at once: a job of the platform, with its progress, and an undo for ten seconds.
import { Button, Menu } from "@mantine/core";
import { api, ok, type Schema } from "@lib/api/client";
import { Icon } from "@lib/icons";
import { dismiss, toast } from "@lib/toast";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AskText } from "../parts/AskText";
import { useWords } from "../text";
import { saveLabels } from "./files";
import { useGroups } from "./Filters";
import classes from "./fleet.module.css";

type Job = Schema<"BulkView">;
export type Wish = Omit<Schema<"BulkBody">, "ids" | "filter">;

const isOver = (job: Job) => ["done", "failed", "cancelled"].includes(job.status);
const later = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Waits for a job; the worker does a thousand vehicles in about a second. */
export async function finished(job: Job, onStep?: (job: Job) => void): Promise<Job> {
  let now = job;
  while (!isOver(now)) {
    await later(400);
    now = await ok(api.GET("/api/v1/bulk/{job_id}", { params: { path: { job_id: job.id } } }));
    onStep?.(now);
  }
  return now;
}

/** Does it to all of them and waits until it is over. */
export async function applied(wish: Wish, ids: readonly string[]): Promise<Job> {
  return finished(await ok(api.POST("/api/v1/vehicles/bulk", { body: { ...wish, ids: [...ids] } })));
}

interface BulkProps {
  ids: ReadonlySet<string>;
  /** The group they were chosen from: they can be taken out of it. */
  group?: string;
  onDone: () => void;
}

export function Bulk({ ids, group: from = "", onDone }: BulkProps) {
  const t = useWords();
  const groups = useGroups();
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [isNaming, setNaming] = useState(false);

  const undo = async (job: Job) => {
    await finished(await ok(api.POST("/api/v1/bulk/{job_id}/undo", { params: { path: { job_id: job.id } } })));
    toast.good(t("fleet.bulk.undone"));
    void client.invalidateQueries({ queryKey: ["groups"] });
  };
  const told = async (job: Job) => {
    if (job.failed > 0) {
      const why = await ok(api.GET("/api/v1/bulk/{job_id}/failures", { params: { path: { job_id: job.id }, query: { limit: 1 } } }));
      toast.bad(t("fleet.bulk.partly", { done: job.done, failed: job.failed, reason: why.failures[0]?.reason ?? "" }));
    }
    if (job.done === 0) return;
    const text = t("fleet.bulk.done", { count: job.done });
    if (job.operation === "command") toast.good(text);
    else toast.undoable(text, () => undo(job));
  };
  const run = async (wish: Wish) => {
    setBusy(true);
    const waiting = toast.plain(t("fleet.bulk.running", { count: ids.size }));
    try {
      const job = await applied(wish, [...ids]);
      onDone();
      await told(job);
      void client.invalidateQueries();
    } catch (error) {
      toast.bad(error);
    } finally {
      dismiss(waiting);
      setBusy(false);
    }
  };
  const found = async (name: string) => {
    try {
      await ok(api.POST("/api/v1/fleet/groups", { body: { name } }));
      await run({ operation: "join_group", group: name });
    } catch (error) {
      toast.bad(error);
    }
  };
  return (
    <div className={classes.bulk} role="group" aria-label={t("fleet.bulk.label")}>
      <Button size="compact-sm" variant="light" loading={isBusy} onClick={() => void run({ operation: "set_status", status: "available" })}>{t("fleet.bulk.available")}</Button>
      <Button size="compact-sm" variant="light" disabled={isBusy} onClick={() => void run({ operation: "set_status", status: "maintenance" })}>{t("fleet.bulk.maintenance")}</Button>
      <Button size="compact-sm" variant="light" color="red" disabled={isBusy} onClick={() => void run({ operation: "set_status", status: "retired" })}>{t("fleet.bulk.retire")}</Button>
      <Menu>
        <Menu.Target><Button size="compact-sm" variant="light" disabled={isBusy}>{t("fleet.bulk.group")}</Button></Menu.Target>
        <Menu.Dropdown>
          {groups.data?.groups.map((group) => (
            <Menu.Item key={group.id} onClick={() => void run({ operation: "join_group", group: group.name })}>{group.name}</Menu.Item>
          ))}
          <Menu.Item leftSection={<Icon name="plus" size={15} />} onClick={() => setNaming(true)}>{t("fleet.bulk.newGroup")}</Menu.Item>
          {from && <Menu.Item leftSection={<Icon name="close" size={15} />} onClick={() => void run({ operation: "leave_group", group: from })}>{t("fleet.bulk.leave", { group: from })}</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      <Menu>
        <Menu.Target><Button size="compact-sm" variant="light" disabled={isBusy}>{t("fleet.bulk.command")}</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => void run({ operation: "command", command: "sound" })}>{t("fleet.bulk.sound")}</Menu.Item>
          <Menu.Item onClick={() => void run({ operation: "command", command: "lock" })}>{t("fleet.bulk.lock")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button size="compact-sm" variant="subtle" color="gray" leftSection={<Icon name="qr" size={15} />} onClick={() => void saveLabels([...ids])}>{t("fleet.labels")}</Button>
      {isNaming && <AskText title={t("fleet.bulk.newGroup")} label={t("fleet.bulk.groupName")} go={t("save")} onDone={(name) => void found(name)} onClose={() => setNaming(false)} />}
    </div>
  );
}
