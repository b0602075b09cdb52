"""Which vehicles are outside their operating area: looked at again where they have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract.zones import Fix
from fahrwerk.fleet.queries.zones import book
from fahrwerk.fleet.rules import alerts as rules

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.fleet.rules.zones import Book
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

AT_ONCE = 2_000
"""Decisions in one look, about 20 us each; the next one goes on."""
MOVED_DEGREES = 0.0001
"""About 10 m: what moved less is where it was."""
AGAIN_S = 600
"""Zones have schedules: also what stands still is looked at again."""


async def compiled_zones(call: Call) -> Book:
    """The operator's zones, from this process's memory."""
    return await book(call)


# A vehicle that is counted outside is looked at with each new reading, others when they moved, when
# zones changed, and now and then.
_MOVED = f"""
SELECT v.id, v.vehicle_type, v.latitude, v.longitude, v.accuracy_m, v.measured_at,
       v.measured_at IS DISTINCT FROM t.area_at AS is_new_reading, t.area_looks AS looks
FROM fleet.vehicle v
JOIN fleet.alert_trace t ON t.tenant_id = v.tenant_id AND t.vehicle_id = v.id
WHERE v.tenant_id = kernel.tenant() AND v.latitude IS NOT NULL AND (
    t.area_stamp IS DISTINCT FROM $1
    OR abs(v.latitude - t.area_latitude) > {MOVED_DEGREES}
    OR abs(v.longitude - t.area_longitude) > {MOVED_DEGREES}
    OR (t.area_looks > 0 AND v.measured_at IS DISTINCT FROM t.area_at)
    OR t.area_checked_at < $2::timestamptz - interval '{AGAIN_S} seconds')
LIMIT $3
"""
_KEEP = """
UPDATE fleet.alert_trace t
SET area_stamp = $1, area_checked_at = $2, area_at = s.at, area_latitude = s.lat,
    area_longitude = s.lon, area_looks = s.looks
FROM unnest($3::uuid[], $4::timestamptz[], $5::float8[], $6::float8[], $7::int[])
    AS s (id, at, lat, lon, looks)
WHERE t.tenant_id = kernel.tenant() AND t.vehicle_id = s.id
"""


async def look_at_areas(tx: Tx, zones: Book, now: datetime) -> bool:
    """Count how often in a row each vehicle was surely outside; True = there are more."""
    stamp = zones.in_force.stamp
    rows = await tx.run(_MOVED, stamp, now, AT_ONCE)
    if not rows:
        return False
    looks = []
    for row in rows:
        fix = Fix(
            latitude=row["latitude"], longitude=row["longitude"], accuracy_m=row["accuracy_m"]
        )
        decision = rules.area_decision(zones, row["vehicle_type"], fix, now)
        looks.append(
            rules.looks_outside(row["looks"], decision, is_new_reading=row["is_new_reading"])
        )
    await tx.run(
        _KEEP, stamp, now, [row["id"] for row in rows], [row["measured_at"] for row in rows],
        [row["latitude"] for row in rows], [row["longitude"] for row in rows], looks,
    )  # fmt: skip
    return len(rows) == AT_ONCE
