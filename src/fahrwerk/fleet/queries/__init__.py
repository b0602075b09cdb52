"""What can be read: vehicles, what is near, where one has been, how far a command has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fahrwerk.fleet import rules
from fahrwerk.fleet.contract import (
    PREFIX,
    Available,
    Command,
    Device,
    FleetType,
    Nearby,
    Place,
    PublicVehicle,
    Standing,
    Track,
    TrackPoint,
    UnknownVehicle,
    Usage,
    Vehicle,
    VehiclePage,
)
from fahrwerk.fleet.queries.accounts import broker_logins as broker_logins
from fahrwerk.fleet.queries.alerts import alert_changes as alert_changes
from fahrwerk.fleet.queries.alerts import alert_details as alert_details
from fahrwerk.fleet.queries.alerts import alert_page as alert_page
from fahrwerk.fleet.queries.alerts import alert_rules as alert_rules
from fahrwerk.fleet.queries.alerts import alert_silences as alert_silences
from fahrwerk.fleet.queries.battery import battery_plan as battery_plan
from fahrwerk.fleet.queries.battery import battery_plans as battery_plans
from fahrwerk.fleet.queries.battery import battery_thresholds as battery_thresholds
from fahrwerk.fleet.queries.bulk import bulk_failures as bulk_failures
from fahrwerk.fleet.queries.bulk import bulk_job as bulk_job
from fahrwerk.fleet.queries.bulk import bulk_jobs as bulk_jobs
from fahrwerk.fleet.queries.export import exported as exported
from fahrwerk.fleet.queries.groups import group as group
from fahrwerk.fleet.queries.groups import group_called as group_called
from fahrwerk.fleet.queries.groups import groups as groups
from fahrwerk.fleet.queries.history import history as history
from fahrwerk.fleet.queries.history import story as story
from fahrwerk.fleet.queries.invariants import broken_invariants as broken_invariants
from fahrwerk.fleet.queries.live import live_fleet as live_fleet
from fahrwerk.fleet.queries.maintenance import downtime as downtime
from fahrwerk.fleet.queries.maintenance import maintenance_records as maintenance_records
from fahrwerk.fleet.queries.maintenance import service_intervals as service_intervals
from fahrwerk.fleet.queries.maintenance import service_standing as service_standing
from fahrwerk.fleet.queries.maintenance import ticket as ticket
from fahrwerk.fleet.queries.maintenance import tickets as tickets
from fahrwerk.fleet.queries.maintenance import vehicle_versions as vehicle_versions
from fahrwerk.fleet.queries.pairing import pairing_status as pairing_status
from fahrwerk.fleet.queries.pairing import unknown_devices as unknown_devices
from fahrwerk.fleet.queries.pairing import zones_on_board as zones_on_board
from fahrwerk.fleet.queries.personal import PERSONAL as PERSONAL
from fahrwerk.fleet.queries.reporting import measurements as measurements
from fahrwerk.fleet.queries.reporting import reported as reported
from fahrwerk.fleet.queries.reporting import whereabouts as whereabouts
from fahrwerk.fleet.queries.scope import Reach, check_vehicle, reach, within
from fahrwerk.fleet.queries.telemetry import telemetry_gaps as telemetry_gaps
from fahrwerk.fleet.queries.zones import all_zones as all_zones
from fahrwerk.fleet.queries.zones import check_zones as check_zones
from fahrwerk.fleet.queries.zones import parking_decision as parking_decision
from fahrwerk.fleet.queries.zones import service_area as service_area
from fahrwerk.fleet.queries.zones import zone as zone
from fahrwerk.fleet.queries.zones import zone_history as zone_history
from fahrwerk.fleet.queries.zones import zone_page as zone_page
from fahrwerk.fleet.queries.zones import zones_in_force as zones_in_force
from fahrwerk.kernel import clock, db, geo, ids
from fahrwerk.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

T = TypeVar("T")

STALE = (
    "(is_connected AND coalesce(last_seen_at, created_at)"
    f" < kernel.now() - interval '{rules.STALE_S} seconds')"
)
RANGE_KM = "floor(full_range_km * reach * battery_level / 100)"
"""How far a vehicle still goes (``rules.battery.range_km``); ``reach`` is kept by a job."""
COLUMNS = f"""id, vehicle_type, identifier, external_id, model, brand, category, license_plate,
qr_code, status, latitude, longitude, address, accuracy_m, battery_level, voltage, temperature,
{RANGE_KM} AS range_km, discharged_pct / 100 AS charging_cycles,
signal_strength, firmware_version, hardware_version, last_seen_at, {STALE} AS is_stale,
is_connected, is_locked,
odometer_m, trips, metadata, last_service_at, service_interval_days, created_at, capabilities,
out_for, group_ids"""
"""A ``Vehicle``, by name."""

_DISTANCE = """2 * 6371008.8 * asin(sqrt(least(1,
    sin(radians((latitude + 90) - ($1::float8 + 90)) / 2) ^ 2
    + sin(radians($1::float8 + 90)) * sin(radians(latitude + 90))
    * sin(radians((longitude + 180) - ($2::float8 + 180)) / 2) ^ 2)))"""
"""Metres from ($1, $2), as ``geo.distance_m``. Shifted by 90 and 180 degrees, because PostgreSQL
answers what is very near to zero with an error (underflow): one such place would blind a search."""

CELLS_WITHIN_M = 10_000
"""Up to here the cells around a point are an index; beyond, they would be most of a city."""
MOST_RADIUS_M = 50_000
_MOST_POINTS = 100_000


def shown(row: db.Row) -> Vehicle:
    """A row that has ``COLUMNS`` (and perhaps more) as a ``Vehicle``."""
    return Vehicle(**{name: row[name] for name in Vehicle.__struct_fields__})


_BY_ID = f"SELECT {COLUMNS}, held_rider FROM fleet.vehicle WHERE id = $1"


async def vehicle(call: Call, vehicle_id: UUID) -> Vehicle:
    row = await db.one("fleet", call, _BY_ID, vehicle_id)
    if row is None:
        raise UnknownVehicle
    if call.scope is not None:
        await check_vehicle(call, shown(row))
    return _as_seen_by(call, row)


def _as_seen_by(call: Call, row: db.Row) -> Vehicle:
    """Where somebody rides is nobody else's business: riders do not see it of others."""
    found = shown(row)
    if call.user is None or call.is_staff or row["held_rider"] in (None, call.user):
        return found
    return msgspec.structs.replace(
        found, latitude=None, longitude=None, address=None, accuracy_m=None
    )


