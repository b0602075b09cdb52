"""What is told to cities about vehicles: where they were at a time, and what they measured.

For many vehicles in one statement each; who asks decides whose business it is.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query

Details = dict[str, str | int | float | bool | None]


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle as it is now. None = not known."""

    id: UUID
    vehicle_type: str
    identifier: str
    brand: str
    model: str
    license_plate: str | None
    metadata: Details
    status: str
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    speed_kmh: float | None
    battery_level: int | None
    is_tipped: bool | None
    measured_at: datetime | None
    """When the newest reading of these was made; None = it has no device, or that never spoke."""


class Moment(msgspec.Struct, frozen=True):
    """A vehicle and a time."""

    vehicle_id: UUID
    at: datetime


class Was(msgspec.Struct, frozen=True):
    """Where a vehicle was at a time, by the last reading before."""

    latitude: float
    longitude: float
    battery_level: int | None
    at: datetime


class Measurement(msgspec.Struct, frozen=True, gc=False):
    """One reading that says where the vehicle was."""

    vehicle_id: UUID
    at: datetime
    latitude: float
    longitude: float
    speed_kmh: float | None
    battery_level: int | None
    is_tipped: bool | None


@query
async def reported(call: Call, vehicle_ids: list[UUID]) -> list[Reported]:
    """Those of up to 1,000 vehicles that the operator has, in no order."""
    raise AssertionError


@query
async def whereabouts(call: Call, moments: list[Moment], within_s: int = 600) -> list[Was | None]:
    """Where vehicles were, for up to 1,000 moments, in their order.

    By the last reading up to then that is not older than ``within_s``; None = there is none.
    """
    raise AssertionError


@query
async def measurements(
    call: Call, vehicle_ids: list[UUID], since: datetime, until: datetime, most: int = 20_000
) -> list[Measurement]:
    """Readings with a place of up to 1,000 vehicles, by vehicle and time, ``until`` not included.

    The first ``most`` of them: who gets so many asks again for fewer vehicles, or a shorter time.
    """
    raise AssertionError
