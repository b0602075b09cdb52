"""F1, F3, F9: whoever is killed under load, what was acknowledged at QoS 1 is stored, once.

Real processes throughout: vehicles that publish numbered readings as fast as these are
acknowledged, Mosquitto set as docs/operate.md says, workers, a durable PostgreSQL. Each test prints
how many readings were acknowledged and how many rows there are.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fahrwerk.kernel import postgres
from tests.journeys.load import Own, own_server
from tests.journeys.meter import Meter
from tests.journeys.people import City, found
from tests.journeys.platform import Broker, Platform, platform
from tests.servers import has_mosquitto

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not has_mosquitto(), reason="the bundled broker keeps nothing"),
]

VEHICLES = 12
KILLS = 4
STORED_WITHIN_S = 60.0
_ROWS = """
SELECT t.boot, t.sequence, count(*) AS times FROM fleet.telemetry t
WHERE tenant_id = $1 AND boot IS NOT NULL GROUP BY t.boot, t.sequence
"""


def keeping(folder: Path) -> Broker:
    """Mosquitto as docs/operate.md says."""
    return Broker(
        folder,
        [
            "persistence true", f"persistence_location {folder}/", "autosave_interval 1",
            "max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 0",
        ],
    )  # fmt: skip


@asynccontextmanager
async def streaming(running: Platform) -> AsyncIterator[tuple[City, list[Meter]]]:
    """An operator whose vehicles publish all the time."""
    city = await found(running)
    meters: list[Meter] = []
    try:
        for n in range(VEHICLES):
            vehicle, _ = await city.vehicle(f"SC{n}", on_the_road=False)
            meters.append(Meter(running.mqtt_url, vehicle, boot=n + 1))
        await _begun(city, meters)
        yield city, meters
    finally:
        for each in meters:
            await each.abandon()
        await city.close()


async def _begun(city: City, meters: list[Meter]) -> None:
    """The first readings are stored: the broker has a session to keep things for, on disk."""
    first = Meter(city.platform.mqtt_url, meters[0].vehicle, boot=99, window=1)
    first.start()
    end = time.monotonic() + 60
    while not await city.platform.look(_ROWS, city.tenant):
        assert time.monotonic() < end, city.platform.log("work")
        await asyncio.sleep(0.1)
    await first.stop()
    await asyncio.sleep(1.5)
    for each in meters:
        each.start()


async def _flowing(city: City) -> None:
    """Readings are being stored just now: whoever is killed is killed at work."""
    end = time.monotonic() + 60
    before = await _count(city)
    while await _count(city) < before + 500:
        assert time.monotonic() < end, city.platform.log("work")
        await asyncio.sleep(0.05)


async def _kept_up(city: City, meters: list[Meter]) -> None:
    """The worker is not behind: next to nothing waits at the broker."""
    end = time.monotonic() + 60
    while sum(len(each.acknowledged) for each in meters) - await _count(city) > 1_000:
        assert time.monotonic() < end, city.platform.log("work")
        await asyncio.sleep(0.05)


async def _count(city: City) -> int:
    [row] = await city.platform.look(
        "SELECT coalesce(sum(readings), 0)::int AS n FROM fleet.intake WHERE tenant_id = $1",
        city.tenant,
    )
    return int(row["n"])


async def _all_stored(
    city: City, meters: list[Meter], what: str, within_s: float = STORED_WITHIN_S
) -> None:
    """All that was acknowledged is there, nothing twice."""
    await asyncio.gather(*(each.stop() for each in meters))
    acknowledged = {(each.boot, number) for each in meters for number in each.acknowledged}
    end = time.monotonic() + within_s
    while True:
        rows = await city.platform.look(_ROWS, city.tenant)
        times = Counter({(r["boot"], r["sequence"]): r["times"] for r in rows if r["boot"] < 99})
        if not (lost := acknowledged - times.keys()) or time.monotonic() > end:
            break
        await asyncio.sleep(0.2)
    print(  # noqa: T201 (the figures are what one wants to see)
        f"\n{what}: {len(acknowledged)} acknowledged, {times.total()} stored, {len(lost)} lost"
    )
    assert len(acknowledged) > 1_000
    assert not lost, f"{len(lost)} lost\n{city.platform.log('work')}"
    assert set(times.values()) == {1}
    assert set(times) == acknowledged


async def test_workers_are_killed(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """F1: one after the other, two of them on two seats; the other takes over, or a new one."""
    data = tmp_path_factory.mktemp("workers")
    seats = {"FAHRWERK_INGEST_SEATS": "2"}
    async with platform(server, data, work=seats, broker=keeping(data)) as running:
        running.always("work-2", **seats)
        running.spawn("work-2")
        async with streaming(running) as (city, meters):
            for n in range(KILLS):
                await asyncio.sleep(1)
                await _flowing(city)
                name = ("work", "work-2")[n % 2]
                running.kill(name)
                await asyncio.sleep(0.5)
                running.spawn(name)
            await _all_stored(city, meters, "worker killed")


async def test_thanks_before_it_is_stored_lose_readings(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same drill finds it out when the link acknowledges too early."""
    data = tmp_path_factory.mktemp("broken")
    program = ("tests.journeys.broken", "thanks_too_early")
    async with (
        platform(server, data, broker=keeping(data), program=program) as running,
        streaming(running) as (city, meters),
    ):
        for _ in range(2):
            await _flowing(city)
            running.kill("work")
            running.spawn("work")
        with pytest.raises(AssertionError, match="lost"):
            await _all_stored(city, meters, "acknowledged too early", within_s=15)


async def test_the_broker_is_killed(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """F9: while the workers keep up, all it has acknowledged is with them already."""
    data = tmp_path_factory.mktemp("broker")
    async with (
        platform(server, data, broker=keeping(data)) as running,
        streaming(running) as (city, meters),
    ):
        for _ in range(KILLS):
            await asyncio.sleep(1)
            await _flowing(city)
            await _kept_up(city, meters)
            running.broker.kill()
            await asyncio.sleep(0.2)
            await running.broker.start()
        await _all_stored(city, meters, "broker killed")


async def test_the_database_is_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """F3: it comes back on its data, and the readings wait in the workers and at the broker."""
    data = tmp_path_factory.mktemp("database")
    async with (
        own_server() as own,
        platform(own.server, data, broker=keeping(data)) as running,
        streaming(running) as (city, meters),
    ):
        for _ in range(2):
            await _flowing(city)
            await _killed_and_started(own)
        await asyncio.sleep(1.5)
        await _all_stored(city, meters, "database killed")


async def _killed_and_started(own: Own) -> None:
    await own.kill()
    await asyncio.sleep(1)
    await own.start()
