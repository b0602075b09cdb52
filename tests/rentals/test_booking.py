"""Reserving a vehicle (RNT-11..18, RNT-26, TST-30, TST-31, TST-33, TST-41)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import VehicleTaken
from fahrwerk.identity.contract import MayNotRide
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.payments import contract as payments
from fahrwerk.pricing.contract import UnknownPromotion
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import TooManyRentals, UnknownRental
from tests.rentals.riding import book, confirmed, fact, keyed, paying_rider, told
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World

pytestmark = pytest.mark.usefixtures("database")


async def test_a_valid_booking_is_created(world: World) -> None:
    """TST-30, RNT-11..14, RNT-17, RNT-18: reserved for five minutes and priced."""
    vehicle, rider = await world.vehicle(), await world.rider()
    before = datetime.now(UTC)
    rental = await book(rider, vehicle, minutes=30, is_business=True)
    assert rental.state == "pending"
    assert rental.rider_id == rider.user
    assert rental.vehicle_id == vehicle.id
    assert rental.estimated_minutes == 30
    assert rental.is_business
    assert not rental.is_recorded
    assert rental.version == 1
    assert rental.expires_at is not None
    assert 298 <= (rental.expires_at - before).total_seconds() <= 302
    assert len(rental.reservation_token) >= 32
    assert rental.terms.base_fee_minor == 150
    assert rental.hold_minor > rental.estimated_minor > 0
    assert (await fleet.vehicle(rider, vehicle.id)).status == "reserved"
    assert await payments.payment_for(rider, rental.id) is None  # opened when it is to be paid
    assert await told(world, rental.id) == ["rental.reserved"]
    assert await fact(world, rental.id, "rental.reserved") == {
        "booking_id": str(rental.id),
        "user_id": str(rider.user),
        "vehicle_id": str(vehicle.id),
        "payment_id": str(rental.payment_id),
        "hold_minor": rental.hold_minor,
        "currency": "EUR",
    }
    assert await contract.rental(rider, rental.id) == rental


async def test_of_200_bookings_at_once_one_wins(world: World) -> None:
    """TST-31, RNT-15, F12, I4: 200 requests of 20 riders for one vehicle."""
    vehicle = await world.vehicle()
    riders = await asyncio.gather(*(world.rider() for _ in range(20)))
    tries = [book(riders[n % 20], vehicle) for n in range(200)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = [r for r in results if isinstance(r, contract.Rental)]
    lost = [r for r in results if not isinstance(r, contract.Rental)]
    assert len(won) == 1
    assert all(isinstance(r, VehicleTaken) for r in lost), lost
    stored = await db.run(
        "rentals", world.system(), "SELECT rider_id FROM rentals.rental WHERE state = 'pending'"
    )
    assert [row["rider_id"] for row in stored] == [won[0].rider_id]
    assert await told(world, won[0].id) == ["rental.reserved"]


async def test_the_loser_is_offered_the_nearest_others(world: World) -> None:
    """TST-41, RNT-15, RNT-16: 409 with hint and alternatives, nearest first."""
    taken = await world.vehicle(latitude=52.52, longitude=13.405)
    further = await world.vehicle(latitude=52.525, longitude=13.405, battery_level=70)
    near = await world.vehicle(latitude=52.521, longitude=13.405, battery_level=50)
    await book(await world.rider(), taken)
    async with world.client(await world.rider()) as client:
        answer = await client.post("/bookings", json={"vehicle_id": str(taken.id)})
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "VEHICLE_UNAVAILABLE"
    assert error["message"] == "Vehicle no longer available"
    details = error["details"]
    assert details["hint"] == (
        "This vehicle is no longer available. Here are other nearby options:"
    )
    assert [a["id"] for a in details["alternatives"]] == [
        ids.public("sco", near.id), ids.public("sco", further.id),
    ]  # fmt: skip
    assert details["alternatives"][0]["distance_meters"] == 111
    assert details["alternatives"][0]["battery"] == 50


async def test_a_repeat_finds_the_first_tries_booking(world: World) -> None:
    """TST-33, RNT-26: same key, same booking; nothing is written twice."""
    vehicle, rider = await world.vehicle(), keyed(await world.rider())
    first = await book(rider, vehicle)
    assert await book(rider, vehicle) == first
    assert await told(world, first.id) == ["rental.reserved"]
    other = await book(keyed(await world.rider()), await world.vehicle())
    assert other.id != first.id, "the key is the rider's own"


async def test_one_rider_one_key_many_requests(world: World) -> None:
    """F13: whichever was first, all get its booking."""
    vehicle, rider = await world.vehicle(), keyed(await world.rider())
    results = await asyncio.gather(*(book(rider, vehicle) for _ in range(20)))
    assert len({rental.id for rental in results}) == 1
    assert {rental.state for rental in results} == {"pending"}
    assert await told(world, results[0].id) == ["rental.reserved"]
    assert (await fleet.vehicle(rider, vehicle.id)).status == "reserved"


async def test_the_same_request_over_http_is_answered_the_same(world: World) -> None:
    """TST-33: identical bodies back, and one booking."""
    vehicle, rider = await world.vehicle(), await world.rider()
    async with world.client(rider, **{"Idempotency-Key": "abc"}) as client:
        wish = {"vehicle_id": ids.public("sco", vehicle.id), "estimated_duration_minutes": 30}
        first = await client.post("/bookings", json=wish)
        again = await client.post("/bookings", json=wish)
        listed = await client.get("/bookings")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert listed.json()["pagination"]["total"] == 1


async def test_a_rider_has_so_many_rentals_and_no_more() -> None:
    """The operator's limit, and the fourth vehicle is free again at once."""
    world = await make_world(max_active_rentals=2)
    rider = await world.rider()
    first = await book(rider, await world.vehicle())
    await book(rider, await world.vehicle())
    third = await world.vehicle()
    with pytest.raises(TooManyRentals) as refused:
        await book(rider, third)
    assert refused.value.details == {"limit": 2}
    assert refused.value.status == 409
    assert (await fleet.vehicle(rider, third.id)).status == "available"
    await contract.cancel(rider, first.id, "rider")
    assert (await book(rider, third)).state == "pending", "a place came free"


