"""The gateway misbehaves in every way, at every operation, and the money is right in the end.

F10: six modes (and three more) x authorise, capture, refund, void. ``at_rest`` asserts I1, I10 and
I12 and that nothing is left open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import db
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.actions import _work
from fahrwerk.payments.contract import GatewayFault
from tests.payments.till import HOLD, open_till

if TYPE_CHECKING:
    from tests.payments.till import Till
    from tests.world import World

MODES: dict[str, dict[str, Any]] = {
    "timeout_before": {},
    "timeout_after": {},
    "error_500_before": {},
    "error_500_after": {},
    "rate_limited": {"times": 5},  # more often than one call repeats it
    "slow": {"seconds": 5.0},  # longer than we wait
    "wrong_amount": {},
    "delayed": {"seconds": 8.0},
    "late": {"seconds": 8.0},
}
EVERY_MODE = pytest.mark.parametrize("mode", list(MODES))
LATER = (20.0, 40.0, 80.0)
"""I8: within 120 s of the fault everything has come to an end."""


async def spoil(world: World, operation: str, mode: str, **fields: Any) -> None:
    values: dict[str, Any] = {
        "operation": operation,
        "fault": mode,
        **MODES.get(mode, {}),
        **fields,
    }
    await contract.script_sandbox(world.admin(), [GatewayFault(**values)])


async def authorized(world: World) -> Till:
    till = await open_till(world)
    await till.authorize()
    return till


async def completed(world: World, total: int = 525) -> Till:
    till = await authorized(world)
    await till.ended(total)
    await till.work()
    return till


@EVERY_MODE
async def test_authorise(world: World, mode: str) -> None:
    """PAY-12, RNT-25: unknown is not failed, and is found out; one hold at the bank."""
    till = await open_till(world)
    await spoil(world, "authorize", mode)
    with pytest.raises(contract.PaymentUnknown) as caught:
        await till.authorize()
    assert (caught.value.status, caught.value.error_code) == (503, "PAYMENT_PENDING")
    assert (await till.payment()).state == "unknown"
    assert (await till.work(*LATER)).state == "authorized"
    assert await till.operations() == [("authorize", "done", HOLD)]
    assert await till.told() == ["payment.pending", "PaymentAuthorized"]
    await till.at_rest()


@EVERY_MODE
async def test_authorise_and_ask_again(world: World, mode: str) -> None:
    """The rider's next try finds out at once instead of making a second operation."""
    till = await open_till(world)
    await spoil(world, "authorize", mode)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    if mode in ("delayed",):
        with pytest.raises(contract.PaymentUnknown):
            await till.authorize()
        await till.work(*LATER)
    assert (await till.authorize()).state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()


@EVERY_MODE
async def test_authorise_although_unwanted_by_then(world: World, mode: str) -> None:
    """I12: whatever the gateway did, or does late, is given back."""
    till = await open_till(world)
    await spoil(world, "authorize", mode)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.cancelled()
    payment = await till.work(1, *LATER)
    assert (payment.state, payment.authorized_minor) == ("voided", 0)
    assert await till.done("authorize") == await till.done("void")
    await till.at_rest()


async def test_an_authorisation_later_than_anybody_waits(world: World) -> None:
    """I12: it turns up when the payment is long closed; the gateway's webhook tells, we void it."""
    till = await open_till(world)
    await spoil(world, "authorize", "late", seconds=300.0)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.cancelled()
    assert (await till.work(*LATER)).state == "voided"
    assert await till.attempts() == [("authorize", "failed")]
    payment = await till.work(310, 320)
    assert (payment.state, payment.authorized_minor) == ("voided", 0)
    assert await till.attempts() == [("authorize", "succeeded"), ("void", "succeeded")]
    assert (await till.told())[-3:] == ["payment.voided", "PaymentAuthorized", "payment.voided"]
    await till.at_rest()


@EVERY_MODE
async def test_capture(world: World, mode: str) -> None:
    """PAY-07: taken once, and the receipt has its number."""
    till = await authorized(world)
    await spoil(world, "capture", mode)
    await till.ended(525)
    payment = await till.work(0, *LATER)
    assert (payment.state, payment.captured_minor) == ("completed", 525)
    assert await till.operations() == [("authorize", "done", HOLD), ("capture", "done", 525)]
    assert await till.told() == ["PaymentAuthorized", "payment.captured", "PaymentCompleted"]
    await till.at_rest()


SOME_MODES = pytest.mark.parametrize("mode", ["timeout_before", "timeout_after", "late"])


@SOME_MODES
async def test_capture_of_what_the_hold_did_not_cover(world: World, mode: str) -> None:
    """The second pair is as safe as the first."""
    for operation in ("authorize", "capture"):
        till = await authorized(world)
        await till.ended(3_000)
        await spoil(world, operation, mode)
        payment = await till.work(0, *LATER)
        assert (payment.state, payment.captured_minor) == ("completed", 3_000)
        await till.at_rest()


