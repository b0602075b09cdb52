"""The load generator: many keep-alive connections, prepared request bytes, little else.

A general HTTP client costs several times what the platform needs to answer; this one reads the
status, ``content-length`` and nothing more. Two ways to load:

* *closed loop* (:func:`as_many_as_possible`): each connection sends its next request when the last
  one was answered. Gives the throughput.
* *open loop* (:func:`at_rate`): requests are due at fixed times whether or not earlier ones were
  answered, and their latency counts from when they were due. A server that stalls is charged for
  everybody who waited meanwhile (no coordinated omission). Gives the latencies.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECTIONS = 64
MOST_CONNECTIONS = 512
PATIENCE_S = 30.0
"""How long unanswered requests are waited for after the last one was due."""

Target = tuple[str, int]


class Run(msgspec.Struct):
    """What came back."""

    seconds: float = 0.0
    answered: int = 0
    """Answers with the wanted status within ``seconds``."""
    size: int = 0
    """Bytes of their bodies."""
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    """Status or ``lost`` -> how often."""
    sample: str = ""
    """One unwanted answer, to see what is wrong."""
    latencies: Any = msgspec.field(default_factory=lambda: array("d"))
    """Seconds, of wanted answers."""

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def mean_size(self) -> int:
        return round(self.size / self.answered) if self.answered else 0

    def quantile_ms(self, share: float) -> float:
        """The latency that ``share`` of the answers kept; infinite when there was none."""
        if not self.latencies:
            return float("inf")
        ordered = sorted(self.latencies)
        return float(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))])

    def say(self) -> dict[str, Any]:
        """For the report."""
        return {
            "seconds": round(self.seconds, 3),
            "answered": self.answered,
            "per_second": round(self.per_second, 1),
            "mean_bytes": self.mean_size,
            "p50_ms": round(self.quantile_ms(0.5), 2),
            "p95_ms": round(self.quantile_ms(0.95), 2),
            "p99_ms": round(self.quantile_ms(0.99), 2),
            "errors": dict(self.errors),
            "sample": self.sample,
        }


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    __slots__ = ("_body_at", "_due", "_end", "_got", "_load", "_transport")

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._got = b""
        self._body_at = self._end = 0
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self, self._due is not None)

    def close(self) -> None:
        self._transport.abort()

    def send(self, request: bytes, due: float) -> None:
        """Send a request; its latency counts from ``due``."""
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._got:
            data = self._got + data
        if not self._end:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self._got = data
                return
            at = data.find(b"content-length: ", 0, head)
            if at < 0:
                raise RuntimeError(f"an answer without content-length: {data[:head]!r}")
            self._body_at = head + 4
            self._end = self._body_at + int(data[at + 16 : data.find(b"\r", at)])
        if len(data) < self._end:
            self._got = data
            return
        due, size = self._due, self._end - self._body_at
        self._got, self._end, self._due = b"", 0, None
        if due is not None:
            self._load.answered(self, data, self._body_at, size, due)


class _Load:
    """What both loops share: connections, counts, the end."""

    def __init__(
        self,
        targets: Sequence[Target],
        requests: Iterator[bytes],
        wanted: bytes,
        told: Callable[[int, bytes], None] | None,
    ) -> None:
        self.targets, self.requests, self.wanted, self.told = targets, requests, wanted, told
        self.run = Run()
        self.open: set[_Connection] = set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.until = float("inf")
        self.last = 0.0
        self._connected = 0

    async def connect(self) -> _Connection:
        # One after the other: a burst would be taken by whichever server process woke first.
        host, port = self.targets[self._connected % len(self.targets)]
        self._connected += 1
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: _Connection(self), host, port)
        self.open.add(made)
        return made

    def answered(
        self, connection: _Connection, data: bytes, body_at: int, size: int, due: float
    ) -> None:
        now = time.perf_counter()
        status = data[9:12]
        run = self.run
        if status != self.wanted:
            run.errors[status.decode("latin-1")] += 1
            if not run.sample:
                run.sample = data[body_at : body_at + 300].decode(errors="replace")
        elif now <= self.until:
            run.answered += 1
            run.size += size
            run.latencies.append(now - due)
            self.last = now
        if self.told is not None:
            self.told(int(status), data[body_at:])
        self.next(connection, now)

    def next(self, connection: _Connection, now: float) -> None:
        """What this connection does now."""
        raise NotImplementedError

    def lost(self, connection: _Connection, under_way: bool) -> None:
        self.open.discard(connection)
        if under_way:
            self.run.errors["lost"] += 1
        if not self.open and not self.ended.done():
            self.ended.set_result(None)

    async def close(self) -> None:
        for connection in list(self.open):
            connection.close()
        await asyncio.sleep(0)


class _Closed(_Load):
    def next(self, connection: _Connection, now: float) -> None:
        request = next(self.requests, None) if now < self.until else None
        if request is None:
            connection.close()
        else:
            connection.send(request, now)


class _Open(_Load):
    """Dispatches what is due to an idle connection; opens more when all are busy."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.idle: deque[_Connection] = deque()
        self.waiting: deque[float] = deque()
        self.left = 0

    def next(self, connection: _Connection, now: float) -> None:
        self.left -= 1
        if self.waiting:
            connection.send(next(self.requests), self.waiting.popleft())
        else:
            self.idle.append(connection)
        self._look_for_end()

    def lost(self, connection: _Connection, under_way: bool) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        super().lost(connection, under_way)
        self.left -= under_way
        self._look_for_end()

    def due(self, at: float) -> None:
        """A request is due: sent at once if a connection is free."""
        if self.idle:
            self.idle.popleft().send(next(self.requests), at)
        else:
            self.waiting.append(at)

    def _look_for_end(self) -> None:
        if self.left <= 0 and not self.ended.done():
            self.ended.set_result(None)


