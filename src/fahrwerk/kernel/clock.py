"""The one clock. Time is UTC; tests and the replay of recorded rides move it.

Two notions, kept apart on purpose. *Domain time* (``now()``) is when something happened: a ride's
start, an invoice's date. *Lease time* is the database's own clock (``kernel.now()`` in SQL): it
alone decides whether a hold has run out, so a server with a wrong clock frees nothing early (F14).
Tests move both; a replay of recorded rides moves only domain time.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

_offset = timedelta(seconds=float(os.environ.get("FAHRWERK_CLOCK_OFFSET_S", "0")))
_moved: ContextVar[datetime | None] = ContextVar("moved_time", default=None)
_leases: ContextVar[datetime | None] = ContextVar("moved_lease_time", default=None)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The current time, UTC, with time zone."""
    return _moved.get() or real()


def real() -> datetime:
    """The same, also while a past ride is being recorded: for what two machines agree on."""
    return datetime.now(UTC) + _offset


@contextmanager
def moved_to(at: datetime, *, leases: bool = True) -> Iterator[None]:
    """Within this block (and the tasks it starts) it is ``at``; ``leases``: for leases as well."""
    at = at.astimezone(UTC)
    domain = _moved.set(at)
    lease = _leases.set(at if leases else _leases.get())
    try:
        yield
    finally:
        _leases.reset(lease)
        _moved.reset(domain)


def is_moved() -> bool:
    """True while domain time is not the present: the ride being recorded is history."""
    return _moved.get() is not None


def lease_time() -> datetime | None:
    """What ``db`` tells the database to take for now; None = its own clock."""
    return _leases.get()


def of_our_days(field: str, at: datetime) -> datetime:
    """A time that somebody gave. Raises ``Invalid`` unless it names its offset and is of 2000 to
    2099: the first and last years cannot be written in another time zone, or stored."""
    if at.tzinfo is None:
        raise Invalid(field=field, issue="must name its offset from UTC")
    if not _FIRST <= at < _LAST:
        raise Invalid(field=field, issue="must be between the years 2000 and 2100")
    return at


def stamp(at: datetime) -> str:
    """ISO 8601 in UTC with Z and whole seconds, as every answer shows times (API-08)."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def millis(at: datetime) -> int:
    """Milliseconds since 1970, as vehicles speak of time."""
    return int(at.timestamp() * 1000)


def from_millis(ms: int) -> datetime:
    """The reverse of :func:`millis`."""
    return datetime.fromtimestamp(ms / 1000, UTC)