BY_REFERENCE = """SELECT id FROM fleet.vehicle
WHERE identifier = $1 OR qr_code = $1 OR external_id = $1
ORDER BY identifier = $1 DESC, qr_code IS NOT DISTINCT FROM $1 DESC LIMIT 1"""
"""The id of the vehicle that is called $1; its own identifier wins over another's number."""

_FIND = f"SELECT {COLUMNS}, held_rider FROM fleet.vehicle WHERE id = ({BY_REFERENCE})"


async def find_vehicle(call: Call, reference: str) -> Vehicle:
    if (vehicle_id := id_in(reference)) is not None:
        return await vehicle(call, vehicle_id)
    row = await db.one("fleet", call, _FIND, readable(reference))
    if row is None:
        raise UnknownVehicle
    if call.scope is not None:
        await check_vehicle(call, shown(row))
    return _as_seen_by(call, row)


def id_in(reference: str) -> UUID | None:
    """The vehicle's id when the reference is one (``sco_...`` or a UUID), else None."""
    try:
        return ids.parse(reference, *PREFIX.values())
    except NotFound:
        return None


def readable(reference: str) -> str:
    """A reference as the database can take it; nothing is called by what it cannot hold."""
    return "" if "\x00" in reference or len(reference) > 300 else reference


_NEARBY = """
SELECT id, vehicle_type, identifier, model, battery_level,
       {range_km}, latitude, longitude, round(metres)::int,
       {stale}
FROM (SELECT *, {distance} AS metres FROM fleet.vehicle
      WHERE status = 'available' AND {sieve} AND ($3::text IS NULL OR vehicle_type = $3)
        AND ($4::uuid IS NULL OR id <> $4)) near
WHERE metres <= $5 ORDER BY metres LIMIT $6
"""
_NEARBY_PARTS = {"distance": _DISTANCE, "stale": STALE, "range_km": RANGE_KM}
_NEARBY_CELLS = _NEARBY.format(**_NEARBY_PARTS, sieve="cell = ANY($7)")
_NEARBY_BAND = _NEARBY.format(**_NEARBY_PARTS, sieve="latitude BETWEEN $7 AND $8")


