"""Vehicles that are out of the fleet: in no search, no plan, no ticket, no alert; and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import bulk as work
from fahrwerk.fleet.actions.battery import turn_by_battery
from fahrwerk.fleet.actions.maintenance import open_due_tickets
from fahrwerk.fleet.contract import VehicleChange, battery, bulk, live, maintenance
from fahrwerk.fleet.contract.bulk import Operation
from fahrwerk.fleet.queries import broken_invariants
from fahrwerk.kernel import ids
from tests.fleet.alerting import Time, alerts, low
from tests.fleet.street import BERLIN, connected_vehicle, hold, news, report

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World

RETIRED = VehicleChange(status="retired")


async def _all(world: World, operation: Operation, vehicles: list[UUID]) -> bulk.BulkJob:
    job = await bulk.start_bulk(world.admin(), ids.new(), operation, vehicles, None)
    while job.state == "running":
        await work.work_on_bulk_jobs()
        job = await bulk.bulk_job(world.admin(), job.id)
    return job


async def test_many_are_retired_and_taken_back(world: World) -> None:
    """FLT-02, FLT-14: held ones are not taken from their riders; undo gives each what it had."""
    admin = world.admin()
    free, broken, held = [await world.vehicle() for _ in range(3)]
    await fleet.change_vehicle(admin, broken.id, VehicleChange(status="maintenance"))
    await hold(world, held)
    job = await _all(world, Operation("set_status", "retired"), [free.id, broken.id, held.id])
    assert (job.done, job.failed) == (2, 1)
    assert await fleet.nearby_vehicles(world.system(), *BERLIN, None, 5_000) == []
    assert [v.id for v in await fleet.public_vehicles(world.system())] == []
    page = await fleet.vehicles(admin, None, None, None, 0, 50, 0)
    assert [v.id for v in page.vehicles] == [held.id]
    gone = await fleet.vehicles(admin, None, "retired", None, 0, 50, 0)
    assert {v.id for v in gone.vehicles} == {free.id, broken.id}
    rider = await world.rider()
    assert (await fleet.vehicles(rider, None, "retired", None, 0, 50, 0)).total == 0
    with pytest.raises(fleet.VehicleTaken):
        await hold(world, free)
    out = await maintenance.downtime(
        admin, broken.created_at.replace(year=2026), broken.created_at.replace(year=2027),
        broken.id, 10, 0,
    )  # fmt: skip
    assert not out.vehicles[0].is_out, "it is not in maintenance any more"
    undo = await bulk.undo_bulk(admin, job.id)
    while await work.work_on_bulk_jobs():
        pass
    assert (await bulk.bulk_job(admin, undo.id)).done == 2
    assert (await fleet.vehicle(admin, free.id)).status == "available"
    back = await fleet.vehicle(admin, broken.id)
    assert (back.status, back.out_for) == ("maintenance", ["staff"])
    assert (await news(world, free.id)).count("vehicle.changed") == 2
    assert await broken_invariants(world.system()) == []


async def test_a_bulk_return_is_stopped_by_an_open_safety_ticket(world: World) -> None:
    """As for one vehicle; and bulk maintenance is staff's word, which a charged battery leaves."""
    unsafe, empty = await world.vehicle(), await connected_vehicle(world, battery_level=50)
    await maintenance.open_ticket(world.admin(), unsafe.id, "brakes", "safety", "Cable torn")
    await _all(world, Operation("set_status", "maintenance"), [empty.id])
    job = await _all(world, Operation("set_status", "available"), [unsafe.id])
    failures = await bulk.bulk_failures(world.admin(), job.id, 10, 0)
    assert [each.reason for each in failures.failures] == ["SAFETY_TICKET_OPEN"]
    for level in (3, 90):
        await report(empty.id, battery_level=level)
        await turn_by_battery(world.system("fleet"), 10)
    found = await fleet.vehicle(world.admin(), empty.id)
    assert (found.status, found.out_for) == ("maintenance", ["staff"])


async def test_nothing_is_to_be_done_with_it(world: World) -> None:
    """No ticket, no stop of a tour, no way out of retirement by a full battery."""
    admin = world.admin()
    vehicle = await connected_vehicle(world, battery_level=50)
    await fleet.change_vehicle(admin, vehicle.id, RETIRED)
    with pytest.raises(maintenance.VehicleRetired):
        await maintenance.open_ticket(admin, vehicle.id, "tyre", None, "Flat")
    await report(vehicle.id, battery_level=2)
    await turn_by_battery(world.system("fleet"), 10)
    wanted = battery.PlanWanted(
        kind="swap", vehicle_types=["scooter"], latitude=BERLIN[0], longitude=BERLIN[1], capacity=5
    )
    with pytest.raises(battery.NothingToDo):
        await battery.make_battery_plan(admin, wanted)
    assert await open_due_tickets(world.system("fleet"), 10) == 0
    await report(vehicle.id, battery_level=95)
    assert await turn_by_battery(world.system("fleet"), 10) > 0
    assert await turn_by_battery(world.system("fleet"), 10) == 0, "no news for ever"
    assert (await fleet.vehicle(admin, vehicle.id)).status == "retired"
    assert "vehicle.battery_critical" not in await news(world, vehicle.id)
    assert await broken_invariants(world.system()) == []


async def test_its_alerts_are_over(world: World) -> None:
    time = Time()
    alert = await low(world, time)
    assert alert.vehicle_id is not None
    await fleet.change_vehicle(world.admin(), alert.vehicle_id, RETIRED)
    await time.look(world)
    [after] = await alerts(world)
    assert (after.state, after.resolution) == ("resolved", "cleared")
    await time.report(alert.vehicle_id, battery_level=1)
    await time.look(world, 600)
    assert len(await alerts(world)) == 1


async def test_a_map_is_told_to_take_it_off(world: World) -> None:
    call = world.admin()
    vehicle = await world.vehicle()
    before = await live.live_fleet(call)
    await fleet.change_vehicle(call, vehicle.id, RETIRED)
    since = await live.live_fleet(call, since=before.cursor)
    assert [fleet.STATUSES[n] for n in since.status] == ["retired"]
    assert (await live.live_fleet(call)).id == []
    assert len((await live.live_fleet(call, status="retired")).id) == 1
