"""The live map of 50,000 vehicles and one vehicle's day out of a year of telemetry.

The map is measured as staff have it: a provider asks a real API process for the snapshot, with
``Accept-Encoding: gzip``, a little more than a second apart, so that none is remembered; and
watches the stream while 2,000 vehicles a second report. Its operator is one of its own: the ids of
the city that the other figures are about are counted up, which compresses too well to be true.

The year has a partition a day. Days that are asked about have a reading of each vehicle every three
minutes, in the order in which they come in, so that one vehicle's are spread over the whole day's
pages; the other days have one every 72 minutes, since a year of the first would take an hour to
make. A query sees one day only.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from fahrwerk import app
from fahrwerk.fleet.contract import live as fleet
from fahrwerk.kernel import crypto, db, geo, ids
from tests.bench import load
from tests.bench.city import HEIGHT, SOUTH, TYPES, WEST, WIDTH
from tests.bench.floors import (
    HISTORY_MS,
    LIVE_CHANGE_S,
    LIVE_SNAPSHOT_BYTES,
    LIVE_SNAPSHOT_S,
    Figure,
)
from tests.bench.report import median, noise, say
from tests.bench.stage import SECRET
from tests.world import World, make_world

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Api, Stage

VEHICLES = 50_000
MEASURED, DAYS_ASKED = 1_000, 5
CHANGED_PER_S = 2_000
DENSE, THIN = timedelta(minutes=3), timedelta(minutes=72)


async def measure(stage: Stage, _: City, plan: Plan) -> list[Figure]:
    """The lines of the table about the live map and the history."""
    crypto.set_signing_secret(SECRET)
    app.load_rooms()
    await db.open_database(stage.dsn, 4)
    owner = await asyncpg.connect(stage.owner_dsn)
    try:
        world = await make_world()
        say("a fleet of its own")
        vehicles = await _seed(owner, world.tenant)
        figures = await _map(stage, owner, world, vehicles, plan)
        return [*figures, await _history(stage, owner, world, vehicles[:MEASURED], plan)]
    finally:
        await owner.close()
        await db.close_database()


async def _seed(owner: asyncpg.Connection[Any], tenant: UUID) -> list[UUID]:
    dice, now = random.Random(3), datetime.now(UTC)
    names, weights = [name for name, _ in TYPES], [weight for _, weight in TYPES]
    statuses = ("available", "maintenance", "offline")
    rows = []
    for k in range(VEHICLES):
        lat, lon = SOUTH + HEIGHT * dice.random(), WEST + WIDTH * dice.random()
        [kind] = dice.choices(names, weights)
        seen = now + timedelta(hours=6, seconds=60 * dice.random())  # as in city.py
        rows.append(
            (tenant, ids.new(), kind, f"{kind[:2].upper()}-{k:06}", "Ninebot MAX G30", "Segway",
             40.0, True, seen, lat, lon, geo.cell(lat, lon), dice.randint(20, 100), True,
             dice.choices(statuses, (8, 1, 1))[0])
        )  # fmt: skip
    columns = (
        "tenant_id", "id", "vehicle_type", "identifier", "model", "brand", "full_range_km",
        "is_connected", "last_seen_at", "latitude", "longitude", "cell", "battery_level",
        "is_locked", "status",
    )  # fmt: skip
    await owner.copy_records_to_table("vehicle", schema_name="fleet", columns=columns, records=rows)
    await owner.execute("VACUUM (ANALYZE) fleet.vehicle")
    return [row[1] for row in rows]


# --- the map


def _headers(world: World) -> str:
    token = crypto.issue_token(ids.new(), world.tenant, ["provider"], ids.new())
    return f"X-Tenant-ID: {world.operator.slug}\r\nAuthorization: Bearer {token}\r\n"


async def _map(
    stage: Stage,
    owner: asyncpg.Connection[Any],
    world: World,
    vehicles: list[UUID],
    plan: Plan,
) -> list[Figure]:
    took, sizes = [], []
    with stage.api(1) as api:
        request = load.get("/api/v1/fleet/live", f"{_headers(world)}Accept-Encoding: gzip\r\n")
        for _ in range(plan.rounds + 1):
            await asyncio.sleep(1.2)
            seconds, packed = await _asked(api, request)
            took.append(seconds)
            sizes.append(len(packed))
        text = zlib.decompress(packed, 16 + zlib.MAX_WBITS)
        plain = len(text)
        snapshot = msgspec.json.decode(text)
        say(f"snapshot: {1000 * median(took[1:]):.0f} ms, {sizes[-1]:,} bytes ({plain:,} unpacked)")
        before = stage.cpu_s(api.processes)
        began = time.perf_counter()
        late = await _watched(api, owner, world, vehicles, snapshot["cursor"], plan.rounds * 4)
        seconds = time.perf_counter() - began
        after = stage.cpu_s(api.processes)
    cpu = {name: round((after[name] - before[name]) / seconds, 3) for name in before}
    say(f"stream: {1000 * median(late):.0f} ms, cores busy {cpu}")
    about = f"live snapshot of {snapshot['count']:,} vehicles"
    return [
        Figure(
            what=f"{about}, from request to last byte", measured=median(took[1:]), unit="s",
            floor=LIVE_SNAPSHOT_S, sound=snapshot["count"] == VEHICLES, noise=noise(took[1:]),
            detail={"first_s": took[0], "all_s": took},
        ),
        Figure(
            what=f"{about}, as sent (gzip)", measured=max(sizes) / 1e6, unit="MB",
            floor=LIVE_SNAPSHOT_BYTES, detail={"unpacked_bytes": plain},
        ),
        Figure(
            what=f"a change shows on the stream, {CHANGED_PER_S:,} others a second (p95)",
            measured=sorted(late)[int(0.95 * len(late))], unit="s", floor=LIVE_CHANGE_S,
            sound=len(late) == plan.rounds * 4, detail={"all_s": late, "cores_busy": cpu},
        ),
    ]  # fmt: skip


async def _asked(api: Api, request: bytes) -> tuple[float, bytes]:
    """Seconds that the whole answer took, and the answer."""
    answers: list[bytes] = []
    began = time.perf_counter()
    run = await load.as_many_as_possible(
        api.targets, iter([request]), connections=1, told=lambda _, body: answers.append(body)
    )
    if run.errors:
        raise RuntimeError(f"{run.errors} {run.sample}")
    return time.perf_counter() - began, answers[0]


_REPORT = """
UPDATE fleet.vehicle SET last_seen_at = now(), latitude = latitude + 0.00002,
    battery_level = greatest(1, battery_level - 1)
