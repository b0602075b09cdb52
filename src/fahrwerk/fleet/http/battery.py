"""Batteries: thresholds, swap and charge plans, and what a crew did (docs/maintenance.md)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import battery as power
from fahrwerk.fleet.contract.battery import BatteryWork, Level, PlanState
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import Invalid

VehicleType = Literal["scooter", "ebike", "car", "van"]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Upto200 = Annotated[int, Meta(ge=1, le=200)]

# --- thresholds


class ThresholdBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Percent; critical <= lowest <= back."""

    lowest_level: Level
    """Below it a vehicle is not rented out; 0 switches this off."""
    back_level: Level
    """From here on it is again."""
    critical_level: Level
    """Below it staff are told."""


class ThresholdView(msgspec.Struct, frozen=True):
    """The thresholds of one type; ``is_default``: nobody has set any."""

    vehicle_type: str
    lowest_level: int
    back_level: int
    critical_level: int
    is_default: bool


class ThresholdList(msgspec.Struct, frozen=True):
    """The thresholds of all types."""

    thresholds: list[ThresholdView]


def _threshold(each: power.BatteryThreshold) -> ThresholdView:
    return ThresholdView(
        each.vehicle_type, each.lowest_level, each.back_level, each.critical_level, each.is_default
    )


@get("/api/v1/battery/thresholds", permission="fleet.maintenance.read", scoped=True, tags=["fleet"])
async def battery_thresholds(call: web.Caller) -> ThresholdList:
    """From when on vehicles are too empty to be rented, per type."""
    return ThresholdList([_threshold(each) for each in await power.battery_thresholds(call)])


@put(
    "/api/v1/battery/thresholds/{vehicle_type:str}",
    permission="fleet.maintenance.write",
    tags=["fleet"],
)
async def set_battery_threshold(
    call: web.Caller, vehicle_type: FromPath[VehicleType], data: JSONBody[ThresholdBody]
) -> ThresholdView:
    """Set the thresholds of a type; vehicles follow within seconds, none is stopped on a ride."""
    wanted = power.BatteryThreshold(
        vehicle_type=vehicle_type, lowest_level=data.lowest_level, back_level=data.back_level,
        critical_level=data.critical_level,
    )  # fmt: skip
    return _threshold(await power.set_battery_threshold(call, wanted))


# --- one battery


class BatteryBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A battery was swapped or charged."""

    kind: BatteryWork
    level: Level = 100
    """What it has now."""
    found_level: Level | None = None
    """What it had, where the vehicle's device did not say."""


class BatteryAnswer(msgspec.Struct, frozen=True):
    """A battery swapped or charged."""

    id: str
    vehicle_id: str
    kind: str
    level_before: int | None
    level: int
    done_at: str


