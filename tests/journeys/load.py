"""Riders who ride all the time, and a database that is killed while they do."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from fahrwerk.kernel import postgres
from fahrwerk.kernel.migrate import migrate
from tests.conftest import TEMPLATE
from tests.journeys.drill import END
from tests.journeys.people import City, Persistent


class Own:
    """A PostgreSQL for one test, as durable as in production unless ``options`` say otherwise."""

    def __init__(self, options: dict[str, str] | None = None) -> None:
        # Not in pytest's folder: PostgreSQL's system user could not walk down there.
        self.folder = Path(tempfile.mkdtemp(prefix="fahrwerk-killed-"))
        self.folder.chmod(0o755)
        self.options = options
        self.server: postgres.EmbeddedPostgres

    async def start(self) -> None:
        """Start, or start again on the same data."""
        at = self.folder / "postgres"
        self.server = await asyncio.to_thread(postgres.start, at, options=self.options)

    async def kill(self) -> None:
        """As a power cut would, but for the disk's own cache."""
        await asyncio.to_thread(self.server.stop, how="immediate")


@asynccontextmanager
async def own_server(options: dict[str, str] | None = None) -> AsyncIterator[Own]:
    """Started, with a template to make databases from; gone afterwards."""
    own = Own(options)
    await own.start()
    try:
        raw = await asyncpg.connect(own.server.dsn("postgres", "postgres"))
        await raw.execute(f"CREATE DATABASE {TEMPLATE}")
        await raw.close()
        await migrate(own.server.dsn(TEMPLATE, "postgres"))
        yield own
    finally:
        await own.kill()
        shutil.rmtree(own.folder, ignore_errors=True)


async def ride(
    rider: Persistent,
    vehicle: str,
    acknowledged: list[str] | None = None,
    free_within_s: float = 60,
) -> str:
    """A whole ride, as soon as the vehicle is free; the rental's id.

    It is noted in ``acknowledged`` as soon as the booking was answered 201.
    """
    wish = {"vehicle_id": vehicle}
    end = time.monotonic() + free_within_s
    while (answer := await rider.post("/bookings", wish)).status_code == 409:
        assert time.monotonic() < end, answer.text
        await asyncio.sleep(0.02)
    assert answer.status_code == 201, answer.text
    booking = str(answer.json()["booking"]["id"])
    if acknowledged is not None:
        acknowledged.append(booking)
    for path, body in (
        (f"/bookings/{booking}/confirm-payment", {}),
        (f"/vehicles/{vehicle}/unlock", {}),
        (f"/api/v1/rentals/{booking}/end", END),
    ):
        answer = await rider.post(path, body)
        assert answer.status_code == 200, answer.text
    return booking


class Load:
    """``riders`` of an operator ride on vehicles without devices until ``stop``."""

    def __init__(self, *, free_within_s: float = 60) -> None:
        self.free_within_s = free_within_s
        self.acknowledged: list[str] = []
        """Bookings that were answered 201."""
        self.completed: list[str] = []
        """Rides whose end was answered 200."""
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, city: City, riders: int) -> None:
        """Everybody gets a card and a vehicle, and rides off."""
        for number in range(riders):
            rider = Persistent(await city.rider())
            vehicle = await city.by_hand(f"SC{number:03}")
            self._tasks.append(asyncio.create_task(self._one(rider, vehicle)))

    async def _one(self, rider: Persistent, vehicle: str) -> None:
        while not self._is_over:
            done = await ride(rider, vehicle, self.acknowledged, self.free_within_s)
            self.completed.append(done)

    async def more(self, count: int, seconds: float = 60) -> None:
        """Wait for so many more rides."""
        end, wanted = time.monotonic() + seconds, len(self.completed) + count
        while len(self.completed) < wanted:
            assert time.monotonic() < end, f"{len(self.completed)} rides and no more"
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)

    async def stop(self) -> list[BaseException]:
        """Everybody comes home; what went wrong on the way."""
        self._is_over = True
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        return [end for end in ends if isinstance(end, BaseException)]
