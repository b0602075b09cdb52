"""Everybody who watches an operator's fleet, served by one reader.

Once a second the reader asks what was written since its last look, leaves out what nobody would
see, and writes the rest down once, compressed if anyone wants that, for all watchers of this
process. Each watcher has a short queue of such frames; who lets it fill is told to begin anew.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import structlog

from fahrwerk.fleet.contract import PREFIX, STATUSES
from fahrwerk.fleet.contract import live as fleet
from fahrwerk.kernel import clock
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem
from fahrwerk.kernel.live import rung

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from fahrwerk.fleet.contract.live import LiveFleet

EVERY_S = 1.0
SEEN_EVERY_S = 30.0
"""A vehicle that only says it is still there is told so often."""
MOST_WAITING = 20
"""Frames a watcher may be behind: as many seconds."""
HEARTBEAT_S = 15.0
LOOK_AT_SESSION_S = 5.0
LONGEST_S = 3_600.0
LEVEL = 5
log = structlog.get_logger()


class Vehicles(msgspec.Struct, frozen=True, kw_only=True):
    """Vehicles in columns: the n-th of each column is the n-th vehicle."""

    at: str
    cursor: str
    """For ``/fleet/live/stream``: what changes from here on."""
    origin: Annotated[list[int], msgspec.Meta(min_length=2, max_length=2)]
    """Latitude and longitude, in hundred-thousandths of a degree, that the columns count from."""
    id: list[str]
    identifier: list[str]
    type: list[int]
    """Place in ``types``."""
    status: list[int]
    """Place in ``statuses``."""
    latitude: list[int | None]
    """``(origin[0] + latitude) / 100000`` is in degrees; null = it has never said."""
    longitude: list[int | None]
    battery: list[int | None]
    """Percent."""
    age: list[int | None]
    """Seconds before ``at`` that it was last heard; null = never."""
    flags: list[int]
    """Sum of 1 connected, 2 locked, 4 open, 8 tipped over."""


class Snapshot(Vehicles, frozen=True, kw_only=True):
    """All vehicles that were asked for (WEB-08)."""

    types: tuple[str, ...]
    statuses: tuple[str, ...]
    count: int


_COLUMNS = fleet.LiveFleet.__struct_fields__[2:]


def vehicles(found: LiveFleet) -> Vehicles:
    """As it is sent."""
    return Vehicles(**_said(found))


def snapshot(found: LiveFleet) -> Snapshot:
    """As it is sent, with what the numbers in it mean."""
    return Snapshot(types=tuple(PREFIX), statuses=STATUSES, count=len(found.id), **_said(found))


def _said(found: LiveFleet) -> dict[str, Any]:
    south = min((each for each in found.latitude if each is not None), default=0)
    west = min((each for each in found.longitude if each is not None), default=0)
    return {
        "at": clock.stamp(found.at),
        "cursor": found.cursor,
        "origin": (south, west),
        "id": found.id,
        "identifier": found.identifier,
        "type": found.type,
        "status": found.status,
        # Small numbers: a fifth less to send.
        "latitude": [None if each is None else each - south for each in found.latitude],
        "longitude": [None if each is None else each - west for each in found.longitude],
        "battery": found.battery,
        "age": found.age_s,
        "flags": found.flags,
    }


class Frame(msgspec.Struct, frozen=True):
    """Something for all watchers, written down once."""

    plain: bytes
    packed: bytes | None
    """The same as blocks of a deflate stream that refer to nothing before them: so what was
    compressed once fits into the stream of each watcher."""


def _frame(plain: bytes, is_packed: bool) -> Frame:
    if not is_packed:
        return Frame(plain, None)
    press = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Frame(plain, press.compress(plain) + press.flush(zlib.Z_FULL_FLUSH))


def _event(found: LiveFleet, is_packed: bool) -> Frame:
    data = msgspec.json.encode(vehicles(found))
    head = f"id: {found.cursor}\nevent: vehicles\ndata: ".encode()
    return _frame(head + data + b"\n\n", is_packed)


class Client:
    """One watcher's queue."""

    def __init__(self, is_packed: bool) -> None:
        self.is_packed = is_packed
        self.waiting: deque[Frame] = deque()
        self.bell = asyncio.Event()
        self.is_behind = False

    def put(self, frame: Frame) -> None:
        """Add a frame, or find that this watcher is too slow."""
        if len(self.waiting) >= MOST_WAITING:
            self.is_behind = True
            self.waiting.clear()
        else:
            self.waiting.append(frame)
        self.bell.set()


