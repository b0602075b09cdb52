"""What happens to vehicles and rides that an agency may have to know of (MDS).

Only written down here, in the order of fleet's own stream; where the vehicle was, and who is told,
is found out by a job: a handler asks nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.feeds.rules import mds
from fahrwerk.fleet.events import (
    VehicleChanged,
    VehicleCreated,
    VehicleLocked,
    VehicleMoved,
    VehicleOffline,
    VehicleOnline,
    VehicleReleased,
    VehicleReserved,
    VehicleReturned,
    VehicleUnlocked,
)
from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel import crypto
from fahrwerk.kernel.events import Fact, on
from fahrwerk.rentals.events import RentalEnded

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

# Without an agency nobody waits for the vehicle: it becomes due when the first one is added.
_WRITE = """
WITH written AS (
    INSERT INTO feeds.happening (vehicle_id, version, kind, at, rental_id, status, latitude,
                                 longitude)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
)
INSERT INTO feeds.vehicle AS v (id, version, due_at)
SELECT $1, $2, CASE WHEN EXISTS (
    SELECT FROM feeds.agency WHERE tenant_id = kernel.tenant() AND is_enabled)
    THEN kernel.now() END
ON CONFLICT (tenant_id, id) DO UPDATE
SET version = greatest(v.version, excluded.version),
    due_at = coalesce(least(v.due_at, excluded.due_at), excluded.due_at)
RETURNING due_at IS NOT NULL AS is_due
"""


async def _write(
    tx: Tx, fact: Fact, vehicle_id: UUID, kind: str, *,
    at: datetime | None = None, rental_id: UUID | None = None, status: str | None = None,
    place: tuple[float, float] | None = None,
) -> None:  # fmt: skip
    row = await tx.one(
        _WRITE, vehicle_id, fact.version, kind, at or fact.at, rental_id, status,
        *(place or (None, None)),
    )  # fmt: skip
    if row is not None and row["is_due"]:
        tx.signal("feeds.vehicle")


@on(VehicleCreated)
async def on_vehicle_created(tx: Tx, call: Call, event: VehicleCreated, fact: Fact) -> None:
    """It is put into the streets."""
    await _write(tx, fact, event.vehicle_id, "created")


@on(VehicleReserved)
async def on_vehicle_reserved(tx: Tx, call: Call, event: VehicleReserved, fact: Fact) -> None:
    """Somebody has booked it."""
    await _write(tx, fact, event.vehicle_id, "reserved", rental_id=event.booking_id)


@on(VehicleReleased)
async def on_vehicle_released(tx: Tx, call: Call, event: VehicleReleased, fact: Fact) -> None:
    """The booking came to nothing."""
    await _write(tx, fact, event.vehicle_id, "released", rental_id=event.booking_id)


@on(VehicleUnlocked)
async def on_vehicle_unlocked(tx: Tx, call: Call, event: VehicleUnlocked, fact: Fact) -> None:
    """A ride begins, or goes on after a stop; what staff open is no ride."""
    if event.booking_id is not None:
        known = await tx.one(_HAS_BEGUN, event.vehicle_id, event.booking_id)
        kind = "resumed" if known else "started"
        await _write(tx, fact, event.vehicle_id, kind, at=event.at, rental_id=event.booking_id)


_HAS_BEGUN = """
SELECT 1 FROM feeds.happening
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND rental_id = $2 AND kind = 'started'
"""


@on(VehicleLocked)
async def on_vehicle_locked(tx: Tx, call: Call, event: VehicleLocked, fact: Fact) -> None:
    """The rider stops on the way; or it is locked after the ride, which is no news then."""
    if event.booking_id is not None and not await tx.one(
        _IS_OVER, event.vehicle_id, event.booking_id
    ):
        await _write(tx, fact, event.vehicle_id, "paused", at=event.at, rental_id=event.booking_id)


_IS_OVER = """
SELECT 1 FROM feeds.happening
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND rental_id = $2 AND kind = 'returned'
"""


@on(VehicleReturned)
async def on_vehicle_returned(tx: Tx, call: Call, event: VehicleReturned, fact: Fact) -> None:
    """The ride is over."""
    await _write(
        tx, fact, event.vehicle_id, "returned", rental_id=event.booking_id, status=event.status
    )


@on(VehicleOffline)
async def on_vehicle_offline(tx: Tx, call: Call, event: VehicleOffline, fact: Fact) -> None:
    """It is not heard any more."""
    await _write(tx, fact, event.vehicle_id, "silent")


@on(VehicleOnline)
async def on_vehicle_online(tx: Tx, call: Call, event: VehicleOnline, fact: Fact) -> None:
    """It is heard again."""
    await _write(tx, fact, event.vehicle_id, "heard")


@on(VehicleChanged)
async def on_vehicle_changed(tx: Tx, call: Call, event: VehicleChanged, fact: Fact) -> None:
    """It went out of service or the fleet, or came back, or only its description changed."""
    kind = "retired" if event.status == "retired" else "changed"
    if event.reason == "battery":
        kind = {"maintenance": "drained", "available": "charged"}.get(event.status, kind)
    await _write(tx, fact, event.vehicle_id, kind, status=event.status)


@on(VehicleMoved)
async def on_vehicle_moved(tx: Tx, call: Call, event: VehicleMoved, fact: Fact) -> None:
    """Staff put it somewhere else."""
    place = (event.latitude, event.longitude)
    await _write(tx, fact, event.vehicle_id, "moved", place=place)


_TRIP = """
INSERT INTO feeds.trip (id, rental_id, vehicle_id, started_at, ended_at, duration_s, distance_m,
                        rider_mark, end_latitude, end_longitude, due_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN EXISTS (
    SELECT FROM feeds.agency WHERE tenant_id = kernel.tenant() AND is_enabled)
    THEN kernel.now() END
ON CONFLICT DO NOTHING
"""


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """A trip, under a name that only we can link to the rental; the rider is a mark for a month."""
    key = crypto.lasting_key_for(f"feeds.trip:{call.tenant}")
    mark = mds.rider_mark(key, event.user_id, event.started_at)
    await tx.run(
        _TRIP, mds.keyed_id(key, event.booking_id), event.booking_id, event.vehicle_id,
        event.started_at, event.ended_at, event.duration_s, event.distance_m, mark,
        event.end_latitude, event.end_longitude,
    )  # fmt: skip
    tx.signal("feeds.trip")


# Cities know the trip under its own name; from now on not even we can say whose it was.
_FORGET = """
UPDATE feeds.trip SET rider_mark = replace(gen_random_uuid()::text, '-', ''),
       rental_id = gen_random_uuid()
WHERE tenant_id = kernel.tenant() AND rider_mark = ANY($1) AND due_at IS NULL
"""
_FORGET_OPEN = """
UPDATE feeds.trip SET rider_mark = replace(gen_random_uuid()::text, '-', '')
WHERE tenant_id = kernel.tenant() AND rider_mark = ANY($1)
"""


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """Trips that cities must be told of stay, as nobody's."""
    key = crypto.lasting_key_for(f"feeds.trip:{call.tenant}")
    marks = mds.rider_marks(key, event.user_id, fact.at)
    await tx.run(_FORGET, marks)
    await tx.run(_FORGET_OPEN, marks)
