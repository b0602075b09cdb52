"""What other rooms may ask of fleet: vehicles, holds, commands; more in the modules beside this."""

# long: all that can be asked of a room stands in one place

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Refused, Unavailable

PREFIX = {"scooter": "sco", "ebike": "ebi", "car": "car", "van": "van"}
"""The four types of vehicle (FLT-01) and the prefixes of their public ids."""

CAPABILITIES = (
    "unlock", "lock", "sound", "lights", "speed_limit", "top_case", "battery_cover",
)  # fmt: skip
"""All that a vehicle may be able to be told; each one says in ``capabilities`` which."""
DeviceProtocol = Literal["omni", "teltonika", "traccar"]
PROTOCOLS: tuple[str, ...] = get_args(DeviceProtocol)
"""How devices are paired that do not speak our own protocol (docs/devices.md)."""

STATUSES = ("available", "reserved", "in_use", "maintenance", "offline", "retired")
"""FLT-02; retired: out of the fleet, seen by staff only, until they take it back."""


class Place(msgspec.Struct, frozen=True):
    """A point on the globe; ``accuracy_m`` is the radius the device vouches for."""

    latitude: float
    longitude: float
    address: str | None = None
    accuracy_m: float | None = None


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle with its live state. Units last; times UTC; None = never reported."""

    id: UUID
    vehicle_type: str
    identifier: str
    external_id: str | None
    model: str
    brand: str
    category: str
    license_plate: str | None
    qr_code: str | None
    status: str
    latitude: float | None
    longitude: float | None
    address: str | None
    accuracy_m: float | None
    battery_level: int | None
    voltage: float | None
    temperature: float | None
    range_km: float | None
    charging_cycles: int | None
    signal_strength: int | None
    firmware_version: str | None
    hardware_version: str | None
    last_seen_at: datetime | None
    is_stale: bool
    """Has a device that has not reported within two minutes: bookable with a warning (FLT-20)."""
    is_connected: bool
    """False: no device; opened by a dock or a key, never by a command."""
    is_locked: bool | None
    odometer_m: int
    trips: int
    metadata: dict[str, str | int | float | bool | None]
    last_service_at: datetime | None
    service_interval_days: int
    created_at: datetime
    capabilities: list[str]
    """What its device can be told; without a device nothing is sent."""
    out_for: list[str] = []
    """What keeps it in maintenance, or will after its ride: staff, battery, ticket."""
    group_ids: list[UUID] = []
    """The groups it is in (``contract.groups``)."""


class NewVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to add a vehicle; the rest is learned from its telemetry (FLT-10)."""

    identifier: str
    model: str
    brand: str
    vehicle_type: str = "scooter"
    category: str = "standard"
    external_id: str | None = None
    license_plate: str | None = None
    qr_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    battery_level: int | None = None
    hardware_version: str | None = None
    is_connected: bool = True
    metadata: dict[str, str | int | float | bool | None] = {}
    service_interval_days: int | None = None
    """None: as the operator has set it for its type or model (``service_intervals``), else 30."""


class VehicleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What staff may change of a vehicle; what is left out stays as it is."""

    status: Literal["available", "maintenance", "retired"] | UnsetType = UNSET
    model: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    brand: Annotated[str, Meta(max_length=50)] | UnsetType = UNSET
    category: Annotated[str, Meta(max_length=50)] | UnsetType = UNSET
    external_id: Annotated[str, Meta(max_length=50)] | UnsetType | None = UNSET
    license_plate: Annotated[str, Meta(max_length=20)] | UnsetType | None = UNSET
    qr_code: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    hardware_version: Annotated[str, Meta(max_length=20)] | UnsetType | None = UNSET
    firmware_version: Annotated[str, Meta(max_length=20)] | UnsetType | None = UNSET
    metadata: dict[str, str | int | float | bool | None] | UnsetType = UNSET
    last_service_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    service_interval_days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET
    capabilities: Annotated[list[str], Meta(max_length=20)] | UnsetType = UNSET
    """Of ``CAPABILITIES``: what its device can really do, where that is less or more."""


class Usage(msgspec.Struct, frozen=True):
    """What a vehicle has done and earned so far (FLT-41)."""

    trips: int
    distance_m: int
    ridden_s: int
    revenue_minor: int
    utilization_rate: float
    """The part of its time in service that it was ridden: 0 to 1."""


class ImportProblem(msgspec.Struct, frozen=True):
    """What is wrong with one cell of an import file; row 1 is the first below the header."""

    row: int
    column: str
    rule: str


class ImportResult(msgspec.Struct, frozen=True):
    """What became of an import file (FLT-13): all its rows were created, or none."""

    rows: int
    valid: int
    created: int
    problem_count: int
    problems: list[ImportProblem]
    """The first 1,000."""
    dry_run: bool
    updated: int = 0
    """Of those that were there, how many the file changed."""


class Pairing(msgspec.Struct, frozen=True):
    """The vehicle's half of a new key: handed over once, kept nowhere (FLT-16, FLT-23).

    HS256: ``signs_with`` and ``checks_with`` are the same secret. EdDSA: the vehicle's private key
    and the platform's public key. 32 bytes each.
    """

    vehicle_id: UUID
    vehicle_type: str
    identifier: str
    kind: str
    signs_with: bytes
    checks_with: bytes

    def __repr__(self) -> str:
        return f"Pairing({self.identifier}, {self.kind}, ...)"  # keys must not end in a log


class Device(msgspec.Struct, frozen=True):
    """A device that is paired by its IMEI, not by a key."""

    imei: str
    """What it calls itself: 15 digits; with Traccar any unique id."""
    protocol: str
    vehicle_id: UUID
    takes_commands: bool
    paired_at: datetime


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of a vehicle; every measurement may be missing. Units last; ``time`` UTC."""

    vehicle_id: UUID
    time: datetime
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    speed_kmh: float | None = None
    battery_level: int | None = None
    voltage: float | None = None
    temperature: float | None = None
    signal_strength: int | None = None
    is_locked: bool | None = None
    odometer_m: int | None = None
    is_tipped: bool | None = None
    """Lies on its side, by its own sensor."""
    boot: int | None = None
    """Which start of the device this is; with ``sequence`` it shows gaps and repeats."""
    sequence: int | None = None
    """Counts this device's readings since ``boot``, from 1."""


class Recorded(msgspec.Struct, frozen=True):
    """What became of a batch: ``stored`` readings, and how many came from ``unknown`` vehicles."""

    stored: int
    """Without those that were known already."""
    unknown: int


class VehiclePage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    vehicles: list[Vehicle]
    total: int


class Nearby(msgspec.Struct, frozen=True):
    """An available vehicle and how far it is (great circle)."""

    id: UUID
    vehicle_type: str
    identifier: str
    model: str
    battery_level: int | None
    range_km: float | None
    latitude: float
    longitude: float
    distance_m: int
    is_stale: bool
    """Has not reported within the last minutes: bookable with a warning (C-18, FLT-20)."""


class Available(msgspec.Struct, frozen=True, gc=False):
    """An available vehicle as ``Nearby``, but with the area it is in (``geo.area``)."""

    id: UUID
    vehicle_type: str
    identifier: str
    model: str
    battery_level: int | None
    range_km: float | None
    latitude: float
    longitude: float
    area: int
    is_stale: bool


class Held(msgspec.Struct, frozen=True):
    """A vehicle held for one rental until ``expires_at`` (database clock)."""

    vehicle: Vehicle
    holder: UUID
    token: str
    """``reservation_token`` (RNT-17)"""
    reserved_at: datetime
    expires_at: datetime


class Command(msgspec.Struct, frozen=True):
    """A command to a vehicle: queued -> sent -> acknowledged -> verified | failed | expired."""

    id: UUID
    vehicle_id: UUID
    operation: str
    state: str
    reason: str | None
    rental_id: UUID | None
    queued_at: datetime
    sent_at: datetime | None
    acknowledged_at: datetime | None
    verified_at: datetime | None