@EVERY_MODE
async def test_void(world: World, mode: str) -> None:
    till = await authorized(world)
    await spoil(world, "void", mode)
    await till.cancelled()
    payment = await till.work(0, *LATER)
    assert (payment.state, payment.authorized_minor) == ("voided", 0)
    assert await till.operations() == [("authorize", "done", HOLD), ("void", "done", HOLD)]
    await till.at_rest()


@EVERY_MODE
async def test_refund(world: World, mode: str) -> None:
    """I12: refunded once, by whoever finishes it: the repeat or the worker."""
    till = await completed(world)
    await spoil(world, "refund", mode)
    staff = world.call("support")
    with pytest.raises(contract.PaymentUnknown):
        await contract.refund(staff, till.id, 200, "goodwill", "case 7")
    payment = await till.work(*LATER)
    assert (payment.state, payment.refunded_minor) == ("completed", 200)
    again = await contract.refund(staff, till.id, 200, "goodwill", "case 7")
    assert again.refunded_minor == 200
    assert await till.done("refund") == 1
    await till.at_rest()


@pytest.mark.parametrize("mode", ["timeout_after", "error_500_before", "wrong_amount"])
async def test_reading(world: World, mode: str) -> None:
    """The janitor's own question may go unanswered too."""
    till = await open_till(world)
    await contract.script_sandbox(
        world.admin(),
        [
            GatewayFault(operation="authorize", fault="timeout_after"),
            GatewayFault(operation="read", **{"fault": mode, **MODES[mode]}),
        ],
    )
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    assert (await till.work(*LATER)).state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()


async def test_slow_but_in_time(world: World) -> None:
    till = await open_till(world)
    await spoil(world, "authorize", "slow", seconds=0.1)
    assert (await till.authorize()).state == "authorized"


async def test_429_is_repeated_within_the_call(world: World) -> None:
    """RNT-25: provably nothing happened, so the same call tries again with growing pauses."""
    till = await open_till(world, "tok_rateLimited")
    assert (await till.authorize()).state == "authorized"
    assert await till.done("authorize") == 1


async def test_a_wrong_echo_is_asked_about(world: World) -> None:
    """F10: an answer for another amount is not believed; what the gateway has is."""
    till = await open_till(world)
    await spoil(world, "authorize", "wrong_amount")
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    assert (await till.work(5)).authorized_minor == HOLD


async def test_a_hold_that_really_has_another_amount_is_given_back(world: World) -> None:
    """The gateway holds something else than was asked: that is no authorisation of this ride."""
    till = await open_till(world)
    faults = [
        GatewayFault(operation="authorize", fault="timeout_after"),
        GatewayFault(operation="read", fault="wrong_amount", times=9),
    ]
    await contract.script_sandbox(world.admin(), faults)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    payment = await till.work(5, 10, 15)
    assert (payment.state, payment.reason) == ("failed", "amount_mismatch")
    assert await till.done("void") == 1
    assert payment.authorized_minor == 0


async def test_a_gateway_that_never_sees_it(world: World) -> None:
    """RNT-25: after six tries over two minutes the hold has failed; the booking hears it."""
    till = await open_till(world)
    await spoil(world, "authorize", "timeout_before", times=50)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    payment = await till.work(*(10.0 * 2**n for n in range(8)))
    assert (payment.state, payment.reason) == ("failed", "gateway_unreachable")
    assert await till.told() == ["payment.pending", "PaymentFailed"]
    assert await till.operations() == []


async def test_a_capture_refused_for_good_stays_due(world: World) -> None:
    """PAY-12, EV-04: three tries with growing pauses, then the rider has to pay it."""
    till = await open_till(world, "tok_captureFails")
    await till.authorize()
    await till.ended(525)
    assert (await till.work()).state == "authorized"  # one refusal proves little
    payment = await till.work(3, 5, 10, 20, 40, 60)
    assert (payment.state, payment.reason) == ("due", "capture_failed")
    assert (payment.authorized_minor, payment.captured_minor) == (0, 0)
    assert await till.told() == ["PaymentAuthorized", "PaymentFailed"]
    assert [o for o in await till.operations() if o[0] == "capture"] == [
        ("capture", "declined", 525)
    ] * 3
    await till.at_rest()
    paid = await contract.pay(till.rider, till.rental, await till.card("tok_mastercard"))
    assert (paid.state, paid.captured_minor, paid.method_label) == (
        "completed", 525, "Mastercard ending in 4444",
    )  # fmt: skip
    assert (await till.told())[-1] == "PaymentCompleted"
    await till.at_rest()


