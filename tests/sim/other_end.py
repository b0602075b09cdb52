"""The platform as a vehicle sees it, for tests of the vehicle alone."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.sim.vehicle import SimVehicle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WITHIN_S = 10
ALEXANDERPLATZ = (52.5219, 13.4132)

numbers = itertools.count(1)


class Platform:
    """The other end: sends what it is told to, hears one vehicle, checks every acknowledgement."""

    def __init__(self, vehicle_id: str, key: wire.PlatformKey, url: str) -> None:
        self.vehicle_id, self.key = vehicle_id, key
        self.acks: asyncio.Queue[bytes] = asyncio.Queue()
        self.statuses: asyncio.Queue[wire.Status] = asyncio.Queue()
        self.readings: asyncio.Queue[wire.Reading] = asyncio.Queue()
        self.properties: dict[str, Any] = {}
        self._counter = itertools.count(1)
        filters = f"vehicles/{vehicle_id}/#"
        self.line = Line(f"platform-{vehicle_id}", url, filters, self._hear, lambda: None)

    def _hear(self, topic: str, payload: bytes, properties: dict[str, Any]) -> None:
        match wire.parse_topic(topic).channel:
            case "acks":
                self.properties = properties
                self.acks.put_nowait(payload)
            case "status":
                self.statuses.put_nowait(wire.decode_status(payload))
            case "telemetry":
                for reading in wire.decode_readings(payload):
                    self.readings.put_nowait(reading)

    def command(self, operation: str, **changes: Any) -> wire.Command:
        now = time.time_ns() // 1_000_000
        made = wire.Command(
            id=f"cmd_{next(numbers)}",
            vehicle_id=self.vehicle_id,
            command=operation,
            timestamp=now,
            expires=now + 15_000,
            counter=next(self._counter),
            user_id="usr_1",
            booking_id="book_1",
            rental_id=None,
        )
        return msgspec.structs.replace(made, **changes)

    def send(self, payload: bytes, operation: str = "unlock", **properties: Any) -> None:
        topic = wire.command_topic(self.vehicle_id, operation)
        self.line.publish(topic, payload, qos=1, **properties)

    def tell(self, operation: str, **changes: Any) -> wire.Command:
        """Send a good command; ``changes`` may make it less good."""
        command = self.command(operation, **changes)
        self.send(wire.encode_command(command, self.key), operation)
        return command

    async def ack(self) -> wire.Ack:
        payload = await asyncio.wait_for(self.acks.get(), WITHIN_S)
        return wire.verify_ack(payload, self.key, self.vehicle_id)

    async def status(self, wanted: str) -> wire.Status:
        """The next status but ``online``; it must be ``wanted``."""
        while True:
            status = await asyncio.wait_for(self.statuses.get(), WITHIN_S)
            if status.status != "online" or wanted == "online":
                assert status.status == wanted
                return status

    async def reading(self, **wanted: Any) -> wire.Reading:
        """The first reading with these values."""
        while True:
            reading = await asyncio.wait_for(self.readings.get(), WITHIN_S)
            if all(getattr(reading, name) == value for name, value in wanted.items()):
                return reading

    async def obeyed(self, operation: str, **changes: Any) -> wire.Ack:
        command = self.tell(operation, **changes)
        ack = await self.ack()
        assert (ack.command_id, ack.counter, ack.result) == (command.id, command.counter, "done")
        return ack

    async def refused(self, reason: str) -> wire.Ack:
        ack = await self.ack()
        assert (ack.result, ack.reason) == ("refused", reason)
        return ack

    async def hears_nothing(self, for_s: float = 0.4) -> None:
        await asyncio.sleep(for_s)
        assert self.acks.empty()


@asynccontextmanager
async def street(
    url: str, alg: wire.Algorithm = "HS256", **more: Any
) -> AsyncIterator[tuple[SimVehicle, Platform]]:
    """A vehicle at Alexanderplatz, and a platform that has heard its first reading."""
    vehicle_id = f"sco_{next(numbers)}x{time.time_ns()}"
    ours, theirs = wire.new_keys(alg)
    platform = Platform(vehicle_id, ours, url)
    await platform.line.open()
    latitude, longitude = ALEXANDERPLATZ
    place = {"latitude": latitude, "longitude": longitude, "seed": 1}
    try:
        async with SimVehicle(vehicle_id, theirs, url, **(place | more)) as vehicle:
            await platform.status("online")
            await platform.reading()
            yield vehicle, platform
    finally:
        await platform.line.close()
