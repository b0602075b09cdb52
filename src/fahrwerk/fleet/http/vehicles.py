"""Vehicles and commands, for staff. What riders see of vehicles, with prices, is in rentals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX, ImportResult, NewVehicle, Place, Vehicle, VehicleChange
from fahrwerk.fleet.contract.bulk import ImportMode
from fahrwerk.fleet.contract.groups import GROUP_PREFIX
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call

IMPORT_BYTES = 10_000_000
Short = Annotated[str, Meta(min_length=1, max_length=50)]
VehicleType = Literal["scooter", "ebike", "car", "van"]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class Location(msgspec.Struct, forbid_unknown_fields=True):
    """Where a vehicle stands; WGS 84."""

    latitude: Latitude
    longitude: Longitude
    address: Annotated[str, Meta(max_length=200)] | None = None


class NewScooter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A scooter to add (FLT-10)."""

    identifier: Short
    model: Annotated[str, Meta(min_length=1, max_length=100)]
    brand: Short
    category: Short = "standard"
    external_id: Short | None = None
    license_plate: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    qr_code: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """None = the identifier with ``-QR`` behind it (FLT-15)."""
    location: Location | None = None
    battery_level: Annotated[int, Meta(ge=0, le=100)] | None = None
    hardware_version: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    is_connected: bool = True
    """Has a device that is going to speak to us; pair it to be able to send it commands."""
    metadata: dict[str, str | int | float | bool | None] = {}
    """Free; ``full_range_km`` among it sets the range with a full battery."""
    service_interval_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    """None = as it is set for its type or model, else 30."""


class NewVehicleBody(NewScooter, kw_only=True, forbid_unknown_fields=True):
    """A vehicle of any type to add (C-01)."""

    vehicle_type: VehicleType


