"""The whole fleet at once, and what of it has changed: for maps of staff (WEB-08, FLT-43)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query
from fahrwerk.kernel.errors import Conflict

CONNECTED, LOCKED, OPEN, TIPPED = 1, 2, 4, 8
"""Bits of ``LiveFleet.flags``. Neither LOCKED nor OPEN: its lock has never said."""
SCALE = 100_000
"""Positions are whole hundred-thousandths of a degree: about a metre."""


class Box(msgspec.Struct, frozen=True):
    """A part of the globe, in degrees. West above east: it crosses the antimeridian."""

    south: float
    west: float
    north: float
    east: float


class LiveFleet(msgspec.Struct, frozen=True, kw_only=True):
    """Vehicles in columns, all of one length: place ``n`` of each is the n-th vehicle.

    50,000 vehicles as structs of their own take four times as long, here and at whoever reads.
    """

    at: datetime
    """By the database's clock; ``age_s`` counts back from here."""
    cursor: str
    """Where the database stood: what changed since can be asked for, of any process."""
    id: list[str]
    """Public ids."""
    identifier: list[str]
    type: list[int]
    """Place in ``PREFIX``."""
    status: list[int]
    """Place in ``STATUSES``."""
    latitude: list[int | None]
    """``SCALE`` to a degree; None = it has never said."""
    longitude: list[int | None]
    battery: list[int | None]
    """Percent."""
    age_s: list[int | None]
    """Seconds since it was last heard; None = never."""
    flags: list[int]
    """``CONNECTED | LOCKED | OPEN | TIPPED``"""


class CursorGone(Conflict):
    """The cursor is of another database or too old: take the whole fleet again."""

    code = "CURSOR_GONE"
    message = "This cursor is no longer known. Take the snapshot again."


@query
async def live_fleet(
    call: Call,
    vehicle_type: str | None = None,
    status: str | None = None,
    box: Box | None = None,
    since: str | None = None,
    group_id: UUID | None = None,
) -> LiveFleet:
    """The operator's vehicles by identifier (permission ``fleet.live.read``).

    All states but retired, unless that is asked for. With ``since``, a ``cursor`` answered before:
    those whose row was written after it, by whatever statement, perhaps some more, never fewer;
    then also those that have been retired, so that they can be taken off a map. One statement:
    50,000 take about 0.3 s, what changed among them 0.02 to 0.05 s. Raises ``CursorGone``.
    """
    raise AssertionError


class Reading(msgspec.Struct, frozen=True):
    """What a vehicle measured within one step of time. Units last; None = nothing was said."""

    at: datetime
    """Where the step begins."""
    readings: int
    battery_pct: float | None
    """Mean"""
    speed_kmh: float | None
    """Mean"""
    top_speed_kmh: float | None
    temperature_c: float | None
    """Mean"""
    signal_dbm: float | None
    """Mean"""
    odometer_m: int | None
    """The highest"""
    latitude: float | None
    """The last, with the longitude"""
    longitude: float | None


class History(msgspec.Struct, frozen=True):
    """A span of a vehicle's telemetry in even steps; steps without readings are left out."""

    step_s: int
    readings: list[Reading]


class Happening(msgspec.Struct, frozen=True):
    """One line of a vehicle's story: an event, or a command that was sent to it."""

    at: datetime
    kind: Literal["event", "command"]
    name: str
    """Of the event, or the command's operation."""
    actor: str
    """``usr_...`` or ``room:fleet``"""
    rental_id: UUID | None
    version: int | None
    """Of the event stream."""
    data: dict[str, object]
    """The event's fields; of a command its id, state and reason."""


class Story(msgspec.Struct, frozen=True):
    """A page of happenings, newest first, and how many there are in all."""

    happenings: list[Happening]
    total: int


@query
async def history(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, step_s: int | None = None
) -> History:
    """Telemetry of up to 31 days in at most 2,000 steps (permission ``fleet.live.read``).

    ``step_s``: None = the shortest that is enough. Raises ``UnknownVehicle``, ``Invalid``.
    """
    raise AssertionError


@query
async def story(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, limit: int, offset: int
) -> Story:
    """What happened to a vehicle: events, commands, rides (permission ``fleet.live.read``).

    Raises ``UnknownVehicle``.
    """
    raise AssertionError


class Exported(msgspec.Struct, frozen=True):
    """A part of the fleet as rows of text cells, in the order of ``EXPORT_COLUMNS``."""

    rows: list[list[str]]
    after: str | None
    """The identifier to go on from; None = that was all."""


EXPORT_COLUMNS = (
    *("identifier", "model", "brand", "license_plate", "qr_code", "vehicle_type", "category"),
    *("external_id", "latitude", "longitude"),  # up to here as the import reads them
    *("id", "status", "battery_level", "odometer_m", "trips", "last_seen_at", "created_at"),
)


@query
async def exported(
    call: Call,
    vehicle_type: str | None,
    status: str | None,
    box: Box | None,
    after: str | None = None,
    limit: int = 2_000,
    group_id: UUID | None = None,
) -> Exported:
    """Vehicles by identifier from ``after`` on, all states (permission ``fleet.live.read``)."""
    raise AssertionError
