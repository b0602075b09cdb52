"""Adding, changing and moving vehicles: what staff do (FLT-10, FLT-12..14, FLT-34, FLT-40)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions import plan_limit
from fahrwerk.fleet.actions.edges import refused_by, tell_caches, title
from fahrwerk.fleet.actions.holds import SILENT
from fahrwerk.fleet.contract import (
    IdentifierTaken,
    NewVehicle,
    Place,
    UnknownVehicle,
    Vehicle,
    VehicleChange,
    VehicleInUse,
)
from fahrwerk.fleet.events import VehicleChanged, VehicleCreated, VehicleMoved
from fahrwerk.fleet.queries import COLUMNS, shown
from fahrwerk.fleet.queries.scope import check_place
from fahrwerk.fleet.rules.maintenance import DEFAULT_DAYS, out_by_staff
from fahrwerk.kernel import db, events, geo, ids
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call


def _taken(field: str) -> Callable[[], IdentifierTaken]:
    return lambda: IdentifierTaken(field=field, issue="is another vehicle's already")


CODES_ARE_UNIQUE = {
    "vehicle_identifier": _taken("identifier"),
    "vehicle_external_id": _taken("external_id"),
    "vehicle_qr_code": _taken("qr_code"),
    "vehicle_pkey": _taken("identifier"),
}
"""What the unique indexes answer, for ``refused_by``."""

_ADD = f"""
WITH made AS (
    INSERT INTO fleet.vehicle (
        id, vehicle_type, identifier, external_id, model, brand, category, license_plate, qr_code,
        hardware_version, metadata, full_range_km, is_connected, latitude, longitude, cell, address,
        battery_level, battery_low, service_interval_days, has_own_interval)
    SELECT
        id, vehicle_type, identifier, external_id, model, brand, category, license_plate, qr_code,
        hardware_version, metadata, full_range_km, is_connected, latitude, longitude, cell, address,
        battery_level, battery_level,
        coalesce(service_interval_days, (
            SELECT days FROM fleet.service_interval i
            WHERE i.vehicle_type = wanted.vehicle_type AND i.model IN (wanted.model, '')
            ORDER BY i.model DESC LIMIT 1), {DEFAULT_DAYS}),
        service_interval_days IS NOT NULL
    FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::float8[], $13::int4[], $14::bool[],
        $15::float8[], $16::float8[], $17::bigint[], $18::text[], $19::int2[]
    ) AS wanted (
        id, vehicle_type, identifier, external_id, model, brand, category, license_plate, qr_code,
        hardware_version, metadata, full_range_km, service_interval_days, is_connected, latitude,
        longitude, cell, address, battery_level)
    RETURNING {COLUMNS}, cell, version
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $20, $21, jsonb_build_object(
        'vehicle_id', id, 'vehicle_type', vehicle_type), $22, $23 FROM made
)
SELECT {{answer}} FROM made
"""
_ADD_ONE = _ADD.format(answer="*")
_ADD_MANY = _ADD.format(answer="DISTINCT cell")
_KNOWN = f"SELECT {COLUMNS} FROM fleet.vehicle WHERE id = $1"


async def create_vehicle(call: Call, wanted: NewVehicle) -> Vehicle:
    call.require("fleet.vehicle.create")
    rules.check(wanted)
    most = await plan_limit.allowed(call)
    # With a key a repeat finds what the first try had written before its answer was lost.
    vehicle_id = (
        ids.derived("vehicle", call.tenant, call.key, wanted.identifier) if call.key else ids.new()
    )
    try:
        with refused_by(**CODES_ARE_UNIQUE):
            added = _added(call, [vehicle_id], [wanted])
            if most is None:
                [row] = await db.run("fleet", call, _ADD_ONE, *added)
            else:
                async with db.tx("fleet", call) as tx:
                    await plan_limit.in_line(tx)
                    [row] = await tx.run(_ADD_ONE, *added)
                    await plan_limit.check_within(tx, most, 0)
    except IdentifierTaken:
        known = await db.one("fleet", call, _KNOWN, vehicle_id)
        if known is None:
            raise
        return shown(known)
    tell_caches(hub, call, row["cell"])
    return shown(row)


async def add_within(
    tx: db.Tx, call: Call, vehicle_ids: Sequence[UUID], wanted: Sequence[NewVehicle]
) -> None:
    """Create checked vehicles as part of a transaction, in one statement."""
    rows = await tx.run(_ADD_MANY, *_added(call, vehicle_ids, wanted))
    tell_caches(tx, call, *(row["cell"] for row in rows))


def _added(call: Call, vehicle_ids: Sequence[UUID], wanted: Sequence[NewVehicle]) -> list[Any]:
    full = [rules.with_qr_code(each) for each in wanted]

    def column(name: str) -> list[Any]:
        return [getattr(each, name) for each in full]

    return [
        list(vehicle_ids), column("vehicle_type"), column("identifier"), column("external_id"),
        column("model"), column("brand"), column("category"), column("license_plate"),
        column("qr_code"), column("hardware_version"), column("metadata"),
        [rules.full_range_km(each.vehicle_type, each.metadata) for each in full],
        column("service_interval_days"), column("is_connected"), column("latitude"),
        column("longitude"), [_cell(each.latitude, each.longitude) for each in full],
        column("address"), column("battery_level"),
        *title(VehicleCreated), call.actor, call.trace,
    ]  # fmt: skip


def _cell(latitude: float | None, longitude: float | None) -> int | None:
    if latitude is None or longitude is None:
        return None
    return geo.cell(latitude, longitude)


_LOCKED = f"""
SELECT {COLUMNS}, cell, version, {SILENT} AS is_silent
FROM fleet.vehicle WHERE id = $1 FOR UPDATE
"""
_CHANGE = f"""
UPDATE fleet.vehicle
SET status = $2, model = $3, brand = $4, category = $5, external_id = $6, license_plate = $7,
    qr_code = $8, hardware_version = $9, firmware_version = $10, metadata = $11,
    full_range_km = $12, last_service_at = $13, service_interval_days = $14,
    capabilities = $15, out_for = $16, has_own_interval = has_own_interval OR $17,
    serviced_m = CASE WHEN $13 > coalesce(last_service_at, '-infinity')
                 THEN ridden_m ELSE serviced_m END,
    serviced_trips = CASE WHEN $13 > coalesce(last_service_at, '-infinity')
                     THEN trips ELSE serviced_trips END,
    version = version + 1, updated_at = kernel.now()
