"""Devices: their keys, their IMEIs, and what gateways report in their place."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, JSONBody, RawBody
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX, DeviceProtocol, Measured
from fahrwerk.fleet.protocols import Malformed, traccar
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.fahrwerk_mqtt import MAX_COUNTER
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import Invalid, NotFound

_NOBODY = UUID(int=0)
"""Whose a position is, until its device has been looked up."""

# --- keys


class PairBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which kind of key a device takes; EdDSA unless its controller is too small for it."""

    kind: Literal["EdDSA", "HS256"] = "EdDSA"


class PairManyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Up to 500 vehicles to pair at once."""

    ids: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(min_length=1, max_length=500)]
    kind: Literal["EdDSA", "HS256"] = "EdDSA"


class Key(msgspec.Struct, frozen=True):
    """The device's half of a key, shown this once: base64url without padding (docs/protocol.md)."""

    vehicle_id: str
    """As in the MQTT topics."""
    identifier: str
    kind: str
    signs_with: str
    checks_with: str
    handover: str
    """All of it in one line, for a file or a QR code: what ``fahrwerk device pair`` reads."""


class Keys(msgspec.Struct, frozen=True):
    """Keys in the order of the vehicles asked for."""

    keys: list[Key]


def _key(pairing: fleet.Pairing) -> Key:
    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    public = ids.public(PREFIX[pairing.vehicle_type], pairing.vehicle_id)
    kind = msgspec.convert(pairing.kind, wire.Algorithm)
    key = wire.VehicleKey(kind, pairing.signs_with, pairing.checks_with)
    return Key(
        public, pairing.identifier, pairing.kind, text(pairing.signs_with),
        text(pairing.checks_with),
        wire.handover(public, key),
    )  # fmt: skip


# Unkeyed: an answer kept for repeats would keep the secret. A repeat makes a new key.
@post(
    "/api/v1/vehicles/{vehicle_id:str}/pair",
    permission="fleet.vehicle.pair",
    scoped=True,
    status_code=200,
    unkeyed=True,
    tags=["fleet"],
)
async def pair_vehicle(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[PairBody | None] = None
) -> Key:
    """Give a vehicle's device a new key (FLT-16); its old one is void at once."""
    kind = (data or PairBody()).kind
    [pairing] = await fleet.pair_vehicles(
        call, [(await fleet.find_vehicle(call, vehicle_id)).id], kind
    )
    return _key(pairing)


@post(
    "/api/v1/vehicles/pair",
    permission="fleet.vehicle.pair",
    status_code=200,
    unkeyed=True,
    tags=["fleet"],
)
async def pair_vehicles(call: web.Caller, data: JSONBody[PairManyBody]) -> Keys:
    """Give up to 500 devices new keys: all of them, or none."""
    wanted = [ids.parse(each, *PREFIX.values()) for each in data.ids]
    return Keys([_key(each) for each in await fleet.pair_vehicles(call, wanted, data.kind)])


# --- devices of other makers


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True):
    """A device as its maker's protocol knows it."""

    protocol: DeviceProtocol
    imei: Annotated[str, Meta(min_length=1, max_length=64)]
    """15 digits; with Traccar any unique id it has for the device."""


class DeviceView(msgspec.Struct, frozen=True):
    """A device that is paired by its IMEI."""

    imei: str
    protocol: str
    takes_commands: bool
    paired_at: str


class DeviceList(msgspec.Struct, frozen=True):
    """Devices of one vehicle."""

    devices: list[DeviceView]


def _device(device: fleet.Device) -> DeviceView:
    return DeviceView(
        device.imei, device.protocol, device.takes_commands, clock.stamp(device.paired_at)
    )