class PublicVehicle(msgspec.Struct, frozen=True, gc=False):
    """A vehicle that nobody holds and whose place is known: what a city's feed is made of.

    ``id`` must not leave the house with it: who sees it again elsewhere has followed a rider.
    """

    id: UUID
    vehicle_type: str
    status: str
    """available, offline or maintenance"""
    latitude: float
    longitude: float
    battery_level: int | None
    range_m: int | None
    last_seen_at: datetime | None
    """Whole seconds."""
    trips: int


class FleetType(msgspec.Struct, frozen=True):
    """A type of vehicle that this operator has, whatever its vehicles do just now."""

    vehicle_type: str
    vehicles: int
    full_range_m: int
    """Of the one that goes furthest with a full battery."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How it stands with one vehicle, held or not."""

    id: UUID
    status: str
    is_placed: bool
    """Its place is known."""
    trips: int


class TrackPoint(msgspec.Struct, frozen=True):
    """One position of a ride."""

    latitude: float
    longitude: float
    at: datetime


class Track(msgspec.Struct, frozen=True):
    """What a vehicle did within a span of time."""

    points: list[TrackPoint]
    """At most ``most`` of them, evenly chosen, first and last kept."""
    distance_m: int
    battery_used_pct: int


class OutOfReach(Forbidden):
    """Beyond the areas that the caller's grants are for."""

    code = "OUT_OF_SCOPE"
    message = "This place is not in one of your areas."


class UnknownVehicle(NotFound):
    """No such vehicle with this operator."""

    code = "UNKNOWN_VEHICLE"
    message = "There is no such vehicle."


class VehicleTaken(Conflict):
    """Somebody else was faster, or the vehicle is not available (RNT-15, RNT-16)."""

    code = "VEHICLE_UNAVAILABLE"
    message = "Vehicle no longer available"


class HoldLost(Conflict):
    """The hold ran out or belongs to somebody else."""

    code = "HOLD_EXPIRED"
    message = "The reservation has expired."


class HoldsAnother(Conflict):
    """A rental holds one vehicle; this one already has one."""

    code = "HOLDS_ANOTHER_VEHICLE"
    message = "This rental already holds another vehicle."


class VehicleSilent(Unavailable):
    """The vehicle did not answer in time; nothing was charged (RNT-27)."""

    code = "VEHICLE_OFFLINE"
    message = "Vehicle may be offline. Try unlock again in 1 minute."


class VehicleMoving(Conflict):
    """It does not lock while it moves: stop first (FLT-26). The ride goes on."""

    code = "VEHICLE_MOVING"
    message = "The vehicle is moving. Stop, then lock it."


class VehicleUnsafe(Conflict):
    """A safety-critical ticket was opened since it was reserved: no ride begins with it."""

    code = "VEHICLE_UNSAFE"
    message = "This vehicle is not safe to ride. Cancel, and take another one."


class IdentifierTaken(Conflict):
    """Another vehicle of this operator has this identifier or QR code."""

    code = "IDENTIFIER_TAKEN"
    message = "Another vehicle already has this identifier."


class VehicleInUse(Conflict):
    """Held or ridden just now: staff must wait, or end the rental."""

    code = "VEHICLE_IN_USE"
    message = "This vehicle is reserved or in use."


class DevicePaired(Conflict):
    """The device is on a vehicle already, or the vehicle has a device that takes commands."""

    code = "DEVICE_PAIRED"
    message = "Already paired. Take the device off first."


class UnknownDevice(NotFound):
    """No such device on this vehicle."""

    code = "UNKNOWN_DEVICE"
    message = "This vehicle has no such device."


class BadImport(Invalid):
    """The import file as a whole cannot be read, or has problems and was to be imported.

    ``details`` has ``rows``, ``valid``, ``problem_count`` and ``problems`` of ``ImportResult``.
    """

    code = "IMPORT_NOT_VALID"
    message = "The file was not imported: it has problems."


class NotSupported(Refused):
    """This vehicle cannot do that."""

    code = "COMMAND_NOT_SUPPORTED"
    message = "This vehicle does not support this command."


@query
async def vehicle(call: Call, vehicle_id: UUID) -> Vehicle:
    """One vehicle. Raises ``UnknownVehicle``."""
    raise AssertionError


