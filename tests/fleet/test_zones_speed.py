"""Vehicles are told the speed of the slow zone they are in (FLT-29), and only what is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet import jobs
from fahrwerk.fleet.actions.speed_limits import tell_speeds
from fahrwerk.fleet.contract import VehicleChange
from fahrwerk.kernel import db
from tests.fleet.street import answer, connected_vehicle, hold, report, unlock
from tests.fleet.test_zones import LAT, LON, drawn, square

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Command, Vehicle
    from tests.world import World

_TOLD = """
SELECT id, (args ->> 'kmh')::int AS kmh FROM fleet.command
WHERE vehicle_id = $1 AND operation = 'speed_limit' ORDER BY queued_at, id
"""


async def told(world: World, vehicle: Vehicle) -> list[int]:
    """The speeds a vehicle was told, in order."""
    rows = await db.run("fleet", world.system("fleet"), _TOLD, vehicle.id)
    return [row["kmh"] for row in rows]


async def last(world: World, vehicle: Vehicle) -> Command:
    rows = await db.run("fleet", world.system("fleet"), _TOLD, vehicle.id)
    return await fleet.command(world.system(), rows[-1]["id"])


async def ridden(world: World, *more: str, **fields: object) -> Vehicle:
    """A vehicle under way that can be told a speed."""
    vehicle = await connected_vehicle(world, **fields)
    change = VehicleChange(capabilities=["unlock", "lock", *more])
    await fleet.change_vehicle(world.admin(), vehicle.id, change)
    await answer(world, await unlock(world, await hold(world, vehicle)))
    return vehicle


async def at(vehicle: Vehicle, lat: float, accuracy_m: float = 5.0) -> None:
    await report(vehicle.id, latitude=lat, longitude=LON, accuracy_m=accuracy_m)


async def test_in_and_out_of_a_slow_zone(world: World) -> None:
    """Told once on entering, kept at the border, told its own speed after it."""
    await drawn(world, "slow", square(0.001), speed_limit_kmh=8)
    vehicle = await ridden(world, "speed_limit", metadata={"max_speed": 22})
    await at(vehicle, LAT)
    await jobs.keep_to_speed_zones()
    assert await told(world, vehicle) == [8]
    await answer(world, await last(world, vehicle))
    await at(vehicle, LAT + 0.0005)
    await jobs.keep_to_speed_zones()
    await at(vehicle, LAT + 0.0011, accuracy_m=30)  # 11 m beyond the border, give or take 30
    await jobs.keep_to_speed_zones()
    assert await told(world, vehicle) == [8]
    await at(vehicle, LAT + 0.002)
    await jobs.keep_to_speed_zones()
    assert await told(world, vehicle) == [8, 22]
    await answer(world, await last(world, vehicle))
    await jobs.keep_to_speed_zones()
    await at(vehicle, LAT)
    await jobs.keep_to_speed_zones()
    assert await told(world, vehicle) == [8, 22, 8]


async def test_of_two_zones_the_higher_then_the_slower_holds(world: World) -> None:
    """Overlapping slow zones: by priority; of equal priority the slower one."""
    await drawn(world, "slow", speed_limit_kmh=12)
    await drawn(world, "slow", speed_limit_kmh=6)
    vehicle = await ridden(world, "speed_limit")
    await at(vehicle, LAT)
    await tell_speeds(world.system("fleet"))
    assert await told(world, vehicle) == [6]
    await drawn(world, "slow", speed_limit_kmh=15, priority=1)
    await tell_speeds(world.system("fleet"))
    assert await told(world, vehicle) == [6, 15]


async def test_what_came_to_nothing_is_told_again(world: World) -> None:
    """A vehicle that failed to slow down is told again, ten seconds later."""
    await drawn(world, "slow", speed_limit_kmh=8)
    vehicle = await ridden(world, "speed_limit")
    await at(vehicle, LAT)
    await tell_speeds(world.system("fleet"))
    await answer(world, await last(world, vehicle), "failed", reason="busy")
    await at(vehicle, LAT)
    await tell_speeds(world.system("fleet"))
    assert await told(world, vehicle) == [8]
    await db.run(
        "fleet", world.system("fleet"),
        "UPDATE fleet.zone_limit SET told_at = told_at - interval '11 seconds'",
    )  # fmt: skip
    await at(vehicle, LAT)
    await tell_speeds(world.system("fleet"))
    assert await told(world, vehicle) == [8, 8]


@pytest.mark.parametrize("case", ["cannot", "other type", "stands"])
async def test_nobody_else_is_told(world: World, case: str) -> None:
    """Not vehicles that cannot, nor other types, nor those that nobody rides."""
    types = ["car"] if case == "other type" else []
    await drawn(world, "slow", speed_limit_kmh=8, vehicle_types=types)
    if case == "stands":
        vehicle = await connected_vehicle(world)
        change = VehicleChange(capabilities=["unlock", "lock", "speed_limit"])
        await fleet.change_vehicle(world.admin(), vehicle.id, change)
    else:
        vehicle = await ridden(world, *(() if case == "cannot" else ("speed_limit",)))
    await at(vehicle, LAT)
    await jobs.keep_to_speed_zones()
    assert await told(world, vehicle) == []
