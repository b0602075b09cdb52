"""A ride is over: its vehicle is free again, is locked, and counts what it has done (FLT-41)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.commands import queue_lock
from fahrwerk.fleet.actions.edges import tell_caches
from fahrwerk.fleet.actions.holds import FREED
from fahrwerk.fleet.events import VehicleReturned
from fahrwerk.kernel import events, geo

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

# A vehicle with a device knows better than the rider's phone where it stands.
_RETURN = f"""
WITH ridden AS (
    SELECT id, cell FROM fleet.vehicle WHERE id = $1 AND held_by = $2 FOR UPDATE
)
UPDATE fleet.vehicle v
SET {FREED},
    latitude = CASE WHEN is_connected THEN latitude ELSE coalesce($3, latitude) END,
    longitude = CASE WHEN is_connected THEN longitude ELSE coalesce($4, longitude) END,
    cell = CASE WHEN is_connected THEN v.cell ELSE coalesce($5, v.cell) END,
    address = CASE WHEN is_connected OR $5 IS NULL THEN address END,
    is_locked = CASE WHEN is_connected THEN is_locked ELSE true END
FROM ridden WHERE v.id = ridden.id
RETURNING v.version, v.status, v.is_connected, v.cell, ridden.cell AS left_cell
"""


async def return_vehicle(
    tx: Tx, call: Call, vehicle_id: UUID, rental_id: UUID, end: tuple[float, float] | None
) -> None:
    """Free the vehicle of an ended ride, and have it locked if it has a device.

    Nothing happens when this rental does not hold it any more. ``end`` is where the rider's phone
    said the ride ended: (latitude, longitude).
    """
    place = (*end, geo.cell(*end)) if end else (None, None, None)
    row = await tx.one(_RETURN, vehicle_id, rental_id, *place)
    if row is None:
        return
    news = VehicleReturned(vehicle_id, rental_id, row["status"])
    await events.emit(tx, call, f"vehicle:{vehicle_id}", row["version"], news)
    tell_caches(tx, call, row["cell"], row["left_cell"])
    if row["is_connected"]:
        await queue_lock(tx, vehicle_id, rental_id, rental_id)


_COUNT = """
UPDATE fleet.vehicle
SET trips = trips + 1, ridden_m = ridden_m + $2, ridden_s = ridden_s + $3,
    revenue_minor = revenue_minor + $4
WHERE id = $1
"""


async def count_ride(
    tx: Tx, vehicle_id: UUID, distance_m: int, duration_s: int, revenue_minor: int
) -> None:
    """Add a ride to the vehicle's usage."""
    await tx.run(_COUNT, vehicle_id, distance_m, duration_s, revenue_minor)
