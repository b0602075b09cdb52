"""Where a ride went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock
from fahrwerk.rentals.queries.rows import rental

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


async def ride_track(call: Call, rental_id: UUID, most: int) -> fleet.Track:
    found = await rental(call, rental_id)
    if found.started_at is None:
        return fleet.Track([], 0, 0)
    until = found.ended_at or clock.now()
    return await fleet.track(call, found.vehicle_id, found.started_at, until, most)