@contextmanager
def _without_collections() -> Iterator[None]:
    """The generator's own garbage collections would show up as latencies of the server."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def as_many_as_possible(
    targets: Sequence[Target],
    requests: Iterator[bytes],
    *,
    seconds: float = float("inf"),
    connections: int = CONNECTIONS,
    wanted: int = 200,
    told: Callable[[int, bytes], None] | None = None,
) -> Run:
    """Closed loop, for ``seconds`` or until ``requests`` end."""
    load = _Closed(targets, requests, str(wanted).encode(), told)
    made = [await load.connect() for _ in range(connections)]
    with _without_collections():
        began = time.perf_counter()
        load.until = began + seconds
        for connection in made:
            load.next(connection, began)
        await load.ended
    load.run.seconds = min(seconds, load.last - began)
    return load.run


async def at_rate(
    targets: Sequence[Target],
    requests: Iterator[bytes],
    *,
    per_second: float,
    count: int,
    connections: int = CONNECTIONS,
    wanted: int = 200,
    told: Callable[[int, bytes], None] | None = None,
) -> Run:
    """Open loop: ``count`` requests, evenly spaced; latencies count from when each was due."""
    load = _Open(targets, requests, str(wanted).encode(), told)
    load.left = count
    for _ in range(connections):
        load.idle.append(await load.connect())
    with _without_collections():
        began, sent = time.perf_counter() + 0.01, 0
        while sent < count:
            now = time.perf_counter()
            while sent < count and (at := began + sent / per_second) <= now:
                load.due(at)
                sent += 1
            if load.waiting and len(load.open) < MOST_CONNECTIONS:
                fresh = await load.connect()
                if load.waiting:
                    fresh.send(next(requests), load.waiting.popleft())
                else:
                    load.idle.append(fresh)
            await asyncio.sleep(max(0.0, began + sent / per_second - time.perf_counter()))
        try:
            await asyncio.wait_for(asyncio.shield(load.ended), PATIENCE_S)
        except TimeoutError:
            load.run.errors["unanswered"] += load.left
    load.run.seconds = count / per_second
    await load.close()
    return load.run


def get(path: str, headers: str = "") -> bytes:
    """A GET request; ``headers`` are whole lines with their line ends."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """A POST request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
