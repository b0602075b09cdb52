"""Book, pay and unlock in one go (RNT-35, RNT-37): what it leaves behind when it fails."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import contract
from tests.rentals.riding import alive, keyed, paying_rider, vehicle_answers

if TYPE_CHECKING:
    from tests.world import World

pytestmark = pytest.mark.usefixtures("database")


async def test_one_go_leaves_nothing_behind_when_it_fails(world: World) -> None:
    """RNT-35, RNT-37: declined: 400, vehicle free, nothing charged, no booking in the way."""
    rider, vehicle = await paying_rider(world, "tok_insufficientFunds"), await world.vehicle()
    async with world.client(rider) as client:
        answer = await client.post("/api/v1/rentals", json={"scooter_id": str(vehicle.id)})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "PAYMENT_FAILED"
    assert error["details"]["booking_id"].startswith("rent_")
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    with pytest.raises(payments.UnknownMethod):
        await contract.start(rider, str(vehicle.id), None, "pm_nonsense", None, False)
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    await world.settle()
    assert (await contract.rental_page(rider, rider.user, ["pending"], 9, 0)).total == 0


async def test_one_go_with_a_silent_vehicle_frees_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F9: not charged, hold released; and the same key may try again (C-17)."""
    monkeypatch.setattr(importlib.import_module("fahrwerk.rentals.actions.unlock"), "WAIT_S", 0.3)
    rider = keyed(await paying_rider(world))
    vehicle = await world.vehicle(connected=True)
    with pytest.raises(fleet.VehicleSilent):
        await contract.start(rider, str(vehicle.id), None, None, None, False)
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    await world.settle()
    [gone] = await contract.rentals(rider, rider.user, 9, 0)
    assert (gone.state, gone.reason) == ("cancelled", "vehicle_silent")
    payment = await payments.payment_for(rider, gone.id)
    assert payment is not None
    assert payment.state == "voided"
    async with alive(world):
        again = asyncio.ensure_future(
            contract.start(rider, str(vehicle.id), None, None, None, False)
        )
        rental = None
        while rental is None:
            await asyncio.sleep(0.02)
            page = await contract.rental_page(rider, rider.user, ["confirmed"], 1, 0)
            rental = next(iter(page.rentals), None)
        await asyncio.sleep(0.05)
        await vehicle_answers(world, rental)
        assert (await again).state == "in_progress"
        repeat = await contract.start(rider, str(vehicle.id), None, None, None, False)
    assert repeat.id == rental.id


async def test_one_go_that_needs_the_bank_waits(world: World) -> None:
    """RNT-24, C-17: after 3-D Secure the booking named in the answer is confirmed."""
    rider, vehicle = await paying_rider(world, "tok_threeDSecure"), await world.vehicle()
    async with world.client(rider) as client:
        answer = await client.post("/api/v1/rentals", json={"scooter_id": str(vehicle.id)})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "PAYMENT_AUTHENTICATION_REQUIRED"
        booking = (await client.get(f"/bookings/{error['details']['booking_id']}")).json()
    assert booking["status"] == "pending"


@pytest.mark.parametrize("wish", [{}, {"scooter_id": "a", "vehicle_id": "b"}, {"scooter_id": ""}])
async def test_a_start_must_name_one_vehicle(world: World, wish: dict[str, Any]) -> None:
    async with world.client(await paying_rider(world)) as client:
        answer = await client.post("/api/v1/rentals", json=wish)
    assert answer.status_code == 400


async def test_business_and_private(world: World) -> None:
    """RNT-53"""
    rider = await paying_rider(world)
    async with alive(world), world.client(rider) as client:
        wish = {"vehicle_id": str((await world.vehicle("car")).id), "business_trip": True}
        made = await client.post("/api/v1/rentals", json=wish)
        assert made.status_code == 201, made.text
        assert "scooter" not in made.json()
        assert made.json()["vehicle"]["type"] == "car"
        listed = (await client.get("/api/v1/rentals?status=active")).json()
        assert (await client.get("/api/v1/rentals?status=completed")).json()["rentals"] == []
    assert [r["business_trip"] for r in listed["rentals"]] == [True]
    assert listed["pagination"] == {"total": 1, "limit": 50, "offset": 0, "has_more": False}
