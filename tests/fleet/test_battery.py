"""Batteries in the database: range, thresholds, plans (FLT-31, FLT-32)."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet import jobs
from fahrwerk.fleet.actions.battery import learn_ranges
from fahrwerk.fleet.actions.plans import expire_battery_plans
from fahrwerk.fleet.contract import battery as power
from fahrwerk.fleet.contract.battery import (
    BatteryPlan,
    BatteryThreshold,
    NothingToDo,
    PlanClosed,
    PlanWanted,
    UnknownPlan,
)
from fahrwerk.fleet.rules import battery
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import BERLIN, connected_vehicle, hold, last_news, news, report, row, unlock
from tests.fleet.workshop import cancel_ride, end_ride, told
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def status_of(world: World, vehicle_id: UUID) -> str:
    return (await fleet.vehicle(world.system(), vehicle_id)).status


async def limits(world: World, lowest: int = 20, back: int = 35, critical: int = 10) -> None:
    await power.set_battery_threshold(
        world.admin(),
        BatteryThreshold(
            vehicle_type="scooter", lowest_level=lowest, back_level=back, critical_level=critical
        ),
    )


# --- range


async def test_range_follows_the_vehicles_own_rides(world: World) -> None:
    """FLT-31, FLT-32: 2 km took 10 points, again and again, so 30 km of its maker become 20."""
    vehicle = await connected_vehicle(world)
    level, began = 100, clock.now()
    for n in range(12):
        with clock.moved_to(began + timedelta(minutes=20 * n)):
            await report(vehicle.id, seconds_ago=650, battery_level=level)
            level -= 10
            await report(vehicle.id, battery_level=level)
            await end_ride(world, vehicle.id, distance_m=2_000)
            level = 100 if level <= 20 else level
    before = await fleet.vehicle(world.system(), vehicle.id)
    assert before.range_km == 30 * before.battery_level // 100, "nothing learned yet"  # type: ignore[operator]
    await learn_ranges(world.system("fleet"), 100)
    [found] = await fleet.nearby_vehicles(world.system(), *BERLIN, None, 500)
    kept = await row(world, vehicle.id)
    assert 0.65 < kept["reach"] < 0.85
    assert found.range_km == int(30 * kept["reach"] * found.battery_level / 100)
    assert (await fleet.vehicle(world.system(), vehicle.id)).range_km == found.range_km
    [public] = await fleet.public_vehicles(world.system())
    assert public.range_m is not None
    assert public.range_m // 1_000 == found.range_km


async def test_range_follows_the_model_and_the_cold(world: World) -> None:
    """FLT-31: a vehicle without rides takes what its model is known for; cold costs range."""
    known = await world.vehicle(model="Thirsty", battery_level=100)
    fresh = await world.vehicle(model="Thirsty", battery_level=100)
    other = await world.vehicle(model="Other", battery_level=100)
    cold = await connected_vehicle(world, model="Other")
    await report(cold.id, battery_level=100, temperature=0.0)
    await db.run(
        "fleet", world.system(),
        "UPDATE fleet.vehicle SET history_m = 300000, history_pct = 2000 WHERE id = $1", known.id,
    )  # fmt: skip
    await learn_ranges(world.system("fleet"), 100)
    ranges = {
        vehicle.id: (await fleet.vehicle(world.system(), vehicle.id)).range_km
        for vehicle in (known, fresh, other, cold)
    }
    assert ranges == {known.id: 15, fresh.id: 15, other.id: 30, cold.id: 24}


async def test_the_job_says_what_the_rule_says(world: World) -> None:
    """FLT-31: the one statement for all vehicles and the pure rule are the same sum."""
    chance = random.Random(31)
    made: dict[UUID, tuple[float, float, float | None]] = {}
    for _ in range(12):
        vehicle = await world.vehicle(model=chance.choice("AB"), battery_level=50)
        warm = chance.choice([None, chance.uniform(-30, 50)])
        made[vehicle.id] = (chance.uniform(0, 1e6), chance.uniform(0, 2_000), warm)
        await db.run(
            "fleet", world.system(), "UPDATE fleet.vehicle SET history_m = $2, history_pct = $3, "
            "temperature = $4 WHERE id = $1", vehicle.id, *made[vehicle.id],
        )  # fmt: skip
    while await learn_ranges(world.system("fleet"), 5):
        pass
    rows = [await row(world, vehicle_id) for vehicle_id in made]
    for kept in rows:
        kin = [r for r in rows if r["model"] == kept["model"]]
        model = battery.learned(
            sum(r["history_m"] for r in kin), sum(r["history_pct"] for r in kin), 30_000, 1.0,
            battery.MODEL_PRIOR_PCT,
        )  # fmt: skip
        history_m, history_pct, warm = made[kept["id"]]
        expected = battery.learned(history_m, history_pct, 30_000, model, battery.PRIOR_PCT)
        assert kept["reach"] == pytest.approx(expected * battery.warmth(warm), abs=0.0051)


async def test_a_ride_with_a_charge_in_it_teaches_nothing(world: World) -> None:
    """FLT-31: nor does one nobody measured."""
    vehicle = await connected_vehicle(world)
    await report(vehicle.id, seconds_ago=700, battery_level=40)
    await report(vehicle.id, seconds_ago=5, battery_level=100)
    await end_ride(world, vehicle.id)
    mute = await world.vehicle(battery_level=50)
    await end_ride(world, mute.id)
    for each in (vehicle, mute):
        assert (await row(world, each.id))["history_m"] == 0
    rides = await db.run("fleet", world.system(), "SELECT used_pct, start_cell FROM fleet.ride")
    assert [r["used_pct"] for r in rides] == [None, None]
    assert all(r["start_cell"] for r in rides), "where a ride began is known either way"


# --- thresholds


async def test_too_empty_is_out_and_comes_back_with_hysteresis(world: World) -> None:
    """FLT-31: out below 20, back from 35 on; search and holds see nothing else."""
    await limits(world)
    vehicle = await connected_vehicle(world, battery_level=20)

    async def after(level: int) -> str:
        await report(vehicle.id, battery_level=level)
        await world.settle()
        return await status_of(world, vehicle.id)

    assert [await after(level) for level in (21, 20, 19, 20, 34, 35, 20, 19)] == [
        "available", "available", "maintenance", "maintenance", "maintenance", "available",
        "available", "maintenance",
    ]  # fmt: skip
    assert await last_news(world, vehicle.id) == {
        "vehicle_id": str(vehicle.id), "status": "maintenance", "reason": "battery",
    }  # fmt: skip
    assert not await fleet.nearby_vehicles(world.system(), *BERLIN, None, 1_000)
    with pytest.raises(fleet.VehicleTaken):
        await hold(world, vehicle)
    await news(world, vehicle.id)
    assert (await fleet.vehicle(world.system(), vehicle.id)).out_for == ["battery"]


async def test_a_ride_is_not_interrupted(world: World) -> None:
    """FLT-31: nor a reservation; when it is given back the vehicle is out, without a gap."""
    await limits(world)
    ridden, booked = await world.vehicle(battery_level=50), await world.vehicle(battery_level=50)
    riding, waiting = await hold(world, ridden), await hold(world, booked)
    await unlock(world, riding)
    await db.run("fleet", world.system(), "UPDATE fleet.vehicle SET battery_level = 5")
    await world.settle()
    assert await status_of(world, ridden.id) == "in_use"
    assert await status_of(world, booked.id) == "reserved"
    await end_ride(world, ridden.id, riding.holder)
    await cancel_ride(world, booked.id, waiting.holder, ids.new())
    for vehicle in (ridden, booked):
        assert await status_of(world, vehicle.id) == "maintenance"
        assert "available" not in [
            data.get("status") for _, data in await told(world, f"vehicle:{vehicle.id}")
        ]
        await news(world, vehicle.id)


async def test_staffs_word_and_the_battery(world: World) -> None:
    """FLT-31: what staff took out stays out when it is full; back by staff means looked at anew."""
    await limits(world)
    vehicle = await world.vehicle(battery_level=10)
    await world.settle()
    staff = world.admin()
    await fleet.change_vehicle(staff, vehicle.id, fleet.VehicleChange(status="maintenance"))
    await power.record_battery(staff, vehicle.id, "swap", 100)
    assert await status_of(world, vehicle.id) == "maintenance"
    assert (await fleet.vehicle(staff, vehicle.id)).out_for == ["staff"]
    await fleet.change_vehicle(staff, vehicle.id, fleet.VehicleChange(status="available"))
    await world.settle()
    assert await status_of(world, vehicle.id) == "available"


async def test_critical_is_told_once(world: World) -> None:
    """FLT-31: until it has been charged."""
    await limits(world)
    vehicle = await connected_vehicle(world, battery_level=50)
    for level in (9, 11, 8, 50, 7):
        await report(vehicle.id, battery_level=level)
        await world.settle()
    names = await news(world, vehicle.id)
    assert names.count("vehicle.battery_critical") == 2


async def test_thresholds_are_per_type_and_operator(world: World) -> None:
    """FLT-31, I7: defaults hold where nothing is set; nobody else's are touched."""
    await limits(world, 30, 40, 5)
    other = await make_world()
    mine, car = await world.vehicle(battery_level=25), await world.vehicle("car", battery_level=25)
    theirs = await other.vehicle(battery_level=25)
    await jobs.look_after_batteries()
    assert await status_of(world, mine.id) == "maintenance"
    assert await status_of(world, car.id) == await status_of(other, theirs.id) == "available"
    shown = {each.vehicle_type: each for each in await power.battery_thresholds(world.admin())}
    assert (shown["scooter"].lowest_level, shown["scooter"].is_default) == (30, False)
    assert (shown["van"].lowest_level, shown["van"].is_default) == (battery.LOWEST, True)
    await limits(world, 0, 0, 0)
    await jobs.look_after_batteries()
    assert await status_of(world, mine.id) == "available", "0 switches it off"
    with pytest.raises(Invalid):
        await limits(world, 30, 20)
    with pytest.raises(Forbidden):
        await power.battery_thresholds(world.call("customer"))


