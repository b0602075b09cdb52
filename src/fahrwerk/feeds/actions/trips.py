"""Telling agencies of trips: where each led, and whose area that touches."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog

from fahrwerk.feeds.actions.tell import PUSH, Agency, agencies_to_tell
from fahrwerk.feeds.rules import places, states
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.rentals import contract as rentals

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

BATCH = 100
LEASE_S = 75
ATTEMPTS = 5
"""Then a trip without any place is given up: nothing could be told of it."""
MOST_POINTS = 2_000
log = structlog.get_logger()


class Due(msgspec.Struct, frozen=True):
    """A claimed trip."""

    tenant: UUID
    id: UUID
    rental_id: UUID
    vehicle_id: UUID
    started_at: datetime
    ended_at: datetime
    end_latitude: float | None
    end_longitude: float | None
    attempts: int


_CLAIM = f"""
UPDATE feeds.trip t
SET attempts = t.attempts + 1, due_at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, id FROM feeds.trip WHERE due_at <= kernel.now()
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE t.tenant_id = next.tenant_id AND t.id = next.id
RETURNING t.tenant_id, t.id, t.rental_id, t.vehicle_id, t.started_at, t.ended_at, t.end_latitude,
          t.end_longitude, t.attempts
"""


async def tell_trips() -> bool:
    """Tell of the trips that are due, of all operators; True when there may be more."""
    claimed = db.shaped(Due, await db.run("feeds", system(None, "feeds"), _CLAIM, BATCH))
    by_tenant: dict[UUID, list[Due]] = defaultdict(list)
    for due in claimed:
        by_tenant[due.tenant].append(due)
    for tenant, trips in by_tenant.items():
        call = system(tenant, "feeds")
        agencies = await agencies_to_tell(call)
        for due in sorted(trips, key=lambda each: each.ended_at):
            try:
                await _tell(call, due, agencies)
            except db.DatabaseDown:
                raise
            except Exception as error:
                log.error("trip not told", trip=str(due.id), exc_info=error)
    return len(claimed) == BATCH


Place = tuple[float, float]


async def _tell(call: Call, due: Due, agencies: list[Agency]) -> None:
    vehicle_type, route = await _route(call, due)
    if not route:
        if due.attempts >= ATTEMPTS:
            log.warning("trip without a place", trip=str(due.id))
            await db.run("feeds", call, _GIVE_UP, due.id)
        return  # its lease runs out, and it is due again
    concerned = [
        each.id
        for each in agencies
        if each.boundary is None or any(places.within(each.boundary, *place) for place in route)
    ]
    start, end = route[0], route[-1]
    async with db.tx("feeds", call) as tx:
        await tx.run(_LOCK, concerned)
        await tx.run(
            _WRITE, due.id, vehicle_type, places.shown(start[0]), places.shown(start[1]),
            places.shown(end[0]), places.shown(end[1]),
        )  # fmt: skip
        mode = states.MODES[vehicle_type]
        if await tx.run(_TELL, due.id, mode, due.ended_at, clock.now(), concerned):
            await tx.run(PUSH)
            tx.signal("feeds.subscription")


_GIVE_UP = "UPDATE feeds.trip SET due_at = NULL WHERE tenant_id = kernel.tenant() AND id = $1"
_LOCK = """
SELECT id FROM feeds.agency WHERE tenant_id = kernel.tenant() AND id = ANY($1)
ORDER BY id FOR UPDATE
"""
_WRITE = """
UPDATE feeds.trip SET vehicle_type = $2, start_latitude = $3, start_longitude = $4,
       end_latitude = $5, end_longitude = $6, due_at = NULL
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_TELL = """
WITH unaware AS (
    UPDATE feeds.agency a SET told_trips = told_trips + 1
    WHERE a.tenant_id = kernel.tenant() AND a.id = ANY($5) AND NOT EXISTS (
        SELECT FROM feeds.told_trip t
        WHERE t.tenant_id = a.tenant_id AND t.agency_id = a.id AND t.trip_id = $1)
    RETURNING id, told_trips
)
INSERT INTO feeds.told_trip (agency_id, number, trip_id, mode, ended_at, published_at)
SELECT id, told_trips, $1, $2, $3, $4 FROM unaware RETURNING agency_id
"""


async def _route(call: Call, due: Due) -> tuple[str, list[Place]]:
    """The vehicle's type and the places of a trip: what its device said, and else the rider's app.

    Start and end are always among them, or nothing is known.
    """
    vehicle = await fleet.vehicle(call, due.vehicle_id)
    track = await fleet.track(call, due.vehicle_id, due.started_at, due.ended_at, MOST_POINTS)
    route = [(each.latitude, each.longitude) for each in track.points]
    if len(route) > 1:
        return vehicle.vehicle_type, route
    try:
        ride = await rentals.rental(call, due.rental_id)
        said = [(p.latitude, p.longitude) for p in (ride.start, ride.end) if p is not None]
    except NotFound:
        said = []
    if due.end_latitude is not None and due.end_longitude is not None:
        said.append((due.end_latitude, due.end_longitude))
    route += said
    if not route and vehicle.latitude is not None and vehicle.longitude is not None:
        route = [(vehicle.latitude, vehicle.longitude)]
    return vehicle.vehicle_type, route * 2 if len(route) == 1 else route
