"""Holds: one winner, a lease that heals by itself, decided by the database (I3, I4, F12)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import HoldLost, HoldsAnother, UnknownVehicle, VehicleTaken
from fahrwerk.fleet.events import VehicleReserved
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from tests.fleet.street import (
    answer,
    connected_vehicle,
    hold,
    last_news,
    news,
    report,
    row,
    unlock,
)
from tests.world import World


async def test_two_hundred_at_once_have_one_winner(world: World) -> None:
    """RNT-15, RNT-16, F12, I4: the others learn at once what else is near."""
    wanted = await world.vehicle()
    near = [await world.vehicle(latitude=52.52 + n / 10_000, battery_level=80) for n in (2, 1, 3)]
    far = await world.vehicle(latitude=52.6)
    car = await world.vehicle("car")

    async def grab() -> Any:
        try:
            return await fleet.hold_vehicle(
                world.system(), wanted.identifier, ids.new(), ids.new(), 300
            )
        except VehicleTaken as taken:
            return taken

    outcomes = await asyncio.gather(*(grab() for _ in range(200)))
    winners = [each for each in outcomes if isinstance(each, fleet.Held)]
    losers = [each for each in outcomes if isinstance(each, VehicleTaken)]
    assert (len(winners), len(losers)) == (1, 199)
    for each in losers:
        assert (each.status, each.text) == (409, "Vehicle no longer available")
        alternatives = each.details["alternatives"]
        assert [a["id"] for a in alternatives] == [ids.public("sco", near[n].id) for n in (1, 0, 2)]
        assert alternatives[0] == {
            "id": ids.public("sco", near[1].id), "type": "scooter", "distance_meters": 11,
            "battery": 80,
        }  # fmt: skip
        assert not {ids.public("sco", far.id), ids.public("car", car.id)} & {
            a["id"] for a in alternatives
        }
    assert await news(world, wanted.id) == ["vehicle.created", "VehicleReserved"]
    assert (await row(world, wanted.id))["held_by"] == winners[0].holder


async def test_a_hold_is_a_reservation_with_token_and_event(world: World) -> None:
    """RNT-17, RNT-18, FLT-37, EV-01."""
    vehicle = await world.vehicle()
    holder, rider = ids.new(), ids.new()
    held = await fleet.hold_vehicle(world.system(), str(vehicle.id), holder, rider, 300)
    assert held.expires_at - held.reserved_at == timedelta(minutes=5)
    assert held.vehicle.status == "reserved"
    assert len(held.token) > 30
    event = msgspec.convert(await last_news(world, vehicle.id), VehicleReserved)
    assert event == VehicleReserved(vehicle.id, rider, holder, held.reserved_at, held.expires_at)


async def test_one_statement_takes_a_vehicle(world: World) -> None:
    """FLT-37: row and event in one conditional UPDATE, one round trip."""
    vehicle = await world.vehicle()
    seen: list[str] = []
    token = db.statements.set(seen)
    try:
        await hold(world, vehicle)
    finally:
        db.statements.reset(token)
    assert len(seen) == 1


async def test_the_same_holder_may_repeat(world: World) -> None:
    """RNT-26: the hold it has, the same token, no second event; also all at the same time."""
    vehicle = await world.vehicle()
    holder, rider = ids.new(), ids.new()
    answers = await asyncio.gather(
        *(fleet.hold_vehicle(world.system(), str(vehicle.id), holder, rider, 300) for _ in range(8))
    )
    assert len({(a.token, a.expires_at) for a in answers}) == 1
    assert await news(world, vehicle.id) == ["vehicle.created", "VehicleReserved"]


@pytest.mark.parametrize("by", ["id", "uuid", "identifier", "external_id", "qr_code"])
async def test_a_vehicle_is_found_by_any_of_its_names(world: World, by: str) -> None:
    """C-04, FLT-15, FLT-27: public id, UUID, printed code, number in another system, QR code."""
    vehicle = await world.vehicle(external_id="12345")
    reference = {
        "id": ids.public("sco", vehicle.id),
        "uuid": str(vehicle.id),
    }.get(by) or getattr(vehicle, by)
    assert (await fleet.find_vehicle(world.system(), reference)).id == vehicle.id
    held = await fleet.hold_vehicle(world.system(), reference, ids.new(), ids.new(), 60)
    assert held.vehicle.id == vehicle.id


async def test_what_is_not_there_cannot_be_held(world: World) -> None:
    for reference in ("nobody", "", "a\x00b", str(ids.new()), "sco_" + "0" * 22):
        with pytest.raises(UnknownVehicle):
            await fleet.hold_vehicle(world.system(), reference, ids.new(), ids.new(), 60)
        with pytest.raises(UnknownVehicle):
            await fleet.find_vehicle(world.system(), reference)
    with pytest.raises(Invalid):
        await fleet.hold_vehicle(world.system(), "x", ids.new(), ids.new(), 0)


async def test_a_rental_holds_one_vehicle(world: World) -> None:
    """I4, the other way round: the unique index answers, not a lock."""
    one, other = await world.vehicle(), await world.vehicle()
    held = await hold(world, one)
    with pytest.raises(HoldsAnother):
        await fleet.hold_vehicle(world.system(), str(other.id), held.holder, ids.new(), 60)
    assert (await fleet.vehicle(world.system(), other.id)).status == "available"


@pytest.mark.parametrize("status", ["maintenance", "in_use"])
async def test_only_available_vehicles_are_held(world: World, status: str) -> None:
    vehicle = await world.vehicle()
    if status == "maintenance":
        change = fleet.VehicleChange(status="maintenance")
        await fleet.change_vehicle(world.admin(), vehicle.id, change)
    else:
        await unlock(world, await hold(world, vehicle))
    with pytest.raises(VehicleTaken):
        await hold(world, vehicle)


async def test_a_hold_is_given_back_once_and_by_its_holder(world: World) -> None:
    """FLT-38: repeatable, and nobody else's hold is touched."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle)
    call = world.system()
    assert not await fleet.release_hold(call, vehicle.id, ids.new(), "cancelled")
    assert await fleet.release_hold(call, vehicle.id, held.holder, "payment_failed")
    assert not await fleet.release_hold(call, vehicle.id, held.holder, "payment_failed")
    assert await last_news(world, vehicle.id) == {
        "vehicle_id": str(vehicle.id), "booking_id": str(held.holder), "reason": "payment_failed",
    }  # fmt: skip
    await hold(world, vehicle)
    assert (await news(world, vehicle.id))[1:] == [
        "VehicleReserved", "vehicle.released", "VehicleReserved",
    ]  # fmt: skip


