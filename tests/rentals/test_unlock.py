"""Unlocking and locking (FLT-24..27, RNT-27, TST-43, F9), and how a ride begins (C-10, G-12)."""

from __future__ import annotations

import asyncio
import importlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import HoldLost, VehicleSilent
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import BookingNeeded, UnknownRental, WrongState
from tests.rentals.riding import (
    alive,
    book,
    commands,
    confirmed,
    fact,
    paying_rider,
    public,
    riding,
    told,
    vehicle_answers,
)

if TYPE_CHECKING:
    from tests.world import World

# The function of the same name hides the module from plain imports.
unlocking = importlib.import_module("fahrwerk.rentals.actions.unlock")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Riders of these tests wait half a second, not ten."""
    monkeypatch.setattr(unlocking, "WAIT_S", 0.5)


async def test_the_ride_begins_when_the_vehicle_says_it_is_open(world: World) -> None:
    """FLT-24, FLT-25, C-10: only then, at the time of the confirmation."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    async with alive(world):
        waiting = asyncio.ensure_future(contract.unlock(rider, rental.id))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert (await contract.rental(rider, rental.id)).state == "confirmed"
        before = datetime.now(UTC)
        await vehicle_answers(world, rental)
        begun = await waiting
    assert begun.state == "in_progress"
    assert begun.expires_at is None
    assert begun.started_at is not None
    assert before <= begun.started_at <= datetime.now(UTC)
    assert (await fleet.vehicle(rider, vehicle.id)).status == "in_use"
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed", "rental.started"]
    assert await fact(world, rental.id, "rental.started") == {
        "booking_id": str(rental.id),
        "user_id": str(rider.user),
        "vehicle_id": str(vehicle.id),
        "started_at": begun.started_at.isoformat().replace("+00:00", "Z"),
    }
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert payment.state == "authorized", "nothing is charged before the end"


async def test_the_rider_hears_of_it_soon(world: World) -> None:
    """RNT-59: signals, not seconds of waiting."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    async with alive(world):
        waiting = asyncio.ensure_future(contract.unlock(rider, rental.id))
        await asyncio.sleep(1.2)  # long enough for the pauses to have grown
        answered = time.monotonic()
        await vehicle_answers(world, rental)
        await waiting
        assert time.monotonic() - answered < 1.0


async def test_a_vehicle_opened_by_a_key_is_in_use_at_once(world: World) -> None:
    """Vehicles without a device have nothing to confirm."""
    rental = await riding(world, await paying_rider(world), await world.vehicle("car"))
    assert rental.state == "in_progress"
    assert [row["state"] for row in await commands(world, rental)] == ["verified"]


@pytest.mark.usefixtures("impatient")
async def test_a_silent_vehicle_costs_nothing(world: World) -> None:
    """TST-43, RNT-27, F9: 503 with the words of the contract; the booking stays; no charge."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    async with world.client(rider) as client:
        answer = await client.post(f"/vehicles/{ids.public('sco', vehicle.id)}/unlock")
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "VEHICLE_OFFLINE"
    assert error["message"] == "Vehicle may be offline. Try unlock again in 1 minute."
    assert answer.headers["retry-after"] == "60"
    assert (await contract.rental(rider, rental.id)).state == "confirmed"
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert (payment.state, payment.captured_minor) == ("authorized", 0)


@pytest.mark.usefixtures("impatient")
async def test_presses_of_one_attempt_send_one_command(world: World) -> None:
    """F9: many presses, one command; a new one only after it came to nothing."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    presses = [contract.unlock(rider, rental.id) for _ in range(3)]
    results = await asyncio.gather(*presses, return_exceptions=True)
    assert all(isinstance(r, VehicleSilent) for r in results)
    assert len(await commands(world, rental)) == 1
    with clock.moved_to(clock.now() + timedelta(seconds=20)):
        await world.settle()
        assert [row["state"] for row in await commands(world, rental)] == ["expired"]
        with pytest.raises(VehicleSilent):
            await contract.unlock(rider, rental.id)
        assert [row["state"] for row in await commands(world, rental)] == ["expired", "queued"]
        async with alive(world):
            again = asyncio.ensure_future(contract.unlock(rider, rental.id))
            await asyncio.sleep(0.1)
            await vehicle_answers(world, rental)
            assert (await again).state == "in_progress"
    assert len(await commands(world, rental)) == 2


async def test_a_refusal_of_the_vehicle_is_said_at_once(world: World) -> None:
    """No ten seconds of waiting for a vehicle that has said no."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    began = time.monotonic()
    waiting = asyncio.ensure_future(contract.unlock(rider, rental.id))
    await asyncio.sleep(0.1)
    await vehicle_answers(world, rental, "refused")
    with pytest.raises(VehicleSilent):
        await waiting
    assert time.monotonic() - began < 2
    assert (await contract.rental(rider, rental.id)).state == "confirmed"


@pytest.mark.usefixtures("impatient")
async def test_a_late_answer_still_starts_the_ride(world: World) -> None:
    """The vehicle opened: then its ride has begun, whether or not the rider's app was waiting."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    with pytest.raises(VehicleSilent):
        await contract.unlock(rider, rental.id)
    await vehicle_answers(world, rental)
    await world.settle()
    assert (await contract.rental(rider, rental.id)).state == "in_progress"
    assert (await contract.unlock(rider, rental.id)).state == "in_progress", "a repeat is harmless"


@pytest.mark.usefixtures("impatient")
async def test_an_answer_after_the_booking_was_cancelled_starts_nothing(world: World) -> None:
    """I2: no ride without its booking; fleet locks the vehicle again."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    with pytest.raises(VehicleSilent):
        await contract.unlock(rider, rental.id)
    await contract.cancel(rider, rental.id, "rider")
    await vehicle_answers(world, rental)
    await world.settle()
    gone = await contract.rental(rider, rental.id)
    assert gone.state == "cancelled"
    assert gone.started_at is None
    assert (await fleet.vehicle(rider, vehicle.id)).status != "in_use"
    assert "rental.started" not in await told(world, rental.id)