async def test_the_limit_holds_in_the_same_instant(world: World) -> None:
    """F13: ten vehicles, one rider, all at once: three, as the operator allows."""
    rider = await world.rider()
    vehicles = [await world.vehicle() for _ in range(10)]
    results = await asyncio.gather(*(book(rider, v) for v in vehicles), return_exceptions=True)
    won = [r for r in results if isinstance(r, contract.Rental)]
    assert len(won) == 3
    assert all(isinstance(r, TooManyRentals | contract.Rental) for r in results), results
    states = [(await fleet.vehicle(rider, v.id)).status for v in vehicles]
    assert sorted(states) == ["available"] * 7 + ["reserved"] * 3


async def test_a_code_that_is_not_valid_frees_the_vehicle(world: World) -> None:
    """A known failure after the hold gives it back at once (idea 4)."""
    vehicle, rider = await world.vehicle(), await world.rider()
    with pytest.raises(UnknownPromotion):
        await book(rider, vehicle, promo_code="NOSUCHCODE")
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    await world.settle()
    assert (await book(rider, vehicle, promo_code="WELCOME10")).terms.promotion is not None


async def test_news_of_a_failed_try_does_not_end_the_next_one(world: World) -> None:
    """The same key leads to the same id: ``vehicle.released`` of the first try comes late."""
    vehicle, rider = await world.vehicle(), keyed(await world.rider())
    with pytest.raises(UnknownPromotion):
        await book(rider, vehicle, promo_code="NOSUCHCODE")
    rental = await book(rider, vehicle)
    await world.settle()
    assert (await contract.rental(rider, rental.id)).state == "pending"


async def test_who_may_not_ride_holds_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fahrwerk.identity import contract as identity

    vehicle, rider = await world.vehicle(), await world.rider()
    assert rider.user is not None
    await identity.block_person(world.admin(), rider.user)
    with pytest.raises(MayNotRide) as refused:
        await book(rider, vehicle)
    assert refused.value.details["reason"]
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"


async def test_a_type_may_need_an_id_check(world: World) -> None:
    """RNT-11: a licence for cars, asked for when the car is known; the car stays free, and scooters
    need none."""
    from fahrwerk.identity.contract import checks, policy

    await policy.change_policy(world.admin(), policy.PolicyChange(ride_checks={"car": ["licence"]}))
    car, scooter = await world.vehicle(vehicle_type="car"), await world.vehicle()
    rider = await world.rider()
    with pytest.raises(MayNotRide) as refused:
        await book(rider, car)
    assert refused.value.details["reason"] == "id_check_missing"
    assert (await fleet.vehicle(rider, car.id)).status == "available"
    await contract.cancel(rider, (await book(rider, scooter)).id, "changed my mind")
    await checks.start_check(rider, "licence", "doc_valid")
    assert (await book(rider, car)).state == "pending"


async def test_the_house_itself_does_not_ride(world: World) -> None:
    with pytest.raises(Forbidden):
        await book(world.system(), await world.vehicle())


async def test_vehicles_answer_to_all_their_names(world: World) -> None:
    """C-04, FLT-27: public id, number of another system, QR code."""
    vehicle = await world.vehicle(external_id="12345", qr_code="QR-77")
    rider = await world.rider()
    async with world.client(rider) as client:
        for name in (12345, "12345", "QR-77", ids.public("sco", vehicle.id), str(vehicle.id)):
            answer = await client.post("/bookings", json={"vehicle_id": name})
            assert answer.status_code == 201, answer.text
            booking = answer.json()["booking"]
            assert booking["vehicle"]["id"] == ids.public("sco", vehicle.id)
            await client.post(f"/bookings/{booking['id']}/cancel")
        unknown = await client.post("/bookings", json={"vehicle_id": "sco_nonsense"})
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "UNKNOWN_VEHICLE"


