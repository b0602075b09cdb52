"""Telemetry over MQTT: from the broker to stored rows, in batches, acknowledged when committed.

Vehicles are divided into seats, and a worker listens on the seats it has a lease on
(``actions.seats``). What it has heard and not yet stored is bounded: by the receive maximum, and in
bytes; beyond that it takes nothing from the network and the broker keeps it. A batch grows with
what is waiting, so the busier it is the less a reading costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from prometheus_client import Gauge

from fahrwerk.fleet.actions import intake, seats, telemetry
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.link.steady import forever, heard, refused
from fahrwerk.fleet.link.tap import Tap, Told
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fahrwerk.kernel.settings import Settings

    Said = list[tuple[UUID, list[wire.Reading]]]

MOST_WAITING_BYTES = 8 * 1024 * 1024
"""Heard and not taken up: from here on nothing more is read, until half of it is stored."""
AT_ONCE_BYTES = 2 * 1024 * 1024
AT_ONCE = 10_000
GATHER_S = 0.05
RENEW_S = 1.0
AGAIN_S = 0.5
STOP_S = 2.0
GIVE_UP_S = 1.0
"""Well within the lease: it is not renewed meanwhile."""
TRIES = 5
MOST_TOPICS = 200_000
log = structlog.get_logger()

listening = Gauge("fahrwerk_ingest_seats", "Parts of the vehicles this worker listens to")
waiting_bytes = Gauge("fahrwerk_ingest_waiting_bytes", "Telemetry heard and not yet taken up")
waiting_for = Gauge("fahrwerk_ingest_waiting_messages", "The same in messages")


def filters(seat: int, of: int) -> list[str]:
    """What is published to a seat. Only its shards if there are several seats; what comes without
    a shard is anybody's then, in turns, by a shared subscription."""
    if of == 1:
        return [wire.TELEMETRY, f"{wire.TELEMETRY}/+"]
    own = (each for each in range(wire.SHARDS) if each % of == seat)
    return [f"$share/fahrwerk/{wire.TELEMETRY}", *(f"{wire.TELEMETRY}/{each:x}" for each in own)]


ALL_FILTERS = sorted({each for of in (1, 2) for seat in range(of) for each in filters(seat, of)})