class Watch:
    """One operator's fleet, or the part of it that a scope reaches, while anybody watches it."""

    def __init__(self, tenant: UUID, scope: frozenset[str] | None) -> None:
        self.call = msgspec.structs.replace(system(tenant, "fleet"), scope=scope)
        self.clients: set[Client] = set()
        self.cursor: str | None = None
        self._known: dict[str, tuple[tuple[object, ...], float]] = {}
        """What was last told of a vehicle, and when. Every vehicle is news once."""
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def join(self, since: str, is_packed: bool) -> tuple[Client, Frame]:
        """A new watcher, and what it has missed. Raises ``CursorGone``, ``Invalid``.

        Within the lock: whatever the reader finds later is later than what is caught up here.
        """
        async with self._lock:
            missed = await fleet.live_fleet(self.call, since=since)
            frame = await asyncio.to_thread(_event, missed, is_packed)
            if self.cursor is None:
                self.cursor = missed.cursor
            client = Client(is_packed)
            self.clients.add(client)
            if self._task is None:
                self._task = asyncio.create_task(self._run())
            return client, frame

    def leave(self, client: Client) -> None:
        """A watcher went away."""
        self.clients.discard(client)

    async def _run(self) -> None:
        due = time.monotonic()
        while self.clients:
            due = max(due + EVERY_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            try:
                await self._tick()
            except Problem as problem:
                log.info("live fleet not read", code=problem.error_code)
            except Exception as error:
                log.error("live fleet not read", exc_info=error)
        self._task, self.cursor = None, None
        self._known.clear()

    async def _tick(self) -> None:
        async with self._lock:
            try:
                found = await fleet.live_fleet(self.call, since=self.cursor)
            except Problem as problem:
                if problem.error_code != fleet.CursorGone.code:
                    raise
                for client in self.clients:
                    client.is_behind = True
                    client.bell.set()
                self.clients.clear()
                return
            news = self._news(found)
            if news.id:
                is_packed = any(client.is_packed for client in self.clients)
                frame = await asyncio.to_thread(_event, news, is_packed)
                for client in list(self.clients):
                    client.put(frame)
                    if client.is_behind:
                        self.clients.discard(client)
            self.cursor = found.cursor  # not before: a heartbeat names it

    def _news(self, found: LiveFleet) -> LiveFleet:
        """Without what looks as it did: a vehicle that stands and reports is no news every time."""
        now = time.monotonic()
        columns = [getattr(found, name) for name in _COLUMNS]
        age = _COLUMNS.index("age_s")
        kept = []
        for place, row in enumerate(zip(*columns, strict=True)):
            looks = (*row[:age], *row[age + 1 :])
            before = self._known.get(row[0])
            if before is None or before[0] != looks or now - before[1] >= SEEN_EVERY_S:
                self._known[row[0]] = (looks, now)
                kept.append(place)
        if len(kept) == len(found.id):
            return found
        return msgspec.structs.replace(
            found,
            **{
                name: [column[place] for place in kept]
                for name, column in zip(_COLUMNS, columns, strict=True)
            },
        )


_watches: dict[tuple[UUID, frozenset[str] | None], Watch] = {}


def watch(tenant: UUID, scope: frozenset[str] | None) -> Watch:
    """The one of this operator and scope; watches that nobody uses are forgotten."""
    own = (tenant, scope)
    for other in [each for each, found in _watches.items() if not found.clients]:
        if other != own and _watches[other]._task is None:
            del _watches[other]
    return _watches.setdefault(own, Watch(tenant, scope))


class _Gzip:
    """One watcher's gzip stream, made of blocks that were compressed once for all."""

    HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

    def __init__(self) -> None:
        self._crc, self._size = 0, 0

    def block(self, frame: Frame) -> bytes:
        self._crc = zlib.crc32(frame.plain, self._crc)
        self._size += len(frame.plain)
        return frame.packed if frame.packed is not None else _frame(frame.plain, True).packed or b""

    def tail(self) -> bytes:
        numbers = self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return b"\x03\x00" + numbers


async def events(
    own: Watch, client: Client, missed: Frame, is_over: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """One watcher's stream: what it missed, then every second what changed, until it is over."""
    packed = _Gzip() if client.is_packed else None

    def out(frame: Frame) -> bytes:
        return packed.block(frame) if packed else frame.plain

    try:
        yield (packed.HEAD if packed else b"") + out(Frame(b"retry: 2000\n\n", None)) + out(missed)
        async for frame in _told(own, client, is_over):
            yield out(frame)
        if packed:
            yield packed.tail()
    finally:
        own.leave(client)


async def _told(
    own: Watch, client: Client, is_over: Callable[[], Awaitable[bool]]
) -> AsyncIterator[Frame]:
    began = spoke = looked = time.monotonic()
    while (now := time.monotonic()) - began < LONGEST_S:
        if now - looked >= LOOK_AT_SESSION_S:
            looked = now
            if await is_over():
                yield Frame(b"event: end\ndata: {}\n\n", None)
                return
        if client.is_behind:
            yield Frame(b"event: reset\ndata: {}\n\n", None)
            return
        while client.waiting:
            spoke = now
            yield client.waiting.popleft()
        if now - spoke >= HEARTBEAT_S and own.cursor is not None:
            spoke = now
            yield Frame(f": still here\nid: {own.cursor}\n\n".encode(), None)
        client.bell.clear()
        if not client.waiting and not client.is_behind:
            await rung(client.bell, EVERY_S)