async def test_a_start_too_far_ahead_is_refused_before_anything_is_held(world: World) -> None:
    vehicle, rider = await world.vehicle(), await world.rider()
    with pytest.raises(Invalid):
        await book(rider, vehicle, planned_start_at=clock.now() + timedelta(hours=13))
    with pytest.raises(Invalid):
        await book(rider, vehicle, minutes=24 * 60 + 1)
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"


async def test_a_run_out_booking_does_not_stand_in_the_way(world: World) -> None:
    """RNT-18: the next rider does not wait for the worker to clear the last one away."""
    vehicle, late, next_one = await world.vehicle(), await world.rider(), await world.rider()
    rental = await book(late, vehicle)
    with clock.moved_to(clock.now() + timedelta(minutes=6)):
        from fahrwerk.fleet.jobs import free_holds

        await free_holds()  # fleet was faster than rentals
        taken = await book(next_one, vehicle)
        assert taken.state == "pending"
    old = await contract.rental(late, rental.id)
    assert (old.state, old.reason) == ("cancelled", "expired")


async def test_a_ride_brought_in_from_history_is_known_as_such(world: World) -> None:
    """Only domain time is moved by a replay: leases are of today."""
    vehicle, rider = await world.vehicle(), await world.rider()
    long_ago = datetime(2014, 5, 5, 8, 0, tzinfo=UTC)
    with clock.moved_to(long_ago, leases=False):
        rental = await book(rider, vehicle)
    assert rental.is_recorded
    assert rental.created_at == rental.planned_start_at == long_ago
    assert rental.expires_at is not None
    assert rental.expires_at > datetime.now(UTC)
    await world.settle()
    assert (await contract.rental(rider, rental.id)).state == "pending"


async def test_others_bookings_look_like_none(world: World) -> None:
    """I7: of another rider and of another operator alike; staff of this one see it."""
    rental = await book(await world.rider(), await world.vehicle())
    stranger = await make_world()
    for call in (await world.rider(), await stranger.rider(), stranger.admin()):
        with pytest.raises(UnknownRental):
            await contract.rental(call, rental.id)
        with pytest.raises(UnknownRental):
            await contract.cancel(call, rental.id, "rider")
        with pytest.raises(UnknownRental):
            await contract.confirm(call, rental.id, None)
    assert (await contract.rental(world.admin(), rental.id)).id == rental.id


async def test_lists_are_ones_own_newest_first(world: World) -> None:
    """API-07, C-50"""
    rider, other = await paying_rider(world), await world.rider()
    mine = [await book(rider, await world.vehicle()) for _ in range(3)]
    await book(other, await world.vehicle())
    await contract.cancel(rider, mine[0].id, "rider")
    page = await contract.rental_page(rider, rider.user, None, 2, 0)
    assert [r.id for r in page.rentals] == [mine[2].id, mine[1].id]
    assert page.total == 3
    assert [r.id for r in await contract.rentals(rider, rider.user, 50, 2)] == [mine[0].id]
    pending = await contract.rental_page(rider, rider.user, ["pending"], 50, 0)
    assert pending.total == 2
    with pytest.raises(Forbidden):
        await contract.rental_page(rider, None, None, 50, 0)
    with pytest.raises(Forbidden):
        await contract.rentals(rider, other.user, 50, 0)
    assert (await contract.rental_page(world.admin(), None, None, 50, 0)).total == 4
    async with world.client(rider) as client:
        shown = (await client.get("/api/v1/bookings?status=pending&limit=1")).json()
    assert shown["pagination"] == {"total": 2, "limit": 1, "offset": 0, "has_more": True}
    assert shown["bookings"][0]["status"] == "pending"


async def test_the_wall_against_two_live_rentals_of_a_vehicle_is_in_the_database(
    world: World,
) -> None:
    """I4: whatever fleet says, a second live rental of a vehicle cannot be written."""
    vehicle, rider, other = await world.vehicle(), await paying_rider(world), await world.rider()
    await confirmed(rider, vehicle)
    take = "UPDATE fleet.vehicle SET status = 'available', held_by = NULL, held_rider = NULL,"
    await db.run(
        "fleet", world.system(),
        f"{take} hold_token = NULL, reserved_at = NULL, hold_expires_at = NULL WHERE id = $1",
        vehicle.id,
    )  # fmt: skip
    with pytest.raises(VehicleTaken):
        await book(other, vehicle)
    assert (await fleet.vehicle(other, vehicle.id)).status == "available", "and the hold is freed"
