"""The MDS Provider API of the present: vehicles, how it stands with each, recent events, stops."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.feeds.contract.mds import Access, Answer, UnknownDevice, UnknownStop
from fahrwerk.feeds.protocols import mds_2_0 as mds
from fahrwerk.feeds.queries.access import Reader, reader
from fahrwerk.feeds.rules.states import IN_PUBLIC_SPACE
from fahrwerk.fleet.contract import reporting
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

DEPLOYED_WITHIN = timedelta(days=30)
GONE_SHOWN_FOR = timedelta(minutes=90)
RECENT = timedelta(days=14)
STREETS = sorted(IN_PUBLIC_SPACE)

_DEPLOYED = """
SELECT vehicle_id FROM feeds.told_vehicle
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND last_event IS NOT NULL
  AND vehicle_id > $3 AND (state = ANY($4) OR deployed_at > $5)
ORDER BY vehicle_id LIMIT $6
"""
_ONE = """
SELECT vehicle_id FROM feeds.told_vehicle
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND last_event IS NOT NULL
  AND vehicle_id = $3
"""
_FIRST = "00000000-0000-0000-0000-000000000000"


async def mds_vehicles(
    call: Call, access: Access, device_id: UUID | None, after: UUID | None, limit: int
) -> Answer:
    of = await reader(call, access)
    if device_id is not None:
        rows = await db.run("feeds", of.call, _ONE, of.agency_id, of.mode, device_id)
        if not rows:
            raise UnknownDevice
        return Answer(mds.document("vehicles", await _described(of, [device_id])))
    rows = await db.run(
        "feeds", of.call, _DEPLOYED, of.agency_id, of.mode, after or _FIRST, STREETS,
        clock.now() - DEPLOYED_WITHIN, limit + 1,
    )  # fmt: skip
    page = [row["vehicle_id"] for row in rows[:limit]]
    links = paged(access, {"limit": limit}, page[-1] if len(rows) > limit else None)
    return Answer(mds.document("vehicles", await _described(of, page), links=links))


async def _described(of: Reader, vehicle_ids: list[UUID]) -> list[mds.Vehicle]:
    found = await reporting.reported(of.call, vehicle_ids)
    found.sort(key=lambda each: each.id)
    return [mds.vehicle(of.provider_id, each, of.mode) for each in found]


def paged(access: Access, kept: dict[str, Any], after: object) -> mds.Links:
    """Links of a page; ``after`` is what the next one begins behind, None on the last page."""
    query = "&".join(f"{name}={value}" for name, value in kept.items())
    first = f"{access.address}?{query}"
    return mds.Links(first, None, None, None if after is None else f"{first}&after={after}")


EVENT = """e.number, e.id, e.vehicle_id, e.state, e.types, e.at, e.published_at, e.latitude,
e.longitude, e.battery_pct, e.trip_id"""
"""A ``ToldEvent``, by position."""
_STATES = f"""
SELECT {EVENT}, v.trip_id AS under_way
FROM feeds.told_vehicle v
JOIN feeds.told_event e ON e.tenant_id = v.tenant_id AND e.agency_id = v.agency_id
                       AND e.number = v.last_event
WHERE v.tenant_id = kernel.tenant() AND v.agency_id = $1 AND v.mode = $2 AND {{which}}
"""
_ONE_STATE = _STATES.format(which="v.vehicle_id = $3")
_ALL_STATES = (
    _STATES.format(which="v.vehicle_id > $3 AND (v.state = ANY($4) OR v.at > $5)")
    + "ORDER BY v.vehicle_id LIMIT $6"
)


async def mds_vehicle_states(
    call: Call, access: Access, device_id: UUID | None, after: UUID | None, limit: int
) -> Answer:
    of, now = await reader(call, access), clock.now()
    if device_id is not None:
        rows = await db.run("feeds", of.call, _ONE_STATE, of.agency_id, of.mode, device_id)
        if not rows:
            raise UnknownDevice
        return Answer(mds.document("vehicles_status", await _stood(of, rows), updated_at=now))
    rows = await db.run(
        "feeds", of.call, _ALL_STATES, of.agency_id, of.mode, after or _FIRST, STREETS,
        now - GONE_SHOWN_FOR, limit + 1,
    )  # fmt: skip
    page = rows[:limit]
    links = paged(access, {"limit": limit}, page[-1]["vehicle_id"] if len(rows) > limit else None)
    stood = await _stood(of, page)
    return Answer(mds.document("vehicles_status", stood, links=links, updated_at=now))


async def _stood(of: Reader, rows: list[db.Row]) -> list[mds.Status]:
    """The last event of each, and the last reading; what is elsewhere is where it left."""
    ids = [row["vehicle_id"] for row in rows]
    live = {each.id: each for each in await reporting.reported(of.call, ids)}
    found = []
    for *columns, under_way in rows:
        told = mds.ToldEvent(*columns)
        now = live.get(told.vehicle_id)
        read = reporting.Measurement(
            told.vehicle_id, told.at, told.latitude, told.longitude, None, told.battery_pct, None
        )
        accuracy = None
        if (
            now is not None and now.latitude is not None and now.longitude is not None
            and told.state in IN_PUBLIC_SPACE
        ):  # fmt: skip
            # Without a device nothing was measured: the place is that of the last event, or newer.
            at = max(now.measured_at or told.at, told.at)
            read = reporting.Measurement(
                now.id, at, now.latitude, now.longitude, now.speed_kmh, now.battery_level,
                now.is_tipped,
            )  # fmt: skip
            accuracy = now.accuracy_m
        found.append(
            mds.Status(
                told.vehicle_id, of.provider_id, mds.event(of.provider_id, told),
                mds.telemetry(of.provider_id, read, under_way, of.mode, accuracy_m=accuracy),
            )
        )  # fmt: skip
    return found


_RECENT = f"""
SELECT {EVENT} FROM feeds.told_event e
WHERE e.tenant_id = kernel.tenant() AND e.agency_id = $1 AND e.mode = $2 AND e.at >= $3
  AND e.at < $4 AND e.number > $5
ORDER BY e.number LIMIT $6
"""


async def mds_recent_events(
    call: Call, access: Access, since: datetime, until: datetime, after: int, limit: int
) -> Answer:
    of, now = await reader(call, access), clock.now()
    for field, at in (("start_time", since), ("end_time", until)):
        if at < now - RECENT:
            raise Invalid(field=field, issue="must not be more than two weeks ago")
    rows = await db.run(
        "feeds", of.call, _RECENT, of.agency_id, of.mode, since, until, after, limit + 1
    )
    page = db.shaped(mds.ToldEvent, rows[:limit])
    kept = {
        "start_time": clock.millis(since), "end_time": clock.millis(until), "limit": limit,
    }  # fmt: skip
    links = paged(access, kept, page[-1].number if len(rows) > limit else None)
    told = [mds.event(of.provider_id, each) for each in page]
    return Answer(mds.document("events", told, links=links, updated_at=now))


async def mds_stops(call: Call, access: Access, stop_id: UUID | None) -> Answer:
    """Nothing in the platform is docked: there are none."""
    await reader(call, access)
    if stop_id is not None:
        raise UnknownStop
    return Answer(mds.document("stops", [], updated_at=clock.now()))