async def nearby_vehicles(
    call: Call,
    latitude: float,
    longitude: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int = 50,
    except_id: UUID | None = None,
) -> list[Nearby]:
    _check_search(latitude, longitude, radius_m)
    common = (latitude, longitude, vehicle_type, except_id, radius_m, limit)
    if radius_m <= CELLS_WITHIN_M:
        cells = geo.cells_around(latitude, longitude, radius_m)
        rows = await db.run("fleet", call, _NEARBY_CELLS, *common, cells)
    else:
        band = rules.latitude_band(latitude, radius_m)
        rows = await db.run("fleet", call, _NEARBY_BAND, *common, *band)
    return db.shaped(Nearby, rows)


MOST_AREAS = 200
_AVAILABLE_IN = f"""
SELECT id, vehicle_type, identifier, model, battery_level,
       {RANGE_KM}, latitude, longitude, cell, {STALE}
FROM fleet.vehicle WHERE status = 'available' AND cell = ANY($1)
"""


async def available_in(call: Call, areas: list[int]) -> list[Available]:
    if len(areas) > MOST_AREAS:
        raise Invalid(field="areas", issue=f"must be at most {MOST_AREAS}")
    cells = [cell for area in areas for cell in geo.cells_of(area)]
    rows = await db.run("fleet", call, _AVAILABLE_IN, cells)
    return [_in_its_area(*row) for row in rows]


def _in_its_area(*row: Any) -> Available:
    *about, cell, is_stale = row
    return Available(*[*about, geo.area(cell), is_stale])


def _check_search(latitude: float, longitude: float, radius_m: int) -> None:
    rules.check_place(Place(latitude, longitude))
    if not 1 <= radius_m <= MOST_RADIUS_M:
        raise Invalid(field="radius", issue=f"must be 1 to {MOST_RADIUS_M}")


_WANTED = """($1::text IS NULL OR vehicle_type = $1)
AND CASE WHEN $2::text IS NULL THEN status <> 'retired' ELSE status = $2 END
AND ($4::uuid IS NULL OR $4 = ANY(group_ids))"""
_SEEN = "($3::uuid IS NULL OR status <> 'retired' AND (held_rider IS NULL OR held_rider = $3))"
_PAGE = f"""
SELECT {COLUMNS}, (SELECT count(*) FROM fleet.vehicle WHERE {_WANTED} AND {_SEEN}) AS total
FROM fleet.vehicle WHERE {_WANTED} AND {_SEEN} ORDER BY identifier LIMIT $5 OFFSET $6
"""
_COUNT = f"SELECT count(*) AS total FROM fleet.vehicle WHERE {_WANTED} AND {_SEEN}"

