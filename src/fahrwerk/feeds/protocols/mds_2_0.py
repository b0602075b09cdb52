"""MDS 2.0.2: vehicles, events, telemetry and trips as cities read them (Provider and Agency API).

Times are milliseconds since 1970, coordinates WGS 84 with five digits. Fields that are optional in
the specification and say more than is asked of an operator by default (costs, photos) are not told.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.feeds.protocols import FORMS
from fahrwerk.feeds.rules import places
from fahrwerk.feeds.rules.states import CAR_SHARE
from fahrwerk.kernel import clock, ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fahrwerk.fleet.contract.reporting import Measurement, Reported

VERSION = "2.0.2"
SPOKEN = "2.0"
"""Major and minor version, as media types name it."""
JSON, CSV = f"application/vnd.mds+json;version={SPOKEN}", f"text/vnd.mds+csv;version={SPOKEN}"
TTL_MS = 30_000
REPORT = (
    "provider_id", "start_date", "duration", "special_group_type", "geography_id", "vehicle_type",
    "trip_count", "rider_count",
)  # fmt: skip
GROUPS = ("low_income", "adaptive_scooter", "all_riders")
FEWEST = 10
"""A smaller count is told as -1: it could name people."""

Attributes = dict[str, str | int]


class Gps(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place; speed in metres a second, accuracy in metres."""

    lat: float
    lng: float
    speed: float | None = None
    horizontal_accuracy: float | None = None


class Vehicle(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a vehicle is."""

    device_id: UUID
    provider_id: UUID
    vehicle_id: str
    vehicle_type: str
    propulsion_types: list[str]
    vehicle_attributes: Attributes | None = None
    maximum_speed: int | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A change of a vehicle's state."""

    device_id: UUID
    provider_id: UUID
    event_id: UUID
    vehicle_state: str
    event_types: list[str]
    timestamp: int
    publication_time: int
    location: Gps
    battery_percent: int | None = None
    trip_ids: list[UUID] | None = None


class Telemetry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a vehicle was. Outside of trips the ids are null, and there all the same."""

    device_id: UUID
    provider_id: UUID
    telemetry_id: UUID
    timestamp: int
    trip_ids: list[UUID] | None
    journey_id: UUID | None
    location: Gps
    battery_percent: int | None = None
    tipped_over: bool | None = None


class Status(msgspec.Struct, frozen=True):
    """How it stands with a vehicle now."""

    device_id: UUID
    provider_id: UUID
    last_event: Event
    last_telemetry: Telemetry


class Trip(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ride that is over; ``duration`` in seconds, ``distance`` in metres."""

    provider_id: UUID
    device_id: UUID
    trip_id: UUID
    trip_type: str
    start_time: int
    end_time: int
    start_location: Gps
    end_location: Gps
    duration: int
    distance: int
    publication_time: int
    journey_id: UUID | None = None
    trip_attributes: Attributes | None = None


class Links(msgspec.Struct, frozen=True):
    """Where the pages are; null = there is none, or we cannot name it."""

    first: str
    last: str | None
    prev: str | None
    next: str | None


class ToldEvent(msgspec.Struct, frozen=True):
    """An event as it was written down for an agency."""

    number: int
    id: UUID
    vehicle_id: UUID
    state: str
    types: list[str]
    at: datetime
    published_at: datetime
    latitude: float
    longitude: float
    battery_pct: int | None
    trip_id: UUID | None


class ToldTrip(msgspec.Struct, frozen=True):
    """A trip as it was written down for an agency."""

    number: int
    id: UUID
    vehicle_id: UUID
    started_at: datetime
    ended_at: datetime
    start_latitude: float
    start_longitude: float
    end_latitude: float
    end_longitude: float
    duration_s: int
    distance_m: int
    published_at: datetime


def vehicle(provider: UUID, found: Reported, mode: str) -> Vehicle:
    """What a vehicle is, with what its operator has noted of it."""
    form, propulsion, _ = FORMS[found.vehicle_type]
    about: dict[str, str | int | None] = {"make": found.brand, "model": found.model}
    about["year"] = _whole(found.metadata.get("year"))
    if mode == CAR_SHARE:
        about["license_plate"] = found.license_plate
        for name in ("color", "vin"):
            value = found.metadata.get(name)
            about[name] = value if isinstance(value, str) else None
    return Vehicle(
        found.id, provider, found.license_plate or found.identifier
        if mode == CAR_SHARE else found.identifier,
        form, [propulsion], {k: v for k, v in about.items() if v is not None},
        _whole(found.metadata.get("max_speed")),
    )  # fmt: skip


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def event(provider: UUID, told: ToldEvent) -> Event:
    """One event."""
    return Event(
        told.vehicle_id, provider, told.id, told.state, told.types, clock.millis(told.at),
        clock.millis(told.published_at), Gps(told.latitude, told.longitude), told.battery_pct,
        [told.trip_id] if told.trip_id else None,
    )  # fmt: skip


def telemetry(
    provider: UUID, read: Measurement, trip: UUID | None, mode: str,
    *, accuracy_m: float | None = None,
) -> Telemetry:  # fmt: skip
    """One reading; its id is made from vehicle and time, so a repeat is the same."""
    at = clock.millis(read.at)
    speed = None if read.speed_kmh is None else round(read.speed_kmh / 3.6, 2)
    return Telemetry(
        read.vehicle_id, provider, ids.derived("mds telemetry", read.vehicle_id, at), at,
        [trip] if trip else None, journey(mode, trip),
        Gps(places.shown(read.latitude), places.shown(read.longitude), speed, accuracy_m),
        read.battery_level, read.is_tipped,
    )  # fmt: skip


def journey(mode: str, trip: UUID | None) -> UUID | None:
    """Car sharing has a journey around its trips: with us one rental is both."""
    return trip if mode == CAR_SHARE else None


def trip(provider: UUID, told: ToldTrip, mode: str) -> Trip:
    """One trip."""
    is_car = mode == CAR_SHARE
    return Trip(
        provider, told.vehicle_id, told.id, "private" if is_car else "rider",
        clock.millis(told.started_at), clock.millis(told.ended_at),
        Gps(told.start_latitude, told.start_longitude),
        Gps(told.end_latitude, told.end_longitude),
        told.duration_s, told.distance_m, clock.millis(told.published_at),
        journey(mode, told.id), {"reservation_type": "app"} if is_car else None,
    )  # fmt: skip


def document(
    name: str, items: object, *, links: Links | None = None, updated_at: datetime | None = None
) -> bytes:
    """An answer: its head and ``items`` under ``name``; ``updated_at`` for what is near real time.

    A list of pages has links; what is told whole has none.
    """
    head: dict[str, object] = {"version": VERSION}
    if updated_at is not None:
        head |= {"last_updated": clock.millis(updated_at), "ttl": TTL_MS}
    head[name] = items
    if links is not None:
        head["links"] = links
    return msgspec.json.encode(head)


def not_yet() -> bytes:
    """The answer for an hour that is not ready (202)."""
    return msgspec.json.encode({"version": VERSION})


def report(rows: Sequence[Mapping[str, object]]) -> bytes:
    """A monthly report as CSV. All cells are ours: ids, dates, words of the specification."""
    lines = [",".join(REPORT)]
    lines += [",".join(str(row[name]) for name in REPORT) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def counted(count: int) -> int:
    """A count as it may be told."""
    return count if count >= FEWEST else -1
