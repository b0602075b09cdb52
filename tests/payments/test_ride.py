"""The way of an ordinary payment: hold, ride, capture; and what deviates from it without faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import db, doors, events, ids
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.payments import contract
from fahrwerk.rentals.events import RentalCancelled
from tests.payments.till import HOLD, open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


async def test_hold_ride_capture(world: World) -> None:
    """PAY-04..07, C-12: authorised before the ride, captured after it, the rest released."""
    till = await open_till(world)
    held = await till.authorize()
    assert (held.state, held.authorized_minor, held.captured_minor) == ("authorized", HOLD, 0)
    assert held.method_label == "Visa ending in 4242"
    await till.ended(525)
    paid = await till.work()
    assert (paid.state, paid.captured_minor) == ("completed", 525)
    assert paid.transaction_id is not None
    assert paid.transaction_id.startswith("txn_")
    assert await till.told() == ["PaymentAuthorized", "payment.captured", "PaymentCompleted"]
    assert await till.operations() == [("authorize", "done", HOLD), ("capture", "done", 525)]
    await till.at_rest()


async def test_events_say_what_the_contract_says(world: World) -> None:
    """EV-02, EV-03, PAY-10: amounts in minor units, the rental as ``booking_id``."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    rows = await db.run(
        "payments", world.system(),
        "SELECT data FROM kernel.event WHERE stream = $1 ORDER BY version", f"payment:{till.id}",
    )  # fmt: skip
    authorized, captured, completed = (row["data"] for row in rows)
    assert (captured["payment_id"], captured["amount"]) == (str(till.id), 525)
    assert (captured["gateway"], captured["currency"]) == ("sandbox", "EUR")
    assert authorized["booking_id"] == completed["booking_id"] == str(till.rental)
    assert (authorized["amount"], authorized["currency"]) == (HOLD, "EUR")
    assert authorized["gateway"] == "sandbox"
    assert authorized["authorized_at"]
    assert completed["amount"] == 525
    assert completed["transaction_id"].startswith("txn_")


async def test_repeating_answers_what_is_there(world: World) -> None:
    """PAY-29: opening and authorising again do nothing twice."""
    till = await open_till(world)
    assert till.rider.user is not None
    first = await till.authorize()
    again = await contract.open_payment(
        till.rider, till.id, till.rental, till.rider.user, 99_999, "EUR"
    )
    assert again == first == await till.authorize()
    await till.ended(100)
    await till.ended(900)  # a doubled end with another price changes nothing
    assert (await till.work()).captured_minor == 100
    assert (await till.authorize()).state == "completed"
    assert await till.done("authorize") == await till.done("capture") == 1


async def test_many_at_once_make_one_operation(world: World) -> None:
    """I1, F13: eight requests authorise the same payment; one goes to the gateway, all hear."""
    till = await open_till(world)
    answers = await asyncio.gather(*(till.authorize() for _ in range(8)))
    assert {answer.state for answer in answers} == {"authorized"}
    assert await till.operations() == [("authorize", "done", HOLD)]
    assert await till.told() == ["PaymentAuthorized"]
    asked = await db.run("payments", world.system(), "SELECT operation FROM payments.sandbox_log")
    assert [row[0] for row in asked if row[0] != "set_up"] == ["authorize"]


async def test_many_workers_at_once_capture_once(world: World) -> None:
    """I1: SKIP LOCKED gives a payment to one worker; were two at it, the key is the same."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await asyncio.gather(*(till.work() for _ in range(4)))
    assert await till.done("capture") == 1
    await till.at_rest()


async def test_a_ride_beyond_the_hold_is_charged_in_two_parts(world: World) -> None:
    """I1, C-19: the hold is captured whole; the rest is a second, off-session pair."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(3_000)
    paid = await till.work()
    assert (paid.state, paid.authorized_minor, paid.captured_minor) == ("completed", 3_000, 3_000)
    assert await till.operations() == [
        ("authorize", "done", HOLD), ("capture", "done", HOLD),
        ("authorize", "done", 1_750), ("capture", "done", 1_750),
    ]  # fmt: skip
    assert await till.told() == [
        "PaymentAuthorized", "payment.captured", "payment.captured", "PaymentCompleted",
    ]  # fmt: skip
    await till.at_rest()