_AROUND = """
WITH near AS MATERIALIZED (
    SELECT id, {distance} AS metres FROM fleet.vehicle
    WHERE {sieve} AND ($3::text IS NULL OR vehicle_type = $3)
      AND CASE WHEN $4::text IS NULL THEN status <> 'retired' ELSE status = $4 END
      AND ($5::uuid IS NULL OR status <> 'retired' AND (held_rider IS NULL OR held_rider = $5))
      AND ($6::uuid IS NULL OR $6 = ANY(group_ids))
), page AS (
    SELECT id, metres FROM near WHERE metres <= $7 ORDER BY metres, id LIMIT $8 OFFSET $9
)
SELECT {columns}, total FROM (SELECT count(*) AS total FROM near WHERE metres <= $7) counted
LEFT JOIN (page JOIN fleet.vehicle USING (id)) ON true ORDER BY metres, id
"""
_AROUND_CELLS = _AROUND.format(distance=_DISTANCE, columns=COLUMNS, sieve="cell = ANY($10)")
_AROUND_BAND = _AROUND.format(
    distance=_DISTANCE, columns=COLUMNS, sieve="latitude BETWEEN $10 AND $11"
)


async def vehicles(
    call: Call,
    vehicle_type: str | None,
    status: str | None,
    near: Place | None,
    radius_m: int,
    limit: int,
    offset: int,
    group_id: UUID | None = None,
) -> VehiclePage:
    rider = None if call.user is None or call.is_staff else call.user
    if (part := await reach(call)) is not None:
        which = (vehicle_type, status, rider, group_id)
        return await _of_part(call, part, which, near, radius_m, limit, offset)
    if near is None:
        wanted = (vehicle_type, status, rider, group_id)
        rows = await db.run("fleet", call, _PAGE, *wanted, limit, offset)
        if not rows and offset:
            total = (await db.run("fleet", call, _COUNT, *wanted))[0]["total"]
            return VehiclePage([], total)
        return VehiclePage([shown(row) for row in rows], rows[0]["total"] if rows else 0)
    _check_search(near.latitude, near.longitude, radius_m)
    which = (vehicle_type, status, rider, group_id)
    here = (near.latitude, near.longitude, *which, radius_m, limit, offset)
    if radius_m <= CELLS_WITHIN_M:
        cells = geo.cells_around(near.latitude, near.longitude, radius_m)
        rows = await db.run("fleet", call, _AROUND_CELLS, *here, cells)
    else:
        band = rules.latitude_band(near.latitude, radius_m)
        rows = await db.run("fleet", call, _AROUND_BAND, *here, *band)
    return VehiclePage([shown(row) for row in rows if row["id"]], rows[0]["total"])


# For whom the fleet is a part of it: the same pages, within its areas and groups.
_PAGE_OF_PART = f"""
WITH part AS (SELECT * FROM fleet.vehicle WHERE {_WANTED} AND {_SEEN} AND {within(7)})
SELECT {COLUMNS}, total FROM (SELECT count(*) AS total FROM part) counted
LEFT JOIN (SELECT * FROM part ORDER BY identifier LIMIT $5 OFFSET $6) page ON true
ORDER BY identifier
"""
_AROUND_OF_PART = _AROUND.format(
    distance=_DISTANCE, columns=COLUMNS, sieve=f"latitude BETWEEN $10 AND $11 AND {within(12)}"
)


async def _of_part(
    call: Call, part: Reach, which: tuple[Any, ...], near: Place | None, radius_m: int,
    limit: int, offset: int,
) -> VehiclePage:  # fmt: skip
    if near is None:
        rows = await db.run("fleet", call, _PAGE_OF_PART, *which, limit, offset, *part.columns())
    else:
        _check_search(near.latitude, near.longitude, radius_m)
        here = (near.latitude, near.longitude, *which, radius_m, limit, offset)
        band = rules.latitude_band(near.latitude, radius_m)
        rows = await db.run("fleet", call, _AROUND_OF_PART, *here, *band, *part.columns())
    return VehiclePage([shown(row) for row in rows if row["id"]], rows[0]["total"])


def _from_columns(kind: Callable[..., T], rows: list[db.Row]) -> list[T]:
    """Structs from one row of arrays. 50,000 rows of their own are as many records for the garbage
    collector to walk through: 220 ms instead of 75."""
    return [kind(*values) for values in zip(*(column or () for column in rows[0]), strict=True)]


