"""What other rooms may ask of telemetry: what was heard of a vehicle, and what is missing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query


class MissingReadings(msgspec.Struct, frozen=True):
    """Numbers that have not been heard, both ends included; they may still come."""

    first: int
    last: int


class HeardBoot(msgspec.Struct, frozen=True):
    """One start of a device: how far it has counted, and what of that we have not heard."""

    boot: int
    highest: int
    newest_at: datetime
    missing: int
    """Readings in ``gaps``."""
    gaps: list[MissingReadings]
    """The last 32, ascending."""
    given_up: int
    """Readings of older gaps."""


class Heard(msgspec.Struct, frozen=True):
    """What has been heard of a vehicle so far, and what was odd about it."""

    boots: list[HeardBoot]
    """The last 4, the newest first; none for a device that does not number its readings."""
    newest_at: datetime | None
    readings: int
    """Stored, each once."""
    duplicates: int
    """Came again, and were dropped."""
    late: int
    """Older than what was known: stored, without changing the live state."""
    bad_clock: int
    """Said to be from the future, or older than a week: taken as just measured."""
    null_island: int
    """At 0/0: position not believed."""
    jumps: int
    """Too far away to be reached since the last position: not believed."""


@query
async def telemetry_gaps(call: Call, vehicle_id: UUID) -> Heard:
    """What has been heard of a vehicle and what is missing (FLT-17). Raises ``UnknownVehicle``."""
    raise AssertionError
