"""Paying for a booking (RNT-19..25, TST-32, TST-40, TST-42), and what runs out (RNT-18, RNT-22)."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Problem
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import (
    AuthenticationRequired,
    PaymentDeclined,
    PaymentUnknown,
    UnknownMethod,
)
from fahrwerk.rentals import contract
from fahrwerk.rentals.actions.confirm import record_confirmed
from fahrwerk.rentals.contract import WrongState
from tests.rentals.riding import book, confirmed, fact, paying_rider, public, told
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from tests.world import World

pytestmark = pytest.mark.usefixtures("database")
START = datetime(2025, 1, 15, 14, 30, tzinfo=UTC)
DEADLINE = """
SELECT due_at FROM rentals.deadline WHERE tenant_id = kernel.tenant() AND rental_id = $1
"""
HELD_UNTIL = "SELECT hold_expires_at FROM fleet.vehicle WHERE id = $1"


async def held_until(world: World, vehicle_id: UUID) -> datetime | None:
    row = await db.one("fleet", world.system(), HELD_UNTIL, vehicle_id)
    at: datetime | None = row["hold_expires_at"] if row else None
    return at


async def payment_state(call: Call, rental_id: UUID) -> str:
    payment = await payments.payment_for(call, rental_id)
    assert payment is not None
    return payment.state


async def test_a_confirmed_booking_field_for_field() -> None:
    """RNT-19..22, C-15, C-19: the example of the catalogue, at its own time and tariff."""
    world = await make_world()
    from fahrwerk.pricing import contract as pricing

    await pricing.set_tariff(world.admin(), "scooter", 60, 0, 25_000, 7_500)
    rider = await paying_rider(world)
    vehicle = await world.vehicle(
        latitude=50.1105, longitude=8.6821, battery_level=85, external_id="12345"
    )
    with clock.moved_to(START - timedelta(minutes=2)):
        async with world.client(rider) as client:
            wish = {
                "vehicle_id": 12345,
                "start_time": "2025-01-15T14:30:00Z",
                "estimated_duration_minutes": 30,
            }
            made = await client.post("/bookings", json=wish)
            booking_id = made.json()["booking"]["id"]
            paid = await client.post(f"/bookings/{booking_id}/confirm-payment", json={})
    assert made.status_code == 201
    body = made.json()
    assert body["payment_intent_id"].startswith("pay_")
    assert body["payment_required"] is True
    assert body["expires_at"] == "2025-01-15T14:33:00Z"
    assert body["reservation_token"]
    booking = body["booking"]
    assert booking["status"] == "pending"
    assert booking["start_time"] == "2025-01-15T14:30:00Z"
    assert (booking["estimated_cost"], booking["estimated_charge"]) == (1.25, 12.5)
    assert paid.status_code == 200, paid.text
    assert paid.json() == {
        "booking": {
            "id": booking_id,
            "status": "confirmed",
            "vehicle": {
                "id": ids.public("sco", vehicle.id),
                "type": "scooter",
                "battery": 85,
                "location": {"lat": 50.1105, "lon": 8.6821},
            },
            "payment": {"status": "authorized", "estimated_charge": 12.5, "currency": "EUR"},
            "unlock_expires_at": "2025-01-15T14:40:00Z",
        }
    }


async def test_the_confirmation_is_told_with_the_state(world: World) -> None:
    """RNT-20, RNT-30, EV-05: state, times and event of one statement."""
    rider = await paying_rider(world)
    with clock.moved_to(START):
        rental = await confirmed(rider, await world.vehicle(), minutes=45)
    assert rental.state == "confirmed"
    assert rental.confirmed_at == START
    assert rental.version == 2
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed"]
    assert await fact(world, rental.id, "BookingConfirmed") == {
        "booking_id": str(rental.id),
        "user_id": str(rider.user),
        "vehicle_id": str(rental.vehicle_id),
        "confirmed_at": "2025-01-15T14:30:00Z",
        "estimated_start": "2025-01-15T14:30:00Z",
        "estimated_duration_minutes": 45,
        "is_recorded": False,
    }


async def test_the_vehicle_is_held_as_long_as_the_unlock_window(world: World) -> None:
    """RNT-22, C-09: ten minutes from the planned start; hold, window and deadline agree."""
    rider = await paying_rider(world)
    with clock.moved_to(START):
        planned = START + timedelta(minutes=90)
        rental = await confirmed(rider, await world.vehicle(), planned_start_at=planned)
        assert rental.expires_at == planned + timedelta(minutes=10)
        assert await held_until(world, rental.vehicle_id) == rental.expires_at
        row = await db.one("rentals", world.system(), DEADLINE, rental.id)
        assert row is not None
        assert row["due_at"] == rental.expires_at


async def test_the_window_is_never_shorter_than_ten_minutes(world: World) -> None:
    """RNT-22: who booked for half an hour ago still has ten minutes to get there."""
    rider = await paying_rider(world)
    with clock.moved_to(START):
        planned = START - timedelta(minutes=30)
        rental = await confirmed(rider, await world.vehicle(), planned_start_at=planned)
    assert rental.expires_at == START + timedelta(minutes=10)


async def test_confirming_twice_authorises_once(world: World) -> None:
    """I1: one after the other, and both at once."""
    rider = await paying_rider(world)
    rental = await book(rider, await world.vehicle())
    first, second = await asyncio.gather(
        contract.confirm(rider, rental.id, None), contract.confirm(rider, rental.id, None)
    )
    third = await contract.confirm(rider, rental.id, None)
    assert first.id == second.id == third.id
    assert {first.state, second.state, third.state} == {"confirmed"}
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed"]
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert payment.authorized_minor == rental.hold_minor


@pytest.mark.parametrize("token", ["tok_insufficientFunds", "tok_fraudSuspected"])
async def test_a_declined_card_cancels_and_frees(world: World, token: str) -> None:
    """TST-32, TST-42, RNT-23, C-16: 400, the words of the contract, the vehicle free at once."""
    rider = await paying_rider(world, token)
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    async with world.client(rider) as client:
        answer = await client.post(f"/bookings/{public(rental)}/confirm-payment")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "PAYMENT_FAILED"
    assert error["message"] == "Payment failed. Please try another payment method."
    gone = await contract.rental(rider, rental.id)
    assert (gone.state, gone.reason) == ("cancelled", "payment_failed")
    assert gone.cancelled_at is not None
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    await world.settle()
    assert await told(world, rental.id) == ["rental.reserved", "rental.cancelled"]
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    with pytest.raises(WrongState) as refused:
        await contract.confirm(rider, rental.id, None)
    assert refused.value.details["state"] == "cancelled"


async def test_after_a_decline_the_same_key_may_book_again(world: World) -> None:
    """C-17: in the house, where a lost answer is asked for again; the declined one stays gone."""
    from tests.rentals.riding import keyed

    rider = keyed(await paying_rider(world, "tok_insufficientFunds"))
    vehicle = await world.vehicle()
    first = await book(rider, vehicle)
    with pytest.raises(PaymentDeclined):
        await contract.confirm(rider, first.id, None)
    second = await book(rider, vehicle)
    assert second.id != first.id
    assert second.state == "pending"
    assert (await book(rider, vehicle)).id == second.id
    await world.settle()  # the first one's news is no news of the second
    assert (await contract.rental(rider, second.id)).state == "pending"
    assert (await fleet.vehicle(rider, vehicle.id)).status == "reserved"


async def test_after_3d_secure_the_booking_waits(world: World) -> None:
    """RNT-24, C-17: asked for, and failed: 400, the booking stays pending, another card helps."""
    rider = await paying_rider(world, "tok_threeDSecure")
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    with pytest.raises(AuthenticationRequired) as refused:
        await contract.confirm(rider, rental.id, None)
    assert refused.value.status == 400
    assert refused.value.details["next_action"]
    await world.settle()
    assert (await contract.rental(rider, rental.id)).state == "pending"
    assert (await fleet.vehicle(rider, vehicle.id)).status == "reserved"
    other = await payments.add_method(rider, "tok_visa", False)
    again = await contract.confirm(rider, rental.id, ids.public("pm", other.id))
    assert again.state == "confirmed"


async def test_a_challenge_passed_confirms_the_booking_by_itself(world: World) -> None:
    """RNT-24: the bank's yes comes as news; confirming once more only answers it."""
    rider = await paying_rider(world, "tok_threeDSecure")
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    with pytest.raises(AuthenticationRequired):
        await contract.confirm(rider, rental.id, None)
    await payments.complete_authentication(rider, rental.payment_id)
    await world.settle()
    found = await contract.rental(rider, rental.id)
    assert found.state == "confirmed"
    assert await contract.confirm(rider, rental.id, None) == found
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed"]


