"""Holding a vehicle for a rental: a lease with an expiry, taken by one conditional UPDATE (FLT-37).

The database's clock alone decides when a hold has run out (F14). At most one holder per vehicle is
a matter of the row having one column for it, and at most one vehicle per holder of a unique index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions.edges import refused_by, tell_caches, title
from fahrwerk.fleet.contract import (
    PREFIX,
    Held,
    HoldLost,
    HoldsAnother,
    UnknownVehicle,
    VehicleTaken,
)
from fahrwerk.fleet.events import VehicleHoldExtended, VehicleReleased, VehicleReserved
from fahrwerk.fleet.queries import (
    BY_REFERENCE,
    COLUMNS,
    id_in,
    nearby_vehicles,
    readable,
    shown,
)
from fahrwerk.kernel import crypto, db, events, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

ALTERNATIVES, ALTERNATIVES_WITHIN_M = 5, 1_000  # RNT-16
LONGEST_HOLD_S = 24 * 3600
_HELD = f"{COLUMNS}, held_by, held_rider, hold_token, reserved_at, hold_expires_at, version, cell"

SILENT = (
    "(is_connected AND coalesce(last_seen_at, created_at)"
    f" < kernel.now() - interval '{rules.SILENT_S} seconds')"
)
FREED = f"""status = CASE WHEN out_for <> '{{}}' THEN 'maintenance'
              WHEN {SILENT} THEN 'offline' ELSE 'available' END,