WHERE id = $1 RETURNING {COLUMNS}, version
"""
_CHANGEABLE = (
    "model", "brand", "category", "external_id", "license_plate", "qr_code", "hardware_version",
    "firmware_version", "metadata", "last_service_at", "service_interval_days",
    "capabilities",
)  # fmt: skip


async def change_vehicle(call: Call, vehicle_id: UUID, change: VehicleChange) -> Vehicle:
    call.require("fleet.vehicle.write")
    rules.check(change)
    given = {n: v for n in _CHANGEABLE if (v := getattr(change, n)) is not UNSET}
    is_back = change.status not in (UNSET, "retired")
    most = await plan_limit.allowed(call) if is_back else None
    with refused_by(**CODES_ARE_UNIQUE):
        async with db.tx("fleet", call) as tx:
            if most is not None:
                await plan_limit.in_line(tx)
            row = await tx.one(_LOCKED, vehicle_id)
            if row is None:
                raise UnknownVehicle
            status, reasons = row["status"], row["out_for"]
            if status == "retired":
                await plan_limit.check_within(tx, most, 1)
            if change.status is not UNSET:
                status = rules.status_by_staff(
                    status, change.status, row["is_connected"], row["is_silent"]
                )
                reasons = out_by_staff(reasons, change.status)
            before = shown(row)
            after = msgspec.structs.replace(before, status=status, out_for=reasons, **given)
            if after == before:
                return before
            [changed] = await tx.run(
                _CHANGE, vehicle_id, after.status, after.model, after.brand, after.category,
                after.external_id, after.license_plate, after.qr_code, after.hardware_version,
                after.firmware_version, after.metadata,
                rules.full_range_km(after.vehicle_type, after.metadata), after.last_service_at,
                after.service_interval_days, after.capabilities, after.out_for,
                "service_interval_days" in given,
            )  # fmt: skip
            news = VehicleChanged(vehicle_id, status)
            await events.emit(tx, call, f"vehicle:{vehicle_id}", changed["version"], news)
            tell_caches(tx, call, row["cell"])
            return shown(changed)


_MOVE = f"""
WITH moved AS (
    UPDATE fleet.vehicle
    SET latitude = $2, longitude = $3, cell = $4, address = $5, accuracy_m = $6,
        version = version + 1, updated_at = kernel.now()
    WHERE id = $1 AND held_by IS NULL RETURNING {COLUMNS}, version
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $7, $8, $9::jsonb, $10, $11 FROM moved
)
SELECT moved.*, before.cell AS left_cell FROM moved JOIN fleet.vehicle before USING (id)
"""


async def move_vehicle(call: Call, vehicle_id: UUID, place: Place) -> Vehicle:
    call.require("fleet.vehicle.move")
    rules.check_place(place)
    await check_place(call, place)
    cell = geo.cell(place.latitude, place.longitude)
    news = events.columns(call, VehicleMoved(vehicle_id, place.latitude, place.longitude))
    row = await db.one(
        "fleet", call, _MOVE, vehicle_id, place.latitude, place.longitude, cell, place.address,
        place.accuracy_m, *news,
    )  # fmt: skip
    if row is None:
        if await db.one("fleet", call, _KNOWN, vehicle_id) is None:
            raise UnknownVehicle
        raise VehicleInUse
    tell_caches(hub, call, cell, row["left_cell"])
    return shown(row)