async def test_a_challenge_failed_may_be_tried_again(world: World) -> None:
    """RNT-24, C-17: the booking waits until it runs out."""
    rider = await paying_rider(world, "tok_threeDSecureFails")
    rental = await book(rider, await world.vehicle())
    for _ in range(2):
        with pytest.raises(AuthenticationRequired):
            await contract.confirm(rider, rental.id, None)
        with pytest.raises(AuthenticationRequired):
            await payments.complete_authentication(rider, rental.payment_id)
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "pending"
    with clock.moved_to(clock.now() + timedelta(minutes=6)):
        await world.settle()
    assert (await contract.rental(rider, rental.id)).reason == "expired"


async def test_an_unknown_method_leaves_the_booking(world: World) -> None:
    rider, other = await paying_rider(world), await world.rider()
    others = await world.card(other)
    rental = await book(rider, await world.vehicle())
    for method in (ids.public("pm", others), "pm_nonsense"):
        with pytest.raises(UnknownMethod):
            await contract.confirm(rider, rental.id, method)
    assert (await contract.rental(rider, rental.id)).state == "pending"


async def test_a_gateway_that_says_nothing_is_asked_again(world: World) -> None:
    """TST-40, RNT-25, PAY-12: 503 now; the truth comes later, and confirms the booking."""
    rider = await paying_rider(world, "tok_error500After")
    vehicle = await world.vehicle()
    rental = await book(rider, vehicle)
    now = clock.now()
    with contextlib.suppress(PaymentUnknown):
        await contract.confirm(rider, rental.id, None)
    for minutes in (1, 2, 3, 4):
        with clock.moved_to(now + timedelta(minutes=minutes)):
            await world.settle()
    found = await contract.rental(rider, rental.id)
    assert found.state == "confirmed"
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed"]
    with clock.moved_to(now + timedelta(minutes=4)):
        await world.settle()
        assert found.expires_at is not None
        until = await held_until(world, vehicle.id)
        assert until is not None
        assert abs((until - found.expires_at).total_seconds()) <= 1, "the worker kept the hold"


