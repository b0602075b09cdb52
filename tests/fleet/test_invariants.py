"""The queries that tell when something is wrong with vehicles: silent, and not blind (I3..I8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet.contract import battery, groups, maintenance, zones
from fahrwerk.fleet.queries import broken_invariants
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.pump import Pump
from fahrwerk.rentals import contract as rentals
from fahrwerk.rentals.events import RentalCancelled
from tests.fleet.alerting import Time, low
from tests.fleet.street import BERLIN, connected_vehicle, hold, unlock
from tests.rentals.riding import paying_rider, riding

if TYPE_CHECKING:
    from tests.world import World

SLOW = zones.ZoneRules(name="Old town", kind="slow", speed_limit_kmh=10)
SQUARE: zones.Polygons = [[[(13.0, 52.0), (13.1, 52.0), (13.1, 52.1), (13.0, 52.0)]]]
_BREAK = {
    "I3": "UPDATE fleet.vehicle SET hold_expires_at = 'infinity' WHERE id = $1",
    "I6": "UPDATE fleet.vehicle SET version = version + 1 WHERE id = $1",
}


async def test_all_is_well_with_vehicles_in_every_state(world: World) -> None:
    await unlock(world, await hold(world, await connected_vehicle(world)))
    rider = await paying_rider(world)
    await riding(world, rider, await world.vehicle())
    ended = await riding(world, rider, await world.vehicle())
    await rentals.end(rider, ended.id, None, None, None, None)
    await world.settle()
    assert await broken_invariants(world.system()) == []


@pytest.mark.parametrize("name", _BREAK)
async def test_what_is_broken_is_told(world: World, name: str) -> None:
    held = await hold(world, await world.vehicle())
    await db.run("fleet", world.system(), _BREAK[name], held.vehicle.id)
    told = await broken_invariants(world.system())
    assert [invariant for invariant, _ in told] == [name]
    assert str(held.vehicle.id) in told[0][1]


@pytest.mark.parametrize("table", ["ticket", "alert", "battery_plan", "zone", "vehicle_group"])
async def test_each_kind_of_stream_is_watched(world: World, table: str) -> None:
    """I6: what changed without a word about it is named; in its ordinary life nothing is."""
    time, admin = Time(), world.admin()
    alert = await low(world, time)
    assert alert.vehicle_id is not None
    ticket = await maintenance.open_ticket(admin, alert.vehicle_id, "tyre", None, "Flat")
    await maintenance.change_ticket(admin, ticket.id, maintenance.TicketChange(assignee="Ada"))
    wanted = battery.PlanWanted(
        kind="swap", vehicle_types=["scooter"], latitude=BERLIN[0], longitude=BERLIN[1], capacity=5
    )
    plan = await battery.make_battery_plan(admin, wanted)
    group = await groups.create_group(admin, "North", None)
    zone = await zones.create_zone(admin, SLOW, SQUARE, ids.new())
    things = {
        "ticket": ticket.id, "alert": alert.id, "battery_plan": plan.id, "zone": zone.id,
        "vehicle_group": group.id,
    }  # fmt: skip
    assert await broken_invariants(world.system()) == []
    statement = f"UPDATE fleet.{table} SET version = version + 1 WHERE id = $1"
    await db.run("fleet", world.system(), statement, things[table])
    [(invariant, detail)] = await broken_invariants(world.system())
    assert (invariant, str(things[table]) in detail) == ("I6", True)


async def test_a_hold_that_nobody_frees_is_told_after_a_minute(world: World) -> None:
    """I3"""
    held = await hold(world, await world.vehicle(), seconds=60)
    with clock.moved_to(held.expires_at + timedelta(seconds=50)):
        assert await broken_invariants(world.system()) == []
    with clock.moved_to(held.expires_at + timedelta(seconds=70)):
        assert [i for i, _ in await broken_invariants(world.system())] == ["I3"]


async def test_a_hold_for_a_rental_that_is_over_is_told_after_two_minutes(world: World) -> None:
    """I3: the news was written, but fleet has not heard it."""
    held = await hold(world, await world.vehicle(), seconds=3_600)
    call = world.system("rentals")
    gone = RentalCancelled(held.holder, held.holder, held.vehicle.id, held.holder, "rider")
    async with db.tx("rentals", call) as tx:
        await events.emit(tx, call, f"rental:{held.holder}", 1, gone)
    assert await broken_invariants(world.system()) == []
    with clock.moved_to(clock.now() + timedelta(seconds=130)):
        assert [i for i, _ in await broken_invariants(world.system())] == ["I3"]
        await Pump(["fleet"]).drain()
        assert await broken_invariants(world.system()) == []


async def test_a_command_that_nobody_gives_up_is_told(world: World) -> None:
    """I8"""
    held = await hold(world, await connected_vehicle(world), seconds=3_600)
    command = await unlock(world, held)
    with clock.moved_to(clock.now() + timedelta(seconds=200)):
        [(invariant, detail)] = await broken_invariants(world.system())
    assert invariant == "I8"
    assert str(command.id) in detail