async def test_a_ride_that_costs_nothing_is_voided(world: World) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(0)
    assert (await till.work()).state == "voided"
    assert (await till.at_rest()).authorized_minor == 0
    assert await till.told() == ["PaymentAuthorized", "payment.voided"]


async def test_a_cancelled_booking_gives_the_hold_back(world: World) -> None:
    """C-84: nothing was captured, so nothing is refunded; the authorisation is voided."""
    till = await open_till(world)
    await till.authorize()
    await till.cancelled()
    assert (await till.work()).state == "voided"
    assert await till.operations() == [("authorize", "done", HOLD), ("void", "done", HOLD)]
    await till.at_rest()
    with pytest.raises(contract.PaymentClosed):
        await till.authorize()


async def test_void_is_the_same_asked_for_directly(world: World) -> None:
    """I12, and harmless to repeat or to say too late."""
    till = await open_till(world)
    await till.authorize()
    for _ in range(2):
        await contract.void(till.rider, till.id)
    assert (await till.work()).state == "voided"
    late = await open_till(world)
    await late.authorize()
    await late.ended(200)
    await contract.void(late.rider, late.id)
    assert (await late.work()).state == "completed"


async def test_a_payment_never_authorised_is_closed_by_its_cancellation(world: World) -> None:
    till = await open_till(world)
    await till.cancelled()
    with pytest.raises(contract.PaymentClosed):
        await till.authorize()
    assert (await till.work()).state == "voided"
    assert await till.operations() == []
    assert await till.told() == ["payment.voided"]


async def test_a_payment_called_off_before_it_was_opened_stays_closed(world: World) -> None:
    """I12, C-84: who confirms while the booking is being cancelled authorises nothing."""
    rider = await world.rider()
    await world.card(rider)
    assert rider.user is not None
    payment_id, rental = ids.new(), ids.new()
    gone = RentalCancelled(rental, rider.user, ids.new(), payment_id, "expired", 2_000, "EUR")
    async with db.tx("rentals", world.system()) as tx:
        await events.emit(tx, world.system(), f"rental:{rental}", 1, gone)
    await world.settle()
    late = await contract.open_payment(rider, payment_id, rental, rider.user, 2_000, "EUR")
    assert (late.state, late.amount_minor, late.authorized_minor) == ("voided", 2_000, 0)
    with pytest.raises(contract.PaymentClosed):
        await contract.authorize(rider, payment_id, None)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("tok_chargeDeclined", "card_declined"),
        ("tok_insufficientFunds", "insufficient_funds"),
        ("tok_expiredCard", "expired_card"),
        ("tok_fraudSuspected", "fraud_suspected"),
    ],
)
async def test_a_declined_card_ends_the_payment(world: World, token: str, code: str) -> None:
    """PAY-11, RNT-23, C-16: 400 PAYMENT_FAILED; the booking hears PaymentFailed (EV-04)."""
    till = await open_till(world, token)
    with pytest.raises(contract.PaymentDeclined) as caught:
        await till.authorize()
    assert (caught.value.status, caught.value.error_code) == (400, "PAYMENT_FAILED")
    assert caught.value.details == {"reason": code}
    payment = await till.at_rest()
    assert (payment.state, payment.reason) == ("failed", code)
    assert await till.told() == ["PaymentFailed"]
    with pytest.raises(contract.PaymentClosed):
        await till.authorize(await till.card("tok_visa"))


