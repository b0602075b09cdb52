"""Server-sent events: a state as it changes, readable with ``curl -N``.

The client gets the state at once and again whenever it differs: looked at when its signal comes,
and every few seconds in case a signal was lost. Signals are hints; the database is the truth.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import msgspec
from litestar.response import Stream

from fahrwerk.kernel.errors import Busy, Problem
from fahrwerk.kernel.live import hub, rung

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MOST_STREAMS = 5_000
MOST_OF_ONE = 100
"""Of one signal, say one ride: nobody takes the place of everybody else (F23)."""
HEARTBEAT_S = 15.0
LONGEST_S = 3_600.0
"""Then the client connects again with a fresh token; EventSource does so by itself."""

T = TypeVar("T")
_open: Counter[str] = Counter()


def stream(
    look: Callable[[], Awaitable[T]],
    *,
    signal: str,
    name: str,
    every_s: float = 2.0,
    is_last: Callable[[T], bool] = lambda _: False,
) -> Stream:
    """Stream what ``look`` sees as events ``name`` until ``is_last`` or an hour has passed.

    Raises ``Busy`` when this process serves as many streams as it can, or as one thing may have.
    """
    if _open.total() >= MOST_STREAMS or _open[signal] >= MOST_OF_ONE:
        raise Busy("Too many open streams. Poll instead.", retry_after=30)
    return Stream(
        _events(look, signal, name, every_s, is_last),
        media_type="text/event-stream",
        headers={
            "cache-control": "no-store",
            "x-accel-buffering": "no",  # nginx would hold events back otherwise
        },
    )


def serve(
    source: AsyncIterator[bytes], *, signal: str, most: int, headers: dict[str, str] | None = None
) -> Stream:
    """Stream what ``source`` gives, which is events already, within the same bounds as ``stream``.

    ``most``: streams of ``signal`` in this process. Raises ``Busy``; then ``source`` is not begun.
    """
    if _open.total() >= MOST_STREAMS or _open[signal] >= most:
        raise Busy("Too many open streams. Poll instead.", retry_after=30)
    return Stream(
        _counted(source, signal),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})},
    )


async def _counted(source: AsyncIterator[bytes], signal: str) -> AsyncIterator[bytes]:
    _open[signal] += 1
    try:
        async for each in source:
            yield each
    finally:
        _open[signal] -= 1
        if not _open[signal]:
            del _open[signal]


async def _events(
    look: Callable[[], Awaitable[T]],
    signal: str,
    name: str,
    every_s: float,
    is_last: Callable[[T], bool],
) -> AsyncIterator[bytes]:
    _open[signal] += 1
    try:
        with hub.listening(signal) as bell:
            number, sent, spoke = 0, b"", time.monotonic()
            end = spoke + LONGEST_S
            yield b"retry: 2000\n\n"
            while time.monotonic() < end:
                bell.clear()
                try:
                    state = await look()
                except Problem as problem:
                    text = msgspec.json.encode({"code": problem.error_code})
                    yield b"event: error\ndata: " + text + b"\n\n"
                    return
                data = msgspec.json.encode(state)
                if data != sent:
                    number, sent, spoke = number + 1, data, time.monotonic()
                    yield f"id: {number}\nevent: {name}\ndata: ".encode() + data + b"\n\n"
                elif time.monotonic() - spoke > HEARTBEAT_S:
                    spoke = time.monotonic()
                    yield b": still here\n\n"
                if is_last(state):
                    return
                await rung(bell, every_s)
    finally:
        _open[signal] -= 1
        if not _open[signal]:
            del _open[signal]
