"""Zones: what there is, what they were, and what they say of a place.

Decisions are made from memory: each operator's zones are compiled once (``rules.zones.Book``) and
kept until a signal says that they changed, or for some seconds; then one small question, for the
stamp, says whether they are still what they were.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.fleet import rules
from fahrwerk.fleet.contract import PREFIX, Place, UnknownVehicle
from fahrwerk.fleet.contract.zones import (
    Fix,
    ParkingDecision,
    UnknownZone,
    Zone,
    ZoneCheck,
    ZonePage,
    ZoneRules,
    ZonesInForce,
)
from fahrwerk.fleet.rules import geojson
from fahrwerk.fleet.rules import parking as parking_rules
from fahrwerk.fleet.rules import zones as zone_rules
from fahrwerk.kernel import clock, db, geo
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import markets

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.fleet.rules.zones import Book
    from fahrwerk.kernel.call import Call

CHANGED = "fleet.zones"
"""Signalled as ``fleet.zones:<tenant>`` after every change of an operator's zones."""
BELIEVED_S = 4.0
"""A compiled book is used for so long without asking; a lost signal costs no more."""
MOST_BOOKS = 500
_THREAD_FROM = 20_000
"""Vertices: compiling more than these takes long enough to be done beside the event loop."""
MOST_FIXES = 500

# --- zones as rows

ZONE_COLUMNS = """id, rules, polygons, source, external_id, version, change, changed_at, changed_by,
created_at"""
"""A ``Zone``, by name."""


def read_zone(row: db.Row) -> Zone:
    """A row that has ``ZONE_COLUMNS``."""
    return msgspec.convert({name: row[name] for name in Zone.__struct_fields__}, Zone)


_ONE = f"SELECT {ZONE_COLUMNS} FROM fleet.zone WHERE id = $1"


async def zone(call: Call, zone_id: UUID) -> Zone:
    call.require("fleet.zone.read")
    row = await db.one("fleet", call, _ONE, zone_id)
    if row is None:
        raise UnknownZone
    found = read_zone(row)
    if _is_rider(call) and (found.is_deleted or found.rules.kind == "deployment"):
        raise UnknownZone
    return found


def _is_rider(call: Call) -> bool:
    """Riders see what concerns them: not what was, nor where staff put vehicles out."""
    return call.user is not None and not call.is_staff


_PAGE = f"""
SELECT {ZONE_COLUMNS}, count(*) OVER () AS total FROM fleet.zone
WHERE tenant_id = kernel.tenant() AND is_deleted = $1 AND (kind <> 'deployment' OR NOT $6)
  AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR source = $3)
  AND ($4::text IS NULL OR rules -> 'vehicle_types' = '[]' OR rules -> 'vehicle_types' ? $4)
  AND ($5::text IS NULL OR position(lower($5) IN lower(name)) > 0)
ORDER BY name, id LIMIT $7 OFFSET $8
"""
_COUNT = """
SELECT count(*) AS total FROM fleet.zone
WHERE tenant_id = kernel.tenant() AND is_deleted = $1 AND (kind <> 'deployment' OR NOT $6)
  AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR source = $3)
  AND ($4::text IS NULL OR rules -> 'vehicle_types' = '[]' OR rules -> 'vehicle_types' ? $4)
  AND ($5::text IS NULL OR position(lower($5) IN lower(name)) > 0)
"""


async def zone_page(
    call: Call,
    kind: str | None,
    vehicle_type: str | None,
    source: str | None,
    text: str | None,
    deleted: bool,
    limit: int,
    offset: int,
) -> ZonePage:
    call.require("fleet.zone.read")
    text = None if text is None else text.replace("\x00", "")
    if deleted and _is_rider(call):
        raise Forbidden(permission="fleet.zone.write")
    wanted = (deleted, kind, source, vehicle_type, text, _is_rider(call))
    rows = await db.run("fleet", call, _PAGE, *wanted, limit, offset)
    if rows or not offset:
        return ZonePage([read_zone(row) for row in rows], rows[0]["total"] if rows else 0)
    [row] = await db.run("fleet", call, _COUNT, *wanted)
    return ZonePage([], row["total"])