async def test_a_swap_counts_and_late_readings_do_not_undo_it(world: World) -> None:
    """FLT-31, FLT-32: level and cycles; a buffered reading from before is not the news."""
    await limits(world)
    vehicle = await connected_vehicle(world, battery_level=60)
    await report(vehicle.id, seconds_ago=30, battery_level=12)
    await world.settle()
    key = world.call("admin", key="swap-1")
    done = await power.record_battery(key, vehicle.id, "swap", 98, found_level=8)
    assert (done.level_before, done.level_after) == (8, 98)
    assert await power.record_battery(key, vehicle.id, "swap", 98, found_level=8) == done
    assert await status_of(world, vehicle.id) == "available"
    await report(vehicle.id, seconds_ago=20, battery_level=12)
    kept = await row(world, vehicle.id)
    assert kept["battery_level"] == 98
    assert kept["discharged_pct"] == 60 - 12 + 4
    assert (await news(world, vehicle.id)).count("vehicle.battery_changed") == 1


async def test_the_jobs_of_the_night(world: World) -> None:
    """FLT-31: ranges of all operators are kept; rides are forgotten with telemetry, not before."""
    vehicle = await world.vehicle(battery_level=100)
    await end_ride(world, vehicle.id)
    await db.run(
        "fleet", world.system(),
        "UPDATE fleet.vehicle SET history_m = 300000, history_pct = 2000 WHERE id = $1", vehicle.id,
    )  # fmt: skip
    await jobs.keep_ranges()
    assert (await fleet.vehicle(world.system(), vehicle.id)).range_km == 15
    await jobs.forget_rides()
    count = "SELECT count(*) AS rides FROM fleet.ride"
    assert (await db.run("fleet", world.system(), count))[0]["rides"] == 1
    with clock.moved_to(clock.now() + timedelta(days=91)):
        await jobs.forget_rides()
    assert (await db.run("fleet", world.system(), count))[0]["rides"] == 0


