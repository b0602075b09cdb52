import { expect, test } from "vitest";
import { jobTone, queueTone } from "./tone";

test("what lags or was given up is marked", () => {
  expect(queueTone({ oldest_seconds: 0.2, dead_letters: 0 })).toBe("good");
  expect(queueTone({ oldest_seconds: 0, dead_letters: 1 })).toBe("notice");
  expect(queueTone({ oldest_seconds: 500, dead_letters: 0 })).toBe("danger");
});

test("a job is as good as its last end", () => {
  const [early, late] = ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"];
  expect(jobTone({ last_done_at: late, last_failed_at: early })).toBe("good");
  expect(jobTone({ last_done_at: early, last_failed_at: late })).toBe("danger");
  expect(jobTone({ last_done_at: null, last_failed_at: late })).toBe("danger");
  expect(jobTone({ last_done_at: null, last_failed_at: null })).toBe("offline");
});