@query
async def find_vehicle(call: Call, reference: str) -> Vehicle:
    """A vehicle by public id, UUID, identifier, QR code or external id (C-04, FLT-27).

    Raises ``UnknownVehicle``.
    """
    raise AssertionError


@query
async def nearby_vehicles(
    call: Call,
    latitude: float,
    longitude: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int = 50,
    except_id: UUID | None = None,
) -> list[Nearby]:
    """Available vehicles within ``radius_m`` (at most 50,000), nearest first (RNT-04, FLT-36).

    One statement, straight from the database; whoever asks often caches.
    """
    raise AssertionError


@query
async def available_in(call: Call, areas: list[int]) -> list[Available]:
    """Every available vehicle in up to 200 areas (``geo.areas_around``), in no order.

    One statement. Whoever keeps the answer hears ``fleet.cell`` (see this room's door plate): it
    names the cell of every vehicle that becomes available or ceases to be, but no mere movement.
    Raises ``Invalid``.
    """
    raise AssertionError


@query
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
    """A page of the fleet (FLT-07): by distance when ``near`` is given, else by identifier.

    Retired vehicles only when that ``status`` is asked for, and by staff. Where somebody rides is
    nobody else's business: riders see vehicles that nobody holds, and their own; staff see all.
    """
    raise AssertionError


@query
async def public_vehicles(call: Call) -> list[PublicVehicle]:
    """Every vehicle that nobody holds and whose place is known, in no order; one statement.

    Reserved and ridden vehicles are never among them. 50,000 take about 80 ms: whoever asks often
    caches.
    """
    raise AssertionError


@query
async def vehicle_types(call: Call) -> list[FleetType]:
    """The types of vehicle this operator has, by name."""
    raise AssertionError


@query
async def standings(call: Call) -> list[Standing]:
    """Every vehicle's status, reserved and ridden ones included: the truth to check feeds with."""
    raise AssertionError


@query
async def usage(call: Call, vehicle_id: UUID) -> Usage:
    """Usage figures of a vehicle (FLT-41). Raises ``UnknownVehicle``."""
    raise AssertionError


@query
async def track(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, most: int = 500
) -> Track:
    """Where a vehicle was between two times, from its telemetry."""
    raise AssertionError


@query
async def command(call: Call, command_id: UUID) -> Command:
    """One command and how far it has come. Raises ``NotFound``."""
    raise AssertionError


@action
async def create_vehicle(call: Call, wanted: NewVehicle) -> Vehicle:
    """Add a vehicle, available (permission ``fleet.vehicle.create``).

    Raises ``IdentifierTaken``, ``Invalid`` (type, position off the globe, lengths).
    """
    raise AssertionError


@action
async def change_vehicle(call: Call, vehicle_id: UUID, change: VehicleChange) -> Vehicle:
    """Change a vehicle, or take it out of service and back (permission ``fleet.vehicle.write``).

    A connected vehicle that has been silent comes back from maintenance as ``offline``. One that is
    ``retired`` is in no search and no feed, and comes back the same way. Raises ``UnknownVehicle``,
    ``VehicleInUse``, ``IdentifierTaken``, ``Invalid``.
    """
    raise AssertionError


@action
async def move_vehicle(call: Call, vehicle_id: UUID, place: Place) -> Vehicle:
    """Say where a vehicle was put: rebalancing (permission ``fleet.vehicle.move``).

    The next reading of a connected vehicle knows better. Raises ``UnknownVehicle``,
    ``VehicleInUse``, ``Invalid``.
    """
    raise AssertionError


@action
async def import_vehicles(
    call: Call, dry_run: bool, csv: bytes, mode: str = "create"
) -> ImportResult:
    """Check a CSV file and, unless ``dry_run``, create all its vehicles in one transaction.

    FLT-12..14; at most 10 MB and 50,000 rows; permission ``fleet.vehicle.create``. A file with
    problems is never imported: a dry run lists them, a real one raises ``BadImport``. ``mode``
    ``update`` changes vehicles that are there, by identifier, ``upsert`` does both: what a row
    leaves empty stays as it is, and so do type and place (permission ``fleet.vehicle.write``).
    """
    raise AssertionError


