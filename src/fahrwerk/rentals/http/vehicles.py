"""Vehicles as riders and operators look at them, with their prices (FLT-07..09, FLT-11).

These endpoints stand in rentals because they ask both fleet and pricing, and neither of the two may
ask the other. ``/scooters`` is a view of ``/vehicles`` on one type (C-01).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX, Place, Usage, Vehicle, VehiclePage, groups, maintenance
from fahrwerk.fleet.contract.maintenance import ServiceStanding
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing import contract as pricing
from fahrwerk.pricing.contract import Terms

Status = Literal["available", "reserved", "in_use", "maintenance", "offline", "retired"]
VehicleType = Literal["scooter", "ebike", "car", "van"]
GroupReference = Annotated[
    str | None,
    QueryParameter(
        name="group", min_length=1, max_length=60, description="A group's id or name; null = any"
    ),
]
Latitude = Annotated[float | None, QueryParameter(ge=-90, le=90, description="WGS 84")]
Longitude = Annotated[float | None, QueryParameter(ge=-180, le=180, description="WGS 84")]
Radius = Annotated[int, QueryParameter(ge=1, le=50_000, description="Metres around lat, lon")]

SILENT_TEXT = {
    "en": "This vehicle hasn't reported its status recently.",
    "de": "Dieses Fahrzeug hat seinen Zustand länger nicht gemeldet.",
}
"""FLT-20."""


class LocationView(msgspec.Struct, frozen=True):
    """Where a vehicle stands; ``accuracy`` in metres."""

    latitude: float
    longitude: float
    address: str | None
    accuracy: float | None


class BatteryView(msgspec.Struct, frozen=True):
    """Percent, volts, degrees Celsius, kilometres, full charges so far (FLT-32)."""

    level: int | None
    voltage: float | None
    temperature: float | None
    estimated_range: float | None
    charging_cycles: int | None


class TelemetryView(msgspec.Struct, frozen=True):
    """What the device says of itself; ``last_seen`` and ``last_heartbeat`` are one time (C-83)."""

    last_seen: str | None
    last_heartbeat: str | None
    signal_strength: int | None
    firmware_version: str | None
    hardware_version: str | None


class PricingView(msgspec.Struct, frozen=True):
    """The tariff, in the currency's major unit."""

    base_fee: float
    price_per_minute: float
    currency: str


class VehicleView(msgspec.Struct, frozen=True, kw_only=True):
    """One vehicle of a list (FLT-08)."""

    id: str
    vehicle_type: str
    identifier: str
    model: str
    brand: str
    category: str
    license_plate: str | None
    status: str
    location: LocationView | None
    """None: it has never said where it is, or somebody else is riding it."""
    battery: BatteryView
    telemetry: TelemetryView
    pricing: PricingView | None
    warning: str | None
    """Set when the vehicle has not reported recently (FLT-20)."""


class MaintenanceView(msgspec.Struct, frozen=True):
    """When it was serviced and when it is due: by days, kilometres or rides (FLT-34)."""

    last_service: str | None
    next_service_due: str
    service_interval_days: int


class UsageView(msgspec.Struct, frozen=True):
    """Usage so far (FLT-41); kilometres. What a vehicle earned is shown to staff only."""

    total_trips: int
    total_distance: float
    total_revenue: float | None
    utilization_rate: float


class VehicleDetail(VehicleView, frozen=True, kw_only=True):
    """One vehicle in full (FLT-11)."""

    maintenance: MaintenanceView
    usage: UsageView


class ScooterList(msgspec.Struct, frozen=True):
    """A page of scooters."""

    scooters: list[VehicleView]
    pagination: web.Pagination


class VehicleList(msgspec.Struct, frozen=True):
    """A page of vehicles."""

    vehicles: list[VehicleView]
    pagination: web.Pagination