_PUBLIC = """
SELECT array_agg(id), array_agg(vehicle_type), array_agg(status), array_agg(latitude),
       array_agg(longitude), array_agg(battery_level),
       array_agg(floor(full_range_km * reach * 10 * battery_level)::int),
       array_agg(date_trunc('second', last_seen_at)), array_agg(trips)
FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND status IN ('available', 'offline', 'maintenance')
  AND held_by IS NULL AND latitude IS NOT NULL
"""


async def public_vehicles(call: Call) -> list[PublicVehicle]:
    return _from_columns(PublicVehicle, await db.run("fleet", call, _PUBLIC))


_TYPES = """
SELECT vehicle_type, count(*), floor(max(full_range_km * greatest(1, reach)) * 1000)::int
FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND status <> 'retired'
GROUP BY vehicle_type ORDER BY vehicle_type
"""


async def vehicle_types(call: Call) -> list[FleetType]:
    return db.shaped(FleetType, await db.run("fleet", call, _TYPES))


_STANDINGS = """
SELECT array_agg(id), array_agg(status), array_agg(latitude IS NOT NULL), array_agg(trips)
FROM fleet.vehicle WHERE tenant_id = kernel.tenant()
"""


async def standings(call: Call) -> list[Standing]:
    return _from_columns(Standing, await db.run("fleet", call, _STANDINGS))


_USAGE = """
SELECT trips, ridden_m, ridden_s, revenue_minor, created_at FROM fleet.vehicle WHERE id = $1
"""


async def usage(call: Call, vehicle_id: UUID) -> Usage:
    row = await db.one("fleet", call, _USAGE, vehicle_id)
    if row is None:
        raise UnknownVehicle
    in_service_s = (clock.now() - row["created_at"]).total_seconds()
    return Usage(
        row["trips"], row["ridden_m"], row["ridden_s"], row["revenue_minor"],
        rules.utilization(row["ridden_s"], in_service_s),
    )  # fmt: skip


_TRACK = """
SELECT latitude, longitude, time, battery_level, odometer_m FROM fleet.telemetry
WHERE vehicle_id = $1 AND time BETWEEN $2 AND $3 ORDER BY time LIMIT $4
"""


async def track(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, most: int = 500
) -> Track:
    """Its odometer says the distance if it has one: it does not wander as satellites do."""
    rows = await db.run("fleet", call, _TRACK, vehicle_id, since, until, _MOST_POINTS)
    points = [
        TrackPoint(r["latitude"], r["longitude"], r["time"])
        for r in rows
        if r["latitude"] is not None
    ]
    odometer = [r["odometer_m"] for r in rows if r["odometer_m"] is not None]
    battery = [r["battery_level"] for r in rows if r["battery_level"] is not None]
    return Track(
        rules.thinned(points, max(2, most)),
        max(0, odometer[-1] - odometer[0]) if len(odometer) > 1 else rules.length_m(points),
        max(0, battery[0] - battery[-1]) if battery else 0,
    )


DEVICE_COLUMNS = "imei, protocol, vehicle_id, takes_commands, paired_at"
"""A ``Device``, by position."""
_DEVICES = f"SELECT {DEVICE_COLUMNS} FROM fleet.device WHERE vehicle_id = $1 ORDER BY paired_at"


async def devices_of(call: Call, vehicle_id: UUID) -> list[Device]:
    found = await db.run("fleet", call, _DEVICES, vehicle_id)
    if not found:
        await vehicle(call, vehicle_id)
    return db.shaped(Device, found)


COMMAND_COLUMNS = """id, vehicle_id, operation, state, reason, rental_id, queued_at, sent_at,
acknowledged_at, verified_at"""
"""A ``Command``, by position."""

ONE_COMMAND = f"""
SELECT {COMMAND_COLUMNS} FROM fleet.command WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def command(call: Call, command_id: UUID) -> Command:
    row = await db.one("fleet", call, ONE_COMMAND, command_id)
    if row is None:
        raise NotFound("There is no such command.", code="UNKNOWN_COMMAND")
    return Command(*row)
