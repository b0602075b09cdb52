"""Server-sent events: the state at once, again when it changes, and nothing in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar.response import Stream

from fahrwerk.kernel import stream
from fahrwerk.kernel.errors import Busy, NotFound
from fahrwerk.kernel.live import hub


def events_of(answer: Stream) -> AsyncIterator[Any]:
    """The body of a streamed answer."""
    assert isinstance(answer.iterator, AsyncIterator)
    return answer.iterator


async def _read(seconds: float, changes: list[int], **options: Any) -> list[str]:
    state = iter(changes)
    current = next(state)

    async def look() -> int:
        if current < 0:
            raise NotFound
        return current

    chunks = events_of(stream.stream(look, signal="test:s", name="number", **options))
    seen: list[str] = []

    async def read() -> None:
        async for chunk in chunks:
            seen.append(chunk.decode())

    task = asyncio.create_task(read())
    for value in state:
        await asyncio.sleep(0.05)
        current = value
        hub.signal("test:s")
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return seen


async def test_only_changes_are_sent_each_with_its_number() -> None:
    """RNT-46: woken by its signal, not by the clock."""
    seen = await _read(0.1, [1, 1, 2, 3], every_s=60.0)
    assert seen[0] == "retry: 2000\n\n"
    assert seen[1:] == [f"id: {n}\nevent: number\ndata: {n}\n\n" for n in (1, 2, 3)]


async def test_a_lost_signal_costs_seconds_only() -> None:
    """The state is looked at in any case."""
    values = iter([1, 2])

    async def look() -> int:
        return next(values, 2)

    answer = stream.stream(
        look, signal="test:none", name="n", every_s=0.02, is_last=lambda v: v == 2
    )
    chunks = [chunk async for chunk in events_of(answer)]
    assert len(chunks) == 3


async def test_it_ends_with_the_error_and_counts_itself_out() -> None:
    """What is gone ends the stream; seats are given back."""
    seen = await _read(0.05, [1, -1], every_s=60.0)
    assert seen[-1] == 'event: error\ndata: {"code":"NOT_FOUND"}\n\n'
    assert not stream._open


async def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue has one; and one ride's listeners do not take everybody's places (F23)."""
    monkeypatch.setattr(stream, "_open", Counter({"another": stream.MOST_STREAMS}))
    with pytest.raises(Busy):
        await _read(0, [1])
    monkeypatch.setattr(stream, "_open", Counter({"test:s": stream.MOST_OF_ONE}))
    with pytest.raises(Busy):
        await _read(0, [1])
    monkeypatch.setattr(stream, "_open", Counter({"another": stream.MOST_OF_ONE}))
    await _read(0, [1])


async def test_heartbeats_keep_the_line_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies close silent connections."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    seen = await _read(0.1, [1], every_s=0.02)
    assert ": still here\n\n" in seen
