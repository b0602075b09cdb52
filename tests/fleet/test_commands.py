"""Commands: believed when acknowledged, forwards only, never a ride without a hold (F9, I2, I3)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import actions, rules
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions.dispatch import tenants_of
from fahrwerk.fleet.contract import HoldLost, NotSupported, UnknownVehicle
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound
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
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def _queued(world: World, vehicle_id: UUID) -> list[tuple[str, str]]:
    rows = await db.run(
        "fleet", world.system(),
        "SELECT operation, state FROM fleet.command WHERE tenant_id = kernel.tenant() "
        "AND vehicle_id = $1 ORDER BY queued_at, id",
        vehicle_id,
    )  # fmt: skip
    return [(r["operation"], r["state"]) for r in rows]


async def _claimed(world: World) -> list[actions.Outgoing]:
    return [c for c in await actions.claim_commands(1_000) if c.device.tenant == world.tenant]


async def test_unlock_begins_the_ride_when_the_vehicle_confirms(world: World) -> None:
    """FLT-24, FLT-25: queued, sent with counter and key, acknowledged, verified."""
    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    assert (command.state, command.rental_id) == ("queued", held.holder)
    [out] = await _claimed(world)
    assert (out.id, out.operation, out.counter) == (command.id, "unlock", 1)
    assert out.public_vehicle_id == ids.public("sco", held.vehicle.id)
    assert out.expires_at - out.queued_at == timedelta(seconds=rules.COMMAND_S)
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "reserved"
    with hub.listening(f"fleet.command:{command.id}") as bell:
        await answer(world, command)
        assert bell.is_set()
    now = await row(world, held.vehicle.id)
    assert (now["status"], now["current_rental_id"], now["is_locked"]) == (
        "in_use", held.holder, False,
    )  # fmt: skip
    assert now["trip_started_at"] is not None
    told = await last_news(world, held.vehicle.id)
    assert (told["booking_id"], told["command_id"]) == (str(held.holder), str(command.id))
    assert (await news(world, held.vehicle.id))[-1] == "VehicleUnlocked"
    assert (await fleet.command(world.system(), command.id)).state == "acknowledged"
    await actions.vehicle_heard(world.system(), held.vehicle.id, False)
    done = await fleet.command(world.system(), command.id)
    assert (done.state, done.verified_at is None) == ("verified", False)


async def test_an_answer_counts_once(world: World) -> None:
    """F9: doubled and late answers, of any result, change nothing twice."""
    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    await asyncio.gather(*(answer(world, command) for _ in range(5)))
    await answer(world, command, "failed", reason="lock_jammed")
    assert (await news(world, held.vehicle.id)).count("VehicleUnlocked") == 1
    assert (await fleet.command(world.system(), command.id)).state == "acknowledged"
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "in_use"


@pytest.mark.parametrize(("result", "reason"), [("failed", "lock_jammed"), ("refused", None)])
async def test_a_refusal_is_told_and_the_hold_stays(
    world: World, result: str, reason: str | None
) -> None:
    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    await answer(world, command, result, reason=reason)
    after = await fleet.command(world.system(), command.id)
    assert (after.state, after.reason) == ("failed", reason or result)
    assert (await last_news(world, held.vehicle.id))["reason"] == (reason or result)
    assert (await news(world, held.vehicle.id))[-1] == "command.failed"
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "reserved"


async def test_a_silent_vehicle_fails_the_command(world: World) -> None:
    """RNT-27: after nine seconds, by the database's clock, told once; nothing has begun."""
    held = await hold(world, await connected_vehicle(world))
    first, second = await unlock(world, held), await unlock(world, held)
    with clock.moved_to(clock.now() + timedelta(seconds=rules.COMMAND_S - 1)):
        await world.settle()
        assert (await fleet.command(world.system(), first.id)).state == "queued"
    with clock.moved_to(clock.now() + timedelta(seconds=rules.COMMAND_S + 1)):
        assert await _claimed(world) == []
        await world.settle()
        await world.settle()
    for command in (first, second):
        after = await fleet.command(world.system(), command.id)
        assert (after.state, after.reason) == ("expired", "silent")
    assert (await news(world, held.vehicle.id))[-2:] == ["command.failed", "command.failed"]
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "reserved"


async def test_an_answer_after_the_command_ran_out_unseen(world: World) -> None:
    """F9: the clock decides, also when no worker has come round to giving the command up."""
    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    with clock.moved_to(clock.now() + timedelta(seconds=rules.COMMAND_S + 0.5)):
        await answer(world, command)
    after = await fleet.command(world.system(), command.id)
    assert (after.state, after.reason) == ("expired", "silent")
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "reserved"
    assert ("lock", "queued") in await _queued(world, held.vehicle.id)
    assert (await news(world, held.vehicle.id)).count("command.failed") == 1


