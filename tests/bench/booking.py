"""Booking against pgbench with the same SQL, and its latency at a fixed rate.

The platform and pgbench book in turn, each time the same vehicles for the same riders on the same
freshly cleared tables, over the same number of database connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import msgspec

from fahrwerk.kernel import db
from tests.bench import capture, load, replay
from tests.bench.city import RIDERS, bookings
from tests.bench.floors import BOOKING, BOOKING_P95_MS, BOOKINGS_PER_S, Figure
from tests.bench.report import median, noise, say
from tests.bench.stage import DATABASE, spent_us
from tests.world import http_app

if TYPE_CHECKING:
    import subprocess

    from tests.bench.capture import Script
    from tests.bench.city import City
    from tests.bench.load import Run
    from tests.bench.plan import Plan
    from tests.bench.replay import Replayed
    from tests.bench.stage import Api, Stage

RECORDED = RIDERS - 10
"""Rider and vehicle of the recorded bookings; those before warm up."""
WARM = 2 * BOOKINGS_PER_S
_OVER = """
DELETE FROM rentals.rental WHERE state = 'in_progress';
UPDATE rentals.rental SET state = 'cancelled', reason = 'bench', cancelled_at = now(),
    expires_at = NULL, version = version + 1
WHERE state IN ('pending', 'confirmed');
UPDATE payments.payment SET state = 'voided', is_unwanted = true WHERE state <> 'voided';
TRUNCATE rentals.deadline, payments.work;
UPDATE fleet.vehicle SET status = 'available', held_by = NULL, held_rider = NULL, hold_token = NULL,
    reserved_at = NULL, hold_expires_at = NULL, current_rental_id = NULL, trip_started_at = NULL,
    is_locked = true
WHERE status <> 'available';
"""
_TIDY = "VACUUM (ANALYZE) fleet.vehicle, rentals.rental, payments.payment, kernel.event"
_COUNTS = """
SELECT (SELECT count(*) FROM rentals.rental WHERE state = 'pending') AS booked,
       (SELECT count(*) FROM kernel.event) AS events
"""
_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fahrwerk' AND datname = $1
"""


async def clear(stage: Stage) -> None:
    """End every rental, so that all vehicles and riders are free again; what was stays as history.

    Tables keep the size and statistics that the planner works with, as after a day of business.
    The checkpoint comes first, so that pages which the last round wrote, and this one will write
    again, have their full image in the log already, as nearly all have in steady work.
    """
    raw = await asyncpg.connect(stage.owner_dsn)
    try:
        await raw.execute("CHECKPOINT")
        await raw.execute(_OVER)
        await raw.execute(_TIDY)
    finally:
        await raw.close()


async def recorded(stage: Stage, city: City) -> Script:
    """The statements of one booking, for pgbench."""
    await clear(stage)
    await db.open_database(stage.dsn, 16)
    owner = await asyncpg.connect(stage.owner_dsn)
    try:
        transport = httpx.ASGITransport(app=http_app())  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:

            async def book(k: int) -> None:
                answer = await client.post(
                    "/api/v1/bookings",
                    json={"vehicle_id": city.vehicle(k), "estimated_duration_minutes": 30},
                    headers={
                        "X-Tenant-ID": city.slug,
                        "Authorization": f"Bearer {city.tokens[k]}",
                    },
                )
                if answer.status_code != 201:
                    raise RuntimeError(f"{answer.status_code} {answer.text}")

            for k in range(RECORDED - 3, RECORDED):
                await book(k)
            writer = capture.Writer(RECORDED)
            one = await capture.listen(lambda: book(RECORDED))
            two = await capture.listen(lambda: book(RECORDED + 1))
        await capture.describe(owner, one)
        await replay.make_login(owner)
        return writer.script(one, two)
    finally:
        await owner.close()
        await db.close_database()