@action
async def pair_vehicles(call: Call, vehicle_ids: list[UUID], kind: str) -> list[Pairing]:
    """New keys for up to 500 vehicles, in the order asked (permission ``fleet.vehicle.pair``).

    ``kind`` is HS256 or EdDSA. From now on they count as connected, and their old keys open
    nothing. Raises ``UnknownVehicle`` (then none was paired), ``Invalid``.
    """
    raise AssertionError


@query
async def devices_of(call: Call, vehicle_id: UUID) -> list[Device]:
    """Devices of a vehicle that are paired by IMEI. Raises ``UnknownVehicle``."""
    raise AssertionError


@action
async def add_device(call: Call, vehicle_id: UUID, protocol: str, imei: str) -> Device:
    """Pair a device by its IMEI (permission ``fleet.vehicle.pair``; FLT-15, FLT-16).

    ``protocol`` is one of ``PROTOCOLS``. Unless it is Traccar's, commands go to this device from
    now on and the vehicle's capabilities are that protocol's. Repeating it is harmless. Raises
    ``UnknownVehicle``, ``DevicePaired``, ``Invalid``.
    """
    raise AssertionError


@action
async def remove_device(call: Call, vehicle_id: UUID, imei: str) -> None:
    """Take a device off (permission ``fleet.vehicle.pair``): its connection is closed at once.

    The vehicle stays connected in our books, so it falls silent and out of search instead of
    being rented without a lock. Raises ``UnknownDevice``.
    """
    raise AssertionError


@action
async def report_readings(call: Call, readings: list[Measured]) -> Recorded:
    """Keep readings of this operator's vehicles, from a gateway (``fleet.telemetry.write``).

    Up to 5,000, in any order; those of vehicles the operator does not have are counted as
    unknown. A reading is known by (vehicle, boot, sequence), without these by (vehicle, time):
    repeating a batch is harmless.
    """
    raise AssertionError


@action
async def report_devices(call: Call, reports: list[tuple[str, Measured]]) -> Recorded:
    """As ``report_readings``, by IMEI or whatever Traccar calls a device; ids are filled in."""
    raise AssertionError


@action
async def hold_vehicle(
    call: Call, reference: str, holder: UUID, rider_id: UUID, seconds: int
) -> Held:
    """Reserve a vehicle for the rental ``holder``: one conditional UPDATE (FLT-37).

    Repeating it for the same holder answers the hold it has. Raises ``UnknownVehicle``,
    ``HoldLost`` (its hold has run out), ``HoldsAnother``, or ``VehicleTaken`` with
    ``details.alternatives``: up to five nearby vehicles (``id type distance_meters battery``),
    nearest first (RNT-16).
    """
    raise AssertionError


@action
async def extend_hold(call: Call, vehicle_id: UUID, holder: UUID, seconds: int) -> Held:
    """Make a hold last ``seconds`` from now. Raises ``HoldLost``."""
    raise AssertionError


@action
async def release_hold(call: Call, vehicle_id: UUID, holder: UUID, reason: str) -> bool:
    """Give a held vehicle back at once; False when this holder does not hold it (harmless)."""
    raise AssertionError


@action
async def send_command(
    call: Call,
    vehicle_id: UUID,
    operation: str,
    rental_id: UUID | None,
    command_id: UUID,
    args: dict[str, bool | int] | None = None,
) -> Command:
    """Queue a command; the link sends it to the vehicle's device (FLT-21..23). Same id = same
    command. Over MQTT it is signed.

    ``operation`` must be among the vehicle's ``capabilities``. ``args``: ``on`` (lights; true if
    missing), ``kmh`` (speed_limit; 1 to 130).

    An ``unlock`` for a rental needs the vehicle to be held by or in use for it; when the vehicle
    confirms, it goes ``in_use`` and ``VehicleUnlocked`` is told (FLT-25). A vehicle that is not
    connected is in use at once and the command ``verified``. Raises ``HoldLost``, ``NotSupported``,
    ``VehicleUnsafe`` (before a ride only: none is interrupted), ``Invalid`` (args).
    Every change of a command is signalled as ``fleet.command:<uuid>`` on the hub.
    """
    raise AssertionError