class MasterData(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle as its operator keeps it."""

    id: str
    vehicle_type: str
    identifier: str
    external_id: str | None
    model: str
    brand: str
    category: str
    license_plate: str | None
    qr_code: str | None
    status: str
    location: Location | None
    is_connected: bool
    hardware_version: str | None
    firmware_version: str | None
    metadata: dict[str, Any]
    capabilities: list[str]
    """What its device can be told."""
    out_for: list[str]
    """What keeps it in maintenance, or will after its ride: staff, battery, ticket."""
    group_ids: list[str]
    last_service: str | None
    service_interval_days: int
    created_at: str


def _master_data(vehicle: Vehicle) -> MasterData:
    location = None
    if vehicle.latitude is not None and vehicle.longitude is not None:
        location = Location(vehicle.latitude, vehicle.longitude, vehicle.address)
    return MasterData(
        id=_public(vehicle),
        vehicle_type=vehicle.vehicle_type,
        identifier=vehicle.identifier,
        external_id=vehicle.external_id,
        model=vehicle.model,
        brand=vehicle.brand,
        category=vehicle.category,
        license_plate=vehicle.license_plate,
        qr_code=vehicle.qr_code,
        status=vehicle.status,
        location=location,
        is_connected=vehicle.is_connected,
        hardware_version=vehicle.hardware_version,
        firmware_version=vehicle.firmware_version,
        metadata=vehicle.metadata,
        capabilities=vehicle.capabilities,
        out_for=vehicle.out_for,
        group_ids=[ids.public(GROUP_PREFIX, each) for each in vehicle.group_ids],
        last_service=_stamp(vehicle.last_service_at),
        service_interval_days=vehicle.service_interval_days,
        created_at=clock.stamp(vehicle.created_at),
    )


def _public(vehicle: Vehicle) -> str:
    return ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)


def _stamp(at: datetime | None) -> str | None:
    return clock.stamp(at) if at is not None else None


async def _id_of(call: Call, reference: str) -> UUID:
    return (await fleet.find_vehicle(call, reference)).id


# --- vehicles


@post("/api/v1/scooters", permission="fleet.vehicle.create", tags=["fleet"])
async def create_scooter(call: web.Caller, data: JSONBody[NewScooter]) -> MasterData:
    """Add a scooter to the fleet (FLT-10)."""
    return _master_data(await fleet.create_vehicle(call, _wanted(data, "scooter")))


@post("/api/v1/vehicles", permission="fleet.vehicle.create", tags=["fleet"])
async def create_vehicle(call: web.Caller, data: JSONBody[NewVehicleBody]) -> MasterData:
    """Add a vehicle of any type to the fleet (FLT-10, C-01)."""
    return _master_data(await fleet.create_vehicle(call, _wanted(data, data.vehicle_type)))


def _wanted(data: NewScooter, vehicle_type: str) -> NewVehicle:
    given = {n: getattr(data, n) for n in NewScooter.__struct_fields__ if n != "location"}
    place = msgspec.structs.asdict(data.location) if data.location else {}
    return NewVehicle(vehicle_type=vehicle_type, **given, **place)


@patch(
    ["/api/v1/vehicles/{vehicle_id:str}", "/api/v1/scooters/{vehicle_id:str}"],
    permission="fleet.vehicle.write",
    scoped=True,
    tags=["fleet"],
)
async def change_vehicle(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[VehicleChange]
) -> MasterData:
    """Change a vehicle, or take it out of service or out of the fleet, and back.

    ``status``: ``maintenance``; ``retired``, which is in no search, no feed and no plan; and back
    with ``available``.
    """
    return _master_data(await fleet.change_vehicle(call, await _id_of(call, vehicle_id), data))


@post(
    "/api/v1/vehicles/{vehicle_id:str}/move",
    permission="fleet.vehicle.move",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def move_vehicle(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[Location]
) -> MasterData:
    """Say where a vehicle was put (rebalancing)."""
    place = Place(data.latitude, data.longitude, data.address)
    return _master_data(await fleet.move_vehicle(call, await _id_of(call, vehicle_id), place))


@dataclass
class _TakesCsv(Operation):
    """A raw body says nothing of itself to the OpenAPI document, so it is said here."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        self.request_body = RequestBody(content={"text/csv": text}, required=True)


@post(
    "/api/v1/vehicles/import",
    operation_class=_TakesCsv,
    permission="fleet.vehicle.create",
    status_code=200,
    request_max_body_size=IMPORT_BYTES,
    body_bytes=IMPORT_BYTES,
    tags=["fleet"],
)
async def import_vehicles(
    call: web.Caller,
    body: RawBody,
    dry_run: FromQuery[bool] = True,
    mode: FromQuery[ImportMode] = "create",
) -> ImportResult:
    """Check a CSV file (FLT-12, FLT-13), and with ``dry_run=false`` create all its vehicles.

    ``mode=update`` changes vehicles that are there, by identifier, ``upsert`` does both; what a row
    leaves empty stays as it is, and so do type and place.

    Body: ``text/csv`` with the header ``identifier,model,brand,license_plate,qr_code`` and, if you
    like, ``vehicle_type``, ``category``, ``external_id``, ``latitude``, ``longitude``; at most
    10 MB and 50,000 rows. A file with problems is not imported: 400 ``IMPORT_NOT_VALID``.
    """
    return await fleet.import_vehicles(call, dry_run, bytes(body), mode)


# --- commands


class CommandBody(msgspec.Struct, forbid_unknown_fields=True):
    """What staff tell a vehicle."""

    command: Literal[
        "sound", "lights", "lock", "unlock", "speed_limit", "top_case", "battery_cover"
    ]
    """422 ``COMMAND_NOT_SUPPORTED`` unless it is among the vehicle's capabilities."""
    args: dict[str, bool | int] = {}
    """``on`` for lights (true if missing), ``kmh`` for speed_limit (1 to 130)."""


class CommandView(msgspec.Struct, frozen=True):
    """A command: queued -> sent -> acknowledged -> verified, or failed, expired."""

    id: str
    vehicle_id: str
    command: str
    status: str
    reason: str | None
    queued_at: str
    sent_at: str | None
    acknowledged_at: str | None
    verified_at: str | None


def _command(command: fleet.Command, vehicle: Vehicle) -> CommandView:
    return CommandView(
        ids.public("cmd", command.id), _public(vehicle), command.operation, command.state,
        command.reason, clock.stamp(command.queued_at), _stamp(command.sent_at),
        _stamp(command.acknowledged_at), _stamp(command.verified_at),
    )  # fmt: skip


@post(
    "/api/v1/vehicles/{vehicle_id:str}/commands",
    permission="fleet.command.create",
    scoped=True,
    status_code=202,
    tags=["fleet"],
)
async def send_command(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[CommandBody]
) -> CommandView:
    """Tell a vehicle something, outside any rental. Look at the command to see what came of it."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    command_id = (
        ids.derived("command", call.tenant, call.user, call.key, vehicle.id)
        if call.key
        else ids.new()
    )
    sent = await fleet.send_command(call, vehicle.id, data.command, None, command_id, data.args)
    return _command(sent, vehicle)


@get(
    "/api/v1/commands/{command_id:str}",
    permission="fleet.command.read",
    scoped=True,
    tags=["fleet"],
)
async def command(call: web.Caller, command_id: FromPath[str]) -> CommandView:
    """How far a command has come."""
    found = await fleet.command(call, ids.parse(command_id, "cmd"))
    return _command(found, await fleet.vehicle(call, found.vehicle_id))


# --- what is available


class Available(msgspec.Struct, frozen=True):
    """A vehicle that can be reserved now."""

    id: str
    type: str
    identifier: str
    model: str
    battery: int | None
    location: Location
    distance_meters: int
    estimated_range_km: float | None
    is_stale: bool


class AvailableList(msgspec.Struct, frozen=True):
    """What is available near a point, nearest first."""

    vehicles: list[Available]
    count: int
    search_radius_meters: int


@get(
    ["/api/v1/fleet/available", "/fleet/available"], permission="fleet.vehicle.read", tags=["fleet"]
)
async def available(
    call: web.Caller,
    lat: Annotated[float, QueryParameter(ge=-90, le=90, description="WGS 84")],
    lon: Annotated[float, QueryParameter(ge=-180, le=180, description="WGS 84")],
    vehicle_type: Annotated[VehicleType | None, QueryParameter(name="type")] = None,
    radius: Annotated[int, QueryParameter(ge=1, le=50_000, description="Metres")] = 1_000,
    limit: web.Limit = 50,
) -> AvailableList:
    """Available vehicles around a point, straight from the database, without prices (FLT-36)."""
    found = await fleet.nearby_vehicles(call, lat, lon, vehicle_type, radius, limit)
    shown = [
        Available(
            ids.public(PREFIX[each.vehicle_type], each.id), each.vehicle_type, each.identifier,
            each.model, each.battery_level, Location(each.latitude, each.longitude),
            each.distance_m, each.range_km, each.is_stale,
        )
        for each in found
    ]  # fmt: skip
    return AvailableList(shown, len(shown), radius)


handlers = [
    create_scooter,
    create_vehicle,
    change_vehicle,
    move_vehicle,
    import_vehicles,
    send_command,
    command,
    available,
]
