"""The MDS Provider API of the past: trips, events and readings by the hour, reports by the month.

An hour is told once it is whole: it is over, every event of that time has been heard, every
happening told, every trip followed. Before that the answer is 202.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from fahrwerk.feeds.contract.mds import Access, Answer, NoSuchHour
from fahrwerk.feeds.protocols import FORMS
from fahrwerk.feeds.protocols import mds_2_0 as mds
from fahrwerk.feeds.queries.access import Reader, reader
from fahrwerk.feeds.queries.mds import EVENT, STREETS, paged
from fahrwerk.feeds.rules import places, states
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import reporting
from fahrwerk.kernel import clock, db, progress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from fahrwerk.fleet.contract.reporting import Measurement
    from fahrwerk.kernel.call import Call

HOUR = timedelta(hours=1)
VEHICLES_A_PAGE = 100
MOST_READINGS = 20_000
LONGEST_RIDE = timedelta(days=4)

_BEGAN = """
SELECT min(at) AS at FROM feeds.told_event
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2
"""
_WAITING = """
SELECT EXISTS (
    SELECT FROM feeds.vehicle v
    LEFT JOIN feeds.told_vehicle t ON t.tenant_id = v.tenant_id AND t.agency_id = $1
                                  AND t.vehicle_id = v.id
    JOIN feeds.happening h ON h.tenant_id = v.tenant_id AND h.vehicle_id = v.id
                          AND h.version > coalesce(t.version, 0)
    WHERE v.tenant_id = kernel.tenant() AND v.due_at IS NOT NULL AND h.at < $2
) OR EXISTS (
    SELECT FROM feeds.trip
    WHERE tenant_id = kernel.tenant() AND due_at IS NOT NULL AND ended_at < $2
) AS waiting
"""


async def _is_whole(of: Reader, hour: datetime) -> bool:
    """True when all of an hour is known. Raises ``NoSuchHour``."""
    end = hour + HOUR
    if end > clock.now() or end <= of.since:
        raise NoSuchHour
    if not await progress.has_passed("feeds", end):
        return False
    waiting = await db.one("feeds", of.call, _WAITING, of.agency_id, end)
    if waiting is not None and waiting["waiting"]:
        return False
    began = await db.one("feeds", of.call, _BEGAN, of.agency_id, of.mode)
    if began is None or began["at"] is None or began["at"] >= end:
        raise NoSuchHour
    return True


_TRIP = """t.number, r.id, r.vehicle_id, r.started_at, r.ended_at, r.start_latitude,
r.start_longitude, r.end_latitude, r.end_longitude, r.duration_s, r.distance_m, t.published_at"""
"""A ``ToldTrip``, by position."""
TRIPS = f"""
SELECT {_TRIP} FROM feeds.told_trip t
JOIN feeds.trip r ON r.tenant_id = t.tenant_id AND r.id = t.trip_id
WHERE t.tenant_id = kernel.tenant() AND t.agency_id = $1 AND t.mode = $2
"""
_TRIPS_OF_HOUR = f"{TRIPS} AND t.ended_at >= $3 AND t.ended_at < $4 ORDER BY t.ended_at, t.number"


async def mds_trips(call: Call, access: Access, hour: datetime) -> Answer:
    of = await reader(call, access)
    if not await _is_whole(of, hour):
        return Answer(mds.not_yet(), is_complete=False)
    args = (of.agency_id, of.mode, hour, hour + HOUR)
    found = db.shaped(mds.ToldTrip, await db.run("feeds", of.call, _TRIPS_OF_HOUR, *args))
    trips = [mds.trip(of.provider_id, each, of.mode) for each in found]
    return Answer(mds.document("trips", trips))


_EVENTS_OF_HOUR = f"""
SELECT {EVENT} FROM feeds.told_event e
WHERE e.tenant_id = kernel.tenant() AND e.agency_id = $1 AND e.mode = $2 AND e.at >= $3
  AND e.at < $4