@post(
    "/api/v1/vehicles/{vehicle_id:str}/devices",
    permission="fleet.vehicle.pair",
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def add_device(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[DeviceBody]
) -> DeviceView:
    """Pair a device by its IMEI; it may connect from now on (docs/devices.md)."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    return _device(await fleet.add_device(call, vehicle.id, data.protocol, data.imei))


@get(
    "/api/v1/vehicles/{vehicle_id:str}/devices",
    permission="fleet.vehicle.pair",
    scoped=True,
    tags=["fleet"],
)
async def devices(call: web.Caller, vehicle_id: FromPath[str]) -> DeviceList:
    """Which devices of other makers a vehicle has."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    return DeviceList([_device(each) for each in await fleet.devices_of(call, vehicle.id)])


@delete(
    "/api/v1/vehicles/{vehicle_id:str}/devices/{imei:str}",
    permission="fleet.vehicle.pair",
    scoped=True,
    status_code=204,
    tags=["fleet"],
)
async def remove_device(call: web.Caller, vehicle_id: FromPath[str], imei: FromPath[str]) -> None:
    """Take a device off its vehicle; its connection is closed."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    await fleet.remove_device(call, vehicle.id, imei)


# --- what gateways report


class ReadingBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One reading; what was not measured is left out."""

    vehicle_id: Annotated[str, Meta(max_length=64)]
    time: Annotated[datetime, Meta(tz=True)]
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    speed_kmh: Annotated[float, Meta(ge=0, le=500)] | None = None
    battery_level: Annotated[int, Meta(ge=0, le=100)] | None = None
    voltage: Annotated[float, Meta(ge=0, le=1_500)] | None = None
    temperature: Annotated[float, Meta(ge=-100, le=200)] | None = None
    """Of the battery."""
    signal_strength: Annotated[int, Meta(ge=-200, le=0)] | None = None
    """dBm"""
    is_locked: bool | None = None
    odometer_m: Annotated[int, Meta(ge=0, le=10_000_000_000)] | None = None
    is_tipped: bool | None = None
    boot: Annotated[int, Meta(ge=0, le=MAX_COUNTER)] | None = None
    """With ``sequence`` the reading's name: it may come again, and what is missing is seen."""
    sequence: Annotated[int, Meta(ge=0, le=MAX_COUNTER)] | None = None

    def __post_init__(self) -> None:
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("`latitude` and `longitude` come together")
        if (self.boot is None) is not (self.sequence is None):
            raise ValueError("`boot` and `sequence` come together")


class ReadingsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Readings of any of the operator's vehicles, in any order."""

    readings: Annotated[list[ReadingBody], Meta(min_length=1, max_length=1_000)]


class Taken(msgspec.Struct, frozen=True):
    """What became of a batch."""

    stored: int
    """New ones; what was known already is not stored twice."""
    unknown: int
    """Readings of vehicles or devices that this operator does not have."""


# Unkeyed: a reading is known by its vehicle and number, or time: a repeat is harmless by itself.
@post(
    "/api/v1/telemetry",
    permission="fleet.telemetry.write",
    while_suspended=True,
    status_code=200,
    unkeyed=True,
    body_bytes=1_000_000,
    request_max_body_size=1_000_000,
    tags=["fleet"],
)
async def report_readings(call: web.Caller, data: JSONBody[ReadingsBody]) -> Taken:
    """Readings in a batch, from a gateway that speaks for many vehicles (FLT-05)."""
    readings = [_measured(each) for each in data.readings]
    known = [each for each in readings if each is not None]
    done = await fleet.report_readings(call, known) if known else fleet.Recorded(0, 0)
    return Taken(done.stored, done.unknown + len(readings) - len(known))


def _measured(reading: ReadingBody) -> Measured | None:
    given = msgspec.structs.asdict(reading)
    try:
        vehicle_id = ids.parse(given.pop("vehicle_id"), *PREFIX.values())
    except NotFound:
        return None
    return Measured(vehicle_id=vehicle_id, **given)


@dataclass
class _TakesPositions(Operation):
    """A raw body says nothing of itself to the OpenAPI document, so it is said here."""

    def __post_init__(self) -> None:
        either = [Schema(type=OpenAPIType.OBJECT), Schema(type=OpenAPIType.ARRAY)]
        media = OpenAPIMediaType(schema=Schema(one_of=either))
        self.request_body = RequestBody(content={"application/json": media}, required=True)


@post(
    "/api/v1/telemetry/traccar",
    operation_class=_TakesPositions,
    permission="fleet.telemetry.write",
    status_code=200,
    unkeyed=True,
    body_bytes=traccar.MOST_BYTES,
    request_max_body_size=traccar.MOST_BYTES,
    tags=["fleet"],
)
async def report_traccar(call: web.Caller, body: RawBody) -> Taken:
    """What a Traccar server forwards: one ``{"position": ..., "device": ...}`` or an array.

    The device's ``uniqueId`` is what it is paired with. Speeds are taken as knots.
    """
    try:
        reports = traccar.decode(bytes(body))
    except Malformed as error:
        raise Invalid(field="body", issue=str(error)[:200]) from None
    done = await fleet.report_devices(
        call,
        [
            (each.unique_id, Measured(vehicle_id=_NOBODY, **msgspec.structs.asdict(each.reading)))
            for each in reports
        ],
    )
    return Taken(done.stored, done.unknown)


handlers = [
    pair_vehicle,
    pair_vehicles,
    add_device,
    devices,
    remove_device,
    report_readings,
    report_traccar,
]