_HISTORY = """
SELECT z.id, v.rules, v.polygons, z.source, z.external_id, v.version, v.change, v.changed_at,
       v.changed_by, z.created_at, z.version AS newest
FROM fleet.zone z LEFT JOIN LATERAL (
    SELECT * FROM fleet.zone_version WHERE tenant_id = kernel.tenant() AND zone_id = z.id
    ORDER BY version DESC LIMIT $2 OFFSET $3) v ON true
WHERE z.tenant_id = kernel.tenant() AND z.id = $1 ORDER BY v.version DESC
"""


async def zone_history(call: Call, zone_id: UUID, limit: int, offset: int) -> ZonePage:
    call.require("fleet.zone.read")
    if _is_rider(call):
        raise Forbidden(permission="fleet.zone.write")
    rows = await db.run("fleet", call, _HISTORY, zone_id, limit, offset)
    if not rows:
        raise UnknownZone
    found = [read_zone(row) for row in rows if row["version"] is not None]
    return ZonePage(found, rows[0]["newest"])


# --- zones compiled


class _Kept(msgspec.Struct):
    """An operator's zones as this process knows them."""

    book: Book
    until: float
    """Of the monotonic clock: till then nobody needs to ask."""


_kept: dict[UUID, _Kept] = {}
_changes: dict[UUID, int] = {}
_asking: dict[UUID, asyncio.Lock] = {}


def _forget(signal: str) -> None:
    tenant = UUID(signal.partition(":")[2])
    _changes[tenant] = _changes.get(tenant, 0) + 1
    if (kept := _kept.get(tenant)) is not None:
        kept.until = 0.0


hub.hear(CHANGED, _forget)

_STAMP = "SELECT stamp FROM fleet.zone_stamp WHERE tenant_id = kernel.tenant()"
_IN_FORCE = f"""
SELECT {ZONE_COLUMNS} FROM fleet.zone WHERE tenant_id = kernel.tenant() AND NOT is_deleted
"""


async def book(call: Call, at_least: int = 0) -> Book:
    """This operator's zones, compiled: from memory, or read and compiled now.

    ``at_least``: the stamp of a change that must be in it.
    """
    tenant = call.tenant
    if tenant is None:
        raise UnknownZone
    kept = _kept.get(tenant)
    if kept is not None and _is_good(kept, at_least):
        return kept.book
    async with _asking.setdefault(tenant, asyncio.Lock()):
        kept = _kept.get(tenant)
        if kept is not None and _is_good(kept, at_least):
            return kept.book  # somebody else has just asked
        before = _changes.get(tenant)
        row = await db.one("fleet", call, _STAMP)
        stamp = row["stamp"] if row is not None else 0
        if kept is None or kept.book.in_force.stamp != stamp:
            kept = _Kept(await _compiled(call, stamp), 0.0)
            while len(_kept) >= MOST_BOOKS:
                gone = next(iter(_kept))
                del _kept[gone]
                _asking.pop(gone, None)
            _kept[tenant] = kept
        if before == _changes.get(tenant):  # else what was read may be from before the change
            kept.until = time.monotonic() + BELIEVED_S
        return kept.book


def _is_good(kept: _Kept, at_least: int) -> bool:
    return kept.until > time.monotonic() and kept.book.in_force.stamp >= at_least


async def _compiled(call: Call, stamp: int) -> Book:
    time_zone = (await tenancy.operator(call)).time_zone
    rows = await db.run("fleet", call, _IN_FORCE) if stamp else []
    zones = [read_zone(row) for row in rows]
    if sum(len(ring) for each in zones for p in each.polygons for ring in p) > _THREAD_FROM:
        return await asyncio.to_thread(zone_rules.Book, stamp, time_zone, zones)
    return zone_rules.Book(stamp, time_zone, zones)


async def all_zones(call: Call) -> ZonesInForce:
    call.require("fleet.zone.read")
    return _for(call, (await book(call)).in_force)


def _for(call: Call, every: ZonesInForce) -> ZonesInForce:
    if not _is_rider(call):
        return every
    seen = [each for each in every.zones if each.rules.kind != "deployment"]
    return ZonesInForce(every.stamp, every.time_zone, seen)


async def zones_in_force(call: Call) -> ZonesInForce:
    call.require("fleet.zone.read")
    every, now = _for(call, (await book(call)).in_force), clock.now()
    return ZonesInForce(
        every.stamp, every.time_zone, [each for each in every.zones if _is_valid(each.rules, now)]
    )


def _is_valid(given: ZoneRules, now: datetime) -> bool:
    return (given.valid_from is None or given.valid_from <= now) and (
        given.valid_until is None or now < given.valid_until
    )