class Side(msgspec.Struct):
    """The runs of the platform and of pgbench."""

    runs: list[Run] = []
    cpu: list[dict[str, float]] = []
    replays: list[Replayed] = []
    limit_cpu: list[dict[str, float]] = []
    connections: int = 0
    wrong: list[str] = []


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The two lines of the table about booking."""
    script = await recorded(stage, city)
    owner = await asyncpg.connect(stage.owner_dsn)
    try:
        with stage.api(plan.processes) as api:
            await _book(api, city, 0, plan.bookings)  # and there is a history
            side = Side()
            for _ in range(plan.rounds):
                await _platform(stage, owner, api, city, plan.bookings, side)
                await _pgbench(stage, owner, city, script, plan.bookings, side)
            await clear(stage)
            with stage.worker() as worker:
                await stage.calm(worker)
                fixed = await _at_rate(stage, api, worker, city, plan)
    finally:
        await owner.close()
    return [_throughput(side, script), fixed]


async def _book(api: Api, city: City, first: int, count: int) -> Run:
    requests = bookings(city, first, count)
    return await load.as_many_as_possible(api.targets, requests, wanted=201)


async def _platform(stage: Stage, owner: Any, api: Api, city: City, count: int, side: Side) -> None:
    await clear(stage)
    before = stage.cpu_s(api.processes)
    run = await _book(api, city, 0, count)
    side.cpu.append(spent_us(before, stage.cpu_s(api.processes), run.answered))
    side.runs.append(run)
    side.connections = await owner.fetchval(_CONNECTIONS, DATABASE)
    counted = await owner.fetchrow(_COUNTS)
    if run.errors or counted["booked"] != count:
        side.wrong.append(f"{run.errors} {run.sample} {dict(counted)}")
    say(f"platform: {run.per_second:,.0f} bookings/s {side.cpu[-1]} {dict(counted)}")


async def _pgbench(
    stage: Stage, owner: Any, city: City, script: Script, count: int, side: Side
) -> None:
    await clear(stage)
    before = stage.cpu_s()
    ran = replay.replay(
        stage, script, city.tenant, count=count, connections=side.connections,
        turn=len(side.replays),
    )  # fmt: skip
    used = spent_us(before, stage.cpu_s(), ran.done)
    side.limit_cpu.append({"postgres": used["postgres"], "pgbench": round(ran.client_us, 1)})
    side.replays.append(ran)
    counted = await owner.fetchrow(_COUNTS)
    if counted["booked"] != ran.done:
        side.wrong.append(f"pgbench: {ran.done} done, {dict(counted)}")
    say(f"pgbench:  {ran.per_second:,.0f} bookings/s {side.limit_cpu[-1]} {dict(counted)}")


def _throughput(side: Side, script: Script) -> Figure:
    rates = [run.per_second for run in side.runs]
    limits = [run.per_second for run in side.replays]
    return Figure(
        what="booking",
        measured=median(rates),
        unit="/s",
        limit=median(limits),
        limit_unit="/s",
        floor=BOOKING,
        sound=not side.wrong,
        noise=max(noise(rates), noise(limits)),
        cpu_us=median([sum(each.values()) for each in side.cpu]),
        limit_cpu_us=median([sum(each.values()) for each in side.limit_cpu]),
        detail={
            "runs": [run.say() for run in side.runs],
            "cpu_us_per_booking": side.cpu,
            "pgbench": side.replays,
            "pgbench_cpu_us": side.limit_cpu,
            "connections": side.connections,
            "statements": script.statements,
            "wrong": side.wrong,
        },
    )


async def _at_rate(
    stage: Stage, api: Api, worker: subprocess.Popen[bytes], city: City, plan: Plan
) -> Figure:
    """Open loop with the worker running: what a rider waits when 500 book each second.

    In steady work: the worker has taken up the fleet (alerts, feeds), and two seconds of bookings
    are not counted.
    """
    count = min(RIDERS - WARM, round(plan.rate_s * BOOKINGS_PER_S))
    warm = bookings(city, 0, WARM)
    await load.at_rate(api.targets, warm, per_second=BOOKINGS_PER_S, count=WARM, wanted=201)
    before = stage.cpu_s(api.processes, worker=[worker])
    run = await load.at_rate(
        api.targets,
        bookings(city, WARM, count),
        per_second=BOOKINGS_PER_S,
        count=count,
        wanted=201,
    )
    cpu = spent_us(before, stage.cpu_s(api.processes, worker=[worker]), run.answered)
    p50, p95, p99 = (run.quantile_ms(share) for share in (0.5, 0.95, 0.99))
    say(
        f"booking at {BOOKINGS_PER_S}/s: p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} "
        f"{dict(run.errors)} {cpu}"
    )
    return Figure(
        what=f"booking p95 at {BOOKINGS_PER_S}/s (p50 {p50:.1f}, p99 {p99:.1f}), worker running",
        measured=p95,
        unit="ms",
        floor=BOOKING_P95_MS,
        sound=not run.errors and run.answered == count,
        detail={"run": run.say(), "cpu_us_per_booking": cpu},
    )
