"""Rides paid through PayPal, with what stands for it: faults, deaths, webhooks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import ids
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.gateways import Forged
from tests.payments.gateways.kits import open_paypal, open_stripe
from tests.payments.killer import KilledError
from tests.payments.till import HOLD, Till

if TYPE_CHECKING:
    from tests.payments.fakes.paypal import Account, FakePayPal
    from tests.payments.fakes.server import FaultKind
    from tests.payments.fakes.stripe import FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World

LATER = (16.0, 40.0, 80.0)
PHASES = pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
MODES = ["timeout_before", "timeout_after", "error_before", "error_after", "limited"]
EVERY_MODE = pytest.mark.parametrize("mode", MODES)
ORDER = "POST /v2/checkout/orders"
AUTHORISE = r"POST /v2/checkout/orders/\w+/authorize"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


async def opened(world: World, paypal: FakePayPal, behaviour: str = "good") -> tuple[Account, Till]:
    """A payment to be made from a stored PayPal account."""
    account = await open_paypal(world, paypal)
    rider = world.call("customer")
    begun = await contract.begin_set_up(rider, "paypal")
    assert begun.token
    account.payer_approves_set_up(begun.token, behaviour)
    method = await contract.add_method(rider, begun.token, True, "paypal")
    assert (method.kind, method.label) == ("paypal", "PayPal a...@example.com")
    assert rider.user is not None
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, HOLD, "EUR")
    return account, Till(world, rider, method.id, payment)


async def take(world: World, body: bytes, headers: dict[str, str]) -> bool:
    return await contract.take_webhook(world.system("web"), "paypal", body, headers)


async def test_a_ride(world: World, paypal: FakePayPal) -> None:
    """PAY-01, PAY-26: hold, capture, a second charge beyond the hold, refund."""
    account, till = await opened(world, paypal)
    await till.authorize()
    assert account.held() == HOLD
    await till.ended(3_000)
    assert (await till.work()).state == "completed"
    assert (account.held(), account.taken()) == (0, 3_000)
    back = await contract.refund(world.call("support"), till.id, 1_300, "goodwill", "case 1")
    assert back.refunded_minor == 1_300
    assert account.taken() == 1_700
    await till.at_rest()


async def test_declined_and_still_declined(world: World, paypal: FakePayPal) -> None:
    """PAY-11: PayPal's order does not say so itself; we remember."""
    account, till = await opened(world, paypal, "declined")
    with pytest.raises(contract.PaymentDeclined) as caught:
        await till.authorize()
    assert caught.value.details == {"reason": "insufficient_funds"}
    assert account.held() == 0
    await till.at_rest()


@EVERY_MODE
@pytest.mark.parametrize("request_", [ORDER, AUTHORISE])
async def test_authorise_spoiled(
    world: World, paypal: FakePayPal, mode: FaultKind, request_: str
) -> None:
    """PAY-12: at either of the two steps, also when PayPal has forgotten our request ids."""
    account, till = await opened(world, paypal)
    account.faults.spoil(request_, mode, 3 if mode == "limited" else 1)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    account.forget_keys()
    assert (await till.work(*LATER)).state == "authorized"
    assert account.held() == HOLD
    await till.at_rest()


@EVERY_MODE
async def test_authorise_spoiled_and_unwanted(
    world: World, paypal: FakePayPal, mode: FaultKind
) -> None:
    """I12."""
    account, till = await opened(world, paypal)
    account.faults.spoil(AUTHORISE, mode, 3 if mode == "limited" else 1)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.cancelled()
    assert (await till.work(1, *LATER)).state == "voided"
    assert account.held() == 0
    await till.at_rest()


@EVERY_MODE
@pytest.mark.parametrize("operation", ["capture", "refund"])
async def test_money_moved_once(
    world: World, paypal: FakePayPal, mode: FaultKind, operation: str
) -> None:
    """I1, I12: captures and refunds whose answers are lost."""
    account, till = await opened(world, paypal)
    account.faults.spoil(rf"POST .*/{operation}", mode, 3 if mode == "limited" else 1)
    await till.authorize()
    await till.ended(525)
    await till.work(0, *LATER)
    if operation == "refund":
        with pytest.raises(contract.PaymentUnknown):
            await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
        assert (await till.work(*LATER)).refunded_minor == 200
    assert account.taken() == (325 if operation == "refund" else 525)
    assert account.held() == 0
    await till.at_rest()


@PHASES
@pytest.mark.parametrize("operation", ["authorize", "capture", "void"])
async def test_killed_between_phases(
    world: World, paypal: FakePayPal, killer: Killer, operation: str, phase: str
) -> None:
    account, till = await opened(world, paypal)
    if operation != "authorize":
        await till.authorize()
    if operation == "capture":
        await till.ended(525)
    if operation == "void":
        await till.cancelled()
    killer.at = f"payments.{operation}.{phase}"
    with pytest.raises(KilledError):
        await (till.authorize() if operation == "authorize" else till.work())
    await till.work(*LATER)
    expected = {"authorize": (HOLD, 0), "capture": (0, 525), "void": (0, 0)}
    assert (account.held(), account.taken()) == expected[operation]
    await till.at_rest()


async def test_webhooks(world: World, paypal: FakePayPal) -> None:
    """F11: PayPal confirms its own signature; shuffled and doubled they end the same."""
    account, till = await opened(world, paypal)
    account.faults.spoil(AUTHORISE, "timeout_after")
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    event = account.events[-1]
    body, headers = account.signed(event)
    for wrong in ({}, {**headers, "paypal-transmission-sig": "forged"}):
        with pytest.raises(Forged):
            await take(world, body, wrong)
    with pytest.raises(Forged):
        await take(world, body.replace(b"CREATED", b"DENIED "), headers)
    for rubbish in (b"", b"[1]", b'{"id":1}', b'{"id":"x","event_type":"y","resource":{}},"a":{'):
        with pytest.raises(Forged):
            await take(world, rubbish, headers)
    await account.deliver(
        lambda body, headers: take(world, body, headers), shuffle=random.Random(1), times=3
    )
    assert (await till.work()).state == "authorized"
    assert not await take(world, body, headers)
    await till.at_rest()


async def test_a_payer_confirms_at_paypal(world: World, paypal: FakePayPal) -> None:
    """PAY-05: a redirect instead of 3-D Secure."""
    account, till = await opened(world, paypal, "challenged")
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await till.authorize()
    action = caught.value.details["next_action"]
    assert action["type"] == "redirect"
    account.payer_approves(action["url"].rpartition("/")[2])
    assert (await contract.complete_authentication(till.rider, till.id)).state == "authorized"
    assert account.held() == HOLD
    await till.at_rest()


async def test_stripe_first_paypal_second(
    world: World, stripe: FakeStripe, paypal: FakePayPal
) -> None:
    """TST-06: Stripe primary, PayPal secondary; Stripe is away, PayPal takes over by itself."""
    account, till = await opened(world, paypal)
    primary = await open_stripe(world, stripe, rank=10)
    await contract.add_method(till.rider, "pm_card_visa", True)
    primary.faults.spoil(".*", "limited", 100)
    assert (await contract.authorize(till.rider, till.id, None)).state == "authorized"
    assert (primary.held(), account.held()) == (0, HOLD)
    await till.ended(525)
    assert (await till.work()).captured_minor == 525
    assert account.taken() == 525
    await till.at_rest()
