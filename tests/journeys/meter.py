"""Vehicles that publish numbered readings at QoS 1 and know which the broker acknowledged.

Each is one connection of its own that never gives up: what was not acknowledged when a connection
broke is published again, as the protocol asks of a device. What must be stored in the end is all
that was acknowledged, each once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

AGAIN_S = 0.05
PACE_S = 0.002
"""So that the numbers last for minutes."""
ANSWER_WITHIN_S = 20.0
MOST = 65_535
_CONNACK, _PUBACK, _PINGRESP = 0x20, 0x40, 0xD0


class Meter:
    """One vehicle: readings 1, 2, 3, ... of one boot, ``window`` of them unacknowledged at most."""

    def __init__(self, url: str, vehicle: str, boot: int, *, window: int = 20) -> None:
        self.acknowledged: set[int] = set()
        self.vehicle, self.boot = vehicle, boot
        self._url, self._window = urlsplit(url), window
        self._unacknowledged: dict[int, bytes] = {}
        self._next = 0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Publish as fast as is acknowledged, until ``stop``."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish nothing new; return when all of the old is acknowledged."""
        self._stopping = True
        assert self._task is not None
        await self._task

    async def abandon(self) -> None:
        """Hang up, whatever is not acknowledged."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not (self._stopping and not self._unacknowledged):
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    reader, writer = await asyncio.open_connection(
                        self._url.hostname, self._url.port
                    )
                try:
                    await self._converse(reader, writer)
                finally:
                    writer.transport.abort()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
            except (OSError, EOFError, TimeoutError):
                await asyncio.sleep(AGAIN_S)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = self.vehicle.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        writer.write(b"\x10" + _length(len(body)) + body)
        await self._hear(reader)
        for number in sorted(self._unacknowledged):
            self._publish(writer, number, is_again=True)
        while not (self._stopping and not self._unacknowledged):
            while not self._stopping and len(self._unacknowledged) < self._window:
                if self._next == MOST:
                    self._stopping = True
                    break
                self._next += 1
                self._unacknowledged[self._next] = self._reading(self._next)
                self._publish(writer, self._next)
            await self._hear(reader)
            await asyncio.sleep(PACE_S)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            kind, length = await reader.readexactly(2)
            body = await reader.readexactly(length)
        if kind == _PUBACK:
            number = int.from_bytes(body[:2], "big")
            # Up to MOST the packet's number is the reading's.
            if self._unacknowledged.pop(number, None) is not None:
                self.acknowledged.add(number)
        elif kind == _CONNACK and body[1]:
            raise ConnectionRefusedError(f"refused: {body[1]}")

    def _reading(self, number: int) -> bytes:
        return msgspec.json.encode(
            wire.Reading(
                time=time.time_ns() // 1_000_000, boot=self.boot, seq=number, latitude=52.52,
                longitude=13.405, battery_level=number % 101, odometer_m=number,
            )
        )  # fmt: skip

    def _publish(
        self, writer: asyncio.StreamWriter, number: int, *, is_again: bool = False
    ) -> None:
        topic = wire.telemetry_topic(self.vehicle).encode()
        body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big")
        body += self._unacknowledged[number]
        writer.write(bytes([0x3A if is_again else 0x32]) + _length(len(body)) + body)


def _length(size: int) -> bytes:
    found = bytearray()
    while True:
        size, low = divmod(size, 128)
        found.append(low | (0x80 if size else 0))
        if not size:
            return bytes(found)


async def published(meters: Sequence[Meter], seconds: float) -> None:
    """All of them for so long."""
    for each in meters:
        each.start()
    await asyncio.sleep(seconds)