async def test_the_part_beyond_the_hold_refused_stays_due(world: World) -> None:
    """What could be captured is; only the rest is due."""
    till = await authorized(world)
    await till.ended(3_000)
    await contract.script_sandbox(
        world.admin(),
        [GatewayFault(operation="authorize", fault="declined", code="insufficient_funds", times=3)],
    )
    payment = await till.work(0, 5, 10, 20, 40)
    assert (payment.state, payment.reason) == ("due", "insufficient_funds")
    assert payment.captured_minor == HOLD
    paid = await contract.pay(till.rider, till.rental, None)
    assert (paid.state, paid.captured_minor) == ("completed", 3_000)
    await till.at_rest()


async def test_paying_what_is_due_may_be_declined_and_repeated(world: World) -> None:
    till = await open_till(world, "tok_captureFails")
    await till.authorize()
    await till.ended(525)
    await till.work(0, 3, 10, 20, 60)
    with pytest.raises(contract.PaymentDeclined):
        await contract.pay(till.rider, till.rental, await till.card("tok_insufficientFunds"))
    with pytest.raises(contract.PaymentUnknown):
        await contract.pay(till.rider, till.rental, await till.card("tok_timeoutAfter"))
    paid = await contract.pay(till.rider, till.rental, await till.card("tok_visa"))
    assert (paid.state, paid.captured_minor) == ("completed", 525)
    assert await till.done("capture") == 1
    await till.at_rest()
    again = await contract.pay(till.rider, till.rental, None)
    assert again.captured_minor == 525


async def test_paying_what_is_due_with_a_card_that_cannot_be_captured(world: World) -> None:
    """Each new authorisation has a name of its own, the one before was given back."""
    till = await open_till(world, "tok_captureFails")
    await till.authorize()
    await till.ended(525)
    await till.work(0, 3, 10, 20, 60)
    with pytest.raises(contract.PaymentDeclined):
        await contract.pay(till.rider, till.rental, None)
    payment = await till.work(10, 20, 40)
    assert (payment.state, payment.authorized_minor) == ("due", 0)
    paid = await contract.pay(till.rider, till.rental, await till.card("tok_visa"))
    assert (paid.state, paid.captured_minor) == ("completed", 525)
    await till.at_rest()


async def test_a_refund_the_gateway_refuses(world: World) -> None:
    till = await open_till(world, "tok_refundFails")
    await till.authorize()
    await till.ended(525)
    await till.work()
    for _ in range(2):
        with pytest.raises(contract.PaymentDeclined) as caught:
            await contract.refund(world.call("support"), till.id, 100, "broken", "r1")
        assert caught.value.error_code == "REFUND_FAILED"
    assert (await till.at_rest()).refunded_minor == 0


async def test_a_void_refused_is_tried_until_it_works(world: World) -> None:
    till = await authorized(world)
    await spoil(world, "void", "declined", times=2)
    await till.cancelled()
    assert (await till.work(0, 10, 30)).state == "voided"
    await till.at_rest()


async def test_an_adapter_with_a_bug_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an adapter raises after the money moved, the attempt stays open and is found out."""
    till = await open_till(world)
    sandbox = gateways.find("sandbox")
    real = sandbox.authorise

    async def broken(*args: Any) -> gateways.Outcome:
        await real(*args)
        raise KeyError("no such field in the answer")

    monkeypatch.setattr(sandbox, "authorise", broken)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    monkeypatch.undo()
    assert (await till.work(20)).state == "authorized"
    assert await till.done("authorize") == 1


async def test_no_statement_is_open_while_a_gateway_is_slow(world: World) -> None:
    """Architecture, idea 3: no transaction and no connection is held during the call."""
    till = await open_till(world)
    await spoil(world, "authorize", "slow", seconds=0.3)
    before = len(db.database()._idle)
    asking = asyncio.create_task(till.authorize())
    await asyncio.sleep(0.15)
    assert len(db.database()._idle) >= before
    await asking


@pytest.mark.parametrize("operation", ["authorize", "capture", "refund"])
async def test_taking_silence_for_a_refusal_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The classic mistake, made on purpose: the invariants of the tests above see it (I10, I12)."""
    monkeypatch.setattr(_work, "_UNKNOWN", gateways.Outcome(kind="declined", code="timeout"))
    till = await open_till(world)
    if operation != "authorize":
        await till.authorize()
    if operation == "refund":
        await till.ended(525)
        await till.work()
    await spoil(world, operation, "timeout_after")
    if operation == "capture":
        await till.ended(525)
    elif operation == "refund":
        with pytest.raises(contract.PaymentDeclined):
            await contract.refund(world.call("support"), till.id, 200, "goodwill", "1")
    else:
        with pytest.raises(contract.PaymentDeclined):
            await till.authorize()
    await till.work(0, 5, 10, 20, 40)
    with pytest.raises(AssertionError, match="I10"):
        await till.at_rest()
