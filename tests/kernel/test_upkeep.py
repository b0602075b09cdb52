"""What the kernel forgets by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, jobs, upkeep
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from fahrwerk.kernel.db import Database

_RAN = """
WITH job AS (
    INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, status)
    VALUES ('nowhere', $1, $2::text::jobs.procrastinate_job_status) RETURNING id
)
INSERT INTO jobs.procrastinate_events (job_id, type, at)
SELECT id, $2::text::jobs.procrastinate_job_event_type, now() - make_interval(hours => $3) FROM job
"""
_LEFT = "SELECT task_name FROM jobs.procrastinate_jobs WHERE queue_name = 'nowhere'"


async def test_jobs_that_are_long_done_are_forgotten(database: Database) -> None:
    """Else the queue grows for ever; what failed can be looked at for a month."""
    call = system(None, "tests")
    ran = [
        ("done lately", "succeeded", jobs.DONE_KEPT_H - 1),
        ("long done", "succeeded", jobs.DONE_KEPT_H + 1),
        ("failed lately", "failed", jobs.FAILED_KEPT_H - 1),
        ("long failed", "failed", jobs.FAILED_KEPT_H + 1),
    ]
    async with jobs.opened(database.dsn):
        async with db.tx("jobs", call) as tx:
            await tx.run("SET LOCAL search_path = jobs")  # of the queue's own triggers
            for each in ran:
                await tx.run(_RAN, *each)
        await upkeep.forget_jobs()
        left = {row["task_name"] for row in await db.run("jobs", call, _LEFT)}
        async with db.tx("jobs", call) as tx:
            await tx.run("SET LOCAL search_path = jobs")
            await tx.run("DELETE FROM jobs.procrastinate_jobs WHERE queue_name = 'nowhere'")
    assert left == {"done lately", "failed lately"}
