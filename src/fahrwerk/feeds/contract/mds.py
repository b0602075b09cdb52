"""What an agency may ask of us: the MDS 2.0 Provider API.

Every question carries its ``Access``; the operator is the one in the address. Answers are encoded
as they are sent. All raise ``Unauthenticated`` for any access that does not hold, whatever the
reason.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query
from fahrwerk.kernel.errors import NotFound


class Access(msgspec.Struct, frozen=True):
    """Who asks, and for what: operator and mode of the address, and the bearer token."""

    slug: str
    mode: str
    token: str
    address: str
    """Of the request without its query, as the asker wrote it: what page links are made from."""

    def __repr__(self) -> str:
        return f"Access({self.slug}, {self.mode})"  # tokens must not end in a log


class Answer(msgspec.Struct, frozen=True):
    """An encoded answer; ``is_complete`` is False for an hour that is not ready yet (202)."""

    body: bytes
    is_complete: bool = True


class UnknownDevice(NotFound):
    """The agency has never been told of such a vehicle."""

    code = "UNKNOWN_DEVICE"
    message = "There is no vehicle of this device_id."


class NoSuchHour(NotFound):
    """The hour is not over, or the operator was not there yet."""

    code = "NO_SUCH_HOUR"
    message = "There is nothing for this time: it is not over, or before we began."


class UnknownStop(NotFound):
    """This operator has no stops."""

    code = "UNKNOWN_STOP"
    message = "There is no such stop."


@query
async def mds_vehicles(
    call: Call, access: Access, device_id: UUID | None, after: UUID | None, limit: int
) -> Answer:
    """Vehicles deployed in the agency's area within 30 days, a page of ``limit`` by id; or one.

    Raises ``UnknownDevice``.
    """
    raise AssertionError


@query
async def mds_vehicle_states(
    call: Call, access: Access, device_id: UUID | None, after: UUID | None, limit: int
) -> Answer:
    """Vehicles in the public space now, and for 90 minutes those that left it, by id; or one.

    Raises ``UnknownDevice``.
    """
    raise AssertionError


@query
async def mds_trips(call: Call, access: Access, hour: datetime) -> Answer:
    """All trips that ended within the hour beginning at ``hour``. Raises ``NoSuchHour``."""
    raise AssertionError


@query
async def mds_events(call: Call, access: Access, hour: datetime) -> Answer:
    """All events of the hour beginning at ``hour``. Raises ``NoSuchHour``."""
    raise AssertionError


@query
async def mds_recent_events(
    call: Call, access: Access, since: datetime, until: datetime, after: int, limit: int
) -> Answer:
    """Events from ``since`` to before ``until``, in the order in which they were published.

    ``after`` is the number that the link to the next page carries; 0 = the first page. Raises
    ``Invalid`` for times more than two weeks ago.
    """
    raise AssertionError


@query
async def mds_telemetry(call: Call, access: Access, hour: datetime, after: UUID | None) -> Answer:
    """Readings of the hour beginning at ``hour``, by vehicle and time; a page is some vehicles."""
    raise AssertionError


@query
async def mds_stops(call: Call, access: Access, stop_id: UUID | None) -> Answer:
    """Stops, as far as there are any. Raises ``UnknownStop``."""
    raise AssertionError


@query
async def mds_report(call: Call, access: Access, year: int, month: int) -> Answer:
    """The report of a month that is over, as CSV. Raises ``NoSuchHour``."""
    raise AssertionError