class Ingest:
    """One process's part of the telemetry. ``start`` and ``stop``."""

    def __init__(self, url: str, of: int) -> None:
        self._url, self._of = url, of
        self._holder = f"{socket.gethostname()[:60]}-{os.getpid()}-{os.urandom(4).hex()}"
        self._seats: dict[int, _Seat] = {}
        self._waiting: list[tuple[Tap, Told]] = []
        self._bytes = 0
        self._is_held = False
        self._some = asyncio.Event()
        self._in_turn = asyncio.Lock()
        self._under_way = 0
        self._vehicles: dict[str, UUID] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin in the background; a broker or database that is away is waited for."""
        # What the program itself consists of need not be looked through again and again.
        gc.freeze()
        # Two writers: while the database works for one, the other decodes. In turn, so that what
        # came first is stored first.
        work = [self._sit, self._write, self._write]
        self._tasks = [asyncio.create_task(forever(each)) for each in work]

    async def stop(self) -> None:
        """Stop listening; what was heard is written first, if that is soon done.

        What is not acknowledged is sent again, to whoever sits here next.
        """
        self._hold(is_held=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._waiting or self._in_turn.locked():  # noqa: ASYNC110 (two of them work)
                    await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for seat in self._seats.values():
            await seat.stop()
        with contextlib.suppress(TimeoutError, db.DatabaseDown):
            async with asyncio.timeout(2):
                await seats.leave(self._holder)

    # --- where

    async def _sit(self) -> None:
        """Have seats, and listen there. Without the database nobody can have taken them from us."""
        await seats.set_out(self._of)
        while True:
            mine = await seats.sit(self._holder, self._of)
            for lost in self._seats.keys() - mine:
                await self._seats.pop(lost).stop()
            for new in mine - self._seats.keys():
                self._seats[new] = _Seat(new, self._of, self._url, self._hear)
            listening.set(len(mine))
            if len(mine) > 1 and (spare := await seats.spare(self._holder, self._of)) is not None:
                await self._give_up(spare)
            await asyncio.sleep(RENEW_S)

    async def _give_up(self, seat: int) -> None:
        """Leave a seat to another worker, in order: what was heard here is stored and acknowledged
        before it may listen, so that nothing is stored after what came later.

        If that takes too long the seat is kept, and listened to again.
        """
        leaving = self._seats[seat]
        leaving.tap.hold(is_held=True)
        leaving.is_leaving = True
        try:
            async with asyncio.timeout(GIVE_UP_S):
                while self._is_busy_with(leaving.tap):  # noqa: ASYNC110 (two of them work)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            leaving.is_leaving = False
            leaving.tap.hold(is_held=self._is_held)
            return
        del self._seats[seat]
        await leaving.stop()
        await seats.rise(self._holder, seat)
        listening.set(len(self._seats))

    def _is_busy_with(self, tap: Tap) -> bool:
        """Something that came this way is not acknowledged yet."""
        return self._under_way > 0 or any(each is tap for each, _ in self._waiting)

    # --- in

    def _hear(self, tap: Tap, told: Told) -> None:
        self._waiting.append((tap, told))
        self._bytes += len(told.payload)
        self._some.set()
        if self._bytes > MOST_WAITING_BYTES and not self._is_held:
            self._hold(is_held=True)

    def _hold(self, *, is_held: bool) -> None:
        self._is_held = is_held
        for seat in self._seats.values():
            seat.tap.hold(is_held=is_held or seat.is_leaving)

    def _next(self) -> list[tuple[Tap, Told]]:
        """The oldest of what is waiting, as much as fits into one transaction."""
        size = count = 0
        for _, told in self._waiting[:AT_ONCE]:
            size += len(told.payload)
            count += 1
            if size > AT_ONCE_BYTES:
                break
        batch = self._waiting[:count]
        del self._waiting[:count]
        self._bytes -= size
        if self._is_held and self._bytes < MOST_WAITING_BYTES / 2:
            self._hold(is_held=False)
        waiting_bytes.set(self._bytes)
        waiting_for.set(len(self._waiting))
        return batch

    async def _write(self) -> None:
        await self._some.wait()
        if len(self._waiting) < AT_ONCE:
            await asyncio.sleep(GATHER_S)  # many vehicles speak within this time: one statement
        batch = self._next()
        if not self._waiting:
            self._some.clear()
        if not batch:
            return
        self._under_way += 1
        try:
            await self._keep(batch)
        finally:
            self._under_way -= 1

    async def _keep(self, batch: list[tuple[Tap, Told]]) -> None:
        said = self._understood(told for _, told in batch)
        readings = intake.heard(said)
        async with self._in_turn:
            if said:
                await self._store(said, readings)
            point("fleet.link.after_store")
            for tap, told in groupby(batch, key=lambda each: each[0]):
                tap.acknowledge(each for _, each in told)
        heard.labels("telemetry").inc(len(batch))

    def _understood(self, messages: Iterator[Told]) -> Said:
        """What was said by whom. What nobody can read is counted, and never comes again."""
        said: Said = []
        for told in messages:
            try:
                vehicle_id = self._vehicles.get(told.topic) or self._whose(told.topic)
                readings = wire.decode_readings(told.payload)
                if any(each.vehicle_id for each in readings):
                    _check_identity(told.topic, readings)
            except wire.Refused as error:
                refused.labels("telemetry", error.reason).inc()
            except NotFound:
                refused.labels("telemetry", "unknown_vehicle").inc()
            else:
                said.append((vehicle_id, readings))
        return said

    def _whose(self, topic: str) -> UUID:
        vehicle_id = ids.parse(wire.parse_topic(topic).vehicle_id, *PREFIX.values())
        if len(self._vehicles) >= MOST_TOPICS:
            self._vehicles.clear()
        self._vehicles[topic] = vehicle_id
        return vehicle_id

    # --- stored

    async def _store(self, said: Said, readings: intake.Batch) -> None:
        """Store these, whatever it takes: nobody else has them."""
        tries = 0
        while True:
            try:
                done = await telemetry.record(readings)
            except (db.DatabaseDown, db.DatabaseBusy):
                await asyncio.sleep(AGAIN_S)
            except Exception as error:
                if len(said) > 1:  # one that the database does not take must not spoil the others
                    for half in (said[: len(said) // 2], said[len(said) // 2 :]):
                        await self._store(half, intake.heard(half))
                    return
                tries += 1
                if tries == TRIES:
                    refused.labels("telemetry", "not_storable").inc()
                    log.error("readings not storable", vehicle=str(said[0][0]), exc_info=error)
                    return
                await asyncio.sleep(AGAIN_S)
            else:
                if done.unknown:
                    refused.labels("telemetry", "unknown_vehicle").inc(done.unknown)
                return


def _check_identity(topic: str, readings: list[wire.Reading]) -> None:
    """A vehicle speaks under its own topic only."""
    own = wire.vehicle_of(topic)
    if any(each.vehicle_id not in (None, own) for each in readings):
        raise wire.Refused("wrong_vehicle")


class _Seat:
    """Listening for one part of the vehicles; finds the broker again by itself."""

    def __init__(
        self, seat: int, of: int, url: str, on_message: Callable[[Tap, Told], None]
    ) -> None:
        self._lost = asyncio.Event()
        self.is_leaving = False
        self.tap = Tap(
            f"fahrwerk-ingest-{seat}", url, filters(seat, of), ALL_FILTERS,
            lambda told: on_message(self.tap, told), self._lost.set,
        )  # fmt: skip
        self._task = asyncio.create_task(forever(self._keep_open))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.tap.close()

    async def _keep_open(self) -> None:
        self._lost.clear()
        try:
            await self.tap.open()
        except OSError as error:
            log.info("broker not reached", reason=str(error) or type(error).__name__)
            await asyncio.sleep(AGAIN_S)
            return
        await self._lost.wait()


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """Take in telemetry, for the block."""
    ingest = Ingest(settings.mqtt_url, settings.ingest_seats)
    await ingest.start()
    try:
        yield
    finally:
        await ingest.stop()