async def test_a_ride_under_way_is_not_given_back_as_a_hold(world: World) -> None:
    held = await hold(world, await world.vehicle())
    await unlock(world, held)
    assert not await fleet.release_hold(world.system(), held.vehicle.id, held.holder, "x")
    again = await fleet.extend_hold(world.system(), held.vehicle.id, held.holder, 60)
    assert again.vehicle.status == "in_use"


async def test_a_hold_that_ran_out_frees_the_vehicle_by_itself(world: World) -> None:
    """RNT-18, I3: after the expiry, and not a moment before it."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle, 300)
    with clock.moved_to(held.expires_at - timedelta(seconds=1)):
        await world.settle()
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "reserved"
    with clock.moved_to(held.expires_at):
        with pytest.raises(HoldLost):
            await fleet.extend_hold(world.system(), vehicle.id, held.holder, 600)
        with pytest.raises(HoldLost):
            await fleet.hold_vehicle(world.system(), str(vehicle.id), held.holder, ids.new(), 300)
        await world.settle()
        await world.settle()
    assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"
    assert (await news(world, vehicle.id))[2:] == ["vehicle.released"]
    assert await last_news(world, vehicle.id) == {
        "vehicle_id": str(vehicle.id), "booking_id": str(held.holder), "reason": "expired",
    }  # fmt: skip


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_server_with_a_wrong_clock_frees_nothing_early(world: World, hours: int) -> None:
    """F14: only domain time is off, as on a server whose clock is; the database's clock decides."""
    vehicle = await world.vehicle()
    with clock.moved_to(clock.now() + timedelta(hours=hours), leases=False):
        held = await hold(world, vehicle, 300)
        await world.settle()
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "reserved"
    left = held.expires_at - clock.now()
    assert timedelta(seconds=240) < left <= timedelta(seconds=300)


