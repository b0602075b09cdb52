"""What a vehicle measured, what happened to it and where it was; and the fleet as a file."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from fahrwerk.fleet import contract as vehicles
from fahrwerk.fleet.contract import live as fleet
from fahrwerk.fleet.contract.live import EXPORT_COLUMNS, Box
from fahrwerk.fleet.http.groups import GroupReference, group_id_of
from fahrwerk.fleet.http.live import BoxText, Status, box_in
from fahrwerk.fleet.http.vehicles import VehicleType
from fahrwerk.fleet.importers.vehicle_csv import OPTIONAL, REQUIRED, safe
from fahrwerk.fleet.rules.history import LONGEST, LONGEST_TRACK, check_span
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call

From = Annotated[datetime, QueryParameter(name="from", description="ISO 8601, with its offset")]
To = Annotated[datetime, QueryParameter(name="to", description="ISO 8601; 31 days later at most")]


def _checked(since: datetime, until: datetime, longest: timedelta = LONGEST) -> None:
    for field, at in (("from", since), ("to", until)):
        clock.of_our_days(field, at)
    check_span(since, until, longest)


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Readings in columns: the n-th of each column is the n-th step. Null = nothing was said."""

    vehicle_id: str
    step_s: int
    at: list[str]
    """Where each step begins; steps without readings are left out."""
    readings: list[int]
    battery_pct: list[float | None]
    speed_kmh: list[float | None]
    top_speed_kmh: list[float | None]
    temperature_c: list[float | None]
    signal_dbm: list[float | None]
    odometer_m: list[int | None]
    latitude: list[float | None]
    longitude: list[float | None]


@get(
    "/api/v1/vehicles/{vehicle_id:str}/history",
    permission="fleet.live.read",
    scoped=True,
    tags=["fleet"],
)
async def history(
    call: web.Caller,
    vehicle_id: FromPath[str],
    since: From,
    until: To,
    step: Annotated[
        int | None, QueryParameter(ge=1, le=86_400, description="Seconds; the shortest if missing")
    ] = None,
) -> HistoryView:
    """Battery, speed, temperature, signal and place of up to 31 days, in at most 2,000 steps.

    Means of each step; ``top_speed_kmh`` and ``odometer_m`` its highest, the place its last.
    """
    _checked(since, until)
    vehicle = await vehicles.find_vehicle(call, vehicle_id)
    found = await fleet.history(call, vehicle.id, since, until, step)
    columns: dict[str, list[Any]] = {
        name: [getattr(each, name) for each in found.readings]
        for name in fleet.Reading.__struct_fields__
        if name != "at"
    }
    at = [clock.stamp(each.at) for each in found.readings]
    return HistoryView(vehicle_id=_public(vehicle), step_s=found.step_s, at=at, **columns)


def _public(vehicle: vehicles.Vehicle) -> str:
    return ids.public(vehicles.PREFIX[vehicle.vehicle_type], vehicle.id)