@post(
    "/api/v1/vehicles/{vehicle_id:str}/battery",
    permission="fleet.maintenance.write",
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def record_battery(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[BatteryBody]
) -> BatteryAnswer:
    """Record a swap or a charge; a vehicle that was out for its battery is back at once."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    done = await power.record_battery(call, vehicle.id, data.kind, data.level, data.found_level)
    return BatteryAnswer(
        ids.public("batt", done.id), ids.public(PREFIX[vehicle.vehicle_type], done.vehicle_id),
        done.kind, done.level_before, done.level_after, clock.stamp(done.done_at),
    )  # fmt: skip


# --- plans


class Point(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """WGS 84."""

    latitude: Latitude
    longitude: Longitude


Degrees = Annotated[float, Meta(ge=-180, le=180)]
Position = Annotated[list[Degrees], Meta(min_length=2, max_length=2)]
Corners = Annotated[list[Position], Meta(min_length=3, max_length=200)]


class Ring(msgspec.Struct, forbid_unknown_fields=True):
    """A GeoJSON polygon without holes: positions are (longitude, latitude)."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Corners], Meta(min_length=1, max_length=1)]


class PlanBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a crew can do, and where from."""

    kind: BatteryWork = "swap"
    vehicle_types: Annotated[list[VehicleType], Meta(min_length=1, max_length=4)]
    start: Point
    capacity: Upto200
    """Batteries in the van, or free slots at the charger."""
    max_stops: Upto200 = 50
    below_level: Annotated[int, Meta(ge=1, le=101)] = 40
    """Only vehicles with less, percent."""
    radius_m: Annotated[int, Meta(ge=1, le=50_000)] = 10_000
    area: Ring | None = None
    is_round_trip: bool = True


class StopView(msgspec.Struct, frozen=True):
    """A vehicle to visit."""

    position: int
    vehicle_id: str
    identifier: str
    location: Point
    battery_level: int
    priority: float
    distance_m: int
    """Of the way from the stop before, along streets (estimated)."""
    estimated_s: int
    """Way and work."""
    state: str
    reason: str | None
    closed_at: str | None


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """A crew's tour and how far it has come."""

    id: str
    kind: str
    state: str
    vehicle_types: list[str]
    start: Point
    capacity: int
    is_round_trip: bool
    distance_m: int
    estimated_s: int
    total: int
    done: int
    skipped: int
    created_by: str
    created_at: str
    expires_at: str
    closed_at: str | None


class PlanDetail(PlanView, frozen=True, kw_only=True):
    """A tour with its stops in their order."""

    stops: list[StopView]


class PlanList(msgspec.Struct, frozen=True):
    """A page of plans, newest first."""

    plans: list[PlanView]
    pagination: web.Pagination


def _plan(plan: power.BatteryPlan) -> PlanView:
    return PlanView(
        id=ids.public("bplan", plan.id),
        kind=plan.kind,
        state=plan.state,
        vehicle_types=plan.vehicle_types,
        start=Point(plan.latitude, plan.longitude),
        capacity=plan.capacity,
        is_round_trip=plan.is_round_trip,
        distance_m=plan.distance_m,
        estimated_s=plan.estimated_s,
        total=plan.total,
        done=plan.done,
        skipped=plan.skipped,
        created_by=plan.created_by,
        created_at=clock.stamp(plan.created_at),
        expires_at=clock.stamp(plan.expires_at),
        closed_at=clock.stamp(plan.closed_at) if plan.closed_at else None,
    )


def _detail(plan: power.BatteryPlan) -> PlanDetail:
    stops = [
        StopView(
            stop.position, ids.public(PREFIX[stop.vehicle_type], stop.vehicle_id), stop.identifier,
            Point(stop.latitude, stop.longitude), stop.battery_level, stop.priority, stop.leg_m,
            stop.leg_s, stop.state, stop.reason,
            clock.stamp(stop.closed_at) if stop.closed_at else None,
        )
        for stop in plan.stops
    ]  # fmt: skip
    return PlanDetail(**msgspec.structs.asdict(_plan(plan)), stops=stops)


@post(
    "/api/v1/battery/plans",
    permission="fleet.maintenance.write",
    status_code=201,
    tags=["fleet"],
)
async def make_battery_plan(call: web.Caller, data: JSONBody[PlanBody]) -> PlanDetail:
    """Which vehicles to swap or charge, in which order, on which way (FLT-31).

    409 ``NO_VEHICLES_TO_VISIT`` when none needs power.
    """
    area = [(lat, lon) for lon, lat in data.area.coordinates[0]] if data.area else []
    wanted = power.PlanWanted(
        kind=data.kind, vehicle_types=list(dict.fromkeys(data.vehicle_types)),
        latitude=data.start.latitude, longitude=data.start.longitude, capacity=data.capacity,
        most_stops=data.max_stops, below_level=data.below_level, radius_m=data.radius_m,
        area=area, is_round_trip=data.is_round_trip,
    )  # fmt: skip
    return _detail(await power.make_battery_plan(call, wanted))


@get("/api/v1/battery/plans", permission="fleet.maintenance.read", tags=["fleet"])
async def battery_plans(
    call: web.Caller,
    wanted_state: Annotated[PlanState | None, QueryParameter(name="state")] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> PlanList:
    """Plans and their progress, newest first."""
    page = await power.battery_plans(call, wanted_state, limit, offset)
    shown = [_plan(each) for each in page.plans]
    return PlanList(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/battery/plans/{plan_id:str}", permission="fleet.maintenance.read", tags=["fleet"])
async def battery_plan(call: web.Caller, plan_id: FromPath[str]) -> PlanDetail:
    """A plan with its stops."""
    return _detail(await power.battery_plan(call, ids.parse(plan_id, "bplan")))


@post(
    "/api/v1/battery/plans/{plan_id:str}/cancel",
    permission="fleet.maintenance.write",
    status_code=200,
    tags=["fleet"],
)
async def cancel_battery_plan(call: web.Caller, plan_id: FromPath[str]) -> PlanDetail:
    """Give up a plan: its open stops are skipped."""
    return _detail(await power.cancel_battery_plan(call, ids.parse(plan_id, "bplan")))


class StopBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What became of a stop."""

    state: Literal["done", "skipped"]
    level: Level | None = None
    """What the battery has now; 100 unless given. For ``done`` only."""
    found_level: Level | None = None
    """What it had, where the vehicle's device did not say."""
    reason: Annotated[str, Meta(max_length=200)] | None = None
    """Why it was skipped."""


@post(
    "/api/v1/battery/plans/{plan_id:str}/stops/{position:str}",
    permission="fleet.maintenance.write",
    status_code=200,
    tags=["fleet"],
)
async def close_battery_stop(
    call: web.Caller, plan_id: FromPath[str], position: FromPath[str], data: JSONBody[StopBody]
) -> PlanDetail:
    """A stop was done, and its vehicle has a full battery; or it was skipped."""
    level = data.level
    if data.state == "skipped" and (level, data.found_level) != (None, None):
        raise Invalid(field="level", issue="does not belong to a stop that was skipped")
    if data.state == "done":
        level = 100 if level is None else level
    wanted = ids.parse(plan_id, "bplan")
    if not re.fullmatch(r"[0-9]{1,3}", position):
        raise power.UnknownPlan
    closed = await power.close_battery_stop(
        call, wanted, int(position), level, data.found_level, data.reason
    )
    return _detail(closed)


handlers = [
    battery_thresholds,
    set_battery_threshold,
    record_battery,
    make_battery_plan,
    battery_plans,
    battery_plan,
    cancel_battery_plan,
    close_battery_stop,
]