@get("/api/v1/scooters", permission="fleet.vehicle.read", scoped=True, tags=["fleet"])
async def scooters(
    call: web.Caller,
    status: FromQuery[Status | None] = None,
    lat: Latitude = None,
    lon: Longitude = None,
    radius: Radius = 1_000,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> ScooterList:
    """Scooters, around a point or all (FLT-07). Riders do not see those that others hold."""
    shown, page = await _listed(call, "scooter", status, _near(lat, lon), radius, limit, offset)
    return ScooterList(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/vehicles", permission="fleet.vehicle.read", scoped=True, tags=["fleet"])
async def vehicles(
    call: web.Caller,
    vehicle_type: Annotated[VehicleType | None, QueryParameter(name="type")] = None,
    status: FromQuery[Status | None] = None,
    lat: Latitude = None,
    lon: Longitude = None,
    radius: Radius = 1_000,
    group: GroupReference = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> VehicleList:
    """Vehicles of any type, around a point or all (FLT-07, C-01). Groups are for staff."""
    group_id = None
    if group is not None:
        call.require("fleet.live.read")
        group_id = await groups.group_called(call, group)
    near = _near(lat, lon)
    shown, page = await _listed(call, vehicle_type, status, near, radius, limit, offset, group_id)
    return VehicleList(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    ["/api/v1/scooters/{vehicle_id:str}", "/api/v1/vehicles/{vehicle_id:str}"],
    permission="fleet.vehicle.read",
    scoped=True,
    tags=["fleet"],
)
async def vehicle(call: web.Caller, vehicle_id: FromPath[str]) -> VehicleDetail:
    """One vehicle in full (FLT-11), by id, identifier, QR code or external number (C-04)."""
    found = await fleet.find_vehicle(call, vehicle_id)
    used, serviced, tariffs = await asyncio.gather(
        fleet.usage(call, found.id),
        maintenance.service_standing(call, found.id),
        pricing.tariffs(call),
    )
    listed = msgspec.structs.asdict(_view(call, found, tariffs))
    return VehicleDetail(**listed, maintenance=_maintenance(serviced), usage=_usage(call, used))


def _near(lat: float | None, lon: float | None) -> Place | None:
    if lat is None and lon is None:
        return None
    if lat is None or lon is None:
        raise Invalid(field="lat" if lat is None else "lon", issue="comes together with the other")
    return Place(lat, lon)


async def _listed(
    call: Call,
    vehicle_type: str | None,
    status: str | None,
    near: Place | None,
    radius_m: int,
    limit: int,
    offset: int,
    group_id: UUID | None = None,
) -> tuple[list[VehicleView], VehiclePage]:
    page, tariffs = await asyncio.gather(
        fleet.vehicles(call, vehicle_type, status, near, radius_m, limit, offset, group_id),
        pricing.tariffs(call),
    )
    return [_view(call, each, tariffs) for each in page.vehicles], page


def _view(call: Call, vehicle: Vehicle, tariffs: dict[str, Terms]) -> VehicleView:
    location = None
    if vehicle.latitude is not None and vehicle.longitude is not None:
        location = LocationView(
            vehicle.latitude, vehicle.longitude, vehicle.address, vehicle.accuracy_m
        )
    seen = _stamp(vehicle.last_seen_at)
    return VehicleView(
        id=ids.public(PREFIX[vehicle.vehicle_type], vehicle.id),
        vehicle_type=vehicle.vehicle_type,
        identifier=vehicle.identifier,
        model=vehicle.model,
        brand=vehicle.brand,
        category=vehicle.category,
        license_plate=vehicle.license_plate,
        status=vehicle.status,
        location=location,
        battery=BatteryView(
            vehicle.battery_level, vehicle.voltage, vehicle.temperature, vehicle.range_km,
            vehicle.charging_cycles,
        ),
        telemetry=TelemetryView(
            seen, seen, vehicle.signal_strength, vehicle.firmware_version,
            vehicle.hardware_version,
        ),
        pricing=_pricing(tariffs.get(vehicle.vehicle_type)),
        warning=SILENT_TEXT.get(call.locale[:2], SILENT_TEXT["en"]) if vehicle.is_stale else None,
    )  # fmt: skip


def _pricing(terms: Terms | None) -> PricingView | None:
    if terms is None:
        return None
    return PricingView(
        money.to_major(terms.base_fee_minor, terms.currency),
        money.price_to_major(terms.price_per_minute_e4),
        terms.currency,
    )


def _maintenance(serviced: ServiceStanding) -> MaintenanceView:
    return MaintenanceView(
        _stamp(serviced.last_service_at), clock.stamp(serviced.next_service_at),
        serviced.interval_days,
    )  # fmt: skip


def _usage(call: Call, used: Usage) -> UsageView:
    revenue = money.to_major(used.revenue_minor, call.currency) if call.is_staff else None
    return UsageView(used.trips, used.distance_m / 1_000, revenue, used.utilization_rate)


def _stamp(at: datetime | None) -> str | None:
    return clock.stamp(at) if at is not None else None


handlers = [scooters, vehicles, vehicle]
