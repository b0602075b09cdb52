"""What others may ask about batteries: thresholds, swap and charge plans (FLT-31, FLT-32)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

BatteryWork = Literal["swap", "charge"]
PlanState = Literal["open", "done", "cancelled", "expired"]
Level = Annotated[int, Meta(ge=0, le=100)]


class BatteryThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """From when on an operator's vehicles of one type are too empty; percent."""

    vehicle_type: str
    lowest_level: int
    """Below it a vehicle is not rented out; 0 switches this off."""
    back_level: int
    """From here on it is again."""
    critical_level: int
    """Below it ``vehicle.battery_critical`` is told, once."""
    is_default: bool = False


class BatteryChange(msgspec.Struct, frozen=True):
    """A battery swapped or charged by staff."""

    id: UUID
    vehicle_id: UUID
    kind: str
    level_before: int | None
    level_after: int
    plan_id: UUID | None
    done_at: datetime


class PlanWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a crew can do, and where from."""

    kind: BatteryWork
    vehicle_types: list[str]
    latitude: float
    longitude: float
    capacity: int
    """Batteries in the van, or free slots at the charger: 1 to 200."""
    most_stops: int = 50
    """1 to 200."""
    below_level: int = 40
    """Only vehicles with less than this, percent."""
    radius_m: int = 10_000
    """From the start, at most 50,000."""
    area: list[tuple[float, float]] = []
    """Corners of a polygon, (latitude, longitude); empty: only the radius counts."""
    is_round_trip: bool = True


class BatteryStop(msgspec.Struct, frozen=True, kw_only=True):
    """One vehicle of a plan; where it stood and how full it was when the plan was made."""

    position: int
    vehicle_id: UUID
    vehicle_type: str
    identifier: str
    latitude: float
    longitude: float
    battery_level: int
    priority: float
    leg_m: int
    """The way to it from the stop before, along streets (estimated)."""
    leg_s: int
    """That way and the work at the vehicle."""
    state: str
    """open, done, skipped"""
    reason: str | None
    closed_at: datetime | None


class BatteryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A crew's tour."""

    id: UUID
    kind: str
    state: str
    vehicle_types: list[str]
    latitude: float
    longitude: float
    capacity: int
    is_round_trip: bool
    distance_m: int
    """Of the whole tour, the way back included."""
    estimated_s: int
    created_by: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    total: int
    """Stops."""
    done: int
    skipped: int
    stops: list[BatteryStop] = []
    """In the order of the tour; empty in lists."""


class BatteryPlanPage(msgspec.Struct, frozen=True):
    """One page of plans, newest first, and how many there are in all."""

    plans: list[BatteryPlan]
    total: int


class UnknownPlan(NotFound):
    """No such plan, or no such stop of it."""

    code = "UNKNOWN_BATTERY_PLAN"
    message = "There is no such plan or stop."


class PlanClosed(Conflict):
    """The plan is done, cancelled or expired; or the stop is done or skipped."""

    code = "BATTERY_PLAN_CLOSED"
    message = "This plan or stop is closed already."


class NothingToDo(Conflict):
    """No vehicle there needs power, or all that do are in open plans."""

    code = "NO_VEHICLES_TO_VISIT"
    message = "No vehicle in this area needs power."


@query
async def battery_thresholds(call: Call) -> list[BatteryThreshold]:
    """The thresholds of each type of vehicle, defaults included (``fleet.maintenance.read``)."""
    raise AssertionError


@action
async def set_battery_threshold(call: Call, wanted: BatteryThreshold) -> BatteryThreshold:
    """Set the thresholds of one type (permission ``fleet.maintenance.write``).

    Vehicles leave the search or come back within seconds; one that is reserved or ridden is not
    interrupted, but goes to maintenance when it is given back. A repeat is harmless. Raises
    ``Invalid`` unless 0 <= critical <= lowest <= back <= 100.
    """
    raise AssertionError


@action
async def record_battery(
    call: Call, vehicle_id: UUID, kind: str, level: int, found_level: int | None = None
) -> BatteryChange:
    """A battery was swapped or charged to ``level`` percent (``fleet.maintenance.write``).

    The level holds until a newer reading; a vehicle that was out for its battery comes back at
    once if that is enough. ``found_level``: what it had before, where the device did not say;
    counts towards its charging cycles. Its open stop in a plan, if any, is done by this. Raises
    ``UnknownVehicle``, ``Invalid``.
    """
    raise AssertionError


@query
async def battery_plan(call: Call, plan_id: UUID) -> BatteryPlan:
    """A plan with its stops (``fleet.maintenance.read``). Raises ``UnknownPlan``."""
    raise AssertionError


@query
async def battery_plans(call: Call, state: str | None, limit: int, offset: int) -> BatteryPlanPage:
    """Plans, newest first, without their stops (``fleet.maintenance.read``)."""
    raise AssertionError


@action
async def make_battery_plan(call: Call, wanted: PlanWanted) -> BatteryPlan:
    """Which vehicles to visit, in which order (permission ``fleet.maintenance.write``; FLT-31).

    Vehicles that nobody holds and that stand in no open plan, at most ``capacity`` and
    ``most_stops``: critical ones first, then by priority of level, demand (rides that began around
    it within seven days) and distance. The tour is nearest neighbour improved by 2-opt. A plan
    expires after 24 hours. With a key a repeat answers the first plan. Raises ``NothingToDo``,
    ``Invalid``.
    """
    raise AssertionError


@action
async def close_battery_stop(
    call: Call,
    plan_id: UUID,
    position: int,
    level: int | None,
    found_level: int | None = None,
    reason: str | None = None,
) -> BatteryPlan:
    """A stop was done, its vehicle now at ``level`` percent; or skipped (None) for a ``reason``.

    Permission ``fleet.maintenance.write``. Done is what ``record_battery`` records. With the last
    open stop the plan is done. A repeat with the same outcome is harmless. Raises ``UnknownPlan``,
    ``PlanClosed``, ``Invalid``.
    """
    raise AssertionError


@action
async def cancel_battery_plan(call: Call, plan_id: UUID) -> BatteryPlan:
    """Give up a plan: its open stops are skipped (permission ``fleet.maintenance.write``).

    A repeat is harmless. Raises ``UnknownPlan``, ``PlanClosed`` (it was done or has expired).
    """
    raise AssertionError
