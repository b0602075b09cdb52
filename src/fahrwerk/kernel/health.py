"""How this installation is doing: what waits for handlers, which jobs ran, what the process uses.

Times, states and counts of the machinery; nothing of any operator's business.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fahrwerk.kernel import db, observe
from fahrwerk.kernel.call import system


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Events that a handler group has not seen yet."""

    group: str
    waiting: int
    oldest_s: float
    """Since when the oldest of them waits, in seconds."""
    dead: int
    """Dead letters: events it could not take."""


class JobRuns(msgspec.Struct, frozen=True, kw_only=True):
    """A timed or single job, by what the queue still knows of it."""

    name: str
    waiting: int
    running: int
    failed: int
    """Given up after all retries."""
    last_done_at: datetime | None
    last_failed_at: datetime | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The figures; those of the process are of the one that answers."""

    queues: list[Queue]
    jobs: list[JobRuns]
    connections: int
    """To the database, of all processes together ..."""
    connections_most: int
    """... and how many it takes at most."""
    started_at: datetime | None
    memory_bytes: int | None
    cpu_s: float | None
    open_files: int | None
    broken_promises: int | None
    """Rows against an invariant, as a worker last found; None when none has looked yet."""
    promises_examined_at: datetime | None


_LAGS = """
SELECT c.handler_group AS "group", count(e.position) AS waiting,
       coalesce(extract(epoch FROM clock_timestamp() - min(e.at)), 0)::float8 AS oldest_s,
       (SELECT count(*) FROM kernel.dead_letter d WHERE d.handler_group = c.handler_group) AS dead
FROM kernel.checkpoint c
LEFT JOIN kernel.event e ON (e.xid, e.position) > (c.xid, c.position)
GROUP BY c.handler_group ORDER BY c.handler_group
"""


async def queues() -> list[Queue]:
    """What waits, by handler group."""
    return [Queue(**row) for row in await db.run("pump", system(None, "health"), _LAGS)]


_JOBS = """
SELECT j.task_name AS name, count(DISTINCT j.id) FILTER (WHERE j.status = 'todo') AS waiting,
       count(DISTINCT j.id) FILTER (WHERE j.status = 'doing') AS running,
       count(DISTINCT j.id) FILTER (WHERE j.status = 'failed') AS failed,
       max(e.at) FILTER (WHERE e.type = 'succeeded') AS last_done_at,
       max(e.at) FILTER (WHERE e.type = 'failed') AS last_failed_at
FROM jobs.procrastinate_jobs j LEFT JOIN jobs.procrastinate_events e ON e.job_id = j.id
GROUP BY j.task_name ORDER BY j.task_name
"""
_CONNECTIONS = """
SELECT count(*) AS connections, current_setting('max_connections')::int AS connections_most
FROM pg_stat_activity WHERE datname = current_database()
"""


_EXAMINED = "SELECT at, broken FROM kernel.examined"


async def look() -> Health:
    """Look now."""
    call = system(None, "health")
    jobs = [JobRuns(**row) for row in await db.run("jobs", call, _JOBS)]
    (room,) = await db.run("pump", call, _CONNECTIONS)
    figures = observe.figures()
    examined = await db.one("pump", call, _EXAMINED)
    return Health(
        queues=await queues(),
        jobs=jobs,
        **room,
        started_at=_moment(figures.get("process_start_time_seconds")),
        memory_bytes=_whole(figures.get("process_resident_memory_bytes")),
        cpu_s=figures.get("process_cpu_seconds_total"),
        open_files=_whole(figures.get("process_open_fds")),
        broken_promises=None if examined is None else examined["broken"],
        promises_examined_at=None if examined is None else examined["at"],
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