# --- plans


def wanted(**fields: Any) -> PlanWanted:
    values: dict[str, Any] = {
        "kind": "swap", "vehicle_types": ["scooter"], "latitude": BERLIN[0],
        "longitude": BERLIN[1], "capacity": 10,
    }  # fmt: skip
    return PlanWanted(**(values | fields))


async def fleet_of(world: World, *levels: int) -> list[UUID]:
    """Vehicles in a row to the north, 150 metres apart."""
    return [
        (await world.vehicle(latitude=BERLIN[0] + (n + 1) * 0.00135, battery_level=level)).id
        for n, level in enumerate(levels)
    ]


async def test_a_plan_has_the_vehicles_that_need_it_on_a_short_way(world: World) -> None:
    """FLT-31: capacity, levels, types, radius, area; in the order of the tour."""
    vehicles = await fleet_of(world, 90, 15, 35, 3, 39, 12)
    await world.vehicle("car", battery_level=1)
    await world.vehicle(latitude=BERLIN[0] + 1, battery_level=1)
    held = await world.vehicle(battery_level=1)
    await hold(world, held)
    plan = await power.make_battery_plan(world.admin(), wanted(capacity=4))
    assert [stop.vehicle_id for stop in plan.stops] == [vehicles[n] for n in (1, 2, 3, 5)]
    assert [stop.position for stop in plan.stops] == [1, 2, 3, 4]
    assert plan.stops[0].leg_m == pytest.approx(300 * battery.DETOUR, rel=0.01)
    way_m = sum(stop.leg_m for stop in plan.stops)
    assert plan.distance_m == pytest.approx(2 * way_m, abs=5), "there and back on one line"
    assert plan.estimated_s > 4 * battery.AT_STOP_S["swap"]
    assert (plan.state, plan.total, plan.done) == ("open", 4, 0)
    [(name, data)] = await told(world, f"battery_plan:{plan.id}")
    assert (name, data["stops"]) == ("battery.plan_made", 4)
    second = await power.make_battery_plan(world.admin(), wanted())
    assert [stop.vehicle_id for stop in second.stops] == [vehicles[4]], "the rest: in one plan only"
    with pytest.raises(NothingToDo):
        await power.make_battery_plan(world.admin(), wanted())


