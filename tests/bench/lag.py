"""How long after its commit an event is handled, at 500 events a second.

Riders book at the rate that makes 500 events a second; the real worker handles them. We look at
every handler group's checkpoint all 5 ms from a connection of our own: an event is handled when the
checkpoint, which is committed with what the handlers wrote, has passed it. It counts from when its
statement wrote it, a little before the commit.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from tests.bench import booking, load
from tests.bench.city import RIDERS, bookings
from tests.bench.floors import EVENT_LAG_P95_MS, EVENTS_PER_S, Figure
from tests.bench.report import say

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.load import Run
    from tests.bench.plan import Plan
    from tests.bench.stage import Api, Stage

LOOK_EVERY_S = 0.005
SETTLE_S = 3.0
TRIED = 20
_LOOK = """
SELECT handler_group, xid::text::numeric AS xid, position,
       extract(epoch FROM clock_timestamp())::float8 AS at
FROM kernel.checkpoint
"""
_EVENTS = """
SELECT xid::text::numeric AS xid, position, extract(epoch FROM at)::float8 AS at
FROM kernel.event WHERE position > $1 ORDER BY xid, position
"""
_LAST = "SELECT coalesce(max(position), 0) FROM kernel.event"
_SINCE = "SELECT count(*) FROM kernel.event WHERE position > $1"
_LETTERS = "SELECT count(*) FROM kernel.dead_letter WHERE replayed_at IS NULL"


class Seen(msgspec.Struct):
    """Where a group stood at some time."""

    at: float
    upto: tuple[Any, int]


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The line of the table about events."""
    await booking.clear(stage)
    owner = await asyncpg.connect(stage.owner_dsn)
    try:
        with stage.worker() as worker, stage.api(plan.processes) as api:
            await stage.calm(worker)
            last = await owner.fetchval(_LAST)
            run = await load.as_many_as_possible(api.targets, bookings(city, 0, TRIED), wanted=201)
            await asyncio.sleep(SETTLE_S)  # what handlers emit counts too
            each = await owner.fetchval(_SINCE, last) / max(1, run.answered)
            last = await owner.fetchval(_LAST)
            seen: dict[str, list[Seen]] = {}
            looking = asyncio.create_task(_look(stage, seen))
            run = await _events(api, city, plan, EVENTS_PER_S / each)
            await asyncio.sleep(SETTLE_S)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        events = await owner.fetch(_EVENTS, last)
        letters = await owner.fetchval(_LETTERS)
    finally:
        await owner.close()
    return [_figure(run, each, seen, events, letters)]


async def _events(api: Api, city: City, plan: Plan, per_second: float) -> Run:
    count = min(RIDERS - TRIED, round(plan.rate_s * per_second))
    requests = bookings(city, TRIED, count)
    return await load.at_rate(api.targets, requests, per_second=per_second, count=count, wanted=201)


async def _look(stage: Stage, seen: dict[str, list[Seen]]) -> None:
    raw = await asyncpg.connect(stage.owner_dsn)
    try:
        while True:
            for row in await raw.fetch(_LOOK):
                passed = Seen(row["at"], (row["xid"], row["position"]))
                seen.setdefault(row["handler_group"], []).append(passed)
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        raw.terminate()


def _figure(
    run: Run, each: float, seen: dict[str, list[Seen]], events: list[Any], letters: int
) -> Figure:
    groups = {name: _lags_ms(looks, events) for name, looks in seen.items()}
    lags = sorted(lag for group in groups.values() for lag in group)
    rate = run.answered * each / run.seconds
    by_group = {name: quantiles(sorted(group)) for name, group in groups.items()}
    say(f"{rate:,.0f} events/s, {each:g} a booking; {by_group} dead letters: {letters}")
    complete = len(lags) == len(events) * len(groups) and bool(groups)
    p50, p95, p99 = quantiles(lags)
    return Figure(
        what=f"event lag p95 at {rate:.0f} events/s, {len(groups)} groups "
        f"(p50 {p50:.0f}, p99 {p99:.0f})",
        measured=p95,
        unit="ms",
        floor=EVENT_LAG_P95_MS,
        sound=complete and not run.errors and not letters and rate >= EVENTS_PER_S * 0.98,
        detail={"groups": by_group, "events": len(events), "run": run.say()},
    )


def _lags_ms(looks: list[Seen], events: list[Any]) -> list[float]:
    """For each event the group has passed: when that was first seen."""
    upto = [look.upto for look in looks]
    lags = []
    for event in events:
        first = bisect_left(upto, (event["xid"], event["position"]))
        if first < len(looks):
            lags.append(max(0.0, 1000 * (looks[first].at - event["at"])))
    return lags


def quantiles(ordered: list[float]) -> tuple[float, float, float]:
    """p50, p95 and p99 of an ascending list; infinite when it is empty."""
    if not ordered:
        return (float("inf"),) * 3
    p50, p95, p99 = (
        round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for share in (0.5, 0.95, 0.99)
    )
    return p50, p95, p99
