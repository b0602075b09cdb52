import type { Schema } from "@lib/api/client";

// As `fahrwerk doctor` grades them.
const LATE_S = { notice: 10, danger: 120 };

export const queueTone = ({ oldest_seconds, dead_letters }: Pick<Schema<"QueueView">, "oldest_seconds" | "dead_letters">): string =>
  oldest_seconds >= LATE_S.danger ? "danger" : oldest_seconds >= LATE_S.notice || dead_letters > 0 ? "notice" : "good";

/** Bad is a job whose last end was a failure. */
export const jobTone = ({ last_done_at, last_failed_at }: Pick<Schema<"JobView">, "last_done_at" | "last_failed_at">): string =>
  last_failed_at && (!last_done_at || last_failed_at > last_done_at) ? "danger" : last_done_at ? "good" : "offline";