async def test_a_paid_booking_gets_more_time(world: World) -> None:
    """RNT-22: counted from now, told once, and only to whoever holds it."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle, 300)
    with pytest.raises(HoldLost):
        await fleet.extend_hold(world.system(), vehicle.id, ids.new(), 600)
    longer = await fleet.extend_hold(world.system(), vehicle.id, held.holder, 600)
    assert longer.expires_at > held.expires_at + timedelta(seconds=290)
    assert longer.token == held.token
    assert (await news(world, vehicle.id))[-1] == "vehicle.hold_extended"
    with clock.moved_to(held.expires_at + timedelta(seconds=1)):
        await world.settle()
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "reserved"


async def test_a_vehicle_that_fell_silent_is_given_back_offline(world: World) -> None:
    """FLT-19: the hold outlives the silence; the search does not get the vehicle back."""
    vehicle = await connected_vehicle(world)
    held = await hold(world, vehicle, 3600)
    with clock.moved_to(clock.now() + timedelta(minutes=6)):
        await world.settle()
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "reserved"
        await fleet.release_hold(world.system(), vehicle.id, held.holder, "cancelled")
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "offline"
        await report(vehicle.id, battery_level=70)
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"


async def test_every_change_of_status_is_signalled_to_caches(world: World) -> None:
    """FLT-39: with tenant and cell, after each hold, release, ride, return and repair."""
    vehicle = await world.vehicle()
    cell = (await row(world, vehicle.id))["cell"]
    heard: list[str] = []
    hub.hear("fleet.cell", heard.append)

    def told() -> bool:
        is_told = f"fleet.cell:{world.tenant}:{cell}" in heard
        heard.clear()
        return is_told

    held = await hold(world, vehicle)
    assert told()
    await fleet.release_hold(world.system(), vehicle.id, held.holder, "cancelled")
    assert told()
    held = await hold(world, vehicle)
    heard.clear()
    await unlock(world, held)
    assert told()
    other = await world.vehicle()
    assert told()
    await fleet.change_vehicle(world.admin(), other.id, fleet.VehicleChange(status="maintenance"))
    assert told()


async def test_another_operator_cannot_touch_it(world: World) -> None:
    """I7: neither by id nor by any name."""
    vehicle = await world.vehicle(external_id="777")
    from tests.world import make_world

    stranger = await make_world()
    for reference in (str(vehicle.id), vehicle.identifier, "777"):
        with pytest.raises(UnknownVehicle):
            await fleet.hold_vehicle(stranger.system(), reference, ids.new(), ids.new(), 60)
    with pytest.raises(UnknownVehicle):
        await fleet.vehicle(stranger.admin(), vehicle.id)


async def test_a_late_answer_after_the_hold_begins_no_ride(world: World) -> None:
    """F9: the vehicle opened for a rental that lost it: locked at once, nobody is charged."""
    vehicle = await connected_vehicle(world)
    held = await hold(world, vehicle)
    command = await unlock(world, held)
    await fleet.release_hold(world.system(), vehicle.id, held.holder, "cancelled")
    await answer(world, command)
    assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"
    assert "VehicleUnlocked" not in await news(world, vehicle.id)
    queued = await db.run(
        "fleet", world.system(),
        "SELECT operation, state FROM fleet.command WHERE vehicle_id = $1 ORDER BY queued_at",
        vehicle.id,
    )  # fmt: skip
    assert [tuple(r) for r in queued] == [("unlock", "acknowledged"), ("lock", "queued")]