async def test_a_plan_stays_within_its_area(world: World) -> None:
    """FLT-31"""
    vehicles = await fleet_of(world, 10, 10, 10, 10)
    top = BERLIN[0] + 2.5 * 0.00135
    area = [(52.0, 13.0), (top, 13.0), (top, 14.0), (52.0, 14.0)]
    plan = await power.make_battery_plan(world.admin(), wanted(area=area, is_round_trip=False))
    assert [stop.vehicle_id for stop in plan.stops] == vehicles[:2]
    assert plan.distance_m == sum(stop.leg_m for stop in plan.stops)
    plan = await power.make_battery_plan(world.admin(), wanted(radius_m=500))
    assert [stop.vehicle_id for stop in plan.stops] == vehicles[2:3]


async def test_where_rides_begin_comes_first(world: World) -> None:
    """FLT-31: of two vehicles alike the one in the busy quarter is visited."""
    quiet = await world.vehicle(latitude=BERLIN[0] + 0.02, battery_level=20)
    busy = await world.vehicle(latitude=BERLIN[0] - 0.02, battery_level=20)
    for _ in range(5):
        await end_ride(world, busy.id)
    plan = await power.make_battery_plan(world.admin(), wanted(capacity=1))
    assert [stop.vehicle_id for stop in plan.stops] == [busy.id]
    assert plan.stops[0].priority > battery.priority(
        battery.Candidate(quiet.id, *BERLIN, 20, 0, 2_224, False)
    )