async def test_an_unpaid_booking_runs_out(world: World) -> None:
    """RNT-18, C-09, I3: after five minutes, not before."""
    rider, vehicle = await world.rider(), await world.vehicle()
    with clock.moved_to(START):
        rental = await book(rider, vehicle)
        assert rental.expires_at == START + timedelta(minutes=5)
    with clock.moved_to(START + timedelta(minutes=4, seconds=59)):
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "pending"
    with clock.moved_to(START + timedelta(minutes=5)):
        await world.settle()
    gone = await contract.rental(rider, rental.id)
    assert (gone.state, gone.reason) == ("cancelled", "expired")
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    assert await told(world, rental.id) == ["rental.reserved", "rental.cancelled"]
    assert await db.run("rentals", world.system(), DEADLINE, rental.id) == []


async def test_a_paid_booking_not_unlocked_runs_out_and_the_money_goes_back(world: World) -> None:
    """RNT-22, C-84, I12: voided, since nothing was captured."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await confirmed(rider, vehicle)
    with clock.moved_to(START + timedelta(minutes=9, seconds=59)):
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "confirmed"
    with clock.moved_to(START + timedelta(minutes=10, seconds=1)):
        await world.settle()
        gone = await contract.rental(rider, rental.id)
        assert (gone.state, gone.reason) == ("cancelled", "expired")
        assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
        assert await payment_state(rider, rental.id) == "voided"


async def test_a_booking_that_ran_out_is_not_confirmed_any_more(world: World) -> None:
    """I12: authorised a moment too late: 409, and the money goes back."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await book(rider, vehicle)
    with clock.moved_to(START + timedelta(minutes=5, seconds=1)):
        with pytest.raises(WrongState) as refused:
            await contract.confirm(rider, rental.id, None)
        assert refused.value.details == {"state": "cancelled", "reason": "expired"}
        await world.settle()
        assert await payment_state(rider, rental.id) == "voided"
    assert await told(world, rental.id) == ["rental.reserved", "rental.cancelled"]


