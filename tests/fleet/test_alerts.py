"""Each kind of alert is raised and cleared, and by nothing else (issue 3 point 5, WEB-10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import Place, maintenance
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.fleet.contract import zones as zone_contract
from fahrwerk.fleet.contract.zones import ZoneRules
from fahrwerk.kernel import clock, db, ids
from tests.fleet.alerting import NORTH_M, Time, alerts, low, news, only, timeline
from tests.fleet.street import BERLIN, connected_vehicle, hold, unlock

if TYPE_CHECKING:
    from tests.world import World


@pytest.fixture
def time() -> Time:
    return Time()


async def test_battery_low_is_raised_and_cleared_with_hysteresis(world: World, time: Time) -> None:
    await only(world, "battery_low")
    vehicle = await connected_vehicle(world, battery_level=80)
    await time.look(world)
    assert await alerts(world) == []
    await time.report(vehicle.id, battery_level=15)
    await time.look(world)
    assert await alerts(world) == []  # has to hold for a minute, in two readings
    await time.look(world, 61)
    assert await alerts(world) == []
    await time.report(vehicle.id, battery_level=14)
    await time.look(world)
    [alert] = await alerts(world)
    assert (alert.state, alert.severity, alert.value, alert.vehicle_id) == (
        "open", "info", 14.0, vehicle.id,
    )  # fmt: skip
    await time.report(vehicle.id, battery_level=9)
    await time.look(world)
    await time.report(vehicle.id, battery_level=24)  # above the mark it was raised at
    await time.look(world)
    [alert] = await alerts(world)
    assert (alert.state, alert.worst) == ("open", 9.0)
    await time.report(vehicle.id, battery_level=25)
    await time.look(world)
    [alert] = await alerts(world)
    assert (alert.state, alert.resolution, alert.vehicles) == ("resolved", "cleared", 0)
    assert await timeline(world, alert) == ["raised", "cleared"]
    assert await news(world, alert) == ["alert.raised", "alert.resolved"]


async def test_a_vehicle_that_moves_while_nobody_holds_it(world: World, time: Time) -> None:
    """GPS noise is no movement: accuracy counts, and three readings must agree."""
    await only(world, "moved_without_ride")
    vehicle = await connected_vehicle(world)
    await time.look(world)
    await time.look(world, 120)  # has settled
    lat, lon = BERLIN
    for metres, accuracy_m in ((80, 60.0), (40, 5.0), (500, 600.0), (-70, 20.0)):
        await time.report(
            vehicle.id, latitude=lat + metres * NORTH_M, longitude=lon, accuracy_m=accuracy_m
        )
        await time.look(world)
    assert await alerts(world) == []
    for metres in (150, 0, 150, 160):
        await time.report(
            vehicle.id, latitude=lat + metres * NORTH_M, longitude=lon, accuracy_m=5.0
        )
        await time.look(world)
    assert await alerts(world) == []  # twice in a row only
    await time.report(vehicle.id, latitude=lat + 170 * NORTH_M, longitude=lon, accuracy_m=5.0)
    await time.look(world)
    [alert] = await alerts(world)
    assert (alert.rule, alert.severity, alert.state) == ("moved_without_ride", "critical", "open")
    assert 140 < alert.value < 170
    await time.report(vehicle.id, latitude=lat, longitude=lon, accuracy_m=5.0)  # brought back
    await time.look(world)
    assert [each.state for each in await alerts(world)] == ["resolved"]


async def test_wheels_that_turn_are_movement_too(world: World, time: Time) -> None:
    await only(world, "moved_without_ride")
    vehicle = await connected_vehicle(world)
    await time.report(vehicle.id, odometer_m=5_000)
    await time.look(world)
    await time.look(world, 120)
    for metres in (61, 62, 63):
        await time.report(vehicle.id, odometer_m=5_000 + metres)
        await time.look(world)
    [alert] = await alerts(world)
    assert alert.value == 63.0


async def test_rides_and_staff_may_move_a_vehicle(world: World, time: Time) -> None:
    await only(world, "moved_without_ride", readings=1)
    ridden, moved = await connected_vehicle(world), await world.vehicle()
    await time.look(world)
    await time.look(world, 120)
    with clock.moved_to(time.at):
        held = await hold(world, ridden)
        await unlock(world, held)
    await time.report(ridden.id, latitude=52.523, longitude=13.405, accuracy_m=5.0)
    await time.look(world)
    with clock.moved_to(time.at):
        await fleet.release_hold(world.system(), ridden.id, held.holder, "cancelled")
        await fleet.move_vehicle(world.admin(), moved.id, Place(52.7, 13.6))
        await world.settle()
    for _ in range(4):
        await time.look(world, 40)
    assert await alerts(world) == []
    with clock.moved_to(time.at):
        await fleet.change_vehicle(
            world.admin(), moved.id, fleet.VehicleChange(status="maintenance")
        )
    await db.run(
        "fleet", world.system(), "UPDATE fleet.vehicle SET latitude = 52 WHERE id = $1", moved.id
    )
    await time.look(world)
    assert await alerts(world) == []


SQUARE = [[[(13.3, 52.4), (13.5, 52.4), (13.5, 52.6), (13.3, 52.6), (13.3, 52.4)]]]


async def test_outside_its_area_only_when_that_is_sure(world: World, time: Time) -> None:
    await only(world, "outside_area")
    await zone_contract.create_zone(
        world.admin(), ZoneRules(name="Berlin", kind="operating_area"), SQUARE, ids.new()
    )
    vehicle = await connected_vehicle(world)
    await time.report(vehicle.id, latitude=52.599, longitude=13.4, accuracy_m=5.0)
    await time.look(world, 60)
    at_border = {"latitude": 52.6 + 20 * NORTH_M, "longitude": 13.4, "accuracy_m": 50.0}
    for _ in range(5):
        await time.report(vehicle.id, **at_border)
        await time.look(world)
    assert await alerts(world) == []
    for looks in range(3):
        assert await alerts(world) == [], looks
        await time.report(vehicle.id, latitude=52.6 + 60 * NORTH_M, longitude=13.4, accuracy_m=5.0)
        await time.look(world)
    [alert] = await alerts(world)
    assert (alert.kind, alert.value, alert.state) == ("outside_area", 3.0, "open")
    await time.report(vehicle.id, **at_border)  # unsure changes nothing
    await time.look(world)
    assert (await alerts(world))[0].state == "open"
    await time.report(vehicle.id, latitude=52.5995, longitude=13.4, accuracy_m=5.0)
    await time.look(world)
    assert (await alerts(world))[0].state == "resolved"


async def test_tipped_over_for_a_minute(world: World, time: Time) -> None:
    await only(world, "tipped_over")
    vehicle = await connected_vehicle(world)
    await time.report(vehicle.id, is_tipped=True)
    await time.look(world)
    await time.report(vehicle.id, is_tipped=False)  # somebody put it up again
    await time.look(world, 61)
    await time.report(vehicle.id, is_tipped=True)
    await time.look(world)
    await time.look(world, 61)
    assert await alerts(world) == []
    await time.report(vehicle.id, is_tipped=True)
    await time.look(world)
    assert [each.kind for each in await alerts(world, "open")] == ["tipped_over"]
    await time.report(vehicle.id, is_tipped=False)
    await time.look(world)
    assert await alerts(world, "open") == []


async def test_silent_and_heard_again(world: World, time: Time) -> None:
    """FLT-19, FLT-20; a vehicle without a device is never silent, one in the workshop neither."""
    await only(world, "silent")
    vehicle, workshop = await connected_vehicle(world), await connected_vehicle(world)
    await world.vehicle(connected=False)
    await fleet.change_vehicle(
        world.admin(), workshop.id, fleet.VehicleChange(status="maintenance")
    )
    await time.report(vehicle.id)
    await time.look(world, 880)
    assert await alerts(world) == []
    await time.look(world, 25)
    [alert] = await alerts(world)
    assert (alert.vehicle_id, alert.kind, alert.state) == (vehicle.id, "silent", "open")
    assert alert.value >= 900
    await time.look(world, 600)
    [alert] = await alerts(world)
    assert alert.worst > 1400  # noted every few minutes
    await time.report(vehicle.id)
    await time.look(world)
    assert [each.state for each in await alerts(world)] == ["resolved"]


async def test_a_battery_that_falls_fast(world: World, time: Time) -> None:
    await only(world, "battery_falling_fast")
    fast = await connected_vehicle(world, battery_level=90)
    slow = await connected_vehicle(world, battery_level=90)
    await time.look(world)
    for step in range(1, 9):
        await time.report(fast.id, battery_level=90 - 4 * step)
        if step % 4 == 0:
            await time.report(slow.id, battery_level=90 - step)
        await time.look(world, 60)
    found = await alerts(world)
    assert [each.vehicle_id for each in found] == [fast.id]
    assert found[0].value >= 20
    for _ in range(3):
        await time.report(fast.id, battery_level=58)
        await time.look(world, 290)
    assert [each.state for each in await alerts(world)] == ["resolved"]
    # Slowly over an hour is no matter, however much it is.
    for step in range(20):
        await time.report(slow.id, battery_level=82 - 3 * step)
        await time.look(world, 180)
    assert await alerts(world, "open") == []


async def test_too_hot_and_too_cold(world: World, time: Time) -> None:
    await only(world, "temperature_high", "temperature_low", hold_s=0, readings=1)
    hot, cold = await connected_vehicle(world), await connected_vehicle(world)
    await time.report(hot.id, temperature=60.0)
    await time.report(cold.id, temperature=-15.5)
    await time.look(world)
    assert {each.rule: each.vehicle_id for each in await alerts(world, "open")} == {
        "temperature_high": hot.id, "temperature_low": cold.id,
    }  # fmt: skip
    await time.report(hot.id, temperature=55.0)
    await time.report(cold.id, temperature=-12.0)
    await time.look(world)
    assert len(await alerts(world, "open")) == 2
    await time.report(hot.id, temperature=50.0)
    await time.report(cold.id, temperature=-10.0)
    await time.look(world)
    assert await alerts(world, "open") == []


async def test_an_alert_opens_a_ticket_where_its_rule_says_so(world: World, time: Time) -> None:
    """One that is open is enough, whoever opened it; none while the alert is silenced."""
    admin = world.admin()
    wish = contract.TicketToOpen(kind="battery", severity="safety")
    alert = await low(world, time, opens_ticket=wish)
    await world.settle()
    page = await maintenance.tickets(admin, maintenance.TicketsWanted(), 10, 0)
    [ticket] = page.tickets
    assert (ticket.vehicle_id, ticket.kind, ticket.severity, ticket.source, ticket.rule) == (
        alert.vehicle_id, "battery", "safety", "alert", "battery_low",
    )  # fmt: skip
    assert alert.vehicle_id is not None
    assert "ticket" in (await fleet.vehicle(admin, alert.vehicle_id)).out_for

    async def again(seconds: float) -> int:
        assert alert.vehicle_id is not None
        await time.report(alert.vehicle_id, battery_level=90)
        await time.look(world, 10)
        await time.report(alert.vehicle_id, battery_level=5)
        await time.look(world, seconds)
        await world.settle()
        return (await maintenance.tickets(admin, maintenance.TicketsWanted(), 10, 0)).total

    assert await again(10) == 1, "raised once more, and somebody is at it already"
    await maintenance.complete_ticket(admin, ticket.id, "New battery")
    assert await again(400) == 2
    newest = (await maintenance.tickets(admin, maintenance.TicketsWanted(), 1, 0)).tickets[0]
    await maintenance.complete_ticket(admin, newest.id, "Another one")
    [raised] = await alerts(world, "open")
    until = clock.now() + timedelta(hours=4)
    await contract.silence_alert(admin, raised.id, "vehicle_and_rule", until)
    assert await again(400) == 2
