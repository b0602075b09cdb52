"""A thousand vehicles in one process: real MQTT 3.1.1 connections, with next to nothing behind.

``sim.vehicle`` and the agent are whole clients; a thousand of them would measure themselves.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONNACK, _PUBACK = 0x20, 0x40
AT_ONCE = 50


def _sized(data: bytes) -> bytes:
    """With MQTT's length before it."""
    size, head = len(data), bytearray()
    while True:
        size, digit = divmod(size, 128)
        head.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(head) + data


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2) + text.encode()


class Sender(asyncio.Protocol):
    """One vehicle's connection: says things at QoS 1, and counts what was acknowledged."""

    def __init__(self, vehicle_id: str) -> None:
        self.id = vehicle_id
        self.sent = self.acknowledged = 0
        self.is_lost = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        clean, keep_alive_s = 2, 60
        head = _text("MQTT") + bytes((4, clean)) + keep_alive_s.to_bytes(2)
        transport.write(b"\x10" + _sized(head + _text(self.id)))

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 2 and len(self._rest) >= 2 + self._rest[1]:
            kind, size = self._rest[0] & 0xF0, self._rest[1]
            body, self._rest = self._rest[2 : 2 + size], self._rest[2 + size :]
            if kind == _PUBACK:
                self.acknowledged += 1
            elif kind == _CONNACK and not self.ready.done():
                if body[1]:
                    self.ready.set_exception(ConnectionError(f"refused: {body[1]}"))
                else:
                    self.ready.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("lost"))

    def publish(self, topic: str, payload: bytes) -> None:
        assert self._transport is not None
        self.sent += 1
        mid = (self.sent % 65_535) + 1
        self._transport.write(b"\x32" + _sized(_text(topic) + mid.to_bytes(2) + payload))

    def say(self, *readings: wire.Reading) -> None:
        self.publish(wire.telemetry_topic(self.id), wire.encode_readings(list(readings)))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def connect(url: str, vehicle_ids: Sequence[str]) -> list[Sender]:
    """One connection each, some at a time."""
    where, loop = urlsplit(url), asyncio.get_running_loop()
    host, port = where.hostname or "127.0.0.1", where.port or 1883
    found: list[Sender] = []
    for start in range(0, len(vehicle_ids), AT_ONCE):
        part = [
            loop.create_connection(partial(Sender, own), host, port)
            for own in vehicle_ids[start : start + AT_ONCE]
        ]
        senders = [sender for _, sender in await asyncio.gather(*part)]
        await asyncio.wait_for(asyncio.gather(*(sender.ready for sender in senders)), 20)
        found += senders
    return found