async def test_a_crash_before_the_hold_is_made_longer_heals(world: World) -> None:
    """F1: confirmed, and then the process died: seconds later the worker does the rest."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await book(rider, vehicle)
        await payments.open_payment(
            rider, rental.payment_id, rental.id, rental.rider_id, rental.hold_minor, "EUR"
        )
        await payments.authorize(rider, rental.payment_id, None)

        async def run(*args: object) -> list[db.Row]:
            return await db.run("rentals", rider, *args)  # type: ignore[arg-type]

        found = await record_confirmed(run, rider, rental)
        assert found is not None
        assert await held_until(world, vehicle.id) == START + timedelta(minutes=5)
    with clock.moved_to(START + timedelta(seconds=6)):
        await world.settle()
        assert await held_until(world, vehicle.id) == found.expires_at
    with clock.moved_to(START + timedelta(minutes=5, seconds=30)):
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "confirmed"


async def test_a_booking_whose_hold_is_lost_is_over(world: World) -> None:
    """Whatever frees the vehicle under a booking also ends the booking: nobody waits in vain."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await confirmed(rider, vehicle)
    await fleet.release_hold(world.system(), vehicle.id, rental.id, "maintenance")
    await world.settle()
    gone = await contract.rental(rider, rental.id)
    assert (gone.state, gone.reason) == ("cancelled", "maintenance")
    assert await payment_state(rider, rental.id) == "voided"


async def test_losing_the_hold_while_paying_gives_the_money_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await book(rider, vehicle)
    authorize = payments.authorize

    async def slowly(call: Call, payment_id: UUID, method_id: UUID | None) -> payments.Payment:
        done = await authorize(call, payment_id, method_id)
        await fleet.release_hold(world.system(), vehicle.id, rental.id, "expired")
        return done

    monkeypatch.setattr(payments, "authorize", slowly)
    with pytest.raises(WrongState) as refused:
        await contract.confirm(rider, rental.id, None)
    assert refused.value.details == {"state": "cancelled", "reason": "hold_lost"}
    await world.settle()
    assert await payment_state(rider, rental.id) == "voided"


async def test_cancelling_gives_vehicle_and_money_back(world: World) -> None:
    """C-84: at once, repeatable, over HTTP; by the rider or by who may end anybody's."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await confirmed(rider, vehicle)
    async with world.client(rider) as client:
        first = await client.post(f"/api/v1/bookings/{public(rental)}/cancel")
        again = await client.post(f"/bookings/{rental.id}/cancel")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["status"] == "cancelled"
    assert first.json()["reason"] == "rider"
    assert first.json()["cancelled_at"]
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    await world.settle()
    assert await payment_state(rider, rental.id) == "voided"
    other = await book(rider, vehicle)
    assert (await contract.cancel(world.admin(), other.id, "support")).reason == "support"


async def test_cancel_and_confirm_at_once_end_in_one_of_the_two(world: World) -> None:
    """I6, I12: whoever wins, vehicle and money agree with the booking."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    for _ in range(8):
        rental = await book(rider, vehicle)
        results = await asyncio.gather(
            contract.confirm(rider, rental.id, None),
            contract.cancel(rider, rental.id, "rider"),
            return_exceptions=True,
        )
        assert all(isinstance(r, contract.Rental | Problem) for r in results), results
        await world.settle()
        found = await contract.rental(rider, rental.id)
        names = await told(world, rental.id)
        assert found.state == "cancelled", "a confirmed booking can be cancelled too"
        assert names[0] == "rental.reserved"
        assert names[-1] == "rental.cancelled"
        assert await payment_state(rider, rental.id) in ("voided", "failed", "created")
        assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