held_by = NULL, held_rider = NULL, hold_token = NULL, reserved_at = NULL, hold_expires_at = NULL,
current_rental_id = NULL, trip_started_at = NULL,
version = version + 1, updated_at = kernel.now()"""
"""What giving a vehicle back sets: no holder, and maintenance if something keeps it out of service,
else ``rules.free_status``."""

_HOLD = f"""
WITH held AS (
    UPDATE fleet.vehicle
    SET status = 'reserved', held_by = $2, held_rider = $3, hold_token = $4,
        reserved_at = kernel.now(), hold_expires_at = kernel.now() + make_interval(secs => $5),
        version = version + 1, updated_at = kernel.now()
    WHERE id = {{which}} AND status = 'available'
    RETURNING {_HELD}
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $6, $7, jsonb_build_object(
        'vehicle_id', id, 'user_id', held_rider, 'booking_id', held_by,
        'reserved_at', reserved_at, 'expires_at', hold_expires_at), $8, $9 FROM held
)
SELECT * FROM held
"""
_HOLD_BY_ID = _HOLD.format(which="$1")
_HOLD_BY_REFERENCE = _HOLD.format(which=f"({BY_REFERENCE})")
_WHO = f"""
SELECT {_HELD}, status = 'in_use' OR hold_expires_at > kernel.now() AS holds
FROM fleet.vehicle WHERE id = {{which}}
"""
_WHO_BY_ID = _WHO.format(which="$1")
_WHO_BY_REFERENCE = _WHO.format(which=f"({BY_REFERENCE})")


async def hold_vehicle(
    call: Call, reference: str, holder: UUID, rider_id: UUID, seconds: int
) -> Held:
    _check_seconds(seconds)
    named: UUID | str | None = id_in(reference)
    hold, who = (_HOLD_BY_ID, _WHO_BY_ID) if named else (_HOLD_BY_REFERENCE, _WHO_BY_REFERENCE)
    named = named or readable(reference)
    with refused_by(vehicle_holder=HoldsAnother):
        row = await db.one(
            "fleet", call, hold, named, holder, rider_id, crypto.new_secret(), seconds,
            *title(VehicleReserved), call.actor, call.trace,
        )  # fmt: skip
    if row is not None:
        tell_caches(hub, call, row["cell"])
        return _held(row)
    row = await db.one("fleet", call, who, named)
    if row is None:
        raise UnknownVehicle
    if row["held_by"] == holder:
        if not row["holds"]:
            raise HoldLost
        return _held(row)
    raise VehicleTaken(alternatives=await _alternatives(call, row))


def _check_seconds(seconds: int) -> None:
    if not 1 <= seconds <= LONGEST_HOLD_S:
        raise Invalid(field="seconds", issue=f"must be 1 to {LONGEST_HOLD_S}")


def _held(row: db.Row) -> Held:
    return Held(
        shown(row), row["held_by"], row["hold_token"], row["reserved_at"], row["hold_expires_at"]
    )


async def _alternatives(call: Call, taken: db.Row) -> list[dict[str, Any]]:
    """The next best nearby vehicles of the same type (RNT-16)."""
    if taken["latitude"] is None:
        return []
    found = await nearby_vehicles(
        call, taken["latitude"], taken["longitude"], taken["vehicle_type"],
        ALTERNATIVES_WITHIN_M, ALTERNATIVES, taken["id"],
    )  # fmt: skip
    return [
        {
            "id": ids.public(PREFIX[each.vehicle_type], each.id),
            "type": each.vehicle_type,
            "distance_meters": each.distance_m,
            "battery": each.battery_level,
        }
        for each in found
    ]


_EXTEND = f"""
WITH held AS (
    UPDATE fleet.vehicle
    SET hold_expires_at = kernel.now() + make_interval(secs => $3),
        version = version + 1, updated_at = kernel.now()
    WHERE id = $1 AND held_by = $2 AND status = 'reserved' AND hold_expires_at > kernel.now()
    RETURNING {_HELD}
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $4, $5, jsonb_build_object(
        'vehicle_id', id, 'booking_id', held_by, 'expires_at', hold_expires_at), $6, $7 FROM held
)
SELECT * FROM held
"""


async def extend_hold(call: Call, vehicle_id: UUID, holder: UUID, seconds: int) -> Held:
    _check_seconds(seconds)
    row = await db.one(
        "fleet", call, _EXTEND, vehicle_id, holder, seconds,
        *title(VehicleHoldExtended), call.actor, call.trace,
    )  # fmt: skip
    if row is not None:
        return _held(row)
    row = await db.one("fleet", call, _WHO_BY_ID, vehicle_id)
    if row is None or row["held_by"] != holder or row["status"] != "in_use":
        raise HoldLost
    return _held(row)  # the ride has begun: there is nothing left that could run out


_RELEASE = f"""
WITH freed AS (
    UPDATE fleet.vehicle SET {FREED}
    WHERE id = $1 AND held_by = $2 AND status = 'reserved'
    RETURNING id, version, cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $3, $4, $5::jsonb, $6, $7 FROM freed
)
SELECT cell FROM freed
"""


async def release_hold(call: Call, vehicle_id: UUID, holder: UUID, reason: str) -> bool:
    news = events.columns(call, VehicleReleased(vehicle_id, holder, reason))
    row = await db.one("fleet", call, _RELEASE, vehicle_id, holder, *news)
    if row is not None:
        tell_caches(hub, call, row["cell"])
    return row is not None


async def release_within(
    tx: db.Tx, call: Call, vehicle_id: UUID, holder: UUID, reason: str
) -> None:
    """``release_hold`` as part of a handler's transaction."""
    news = events.columns(call, VehicleReleased(vehicle_id, holder, reason))
    row = await tx.one(_RELEASE, vehicle_id, holder, *news)
    if row is not None:
        tell_caches(tx, call, row["cell"])


_EXPIRE = f"""
WITH due AS (
    SELECT id, held_by FROM fleet.vehicle
    WHERE status = 'reserved' AND hold_expires_at <= kernel.now()
    ORDER BY hold_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE fleet.vehicle v SET {FREED} FROM due WHERE v.id = due.id
    RETURNING v.id, v.version, v.cell, due.held_by AS holder
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $2, $3, jsonb_build_object(
        'vehicle_id', id, 'booking_id', holder, 'reason', 'expired'), $4, $5 FROM freed
)
SELECT cell FROM freed
"""


async def free_expired_holds(call: Call, limit: int = 200) -> int:
    """Give back this operator's vehicles whose hold has run out; how many (I3)."""
    rows = await db.run(
        "fleet", call, _EXPIRE, limit,
        *title(VehicleReleased), call.actor, call.trace,
    )  # fmt: skip
    tell_caches(hub, call, *(row["cell"] for row in rows))
    return len(rows)