async def test_an_answer_after_the_command_was_given_up(world: World) -> None:
    """F9: the rider has been told that it failed, so the open vehicle is locked and no ride begins.

    Unless the rider tried again: then the answer to that decides.
    """
    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    with clock.moved_to(clock.now() + timedelta(seconds=rules.COMMAND_S + 1)):
        await world.settle()
        again = await unlock(world, held)
        await answer(world, command)
        assert [c for c in await _queued(world, held.vehicle.id) if c[0] == "lock"] == []
        await answer(world, again)
        assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "in_use"

    held = await hold(world, await connected_vehicle(world))
    command = await unlock(world, held)
    with clock.moved_to(clock.now() + timedelta(seconds=rules.COMMAND_S + 1)):
        await world.settle()
        await answer(world, command)
        await answer(world, command)
    assert ("lock", "queued") in await _queued(world, held.vehicle.id)
    assert len(await _queued(world, held.vehicle.id)) == 2
    assert (await fleet.vehicle(world.system(), held.vehicle.id)).status == "reserved"
    assert (await fleet.command(world.system(), command.id)).state == "expired"


async def test_a_hold_that_ran_out_in_the_same_moment(world: World) -> None:
    """F14: the lease decides, not whether the job has been there yet."""
    held = await hold(world, await connected_vehicle(world), 10)
    command = await unlock(world, held)
    with clock.moved_to(held.expires_at):
        with pytest.raises(HoldLost):
            await unlock(world, held)
        await answer(world, command)
    assert "VehicleUnlocked" not in await news(world, held.vehicle.id)


async def test_without_a_device_the_ride_begins_at_once(world: World) -> None:
    """The dock or a key opens it: verified, in use and told in one transaction."""
    held = await hold(world, await world.vehicle())
    command_id = ids.new()
    first = await unlock(world, held, command_id)
    again = await unlock(world, held, command_id)
    assert first.state == "verified"
    assert first == again
    now = await row(world, held.vehicle.id)
    assert (now["status"], now["current_rental_id"]) == ("in_use", held.holder)
    assert (await news(world, held.vehicle.id)).count("VehicleUnlocked") == 1


async def test_lock_and_unlock_within_a_ride(world: World) -> None:
    """FLT-26: the ride goes on, and its beginning stays what it was."""
    held = await hold(world, await connected_vehicle(world))
    await answer(world, await unlock(world, held))
    began = (await row(world, held.vehicle.id))["trip_started_at"]
    lock = await fleet.send_command(world.system(), held.vehicle.id, "lock", held.holder, ids.new())
    await answer(world, lock)
    assert (await row(world, held.vehicle.id))["is_locked"] is True
    await answer(world, await unlock(world, held))
    now = await row(world, held.vehicle.id)
    assert (now["status"], now["is_locked"], now["trip_started_at"]) == ("in_use", False, began)
    assert (await news(world, held.vehicle.id))[-3:] == [
        "VehicleUnlocked", "vehicle.locked", "VehicleUnlocked",
    ]  # fmt: skip


async def test_who_may_command_what(world: World) -> None:
    vehicle = await connected_vehicle(world)
    held = await hold(world, vehicle)
    rider, staff = world.call("customer"), world.admin()
    with pytest.raises(HoldLost):
        await fleet.send_command(rider, vehicle.id, "unlock", ids.new(), ids.new())
    with pytest.raises(Forbidden):
        await fleet.send_command(rider, vehicle.id, "sound", None, ids.new())
    with pytest.raises(NotSupported):
        await fleet.send_command(rider, vehicle.id, "explode", held.holder, ids.new())
    with pytest.raises(UnknownVehicle):
        await fleet.send_command(staff, ids.new(), "lock", None, ids.new())
    by_hand = await world.vehicle()
    with pytest.raises(NotSupported):
        await fleet.send_command(staff, by_hand.id, "lights", None, ids.new())
    sound = await fleet.send_command(staff, vehicle.id, "sound", None, ids.new())
    with pytest.raises(Conflict):
        await fleet.send_command(staff, vehicle.id, "lights", None, sound.id)
    stranger = await make_world()
    with pytest.raises(NotFound):
        await fleet.command(stranger.admin(), sound.id)


async def test_staff_open_a_vehicle_without_a_ride(world: World) -> None:
    vehicle = await connected_vehicle(world)
    command = await fleet.send_command(world.admin(), vehicle.id, "unlock", None, ids.new())
    await answer(world, command)
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.status, now.is_locked) == ("available", False)
    assert (await last_news(world, vehicle.id))["booking_id"] is None


async def test_each_command_has_the_next_counter_of_its_vehicle(world: World) -> None:
    """FLT-23: however many links claim at the same time, and over a new pairing."""
    vehicle, other = await connected_vehicle(world), await connected_vehicle(world)
    admin = world.admin()
    for n in range(12):
        target = other if n % 3 == 0 else vehicle
        await fleet.send_command(admin, target.id, "sound", None, ids.new())
    batches = await asyncio.gather(*(actions.claim_commands(4) for _ in range(6)))
    mine = [c for batch in batches for c in batch if c.device.tenant == world.tenant]
    mine += await _claimed(world)
    assert len({c.id for c in mine}) == 12
    assert sorted(c.counter for c in mine if c.device.vehicle_id == vehicle.id) == [*range(1, 9)]
    assert sorted(c.counter for c in mine if c.device.vehicle_id == other.id) == [*range(1, 5)]
    await fleet.pair_vehicles(admin, [vehicle.id], "EdDSA")
    await fleet.send_command(admin, vehicle.id, "sound", None, ids.new())
    [last] = await _claimed(world)
    assert (last.counter, last.device.key.alg) == (9, "EdDSA")


