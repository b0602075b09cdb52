"""Vehicles under way are told the speed of the slow zone they are in, and their own after it.

Set by set from the live state, beside the stream of readings and not in it: a vehicle is told a
second or two after its track says so. Only what is sure is told; at a zone's border a vehicle keeps
what it was told last. A command that came to nothing is sent again.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.fleet.actions.commands import send_command
from fahrwerk.fleet.contract import NotSupported, UnknownVehicle
from fahrwerk.fleet.contract.zones import Fix
from fahrwerk.fleet.queries.zones import book
from fahrwerk.fleet.rules import zones as zone_rules
from fahrwerk.kernel import clock, db, ids

if TYPE_CHECKING:
    from fahrwerk.fleet.rules.zones import Book
    from fahrwerk.kernel.call import Call

AT_ONCE, SENT_AT_ONCE = 2_000, 8
_FRESH = timedelta(seconds=30)
"""An older position says nothing about where a vehicle is under way."""
_AGAIN_S = 10
"""Before a command that came to nothing is sent anew."""


class _Moving(msgspec.Struct, frozen=True):
    """A vehicle under way that can be told a speed."""

    id: UUID
    vehicle_type: str
    latitude: float
    longitude: float
    accuracy_m: float | None
    top_kmh: float | None
    told_kmh: int | None
    command_id: UUID | None
    measured_at: datetime
    failed: bool
    """What it was told last came to nothing, and that is a while ago."""
    done: bool
    """It said that it did what it was told last."""


_MOVING = """
SELECT v.id, v.vehicle_type, v.latitude, v.longitude, v.accuracy_m,
       CASE WHEN jsonb_typeof(v.metadata -> 'max_speed') = 'number'
            THEN (v.metadata ->> 'max_speed')::float8 END,
       l.kmh, l.command_id, v.measured_at,
       coalesce(c.state IN ('failed', 'expired')
                AND l.told_at < kernel.now() - make_interval(secs => $2), false),
       coalesce(c.state IN ('acknowledged', 'verified'), false)
FROM fleet.vehicle v
LEFT JOIN fleet.zone_limit l ON l.tenant_id = v.tenant_id AND l.vehicle_id = v.id
LEFT JOIN fleet.command c ON c.tenant_id = l.tenant_id AND c.id = l.command_id
WHERE v.tenant_id = kernel.tenant() AND v.status = 'in_use'
  AND 'speed_limit' = ANY (v.capabilities) AND v.is_connected
  AND v.latitude IS NOT NULL AND v.measured_at > $1 AND ($3::uuid IS NULL OR v.id > $3)
ORDER BY v.id LIMIT $4
"""
_TELL = """
INSERT INTO fleet.zone_limit (vehicle_id, kmh, command_id, zone_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE
SET kmh = excluded.kmh, command_id = excluded.command_id, zone_id = excluded.zone_id,
    told_at = kernel.now()
"""
_FORGET = "DELETE FROM fleet.zone_limit WHERE vehicle_id = ANY($1)"


async def tell_speeds(call: Call) -> int:
    """Tell this operator's vehicles under way what speed holds where they are; how many were."""
    zones, told, last = await book(call), 0, None
    while True:
        since = clock.now() - _FRESH
        rows = await db.run("fleet", call, _MOVING, since, _AGAIN_S, last, AT_ONCE)
        moving = db.shaped(_Moving, rows)
        told += await _tell(call, zones, moving)
        if len(moving) < AT_ONCE:
            return told
        last = moving[-1].id


async def _tell(call: Call, zones: Book, moving: list[_Moving]) -> int:
    now, seats = clock.now(), asyncio.Semaphore(SENT_AT_ONCE)
    free: list[UUID] = []
    sending = []
    for each in moving:
        fix = Fix(latitude=each.latitude, longitude=each.longitude, accuracy_m=each.accuracy_m)
        accuracy_m = zone_rules.accuracy_of(fix)
        hits = zones.hits(each.vehicle_type, each.longitude, each.latitude, accuracy_m, now)
        slow, is_sure = zone_rules.speed_limit(hits)
        if not is_sure:
            continue
        kmh = zone_rules.speed_to_tell(slow, each.vehicle_type, each.top_kmh, each.told_kmh)
        if kmh is not None and (kmh != each.told_kmh or each.failed):
            sending.append(_send(call, seats, each, kmh, slow.zone.id if slow else None))
        elif kmh is not None and slow is None and each.done:
            free.append(each.id)  # as fast as ever, and it knows: nothing more to look after
    if free:
        await db.run("fleet", call, _FORGET, free)
    return sum(await asyncio.gather(*sending))


async def _send(
    call: Call, seats: asyncio.Semaphore, moving: _Moving, kmh: int, zone_id: UUID | None
) -> bool:
    # Two workers that look at the same reading tell it once: the same reason, the same command.
    command_id = ids.derived("speed limit", moving.id, kmh, moving.command_id, moving.measured_at)
    async with seats:
        try:
            await send_command(call, moving.id, "speed_limit", None, command_id, {"kmh": kmh})
        except (NotSupported, UnknownVehicle):
            return False  # changed in this moment
        await db.run("fleet", call, _TELL, moving.id, kmh, command_id, zone_id)
    return True