ORDER BY e.at, e.number
"""


async def mds_events(call: Call, access: Access, hour: datetime) -> Answer:
    of = await reader(call, access)
    if not await _is_whole(of, hour):
        return Answer(mds.not_yet(), is_complete=False)
    args = (of.agency_id, of.mode, hour, hour + HOUR)
    found = db.shaped(mds.ToldEvent, await db.run("feeds", of.call, _EVENTS_OF_HOUR, *args))
    return Answer(mds.document("events", [mds.event(of.provider_id, each) for each in found]))


_MOVED = """
SELECT vehicle_id, trip_id FROM feeds.told_vehicle
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND last_event IS NOT NULL
  AND vehicle_id > $3 AND (state = ANY($4) OR at >= $5)
ORDER BY vehicle_id LIMIT $6
"""


async def mds_telemetry(call: Call, access: Access, hour: datetime, after: UUID | None) -> Answer:
    of = await reader(call, access)
    if hour + HOUR <= of.since:
        raise NoSuchHour
    args = (of.agency_id, of.mode, after or "00000000-0000-0000-0000-000000000000")
    rows = await db.run("feeds", of.call, _MOVED, *args, STREETS, hour, VEHICLES_A_PAGE + 1)
    page = rows[:VEHICLES_A_PAGE]
    found, last = await readings(
        of, hour, hour + HOUR, {row["vehicle_id"]: row["trip_id"] for row in page}
    )
    is_last = last is None and len(rows) <= VEHICLES_A_PAGE
    behind = None if is_last else last or page[-1]["vehicle_id"]
    links = paged(access, {"telemetry_time": hour.strftime("%Y-%m-%dT%H")}, behind)
    return Answer(mds.document("telemetry", found, links=links))


class Ride(msgspec.Struct, frozen=True):
    """A trip that an agency knows of, over or not."""

    vehicle_id: UUID
    id: UUID
    started_at: datetime
    ended_at: datetime | None
    start: tuple[float, float] | None = None
    end: tuple[float, float] | None = None


async def readings(
    of: Reader, since: datetime, until: datetime, vehicles: dict[UUID, UUID | None]
) -> tuple[list[mds.Telemetry], UUID | None]:
    """What these vehicles (id -> trip under way) measured, as far as the agency may know it.

    And the last vehicle among them, when not all fitted. Trips have their start and their end, also
    where no device said them.
    """
    read = await reporting.measurements(of.call, list(vehicles), since, until, MOST_READINGS)
    last = None
    if len(read) == MOST_READINGS and read[0].vehicle_id != read[-1].vehicle_id:
        cut = read[-1].vehicle_id
        read = [each for each in read if each.vehicle_id != cut]
        last = read[-1].vehicle_id
        vehicles = {v: t for v, t in vehicles.items() if v <= last}
    rides = await _rides(of, since, until, vehicles)
    boundary = places.area(of.boundary) if of.boundary else None
    known = {(each.vehicle_id, clock.millis(each.at)) for each in read}
    read += [
        e for e in _ends(rides, since, until) if (e.vehicle_id, clock.millis(e.at)) not in known
    ]
    read.sort(key=lambda each: (each.vehicle_id, each.at))
    found = []
    for each in read:
        ride = _ride_at(rides[each.vehicle_id], each.at)
        is_whole = ride is not None and ride.ended_at is not None
        if is_whole or boundary is None or places.within(boundary, each.latitude, each.longitude):
            trip = ride.id if ride else None
            found.append(mds.telemetry(of.provider_id, each, trip, of.mode))
    return found, last


def _ride_at(rides: Iterable[Ride], at: datetime) -> Ride | None:
    for ride in rides:
        if ride.started_at <= at and (ride.ended_at is None or at <= ride.ended_at):
            return ride
    return None


_OVER = """
SELECT r.vehicle_id, r.id, r.started_at, r.ended_at, r.start_latitude, r.start_longitude,
       r.end_latitude, r.end_longitude
FROM feeds.trip r
JOIN feeds.told_trip t ON t.tenant_id = r.tenant_id AND t.agency_id = $1 AND t.trip_id = r.id
WHERE r.tenant_id = kernel.tenant() AND r.vehicle_id = ANY($2) AND r.started_at < $4
  AND r.ended_at >= $3
