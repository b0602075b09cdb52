"""An open stream of the real application, read event by event as a browser does."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tests.world import World, http_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fahrwerk.kernel.call import Call


class Event(msgspec.Struct):
    """One server-sent event; a comment has no name."""

    id: str = ""
    name: str = ""
    data: Any = None


class Opened:
    """What comes in."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = b""
        self.is_over = False
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._text = b""
        self._unpack: Any = None

    async def take(self, message: dict[str, Any]) -> None:
        """As a server's ``send``: waits while the client does not read."""
        await self.may_send.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            if self.headers.get("content-encoding") == "gzip":
                self._unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
            return
        chunk = message.get("body", b"")
        self.raw += chunk
        self._text += self._unpack.decompress(chunk) if self._unpack else chunk
        while b"\n\n" in self._text:
            one, self._text = self._text.split(b"\n\n", 1)
            self._parsed(one.decode())
        if not message.get("more_body"):
            self.is_over = True
            self.events.put_nowait(None)

    def _parsed(self, text: str) -> None:
        event = Event()
        for line in text.split("\n"):
            field, _, value = line.partition(": ")
            if field == "id":
                event.id = value
            elif field == "event":
                event.name = value
            elif field == "data":
                event.data = msgspec.json.decode(value)
        self.events.put_nowait(event)

    async def next(self, name: str = "vehicles", seconds: float = 5) -> Event:
        """The next event of this name."""
        async with asyncio.timeout(seconds):
            while True:
                event = await self.events.get()
                assert event is not None, "the stream has ended"
                if event.name == name:
                    return event

    async def until(self, wanted: Any, seconds: float = 5) -> dict[str, Any]:
        """The first row (by column) of any event that is as wanted."""
        async with asyncio.timeout(seconds):
            while True:
                for row in rows((await self.next(seconds=seconds)).data):
                    if wanted(row):
                        return row


def rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Vehicles as a client puts them together; positions in degrees."""
    names = [n for n, each in columns.items() if isinstance(each, list) and n not in _ABOUT]
    found = [
        dict(zip(names, row, strict=True)) for row in zip(*(columns[n] for n in names), strict=True)
    ]
    for row in found:
        for place, name in enumerate(("latitude", "longitude")):
            if row[name] is not None:
                row[name] = (columns["origin"][place] + row[name]) / 100_000
    return found


_ABOUT = ("origin", "types", "statuses")


@asynccontextmanager
async def opened(world: World, call: Call, url: str, **headers: str) -> AsyncIterator[Opened]:
    """A stream, until the block ends: then the client hangs up."""
    parts = urlsplit(url)
    found, hung_up = Opened(), asyncio.Event()
    sent = {
        "host": "test",
        "x-tenant-id": world.operator.slug,
        "authorization": f"Bearer {world.token(call)}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [(n.encode(), v.encode()) for n, v in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "state": {},
    }
    is_first = True

    async def receive() -> dict[str, Any]:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await hung_up.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(http_app()(scope, receive, found.take))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(5):
            while not found.status and not task.done():
                await asyncio.sleep(0.01)
        yield found
    finally:
        hung_up.set()
        found.may_send.set()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)
