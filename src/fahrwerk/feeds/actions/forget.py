"""Forgetting what agencies were told: what is too old, and all of those that were deleted.

Part by part, each a statement of its own: years of a city's events are more than one statement may
take, and whoever dies on the way is followed by the next turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.feeds.queries.access import kept_since
from fahrwerk.feeds.queries.settings import setting_of
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

AT_ONCE = 5_000

_LIVING = """
SELECT 1 FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND slug = $1 AND deleted_at IS NULL
"""


async def take_down(call: Call, slug: str) -> None:
    """No zone of an agency's policies is in force, unless another one is called so by now."""
    assert call.tenant is not None  # noqa: S101 - asked for an operator only
    house = system(call.tenant, "feeds", trace=call.trace, slug=call.tenant_slug)
    if not await db.run("feeds", house, _LIVING, slug):
        await zones.put_policy_zones(house, f"mds:{slug}", [])


_DELETED = """
SELECT tenant_id, id, slug FROM feeds.agency WHERE deleted_at IS NOT NULL
ORDER BY deleted_at LIMIT 10
"""
_OF_AGENCY = """
DELETE FROM feeds.{table} WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND {key} IN (
    SELECT {key} FROM feeds.{table} WHERE tenant_id = kernel.tenant() AND agency_id = $1 LIMIT $2)
RETURNING 1
"""
_PARTS = tuple(
    _OF_AGENCY.format(table=table, key=key)
    for table, key in (
        ("told_event", "number"), ("told_trip", "number"), ("told_vehicle", "vehicle_id"),
    )
)  # fmt: skip
_GONE = """
DELETE FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND id = $1 AND deleted_at IS NOT NULL
"""


async def forget_deleted() -> bool:
    """A part of each agency that was deleted; True = there is more."""
    rows = await db.run("feeds", system(None, "feeds"), _DELETED)
    is_more = False
    for tenant, agency_id, slug in rows:
        call = system(tenant, "feeds")
        await take_down(call, slug)
        for part in _PARTS:
            if len(await db.run("feeds", call, part, agency_id, AT_ONCE)) == AT_ONCE:
                is_more = True
                break
        else:
            await db.run("feeds", call, _GONE, agency_id)
    return is_more


# The last event of a vehicle stays: how it stands with it is told by that.
_OLD_EVENTS = """
DELETE FROM feeds.told_event WHERE tenant_id = kernel.tenant() AND (agency_id, number) IN (
    SELECT e.agency_id, e.number FROM feeds.agency a
    JOIN feeds.told_event e ON e.tenant_id = a.tenant_id AND e.agency_id = a.id
    JOIN feeds.told_vehicle v ON v.tenant_id = e.tenant_id AND v.agency_id = e.agency_id
                             AND v.vehicle_id = e.vehicle_id
    WHERE a.tenant_id = kernel.tenant() AND e.at < $1
      AND e.mode IN ('micromobility', 'car-share') AND e.number <> v.last_event
    LIMIT $2)
RETURNING 1
"""
_OLD_TRIPS = """
DELETE FROM feeds.trip WHERE tenant_id = kernel.tenant() AND id IN (
    SELECT id FROM feeds.trip WHERE tenant_id = kernel.tenant() AND ended_at < $1 LIMIT $2)
RETURNING 1
"""
# The last one of a vehicle stays: where it was when nothing more is heard of it.
_OLD_HAPPENINGS = """
DELETE FROM feeds.happening WHERE tenant_id = kernel.tenant() AND (vehicle_id, version) IN (
    SELECT h.vehicle_id, h.version FROM feeds.happening h
    WHERE h.tenant_id = kernel.tenant() AND h.at < $1 AND EXISTS (
        SELECT FROM feeds.happening later
        WHERE later.tenant_id = h.tenant_id AND later.vehicle_id = h.vehicle_id
          AND later.version > h.version)
    LIMIT $2)
RETURNING 1
"""


async def forget_old(call: Call) -> int:
    """Remove what an operator keeps no more; how many rows."""
    since = kept_since(await setting_of(call))
    gone = 0
    for part in (_OLD_EVENTS, _OLD_TRIPS, _OLD_HAPPENINGS):
        count = AT_ONCE
        while count == AT_ONCE:
            count = len(await db.run("feeds", call, part, since, AT_ONCE))
            gone += count
    return gone