ORDER BY r.vehicle_id, r.started_at
"""
_UNDER_WAY = """
SELECT vehicle_id, trip_id, min(at) AS at FROM feeds.told_event
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND vehicle_id = ANY($2)
  AND trip_id = ANY($3) AND at > $4
  AND types && '{trip_start,trip_enter_jurisdiction}'::text[]
GROUP BY vehicle_id, trip_id
"""


async def _rides(
    of: Reader, since: datetime, until: datetime, vehicles: dict[UUID, UUID | None]
) -> dict[UUID, list[Ride]]:
    rides: dict[UUID, list[Ride]] = defaultdict(list)
    wanted = list(vehicles)
    for row in await db.run("feeds", of.call, _OVER, of.agency_id, wanted, since, until):
        vehicle_id, trip_id, started, ended, *ends = row
        rides[vehicle_id].append(
            Ride(vehicle_id, trip_id, started, ended, (ends[0], ends[1]), (ends[2], ends[3]))
        )
    if under_way := [trip for trip in vehicles.values() if trip is not None]:
        args = (of.agency_id, wanted, under_way, since - LONGEST_RIDE)
        for row in await db.run("feeds", of.call, _UNDER_WAY, *args):
            rides[row["vehicle_id"]].append(
                Ride(row["vehicle_id"], row["trip_id"], row["at"], None)
            )
    return rides


def _ends(rides: dict[UUID, list[Ride]], since: datetime, until: datetime) -> list[Measurement]:
    """Start and end of each trip as readings."""
    return [
        reporting.Measurement(ride.vehicle_id, at, place[0], place[1], None, None, None)
        for each in rides.values()
        for ride in each
        for at, place in ((ride.started_at, ride.start), (ride.ended_at, ride.end))
        if at is not None and place is not None and since <= at < until
    ]


_STARTED = """
SELECT r.vehicle_type, r.rider_mark, r.start_latitude, r.start_longitude
FROM feeds.told_trip t JOIN feeds.trip r ON r.tenant_id = t.tenant_id AND r.id = t.trip_id
WHERE t.tenant_id = kernel.tenant() AND t.agency_id = $1 AND t.mode = $2
  AND r.started_at >= $3 AND r.started_at < $4 AND t.ended_at >= $3
"""
_GEOGRAPHIES = """
SELECT body FROM feeds.document
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND kind = 'geographies'
ORDER BY version DESC LIMIT 1
"""


async def mds_report(call: Call, access: Access, year: int, month: int) -> Answer:
    """Trips count where and when they start, in the operator's time zone."""
    of = await reader(call, access)
    zone = ZoneInfo(of.time_zone)
    since = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    until = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
    if not await _is_whole(of, until - HOUR):
        raise NoSuchHour  # a report is there or not: nobody waits for it by the minute
    rows = await db.run("feeds", of.call, _STARTED, of.agency_id, of.mode, since, until)
    kinds = {
        FORMS[each.vehicle_type][0]
        for each in await fleet.vehicle_types(of.call)
        if states.MODES[each.vehicle_type] == of.mode
    } | {FORMS[row["vehicle_type"]][0] for row in rows}
    document = await db.one("feeds", of.call, _GEOGRAPHIES, of.agency_id)
    areas = _areas(document["body"]) if document else {}
    lines = []
    for geography, kind, group in product(areas or ("null",), sorted(kinds), mds.GROUPS):
        area = areas.get(geography)
        counted = [
            row["rider_mark"]
            for row in rows
            if group == "all_riders" and FORMS[row["vehicle_type"]][0] == kind
            and (area is None
                 or places.within(area, row["start_latitude"], row["start_longitude"]))
        ]  # fmt: skip
        told = {
            "provider_id": of.provider_id, "start_date": f"{year:04}-{month:02}-01",
            "duration": "P1M", "special_group_type": group, "geography_id": geography,
            "vehicle_type": kind, "trip_count": mds.counted(len(counted)),
            "rider_count": mds.counted(len(set(counted))),
        }  # fmt: skip
        lines.append(told)
    return Answer(mds.report(lines))


def _areas(body: bytes) -> dict[str, places.Area]:
    found: Any = msgspec.json.decode(body)
    return {
        each["geography_id"]: places.area(places.polygons_in(each["geography_json"]))
        for each in found["geographies"]
    }