async def test_a_second_confirmation_changes_nothing(world: World) -> None:
    """I6: news may come twice."""
    from fahrwerk.fleet.events import VehicleUnlocked
    from fahrwerk.rentals.actions.begin import begin

    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await riding(world, rider, vehicle)
    news = VehicleUnlocked(vehicle.id, ids.new(), rental.id, clock.now() + timedelta(minutes=5))
    async with db.tx("rentals", world.system()) as tx:
        await begin(tx, world.system(), rental.id, vehicle.id, news.at)
        await begin(tx, world.system(), ids.new(), vehicle.id, news.at)
        await begin(tx, world.system(), rental.id, ids.new(), news.at)
    assert await contract.rental(rider, rental.id) == rental


async def test_only_a_confirmed_booking_unlocks(world: World) -> None:
    """FLT-24"""
    rider, other = await paying_rider(world), await paying_rider(world)
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    with pytest.raises(WrongState):
        await contract.unlock(rider, rental.id)
    for stranger in (other, world.admin()):
        with pytest.raises(UnknownRental):
            await contract.unlock(stranger, rental.id)
    with pytest.raises(BookingNeeded):
        await contract.rental_of(other, str(vehicle.id))
    async with world.client(other) as client:
        answer = await client.post(f"/vehicles/{vehicle.id}/unlock")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "BOOKING_REQUIRED"
    await contract.cancel(rider, rental.id, "rider")
    with pytest.raises(WrongState):
        await contract.unlock(rider, rental.id)


async def test_a_hold_that_ran_out_does_not_unlock(world: World) -> None:
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await confirmed(rider, vehicle)
    with clock.moved_to(clock.now() + timedelta(minutes=11)), pytest.raises(HoldLost):
        await contract.unlock(rider, rental.id)


async def test_the_code_on_the_vehicle_must_be_its_own(world: World) -> None:
    """FLT-27: unlock by QR code: in the path, or beside it."""
    rider = await paying_rider(world)
    vehicle = await world.vehicle(qr_code="QR-1")
    other = await world.vehicle(qr_code="QR-2")
    rental = await confirmed(rider, vehicle)
    with pytest.raises(Invalid):
        await contract.rental_of(rider, str(vehicle.id), None, "QR-2")
    with pytest.raises(BookingNeeded):
        await contract.rental_of(rider, str(vehicle.id), ids.new())
    with pytest.raises(BookingNeeded):
        await contract.rental_of(rider, str(other.id))
    async with alive(world), world.client(rider) as client:
        body = {"booking_id": public(rental), "qr_code": "QR-1"}
        answer = await client.post("/api/v1/vehicles/QR-1/unlock", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "message": "Vehicle unlocked",
        "booking_id": public(rental),
        "vehicle_id": ids.public("sco", vehicle.id),
        "status": "in_progress",
        "start_time": answer.json()["start_time"],
    }
    assert answer.json()["start_time"].endswith("Z")


async def test_a_rider_locks_and_opens_during_the_ride(world: World) -> None:
    """FLT-26: the ride and its meter go on."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await riding(world, rider, vehicle)
    async with world.client(rider) as client:
        locked = await client.post(f"/vehicles/{vehicle.id}/lock", json={})
        assert locked.status_code == 200, locked.text
        assert locked.json()["message"] == "Vehicle locked"
        assert (await fleet.vehicle(rider, vehicle.id)).is_locked is True
        again = await client.post(f"/vehicles/{vehicle.id}/lock")
        opened = await client.post(f"/vehicles/{vehicle.id}/unlock")
    assert again.status_code == opened.status_code == 200
    assert (await fleet.vehicle(rider, vehicle.id)).is_locked is False
    await world.settle()
    assert await contract.rental(rider, rental.id) == rental
    assert [row["operation"] for row in await commands(world, rental)] == [
        "unlock", "lock", "unlock",
    ]  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_a_vehicle_that_does_not_lock_says_so(world: World) -> None:
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)
    with pytest.raises(WrongState):
        await contract.lock(rider, rental.id)
    async with alive(world):
        waiting = asyncio.ensure_future(contract.unlock(rider, rental.id))
        await asyncio.sleep(0.1)
        await vehicle_answers(world, rental)
        await waiting
        with pytest.raises(VehicleSilent):
            await contract.lock(rider, rental.id)
        waiting = asyncio.ensure_future(contract.lock(rider, rental.id))
        await asyncio.sleep(0.1)
        await vehicle_answers(world, rental)
        assert (await waiting).state == "in_progress"


async def test_a_moving_vehicle_says_that_it_moves(world: World) -> None:
    """FLT-26: not *offline*: the rider stops and tries again; the ride goes on."""
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    rental = await confirmed(rider, vehicle)

    async def told_so_far(count: int) -> None:
        while len(await commands(world, rental)) < count:
            await asyncio.sleep(0.02)

    async with alive(world), world.client(rider) as client:
        opening = asyncio.ensure_future(contract.unlock(rider, rental.id))
        await told_so_far(1)
        await vehicle_answers(world, rental)
        await opening
        path = f"/api/v1/vehicles/{ids.public('sco', vehicle.id)}/lock"
        waiting = asyncio.ensure_future(client.post(path))
        await told_so_far(2)
        await vehicle_answers(world, rental, "refused", "moving")
        answer = await waiting
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"]["code"] == "VEHICLE_MOVING"
    assert "retry-after" not in answer.headers
    assert (await contract.rental(rider, rental.id)).state == "in_progress"