class HappeningView(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a vehicle, or a command that was sent to it."""

    at: str
    kind: Literal["event", "command"]
    name: str
    """Of the event, or the command's operation."""
    actor: str
    """``usr_...`` or ``room:...``"""
    rental_id: str | None
    details: dict[str, Any]


class StoryView(msgspec.Struct, frozen=True):
    """A page of what happened, newest first."""

    happenings: list[HappeningView]
    pagination: web.Pagination


@get(
    "/api/v1/vehicles/{vehicle_id:str}/timeline",
    permission="fleet.live.read",
    scoped=True,
    tags=["fleet"],
)
async def timeline(
    call: web.Caller,
    vehicle_id: FromPath[str],
    since: From,
    until: To,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> StoryView:
    """Events and commands of a vehicle, rides among them, newest first."""
    _checked(since, until)
    vehicle = await vehicles.find_vehicle(call, vehicle_id)
    page = await fleet.story(call, vehicle.id, since, until, limit, offset)
    shown = [_happening(each) for each in page.happenings]
    return StoryView(shown, web.pagination(page.total, limit, offset, len(shown)))


_NAMED = {"booking_id": "rent", "rental_id": "rent", "user_id": "usr", "command_id": "cmd"}


def _happening(each: fleet.Happening) -> HappeningView:
    details = {
        name: _as_public(name, value)
        for name, value in each.data.items()
        if name != "vehicle_id" and value not in (None, {})
    }
    return HappeningView(
        at=clock.stamp(each.at),
        kind=each.kind,
        name=each.name,
        actor=_as_actor(each.actor),
        rental_id=ids.public("rent", each.rental_id) if each.rental_id else None,
        details=details,
    )


def _as_public(name: str, value: Any) -> Any:
    prefix = _NAMED.get(name)
    if prefix and isinstance(value, str):
        with contextlib.suppress(ValueError):
            return ids.public(prefix, UUID(value))
    return value


def _as_actor(actor: str) -> str:
    try:
        return ids.public("usr", UUID(actor))
    except ValueError:
        return actor


class TrackView(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was, for a map that replays it: the n-th of each column is the n-th point."""

    vehicle_id: str
    distance_m: int
    battery_used_pct: int
    at: list[str]
    latitude: list[float]
    longitude: list[float]


MOST_POINTS = 5_000
Points = Annotated[
    int, QueryParameter(ge=2, le=MOST_POINTS, description="Most points, evenly chosen")
]


@get(
    "/api/v1/vehicles/{vehicle_id:str}/track",
    permission="fleet.live.read",
    scoped=True,
    tags=["fleet"],
)
async def track(
    call: web.Caller,
    vehicle_id: FromPath[str],
    since: From,
    until: To,
    points: Points = 1_000,
) -> TrackView:
    """Where a vehicle was between two times, at most a day apart."""
    _checked(since, until, LONGEST_TRACK)
    vehicle = await vehicles.find_vehicle(call, vehicle_id)
    found = await vehicles.track(call, vehicle.id, since, until, points)
    return TrackView(
        vehicle_id=_public(vehicle),
        distance_m=found.distance_m,
        battery_used_pct=found.battery_used_pct,
        at=[clock.stamp(p.at) for p in found.points],
        latitude=[p.latitude for p in found.points],
        longitude=[p.longitude for p in found.points],
    )


# --- the fleet as a file


@get(
    "/api/v1/vehicles.csv",
    permission="fleet.live.read",
    scoped=True,
    media_type="text/csv",
    tags=["fleet"],
)
async def export_vehicles(
    call: web.Caller,
    vehicle_type: Annotated[VehicleType | None, QueryParameter(name="type")] = None,
    status: FromQuery[Status | None] = None,
    box: BoxText = None,
    columns: FromQuery[Literal["all", "import"]] = "all",
    group: GroupReference = None,
) -> Stream:
    """The fleet as CSV (UTF-8), by identifier; the import reads it back with ``mode=upsert``.

    Retired vehicles are in it too.

    ``columns=import``: without those that the import passes over; 50,000 vehicles are then half as
    large, well below what it takes. All cells are quoted; what a spreadsheet would take for a
    formula begins with an apostrophe, which the import takes off again.
    """
    wanted = (vehicle_type, status, box_in(box), await group_id_of(call, group))
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    return Stream(
        _lines(patient, *wanted, width=_IMPORTED if columns == "import" else None),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": 'attachment; filename="vehicles.csv"',
            "cache-control": "no-store",
        },
    )


_IMPORTED = len(REQUIRED) + len(OPTIONAL)


async def _lines(
    call: Call, vehicle_type: str | None, status: str | None, box: Box | None,
    group_id: UUID | None, *, width: int | None,
) -> AsyncIterator[bytes]:  # fmt: skip
    yield _written([list(EXPORT_COLUMNS[:width])])
    after: str | None = None
    while True:
        part = await fleet.exported(call, vehicle_type, status, box, after, group_id=group_id)
        yield _written([row[:width] for row in part.rows])
        if part.after is None:
            return
        after = part.after


def _written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([safe(c) for c in row] for row in rows)
    return text.getvalue().encode()


handlers = [history, timeline, track, export_vehicles]