async def test_a_plan_is_worked_off(world: World) -> None:
    """FLT-31: done vehicles are full and back, skipped ones are not; then the plan is done."""
    await limits(world)
    first, second, third = await fleet_of(world, 15, 12, 18)
    await world.settle()
    assert await status_of(world, first) == "maintenance"
    staff = world.admin()
    plan = await power.make_battery_plan(staff, wanted())
    after = await power.close_battery_stop(staff, plan.id, 1, 97)
    assert (after.done, after.state, after.stops[0].state) == (1, "open", "done")
    assert await status_of(world, first) == "available"
    assert (await row(world, first))["battery_level"] == 97
    assert await power.close_battery_stop(staff, plan.id, 1, 97) == after, "a repeat is harmless"
    with pytest.raises(PlanClosed):
        await power.close_battery_stop(staff, plan.id, 1, None)
    after = await power.close_battery_stop(staff, plan.id, 2, None, reason="behind a fence")
    assert (after.skipped, after.stops[1].reason) == (1, "behind a fence")
    assert await status_of(world, second) == "maintenance"
    await power.record_battery(staff, third, "swap", 100)  # met on the way: closes the stop as well
    after = await power.battery_plan(staff, plan.id)
    assert (after.state, after.done, after.skipped) == ("done", 2, 1)
    assert [name for name, _ in await told(world, f"battery_plan:{plan.id}")] == [
        "battery.plan_made", "battery.plan_closed",
    ]  # fmt: skip
    again = await power.make_battery_plan(staff, wanted())
    assert [stop.vehicle_id for stop in again.stops] == [second], "skipped: free for another plan"
    for position in (0, 2, 201):
        with pytest.raises(UnknownPlan):
            await power.close_battery_stop(staff, again.id, position, 100)


async def test_a_plan_is_cancelled_or_expires(world: World) -> None:
    """FLT-31: and gives its vehicles back to other plans."""
    await fleet_of(world, 10, 11)
    staff = world.admin()
    plan = await power.make_battery_plan(staff, wanted())
    given_up = await power.cancel_battery_plan(staff, plan.id)
    assert (given_up.state, given_up.skipped) == ("cancelled", 2)
    assert await power.cancel_battery_plan(staff, plan.id) == given_up
    second = await power.make_battery_plan(staff, wanted())
    with clock.moved_to(clock.now() + timedelta(hours=25)):
        assert await expire_battery_plans(world.system("fleet"), 10) == 1
        assert await expire_battery_plans(world.system("fleet"), 10) == 0
    with pytest.raises(PlanClosed):
        await power.cancel_battery_plan(staff, second.id)
    [(_, made), (_, closed)] = await told(world, f"battery_plan:{second.id}")
    assert (made["stops"], closed["state"], closed["skipped"]) == (2, "expired", 2)
    page = await power.battery_plans(staff, None, 10, 0)
    assert ([p.state for p in page.plans], page.total) == (["expired", "cancelled"], 2)
    assert (await power.battery_plans(staff, "open", 10, 0)).total == 0


async def test_two_planners_never_send_two_crews(world: World) -> None:
    """FLT-31: of a race the index knows best; each vehicle is in one plan."""
    vehicles = await fleet_of(world, *range(5, 25))

    async def plan() -> list[BatteryPlan]:
        try:
            return [await power.make_battery_plan(world.admin(), wanted(capacity=5))]
        except NothingToDo:
            return []

    made = [p for found in await asyncio.gather(*(plan() for _ in range(4))) for p in found]
    visited = [stop.vehicle_id for each in made for stop in each.stops]
    assert len(visited) == len(set(visited))
    assert set(visited) <= set(vehicles)
    assert len(made) >= 2


@pytest.mark.parametrize(
    "fields",
    [
        {"capacity": 0}, {"most_stops": 201}, {"vehicle_types": []}, {"vehicle_types": ["boat"]},
        {"latitude": 91.0}, {"radius_m": 50_001}, {"below_level": 0}, {"area": [(1.0, 2.0)]},
        {"area": [(91.0, 0.0)] * 3},
    ],
)  # fmt: skip
async def test_what_no_plan_can_be_is_refused(world: World, fields: dict[str, Any]) -> None:
    """FLT-31, API-03"""
    with pytest.raises(Invalid):
        await power.make_battery_plan(world.admin(), wanted(**fields))
    with pytest.raises(Forbidden):
        await power.make_battery_plan(world.call("support"), wanted())