WHERE tenant_id = $1 AND id = ANY($2)
"""
_MARK = "UPDATE fleet.vehicle SET battery_level = $3 WHERE tenant_id = $1 AND id = $2"


async def _watched(
    api: Api,
    owner: asyncpg.Connection[Any],
    world: World,
    vehicles: list[UUID],
    cursor: str,
    count: int,
) -> list[float]:
    """Seconds from the commit of a change until a watcher has read it, ``count`` times."""
    marked, others = vehicles[0], vehicles[1:]
    reader, writer = await asyncio.open_connection(*api.targets[0])
    writer.write(load.get(f"/api/v1/fleet/live/stream?cursor={cursor}", _headers(world)))
    shown: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
    identifier = await owner.fetchval("SELECT identifier FROM fleet.vehicle WHERE id = $1", marked)

    async def read() -> None:
        text = b""
        while chunk := await reader.read(1 << 20):
            text += chunk
            *events, text = text.split(b"\n\n")
            for event in events:
                _, found, data = event.partition(b"data: ")
                if found and b"event: vehicles" in event:
                    columns = msgspec.json.decode(_unchunked(data))
                    if identifier in columns["identifier"]:
                        place = columns["identifier"].index(identifier)
                        shown.put_nowait((columns["battery"][place], time.perf_counter()))

    reading = asyncio.create_task(read())
    dice, late = random.Random(5), []
    try:
        for n in range(count):
            await owner.execute(_REPORT, world.tenant, dice.sample(others, CHANGED_PER_S))
            await asyncio.sleep(dice.random())
            level = 10 + n % 80
            await owner.execute(_MARK, world.tenant, marked, level)
            began = time.perf_counter()
            async with asyncio.timeout(10):
                while (seen := await shown.get())[0] != level:
                    pass
            late.append(seen[1] - began)
    finally:
        reading.cancel()
        writer.close()
        await asyncio.gather(reading, return_exceptions=True)
    return late


def _unchunked(data: bytes) -> bytes:
    """A line of JSON without the marks of HTTP's chunks that fell into it."""
    first, *rest = data.split(b"\r\n")
    return first + b"".join(rest[1::2]) if rest else first


# --- the year

_OPEN = "SELECT fleet.open_telemetry_days($1, $2)"
_FILL = """
INSERT INTO fleet.telemetry (tenant_id, vehicle_id, time, latitude, longitude, speed_kmh,
                             battery_level, temperature, signal_strength, odometer_m)
SELECT $1, v.id, t + v.n * interval '10 milliseconds', 52.5 + v.n * 1e-4, 13.4 + v.n * 1e-4,
       v.n % 20, (v.n * 7) % 100, 20, -70, v.n * 1000
FROM generate_series($3::timestamptz, $3::timestamptz + interval '1 day' - $4::interval,
                     $4::interval) t,
     unnest($2::uuid[]) WITH ORDINALITY AS v (id, n)
ORDER BY t, v.n
"""
_SIZE = """
SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) FROM pg_inherits
WHERE inhparent = 'fleet.telemetry'::regclass
"""


async def _history(
    stage: Stage,
    owner: asyncpg.Connection[Any],
    world: World,
    vehicles: list[UUID],
    plan: Plan,
) -> Figure:
    """One vehicle's day, through the same question that the endpoint asks."""
    began, today = time.perf_counter(), datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in range(plan.telemetry_days, 0, -1)]
    for first in days[::50]:
        await owner.execute(_OPEN, first, min(first + timedelta(days=50), today))
    asked = days[:: max(1, len(days) // DAYS_ASKED)][:DAYS_ASKED]
    rows = 0
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        step = DENSE if day in asked else THIN
        await owner.execute(_FILL, world.tenant, vehicles, midnight, step)
        rows += len(vehicles) * int(timedelta(days=1) / step)
    await owner.execute("ANALYZE fleet.telemetry")
    size = await owner.fetchval(_SIZE)
    say(f"{rows:,} readings of {len(days)} days, {size}: {time.perf_counter() - began:.0f} s")
    dice, took, points = random.Random(4), [], 0
    call = world.system()
    for _ in range(10 * DAYS_ASKED):
        vehicle, day = dice.choice(vehicles), dice.choice(asked)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        began = time.perf_counter()
        found = await fleet.history(call, vehicle, midnight, midnight + timedelta(days=1), 60)
        took.append(1000 * (time.perf_counter() - began))
        points = len(found.readings)
    return Figure(
        what=f"one vehicle's day of {rows / 1e6:.1f} million readings of {len(days)} days (p95)",
        measured=sorted(took)[int(0.95 * len(took))], unit="ms", floor=HISTORY_MS,
        sound=points == int(timedelta(days=1) / DENSE),
        detail={"median_ms": median(took), "first_ms": took[0], "rows": rows, "size": size},
    )  # fmt: skip
