"""The figures of the console's page on the installation (WEB-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, invariants, observe
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from tests.world import World

AT = "/api/v1/system/health"
_DONE = """
WITH job AS (
    INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, status)
    VALUES ('nowhere', $1, 'failed') RETURNING id
)
INSERT INTO jobs.procrastinate_events (job_id, type, at)
SELECT id, 'failed', now() FROM job RETURNING job_id
"""
_GONE = "DELETE FROM jobs.procrastinate_jobs WHERE task_name = $1"


async def test_administrators_see_what_waits_and_what_ran(world: World) -> None:
    """In production too: the scraper's token stays with the scraper."""
    await world.settle()
    await invariants.note(0)
    call = system(None, "test")
    await db.run("jobs", call, _DONE, "test.broken")
    try:
        async with world.client(world.admin()) as client:
            answer = await client.get(AT)
            assert answer.status_code == 200, answer.text
            seen = answer.json()
    finally:
        async with db.tx("jobs", call) as tx:
            await tx.run("SET LOCAL search_path = jobs")  # of the queue's own triggers
            await tx.run(_GONE, "test.broken")
    assert {each["name"] for each in seen["queues"]} <= {h.room for h in events.handlers}
    (broken,) = [each for each in seen["jobs"] if each["name"] == "test.broken"]
    assert (broken["waiting"], broken["running"], broken["failed"]) == (0, 0, 1)
    assert broken["last_done_at"] is None
    assert broken["last_failed_at"] is not None
    assert 0 < seen["connections"] <= seen["connections_most"]
    assert seen["process"]["memory_bytes"] > 1_000_000
    assert seen["process"]["started_at"] < clock.stamp(clock.now())
    assert seen["broken_promises"] == 0
    assert seen["promises_examined_at"] is not None


async def test_nobody_else_does(world: World) -> None:
    async with world.client(await world.rider()) as client:
        assert (await client.get(AT)).status_code == 403
    async with world.client(world.call("support")) as client:
        assert (await client.get(AT)).status_code == 403


def test_figures_are_sums_over_labels() -> None:
    before = observe.figures().get("fahrwerk_rate_limited_total", 0)
    observe.rate_limited.labels("test-a").inc(2)
    observe.rate_limited.labels("test-b").inc(3)
    assert observe.figures()["fahrwerk_rate_limited_total"] == before + 5
