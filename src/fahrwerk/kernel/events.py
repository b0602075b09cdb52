"""Events: facts in the past tense, written in the same transaction as the rows they speak of.

A room declares them in its ``events.py``::

    @event("rental.ended", topic="booking-lifecycle")
    class RentalEnded(msgspec.Struct, frozen=True): ...

and writes them with ``emit`` inside a transaction, or as a part of its own statement by putting
``INSERT INTO kernel.event`` into a CTE (``FACT`` below are the columns). Another room listens with
``@on(RentalEnded)`` in its ``handlers.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx


class Event(Protocol):
    """What ``@event`` makes of a struct."""

    event_name: ClassVar[str]
    event_topic: ClassVar[str]


E = TypeVar("E")
kinds: dict[str, type[Any]] = {}
"""Every event this process knows, by name."""


def event(name: str, *, topic: str) -> Callable[[type[E]], type[E]]:
    """Declare a frozen struct to be the event ``name`` on ``topic`` (EV-01..13)."""

    def mark(kind: type[E]) -> type[E]:
        if name in kinds and kinds[name].__module__ != kind.__module__:
            raise ValueError(f"two events are called {name}")
        kind.event_name = name  # type: ignore[attr-defined]
        kind.event_topic = topic  # type: ignore[attr-defined]
        kinds[name] = kind
        return kind

    return mark


class Fact(msgspec.Struct, frozen=True):
    """An event as it was written: where it stands in its stream, by whom, when."""

    position: int
    id: UUID
    stream: str
    version: int
    name: str
    actor: str
    trace: str | None
    at: datetime


class Handler(msgspec.Struct, frozen=True):
    """One ``@on``: the room's function for one kind of event."""

    room: str
    kind: type[Any]
    function: Callable[..., Awaitable[None]]


handlers: list[Handler] = []


def on(
    kind: type[E],
) -> Callable[
    [Callable[[Tx, Call, E, Fact], Awaitable[None]]],
    Callable[[Tx, Call, E, Fact], Awaitable[None]],
]:
    """Handle ``kind`` in this room: ``async def on_x(tx, call, event, fact)``.

    Runs inside a transaction of the handler's room for the event's tenant, exactly once; it writes
    its own room's rows only and asks nobody (there may be a network behind any door).
    """

    def mark(
        function: Callable[[Tx, Call, E, Fact], Awaitable[None]],
    ) -> Callable[[Tx, Call, E, Fact], Awaitable[None]]:
        handlers.append(Handler(function.__module__.split(".")[1], kind, function))
        return function

    return mark


INSERT = """INSERT INTO kernel.event (stream, version, name, topic, data, actor, trace)"""
"""The head of a CTE that writes an event along with a room's own rows."""

_EMIT = f"{INSERT} VALUES ($1, $2, $3, $4, $5, $6, $7)"


def columns(call: Call, fact: Any) -> tuple[str, str, str, str, str | None]:
    """``name, topic, data, actor, trace`` of an event, as arguments for an SQL statement."""
    return (
        fact.event_name,
        fact.event_topic,
        msgspec.json.encode(fact).decode(),
        call.actor,
        call.trace,
    )


async def emit(tx: Tx, call: Call, stream: str, version: int, fact: Any) -> None:
    """Write one event. ``version`` is the new version of the row the stream belongs to: gapless."""
    await tx.run(_EMIT, stream, version, *columns(call, fact))
