"""Whole journeys through the doors, plain and over the wire format (TST-34, RNT-59)."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import db, doors, ids
from fahrwerk.kernel.errors import Conflict, Problem, Unavailable, Unpaid
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import contract, queries
from fahrwerk.rentals.contract import Found
from tests.rentals.riding import alive, book, paying_rider, told

if TYPE_CHECKING:
    from tests.world import World


@pytest.fixture(params=["local", "wire"], autouse=True)
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the doors between rooms run."""
    monkeypatch.setattr(doors, "runner", request.param)
    return str(request.param)


async def search(call: Any) -> list[str]:
    body = await contract.search(call, 52.52, 13.405, "scooter", 500, 50)
    return [v.id for v in msgspec.json.decode(body, type=Found).vehicles]


_TOLD = """
SELECT name FROM kernel.event WHERE data->>'booking_id' = $1 ORDER BY position
"""


async def test_search_reserve_pay_confirm_unlock(world: World) -> None:
    """TST-34, C-10, C-11, RNT-59: each step's state, the events, and the cache told."""
    began = time.monotonic()
    rider, vehicle = await paying_rider(world), await world.vehicle()
    public = ids.public("sco", vehicle.id)
    assert await search(rider) == [public]
    rental = await contract.book(rider, public, None, 30, None, False, None)
    assert await search(rider) == [], "the cache was told"
    rental = await contract.confirm(rider, rental.id, None)
    assert rental.state == "confirmed", "asserted before the unlock (C-10)"
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert payment.state == "authorized"
    async with alive(world):
        rental = await contract.unlock(rider, rental.id)
    assert rental.state == "in_progress"
    assert (await fleet.vehicle(rider, vehicle.id)).status == "in_use"
    names = [row["name"] for row in await db.run("rentals", rider, _TOLD, str(rental.id))]
    booking_side = ["VehicleReserved", "PaymentAuthorized", "BookingConfirmed", "VehicleUnlocked"]
    assert [name for name in names if name in booking_side] == booking_side
    ended = await contract.end(rider, rental.id, None, None, 5, None)
    await world.settle()
    assert ended.state == "completed"
    found = await contract.details(rider, rental.id)
    assert found.payment is not None
    assert found.payment.state == "completed"
    assert found.receipt_path is not None
    assert await search(rider) == [public]
    assert await told(world, rental.id) == [
        "rental.reserved", "BookingConfirmed", "rental.started", "rental.ended",
    ]  # fmt: skip
    assert time.monotonic() - began < 60


async def test_errors_are_the_same_on_both_sides_of_a_door(world: World, runner: str) -> None:
    """Over the wire an error is its kind and code: what is decided by it must not change."""
    rider, other = await paying_rider(world, "tok_insufficientFunds"), await world.rider()
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    with pytest.raises(Conflict) as taken:
        await book(other, vehicle)
    assert taken.value.error_code == "VEHICLE_UNAVAILABLE"
    assert {"hint", "alternatives"} <= taken.value.details.keys()
    with pytest.raises(Unpaid) as declined:
        await contract.confirm(rider, rental.id, None)
    assert declined.value.error_code == "PAYMENT_FAILED"
    assert (await contract.rental(rider, rental.id)).reason == "payment_failed"
    secure = await paying_rider(world, "tok_threeDSecure")
    waiting = await book(secure, vehicle)
    with pytest.raises(Unpaid) as challenged:
        await contract.confirm(secure, waiting.id, None)
    assert challenged.value.error_code == "PAYMENT_AUTHENTICATION_REQUIRED"
    assert (await contract.rental(secure, waiting.id)).state == "pending"
    with pytest.raises(Problem) as promotion:
        await book(other, await world.vehicle(), promo_code="NOSUCHCODE")
    assert promotion.value.status == 422


async def test_one_go_with_a_silent_vehicle(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """TST-43: cancelled and freed whichever way the error came."""
    monkeypatch.setattr(importlib.import_module("fahrwerk.rentals.actions.unlock"), "WAIT_S", 0.2)
    rider, vehicle = await paying_rider(world), await world.vehicle(connected=True)
    with pytest.raises(Unavailable) as silent:
        await contract.start(rider, str(vehicle.id), None, None, None, False)
    assert silent.value.error_code == "VEHICLE_OFFLINE"
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"


async def test_the_database_away_is_503_and_nothing_is_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TST-44, RNT-28: 503 with the words of the contract; what was held ends by its lease."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    real = db.one

    async def away(room: str, call: Any, sql: str, *args: Any) -> Any:
        if "INSERT INTO rentals.rental " in sql:
            raise db.DatabaseDown
        return await real(room, call, sql, *args)

    monkeypatch.setattr(db, "one", away)
    async with world.client(rider) as client:
        answer = await client.post("/bookings", json={"vehicle_id": str(vehicle.id)})
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["message"] == "We're experiencing issues. Please try again shortly."
    assert (await fleet.vehicle(rider, vehicle.id)).status == "reserved"
    monkeypatch.setattr(db, "one", real)
    assert (await queries.rental_page(rider, rider.user, None, 9, 0)).total == 0
