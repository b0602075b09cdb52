"""Vehicles that publish telemetry at QoS 1, many at once: a process of its own.

    python -m tests.bench.stream <plan as JSON>

It spends as little as it can on each message. How far it may go and how far it got stand in a
file that both sides have mapped: ``Board``.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELDS = struct.Struct("<qqq")
CHUNK = 64
TICK_S = 0.01


class Board:
    """``allowed``, ``sent`` and ``acknowledged`` messages, shared between two processes."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_FIELDS.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FIELDS.size)

    def __getitem__(self, at: int) -> int:
        return int.from_bytes(self._map[8 * at : 8 * at + 8], "little")

    def __setitem__(self, at: int, value: int) -> None:
        self._map[8 * at : 8 * at + 8] = value.to_bytes(8, "little")


ALLOWED, SENT, ACKNOWLEDGED = range(3)


class Stream(msgspec.Struct, kw_only=True):
    """What is to be published."""

    url: str
    board: str
    topics: list[str]
    """One per vehicle."""
    boot: int
    messages: int
    readings: int
    """In each message."""
    connections: int
    per_s: int = 0
    """Messages a second; 0 = as many as the board allows, prepared before."""


class _Client(asyncio.Protocol):
    def __init__(self, name: str, board: Board) -> None:
        self._name, self._board = name.encode(), board
        self.ready = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._rest = 0
        self._mid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(self._name).to_bytes(2, "big") + self._name
        transport.write(b"\x10" + bytes([len(body)]) + body)

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
            data = data[4:]
        size = self._rest + len(data)  # PUBACKs only, 4 bytes each
        self._board[ACKNOWLEDGED] += size // 4
        self._rest = size % 4

    def publish(self, head: bytes, payload: bytes) -> None:
        self._mid = self._mid % 65_535 + 1
        self.transport.write(head + self._mid.to_bytes(2, "big") + payload)


def payloads(plan: Stream) -> Iterator[tuple[int, bytes]]:
    """(vehicle, message), in turns; the readings of a message a few milliseconds apart."""
    each = (
        b'{"time":%d,"boot":%d,"seq":%d,"latitude":52.52%05d,"longitude":13.40%05d,'
        b'"accuracy_m":4.5,"speed_kmh":%d.5,"battery_level":%d,"voltage":40.3,"temperature":19.5,'
        b'"signal_strength":-71,"locked":false,"odometer_m":%d}'
    )
    count, apart_ms = len(plan.topics), 1000 // max(1, plan.readings)
    for n in range(plan.messages):
        vehicle, turn = n % count, n // count
        first = turn * plan.readings + 1
        now = time.time_ns() // 1_000_000 - 1000
        parts = [
            each % (now + i * apart_ms, plan.boot + vehicle, first + i, (vehicle * 7 + i) % 100_000,
                    (vehicle * 13 + i) % 100_000, 10 + i % 15, 90 - turn % 60, 1000 + first + i)
            for i in range(plan.readings)
        ]  # fmt: skip
        yield vehicle, parts[0] if plan.readings == 1 else b"[" + b",".join(parts) + b"]"


def _head(topic: str, payload: bytes) -> bytes:
    name = topic.encode()
    length, size = bytearray(), 2 + len(name) + 2 + len(payload)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            break
    return b"\x32" + bytes(length) + len(name).to_bytes(2, "big") + name


async def run(plan: Stream) -> None:
    """Publish it all, and wait until the broker has acknowledged it all."""
    board, url = Board(Path(plan.board)), urlsplit(plan.url)
    host, port = url.hostname or "127.0.0.1", url.port or 1883
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    for n in range(plan.connections):
        _, client = await loop.create_connection(
            lambda n=n: _Client(f"stream-{plan.boot}-{n}", board),  # type: ignore[misc]
            host,
            port,
        )
        await client.ready
        clients.append(client)
    said = payloads(plan)
    prepared = iter(list(said)) if not plan.per_s else said
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not board[ALLOWED]:
        await asyncio.sleep(0.001)
    began, sent = time.perf_counter(), 0
    while sent < plan.messages:
        due = (
            int((time.perf_counter() - began) * plan.per_s) if plan.per_s else board[ALLOWED]
        ) - sent
        for _ in range(min(due, CHUNK if not plan.per_s else due, plan.messages - sent)):
            vehicle, payload = next(prepared)
            clients[vehicle % plan.connections].publish(
                _head(plan.topics[vehicle], payload), payload
            )
            sent += 1
        board[SENT] = sent
        await asyncio.sleep(TICK_S if plan.per_s else 0 if due > 0 else 0.001)
    while board[ACKNOWLEDGED] < sent:
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Stream)))
