"""Signals between processes and streams to clients.

A *signal* is a hint that something changed ("events", "fleet.command"), never the news itself: who
hears it looks into the database. Within a process it is immediate; between processes it is a
PostgreSQL NOTIFY on a connection of its own, outside every business transaction and at most one
per channel and 10 ms, because NOTIFY inside a transaction makes commits wait for each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL = "fahrwerk"
DEBOUNCE_S = 0.01
log = structlog.get_logger()


class Hub:
    """Sends and hears signals for one process."""

    def __init__(self, dsn: str | None = None) -> None:
        self._dsn = dsn
        self._hearers: dict[str, list[Callable[[str], None]]] = defaultdict(list)
        self._waiters: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._pending: set[str] = set()
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def hear(self, name: str, function: Callable[[str], None]) -> None:
        """Call ``function(signal)`` for every signal ``name`` or ``name:...`` from anywhere."""
        self._hearers[name].append(function)

    def signal(self, name: str) -> None:
        """Tell everyone, here at once and elsewhere within about 10 ms. Never blocks or fails."""
        self._deliver(name)
        if self._dsn is not None and len(self._pending) < 10_000:
            self._pending.add(name)
            self._bell.set()

    def _deliver(self, name: str) -> None:
        for function in self._hearers.get(name.partition(":")[0], ()):
            function(name)
        for waiter in self._waiters.get(name, ()):
            waiter.set()

    @contextlib.contextmanager
    def listening(self, *names: str) -> Any:
        """An ``asyncio.Event`` that is set whenever one of ``names`` is signalled, for this block.

        Enter before looking at the state you wait for, or the change may slip between.
        """
        bell = asyncio.Event()
        for name in names:
            self._waiters[name].add(bell)
        try:
            yield bell
        finally:
            for name in names:
                self._waiters[name].discard(bell)
                if not self._waiters[name]:
                    del self._waiters[name]

    async def start(self) -> None:
        """Connect to the other processes of this installation."""
        if self._dsn is not None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop hearing and sending."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._connected()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("signals interrupted", reason=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _connected(self) -> None:
        raw = await asyncpg.connect(self._dsn, timeout=5)
        try:
            own = raw.get_server_pid()

            def heard(_: Any, pid: int, __: str, payload: object) -> None:
                if pid != own:
                    for name in str(payload).split("\n"):
                        self._deliver(name)

            await raw.add_listener(CHANNEL, heard)
            while not raw.is_closed():
                await rung(self._bell, 5)
                self._bell.clear()
                batch: list[str] = []
                while self._pending and sum(map(len, batch)) < 6000:  # a payload holds 8,000 bytes
                    batch.append(self._pending.pop())
                if batch:
                    await raw.execute("SELECT pg_notify($1, $2)", CHANNEL, "\n".join(batch))
                    await asyncio.sleep(DEBOUNCE_S)
                if self._pending:
                    self._bell.set()
        finally:
            raw.terminate()


async def rung(bell: asyncio.Event, seconds: float) -> bool:
    """Wait for ``bell``, at most ``seconds``; True when it rang.

    Not ``asyncio.wait_for``: before Python 3.12 that swallows a cancellation which arrives together
    with the bell, and whoever cancelled waits for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return False
    return True


hub = Hub()
"""This process's hub; replaced at start-up by one that reaches the other processes."""


def connect(dsn: str) -> Hub:
    """Make this process's hub reach the other processes of ``dsn``'s installation."""
    hub._dsn = dsn
    return hub