async def test_what_is_claimed_can_be_signed_and_answered(world: World) -> None:
    """FLT-16, FLT-23: the two halves of a pairing fit, for both kinds of key."""
    for kind in ("HS256", "EdDSA"):
        vehicle = await world.vehicle(connected=True)
        [pairing] = await fleet.pair_vehicles(world.admin(), [vehicle.id], kind)
        assert repr(pairing.signs_with) not in repr(pairing)
        theirs = wire.VehicleKey(pairing.kind, pairing.signs_with, pairing.checks_with)  # type: ignore[arg-type]
        await fleet.send_command(world.admin(), vehicle.id, "sound", None, ids.new())
        [out] = await _claimed(world)
        message = wire.Command(
            id=ids.public("cmd", out.id), vehicle_id=out.public_vehicle_id,
            command=out.operation, timestamp=clock.millis(out.queued_at),
            expires=clock.millis(out.expires_at), counter=out.counter, user_id=None,
            booking_id=None, rental_id=None,
        )  # fmt: skip
        payload = wire.encode_command(message, out.device.key)
        read = wire.verify_command(
            payload, theirs, out.public_vehicle_id, clock.millis(clock.now()), 0
        )
        assert read == message
        assert (await tenants_of({vehicle.id}))[vehicle.id] == world.tenant
        assert (await actions.devices([vehicle.id]))[vehicle.id].key == out.device.key


async def test_a_vehicle_without_a_key_is_sent_nothing(world: World) -> None:
    vehicle = await world.vehicle(connected=True)
    command = await fleet.send_command(world.admin(), vehicle.id, "sound", None, ids.new())
    assert await _claimed(world) == []
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "HS256")
    assert [c.id for c in await _claimed(world)] == [command.id]
    assert await _claimed(world) == []


async def test_pairing_is_all_or_nothing(world: World) -> None:
    vehicle = await world.vehicle()
    with pytest.raises(UnknownVehicle) as unknown:
        await fleet.pair_vehicles(world.admin(), [vehicle.id, ids.new()], "HS256")
    assert len(unknown.value.details["ids"]) == 1
    assert not (await fleet.vehicle(world.system(), vehicle.id)).is_connected
    stranger = await make_world()
    with pytest.raises(UnknownVehicle):
        await fleet.pair_vehicles(stranger.admin(), [vehicle.id], "HS256")
    with pytest.raises(Forbidden):
        await fleet.pair_vehicles(world.call("customer"), [vehicle.id], "HS256")
    many = [(await world.vehicle()).id for _ in range(3)]
    pairings = await fleet.pair_vehicles(world.admin(), many, "EdDSA")
    assert [p.vehicle_id for p in pairings] == many
    assert (await news(world, many[0])) == ["vehicle.created", "vehicle.paired"]


async def test_an_open_vehicle_nobody_holds_is_locked(world: World) -> None:
    """Once a minute as long as it says it is open; not while somebody rides or repairs it."""
    vehicle, ridden = await connected_vehicle(world), await connected_vehicle(world)
    await answer(world, await unlock(world, await hold(world, ridden)))
    await report(vehicle.id, is_locked=False)
    await world.settle()
    await world.settle()
    assert await _queued(world, vehicle.id) == [("lock", "queued")]
    assert await _queued(world, ridden.id) == [("unlock", "acknowledged")]
    with clock.moved_to(clock.now() + timedelta(seconds=61)):
        await report(vehicle.id, is_locked=False)
        await world.settle()
        assert await _queued(world, vehicle.id) == [("lock", "expired"), ("lock", "queued")]
    await fleet.change_vehicle(world.admin(), vehicle.id, fleet.VehicleChange(status="maintenance"))
    with clock.moved_to(clock.now() + timedelta(seconds=200)):
        await report(vehicle.id, is_locked=False)
        await world.settle()
        assert len(await _queued(world, vehicle.id)) == 2


_states = st.sampled_from(["queued", "sent", "failed", "expired"])
_status = st.sampled_from(fleet.STATUSES)
_holder = st.sampled_from([None, ids.derived("a"), ids.derived("b")])


@given(state=_states, rental=_holder, status=_status, held_by=_holder, holds=st.booleans())
def test_a_ride_begins_only_for_whom_the_vehicle_is_held(
    state: str, rental: UUID | None, status: str, held_by: UUID | None, holds: bool
) -> None:
    """I2, FLT-25: whatever the vehicle says and whenever it says it."""
    follows = rules.after_unlock(state, rental, status, held_by, holds)
    if follows == "begin":
        assert rental is not None
        assert rental == held_by
        assert holds
        assert state in ("queued", "sent")
        assert status != "in_use"
    if follows == "lock":
        assert rental is not None
        assert not (held_by == rental and status == "in_use")