# The vehicle in the middle of each direction: one at the other end of the world moves it nowhere.
_AMID_VEHICLES = """
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY latitude) AS latitude,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY longitude) AS longitude
FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND status <> 'retired'
  AND latitude IS NOT NULL AND longitude IS NOT NULL
"""


async def service_area(call: Call) -> Place | None:
    now = clock.now()
    boxes = [
        geojson.box_of(each.polygons)
        for each in (await book(call)).in_force.zones
        if each.rules.kind == "operating_area" and _is_valid(each.rules, now)
    ]
    if not boxes:
        boxes = [[a.west, a.south, a.east, a.north] for a in await markets.areas(call)]
    if boxes:
        # Where west is the greater, the box lies across the antimeridian.
        west, south, east, north = max(boxes, key=lambda b: (b[2] - b[0]) % 360 * (b[3] - b[1]))
        longitude = west + (east - west) % 360 / 2
        return Place((south + north) / 2, longitude - 360 if longitude > 180 else longitude)
    [row] = await db.run("fleet", call, _AMID_VEHICLES)
    return Place(row["latitude"], row["longitude"]) if row["latitude"] is not None else None


# --- decisions


async def check_zones(
    call: Call, vehicle_type: str, track: list[Fix], at: datetime | None = None
) -> ZoneCheck:
    call.require("fleet.zone.read")
    if vehicle_type not in PREFIX:
        raise Invalid(field="vehicle_type", issue=f"must be one of {', '.join(PREFIX)}")
    if not 1 <= len(track) <= MOST_FIXES:
        raise Invalid(field="track", issue=f"must be 1 to {MOST_FIXES} positions")
    if not all(geo.on_globe(fix.latitude, fix.longitude) for fix in track):
        raise Invalid(field="track", issue="has a position that is not on the globe")
    zones, when = await book(call), at or clock.now()
    parking = parking_rules.parking(zones, vehicle_type, track, when, call.locale)
    return zone_rules.check(zones, vehicle_type, track, when, parking)


_WHERE = f"""
SELECT vehicle_type, is_connected, latitude, longitude, accuracy_m, speed_kmh, measured_at,
       coalesce(last_seen_at < kernel.now() - interval '{rules.STALE_S} seconds', true) AS is_silent
FROM fleet.vehicle WHERE id = $1
"""
_BEFORE = """
SELECT latitude, longitude, time FROM fleet.telemetry
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND latitude IS NOT NULL
  AND time < $2 AND time >= $2 - interval '60 seconds'
ORDER BY time DESC LIMIT 1
"""


async def parking_decision(
    call: Call, vehicle_id: UUID, place: Place | None = None, at: datetime | None = None
) -> ParkingDecision:
    zones, when = await book(call), at or clock.now()
    if not zones.zones:
        return ParkingDecision(is_allowed=True, certainty="sure")
    row = await db.one("fleet", call, _WHERE, vehicle_id)
    if row is None:
        raise UnknownVehicle
    if not row["is_connected"]:
        track = _said(place)
    elif row["is_silent"] or row["latitude"] is None or row["measured_at"] is None:
        track = []
    else:
        since = (when - row["measured_at"]).total_seconds()
        track = [_measured(row, max(0.0, since))] if since < rules.STALE_S else []
        before = await db.one("fleet", call, _BEFORE, vehicle_id, row["measured_at"])
        if track and before is not None:
            fix = Fix(latitude=before["latitude"], longitude=before["longitude"], at=before["time"])
            track.insert(0, fix)
    return parking_rules.parking(zones, row["vehicle_type"], track, when, call.locale)


def _said(place: Place | None) -> list[Fix]:
    """The rider's word, for a vehicle that cannot say where it is."""
    if place is None or not geo.on_globe(place.latitude, place.longitude):
        return []
    return [Fix(latitude=place.latitude, longitude=place.longitude, accuracy_m=place.accuracy_m)]


def _measured(row: db.Row, age_s: float) -> Fix:
    """Where the vehicle was last heard; it may have gone on since, as fast as it was."""
    known = Fix(latitude=row["latitude"], longitude=row["longitude"], accuracy_m=row["accuracy_m"])
    gone_m = (row["speed_kmh"] or 0.0) / 3.6 * age_s
    return msgspec.structs.replace(
        known, accuracy_m=zone_rules.accuracy_of(known) + gone_m, at=row["measured_at"]
    )
