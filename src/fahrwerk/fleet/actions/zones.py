"""Draw, change, delete and bring back a zone; how any zone is written.

Each change locks the operator's row in ``fleet.zone_stamp`` first: one writer at a time, so the
limits hold, and a stamp that has not grown means that no zone has changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract.zones import (
    PolicyOwned,
    Polygons,
    TooManyZones,
    UnknownZone,
    Zone,
    ZoneOutdated,
    ZoneRules,
)
from fahrwerk.fleet.events import ZoneChanged
from fahrwerk.fleet.queries.scope import check_shape, reach
from fahrwerk.fleet.queries.zones import CHANGED, ZONE_COLUMNS, read_zone
from fahrwerk.fleet.rules import polygons as polygon_rules
from fahrwerk.fleet.rules import zones as zone_rules
from fahrwerk.kernel import clock, db, events

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WRITE = "fleet.zone.write"
_THREAD_FROM = 300
"""Positions: checking more of them takes long enough to be done beside the event loop."""


async def sound(given: Polygons, where: str = "polygons") -> Polygons:
    """The polygons, checked and mended: see ``rules.polygons``. Raises ``Invalid``."""
    if sum(len(ring) for polygon in given for ring in polygon) < _THREAD_FROM:
        return polygon_rules.sound(given, where)
    return await asyncio.to_thread(polygon_rules.sound, given, where)


# --- writing rows

LOCK = """
INSERT INTO fleet.zone_stamp AS s (stamp) VALUES (0)
ON CONFLICT (tenant_id) DO UPDATE SET stamp = s.stamp RETURNING stamp
"""
_GROW = "UPDATE fleet.zone_stamp SET stamp = stamp + 1 WHERE tenant_id = kernel.tenant()"
_SIZE = """
SELECT count(*) AS zones, coalesce(sum(vertices), 0) AS vertices
FROM fleet.zone WHERE tenant_id = kernel.tenant() AND NOT is_deleted
"""


async def finish(tx: db.Tx, call: Call) -> None:
    """After the last change within a transaction: the limits, the stamp, and the signal."""
    [size] = await tx.run(_SIZE)
    if size["zones"] > zone_rules.MOST_ZONES:
        raise TooManyZones(most=zone_rules.MOST_ZONES)
    if size["vertices"] > zone_rules.MOST_VERTICES_IN_ALL:
        issue = f"All zones together may have {zone_rules.MOST_VERTICES_IN_ALL:,} positions."
        raise TooManyZones(issue, most=zone_rules.MOST_VERTICES_IN_ALL)
    await tx.run(_GROW)
    tx.signal(f"{CHANGED}:{call.tenant}")


_KNOWN = f"SELECT {ZONE_COLUMNS} FROM fleet.zone WHERE id = $1 FOR UPDATE"


async def known_zone(tx: db.Tx, zone_id: UUID) -> Zone | None:
    """A zone as it is now, its row locked; None when there is none."""
    row = await tx.one(_KNOWN, zone_id)
    return None if row is None else read_zone(row)


_ADD = f"""
INSERT INTO fleet.zone (id, rules, polygons, vertices, source, scope, external_id, version, change,
                        changed_at, changed_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 'created', $8, $9, $8)
RETURNING {ZONE_COLUMNS}
"""
_CHANGE = f"""
UPDATE fleet.zone SET rules = $2, polygons = $3, vertices = $4, change = $5, changed_at = $6,
                      changed_by = $7, version = version + 1
WHERE id = $1 RETURNING {ZONE_COLUMNS}
"""
_KEEP = """
INSERT INTO fleet.zone_version (zone_id, version, rules, polygons, change, changed_at, changed_by)
SELECT id, version, rules, polygons, change, changed_at, changed_by FROM fleet.zone WHERE id = $1
"""


class Wanted(msgspec.Struct, frozen=True):
    """What a zone is to be."""

    zone_id: UUID
    rules: ZoneRules
    polygons: Polygons
    source: str = "own"
    scope: str | None = None
    external_id: str | None = None


async def write(tx: db.Tx, call: Call, wanted: Wanted, change: str) -> Zone:
    """Write the next version of a zone, and its event. ``change`` is what makes it."""
    content = (
        msgspec.json.encode(wanted.rules).decode(),
        msgspec.json.encode(wanted.polygons).decode(),
        polygon_rules.vertices(wanted.polygons),
    )
    if change == "created":
        origin = (wanted.source, wanted.scope, wanted.external_id)
        [row] = await tx.run(_ADD, wanted.zone_id, *content, *origin, clock.now(), call.actor)
    else:
        [row] = await tx.run(_CHANGE, wanted.zone_id, *content, change, clock.now(), call.actor)
    await tx.run(_KEEP, wanted.zone_id)
    zone = read_zone(row)
    fact = ZoneChanged(zone.id, zone.rules.kind, change, zone.version)
    await events.emit(tx, call, f"zone:{zone.id}", zone.version, fact)
    return zone


# --- one zone


async def create_zone(call: Call, rules: ZoneRules, polygons: Polygons, zone_id: UUID) -> Zone:
    call.require(WRITE)
    zone_rules.check_rules(rules)
    wanted = Wanted(zone_id, rules, await sound(polygons))
    check_shape(await reach(call), wanted.polygons)
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        known = await known_zone(tx, zone_id)
        if known is not None:
            return known
        made = await write(tx, call, wanted, "created")
        await finish(tx, call)
        return made


async def replace_zone(
    call: Call, zone_id: UUID, version: int, rules: ZoneRules, polygons: Polygons
) -> Zone:
    call.require(WRITE)
    zone_rules.check_rules(rules)
    wanted, part = Wanted(zone_id, rules, await sound(polygons)), await reach(call)
    check_shape(part, wanted.polygons)
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        known = _own(await known_zone(tx, zone_id))
        check_shape(part, known.polygons)
        if known.is_deleted:
            raise UnknownZone
        if known.version != version:
            raise ZoneOutdated(version=known.version)
        if zone_rules.is_same(known, wanted.rules, wanted.polygons):
            return known
        made = await write(tx, call, wanted, "replaced")
        await finish(tx, call)
        return made


async def delete_zone(call: Call, zone_id: UUID, version: int | None) -> Zone:
    call.require(WRITE)
    part = await reach(call)
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        known = _own(await known_zone(tx, zone_id))
        check_shape(part, known.polygons)
        if known.is_deleted:
            return known
        if version is not None and known.version != version:
            raise ZoneOutdated(version=known.version)
        made = await write(tx, call, Wanted(zone_id, known.rules, known.polygons), "deleted")
        await finish(tx, call)
        return made


_EARLIER = """
SELECT rules, polygons FROM fleet.zone_version
WHERE tenant_id = kernel.tenant() AND zone_id = $1 AND version = $2
"""


async def restore_zone(call: Call, zone_id: UUID, version: int) -> Zone:
    call.require(WRITE)
    part = await reach(call)
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        known = _own(await known_zone(tx, zone_id))
        check_shape(part, known.polygons)
        row = await tx.one(_EARLIER, zone_id, version)
        if row is None:
            raise UnknownZone("The zone never had this version.")
        rules = msgspec.convert(row["rules"], ZoneRules)
        polygons = msgspec.convert(row["polygons"], Polygons)
        check_shape(part, polygons)
        if zone_rules.is_same(known, rules, polygons):
            return known
        made = await write(tx, call, Wanted(zone_id, rules, polygons), "restored")
        await finish(tx, call)
        return made


def _own(known: Zone | None) -> Zone:
    if known is None:
        raise UnknownZone
    if known.source != "own":
        raise PolicyOwned
    return known