async def test_every_change_is_signalled(world: World) -> None:
    """Who waits for a payment hears of it within the process at once."""
    till = await open_till(world)
    with hub.listening(f"payments.payment:{till.rental}") as bell:
        await till.authorize()
        assert bell.is_set()
        bell.clear()
        await till.ended(300)
        await till.work()
        assert bell.is_set()


@pytest.mark.parametrize("amount", [0, -1, 100_000_001, 10**17])
async def test_amounts_that_are_none_are_refused(world: World, amount: int) -> None:
    with pytest.raises(Invalid):
        await open_till(world, amount=amount)


@pytest.mark.parametrize("currency", ["", "eur", "XXX", "EURO"])
async def test_currencies_that_are_none(world: World, currency: str) -> None:
    """Refused by name; nothing is opened."""
    rider = world.call("customer")
    assert rider.user is not None
    payment = ids.new()
    with pytest.raises(Invalid) as refused:
        await contract.open_payment(rider, payment, ids.new(), rider.user, 100, currency)
    assert refused.value.details["field"] == "currency"
    with pytest.raises(NotFound):
        await contract.payment(rider, payment)


async def test_a_rental_has_one_payment(world: World) -> None:
    till = await open_till(world)
    assert till.rider.user is not None
    with pytest.raises(Conflict):
        await contract.open_payment(till.rider, ids.new(), till.rental, till.rider.user, 1, "EUR")
    with pytest.raises(Conflict):
        await contract.open_payment(till.rider, till.id, till.rental, ids.new(), 1, "EUR")
    with pytest.raises(Invalid):
        await contract.open_payment(till.rider, ids.new(), ids.new(), till.rider.user, 1, "XXX")


async def test_nobody_elses_payment_or_card(world: World) -> None:
    """I7: another rider's and another operator's look as if they were not there."""
    till = await open_till(world)
    stranger = world.call("customer")
    foreign = (await make_world()).call("customer")
    for other in (stranger, foreign):
        with pytest.raises(NotFound):
            await contract.authorize(other, till.id, None)
        with pytest.raises(NotFound):
            await contract.payment(other, till.id)
        with pytest.raises(NotFound):
            await contract.void(other, till.id)
        with pytest.raises(NotFound):
            await contract.pay(other, till.rental, None)
    theirs = await contract.add_method(stranger, "tok_visa", True)
    with pytest.raises(contract.UnknownMethod):
        await till.authorize(theirs.id)
    with pytest.raises(contract.UnknownMethod):
        await till.authorize(ids.new())
    assert (await contract.payment_for(foreign, till.rental)) is None


async def test_without_a_card_nothing_can_be_authorised(world: World) -> None:
    rider = world.call("customer")
    assert rider.user is not None
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 100, "EUR")
    with pytest.raises(contract.UnknownMethod):
        await contract.authorize(rider, payment.id, None)
    await contract.add_method(rider, "tok_visa", False)  # the first one is the default
    assert (await contract.authorize(rider, payment.id, None)).state == "authorized"


async def test_an_authorisation_costs_few_round_trips(world: World) -> None:
    """PRF-21: two reads, one risk decision, one intent, three at the (own) gateway, one result."""
    till = await open_till(world)
    token = db.statements.set([])
    try:
        await till.authorize()
        assert len(db.statements.get() or []) <= 8
    finally:
        db.statements.reset(token)


async def test_over_the_wire_it_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract works across two processes: types, and errors by their kind and code."""
    till = await open_till(world)
    monkeypatch.setattr(doors, "runner", "wire")
    assert (await till.authorize()).state == "authorized"
    await till.ended(525)
    assert (await till.work()).state == "completed"
    back = await contract.refund(world.call("support"), till.id, 100, "goodwill", "1")
    assert back.refunded_minor == 100
    with pytest.raises(Conflict) as caught:
        await contract.refund(world.call("support"), till.id, 999, "goodwill", "2")
    assert caught.value.error_code == contract.RefundTooLarge.code
