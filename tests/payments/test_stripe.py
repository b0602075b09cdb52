"""Rides paid through Stripe, with what stands for it: faults, deaths, challenges, webhooks."""

from __future__ import annotations

import asyncio
import random
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db
from fahrwerk.payments import contract, gateways, queries
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.contract import ledger
from tests.payments.gateways.kits import open_stripe
from tests.payments.killer import KilledError
from tests.payments.test_killed import killed
from tests.payments.till import HOLD, Till, open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.payments.fakes.server import FaultKind
    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World

LATER = (16.0, 40.0, 80.0)
PHASES = pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
MODES = ["timeout_before", "timeout_after", "error_before", "error_after", "limited"]
EVERY_MODE = pytest.mark.parametrize("mode", MODES)
PAY = "POST /v1/payment_intents"
CAPTURE = r"POST /v1/payment_intents/\w+/capture"
CANCEL = r"POST /v1/payment_intents/\w+/cancel"
REFUND = "POST /v1/refunds"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


async def opened(
    world: World, stripe: FakeStripe, card: str = "pm_card_visa"
) -> tuple[Account, Till]:
    """A payment to be made with a card at Stripe."""
    account = await open_stripe(world, stripe)
    return account, await open_till(world, card)


async def completed(
    world: World, stripe: FakeStripe, card: str = "pm_card_visa"
) -> tuple[Account, Till]:
    """A ride of 5.25, paid."""
    account, till = await opened(world, stripe, card)
    await till.authorize()
    await till.ended(525)
    await till.work()
    return account, till


def spoil(account: Account, request: str, mode: FaultKind) -> None:
    account.faults.spoil(request, mode, 3 if mode == "limited" else 1)


async def later(till: Till, account: Account) -> contract.Payment:
    """Two minutes, in which Stripe forgets what it failed at."""
    account.forget_keys()
    return await till.work(*LATER)


async def post(world: World, body: bytes, headers: dict[str, str]) -> int:
    """As it comes in from outside: the status."""
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        path = f"/api/v1/webhooks/stripe/{world.tenant}"
        return (await client.post(path, content=body, headers=headers)).status_code


async def test_a_ride(world: World, stripe: FakeStripe) -> None:
    """PAY-04..08, PAY-27: hold, capture what the ride cost, the rest is given back."""
    account, till = await opened(world, stripe)
    held = await till.authorize()
    assert (held.state, held.method_label) == ("authorized", "Visa ending in 4242")
    assert account.held() == HOLD
    await till.ended(525)
    paid = await till.work()
    assert (paid.state, paid.captured_minor) == ("completed", 525)
    assert (account.held(), account.taken()) == (0, 525)
    (intent,) = account.all("payment_intent")
    assert intent["metadata"]["booking_id"] == str(till.rental)
    assert intent["metadata"]["user_id"] == str(till.rider.user)
    back = await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
    assert back.refunded_minor == 200
    assert account.taken() == 325
    await till.at_rest()


async def test_more_than_the_hold(world: World, stripe: FakeStripe) -> None:
    """C-19: the rest is charged off-session to the same card."""
    account, till = await opened(world, stripe)
    await till.authorize()
    await till.ended(3_000)
    assert (await till.work()).state == "completed"
    assert account.taken() == 3_000
    await till.at_rest()


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedFraudulent", "fraud_suspected"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ],
)
async def test_declined(world: World, stripe: FakeStripe, card: str, reason: str) -> None:
    """PAY-11, C-16."""
    account, till = await opened(world, stripe, card)
    with pytest.raises(contract.PaymentDeclined) as caught:
        await till.authorize()
    assert (caught.value.status, caught.value.details) == (400, {"reason": reason})
    assert account.held() == 0
    await till.at_rest()


async def test_a_card_that_cannot_be_stored(world: World, stripe: FakeStripe) -> None:
    await open_stripe(world, stripe)
    with pytest.raises(gateways.Refusal) as caught:
        await open_till(world, "pm_card_chargeDeclinedIncorrectCvc")
    assert caught.value.details == {"reason": "incorrect_cvc"}
    with pytest.raises(gateways.Refusal):  # wants its owner: to be set up by the client
        await open_till(world, "pm_card_threeDSecure2Required")


async def test_somebody_elses_set_up_is_not_taken(world: World, stripe: FakeStripe) -> None:
    """I7: a SetupIntent belongs to the rider who began it."""
    account = await open_stripe(world, stripe)
    begun = await contract.begin_set_up(world.call("customer"), "card")
    assert begun.client_secret
    assert begun.token
    account.client_sets_up(begun.client_secret, "pm_card_visa")
    with pytest.raises(gateways.UnknownToken):
        await contract.add_method(world.call("customer"), begun.token, True)


# --- faults (F10) and deaths (F1)


@EVERY_MODE
async def test_authorise_spoiled(world: World, stripe: FakeStripe, mode: FaultKind) -> None:
    """PAY-12: unknown is found out with the same key; one hold at the bank."""
    account, till = await opened(world, stripe)
    spoil(account, PAY, mode)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    payment = await later(till, account)
    assert (payment.state, account.held()) == ("authorized", HOLD)
    assert len(account.all("payment_intent")) == 1
    await till.at_rest()


@EVERY_MODE
async def test_authorise_spoiled_and_unwanted(
    world: World, stripe: FakeStripe, mode: FaultKind
) -> None:
    """I12."""
    account, till = await opened(world, stripe)
    spoil(account, PAY, mode)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.cancelled()
    payment = await till.work(1, *LATER)
    assert (payment.state, payment.authorized_minor, account.held()) == ("voided", 0, 0)
    await till.at_rest()


@EVERY_MODE
async def test_capture_spoiled(world: World, stripe: FakeStripe, mode: FaultKind) -> None:
    """PAY-07. A 500 that Stripe keeps with the key is got round: an intent is captured once."""
    account, till = await opened(world, stripe)
    await till.authorize()
    spoil(account, CAPTURE, mode)
    await till.ended(525)
    payment = await till.work(0, *LATER)
    assert (payment.state, account.taken(), account.held()) == ("completed", 525, 0)
    await till.at_rest()


@EVERY_MODE
async def test_void_spoiled(world: World, stripe: FakeStripe, mode: FaultKind) -> None:
    account, till = await opened(world, stripe)
    await till.authorize()
    spoil(account, CANCEL, mode)
    await till.cancelled()
    payment = await till.work(0, *LATER)
    assert (payment.state, account.held()) == ("voided", 0)
    await till.at_rest()


@EVERY_MODE
async def test_refund_spoiled(world: World, stripe: FakeStripe, mode: FaultKind) -> None:
    """PAY-13, I12."""
    account, till = await completed(world, stripe)
    spoil(account, REFUND, mode)
    with pytest.raises(contract.PaymentUnknown):
        await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
    assert (await later(till, account)).refunded_minor == 200
    assert account.taken() == 325
    assert len(account.all("refund")) == 1
    await till.at_rest()


@PHASES
@pytest.mark.parametrize("operation", ["authorize", "capture", "void", "refund"])
async def test_killed_between_phases(
    world: World, stripe: FakeStripe, killer: Killer, operation: str, phase: str
) -> None:
    """I1: whatever was lost, nothing is done twice and nothing is forgotten."""
    account, till = await opened(world, stripe)
    if operation != "authorize":
        await till.authorize()
    if operation in ("capture", "refund"):
        await till.ended(525)
    if operation == "refund":
        await till.work()
    if operation == "void":
        await till.cancelled()
    killer.at = f"payments.{operation}.{phase}"
    with pytest.raises(KilledError):
        if operation == "authorize":
            await till.authorize()
        elif operation == "refund":
            await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
        else:
            await till.work()
    await till.work(*LATER)
    expected = {"authorize": (HOLD, 0), "capture": (0, 525), "void": (0, 0), "refund": (0, 325)}
    assert (account.held(), account.taken()) == expected[operation]
    assert len(account.all("payment_intent")) == 1
    await till.at_rest()


@pytest.mark.process
@PHASES
async def test_sigkill_while_authorising(world: World, stripe: FakeStripe, phase: str) -> None:
    """A whole process dies beside Stripe."""
    account, till = await opened(world, stripe)
    assert await killed(till, "authorize", f"payments.authorize.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).state == "authorized"
    assert account.held() == HOLD
    await till.at_rest()


@pytest.mark.process
@PHASES
async def test_sigkill_while_capturing(world: World, stripe: FakeStripe, phase: str) -> None:
    account, till = await opened(world, stripe)
    await till.authorize()
    await till.ended(525)
    assert await killed(till, "work", f"payments.capture.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).captured_minor == 525
    assert account.taken() == 525
    await till.at_rest()


# --- 3-D Secure (PAY-05, PAY-06, RNT-24)


async def challenged(world: World, stripe: FakeStripe) -> tuple[Account, Till, str]:
    account = await open_stripe(world, stripe)
    rider = world.call("customer")
    begun = await contract.begin_set_up(rider, "card")
    assert begun.client_secret
    assert begun.token
    account.client_sets_up(begun.client_secret, "pm_card_authenticationRequired")
    till = await open_till(world, begun.token, rider=rider)
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await till.authorize()
    action: dict[str, str] = caught.value.details["next_action"]
    assert action["public_key"] == account.public_key
    return account, till, action["client_secret"]


async def test_a_challenge_passed(world: World, stripe: FakeStripe) -> None:
    account, till, client_secret = await challenged(world, stripe)
    with pytest.raises(contract.AuthenticationRequired):  # not yet
        await contract.complete_authentication(till.rider, till.id)
    account.client_confirms(client_secret)
    assert (await contract.complete_authentication(till.rider, till.id)).state == "authorized"
    assert account.held() == HOLD
    await till.at_rest()


async def test_a_challenge_passed_and_only_stripe_tells(world: World, stripe: FakeStripe) -> None:
    """The client never came back to us; the webhook did (PAY-14)."""
    account, till, client_secret = await challenged(world, stripe)
    account.client_confirms(client_secret)
    await account.deliver(lambda body, headers: post(world, body, headers))
    assert (await till.work()).state == "authorized"
    await till.at_rest()


async def test_a_challenge_failed_cannot_be_paid_behind_our_back(
    world: World, stripe: FakeStripe
) -> None:
    """Declined is for good: whoever has the client secret cannot use it any more."""
    account, till, client_secret = await challenged(world, stripe)
    account.client_confirms(client_secret, passes=False)
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await contract.complete_authentication(till.rider, till.id)
    assert caught.value.details == {"reason": "authentication_failed"}
    assert [i["status"] for i in account.all("payment_intent")] == ["canceled"]
    assert (await till.authorize(await till.card("pm_card_mastercard"))).state == "authorized"
    assert account.held() == HOLD
    await till.at_rest()


# --- webhooks (F11)


async def test_webhooks_in_any_order_end_the_same(world: World, stripe: FakeStripe) -> None:
    """Forward only; doubled and shuffled; the capture's answer was lost."""
    account, till = await opened(world, stripe)
    await till.authorize()
    spoil(account, CAPTURE, "timeout_after")
    await till.ended(525)
    await till.work()
    assert (await till.payment()).captured_minor == 0
    events = list(account.events)
    for seed in range(6):
        account.events = list(events)
        await account.deliver(
            lambda body, headers: post(world, body, headers),
            shuffle=random.Random(seed), times=2,
        )  # fmt: skip
        payment = await till.work()
        assert (payment.state, payment.captured_minor) == ("completed", 525)
    page = await doors.webhooks(world.admin(), 50, 0)
    assert page.total == len(events)
    assert all(each.handled_at for each in page.webhooks)
    await till.at_rest()


async def test_a_webhook_before_the_answer(world: World, stripe: FakeStripe) -> None:
    """It overtakes the answer to the very request it is about: one hold, told once."""
    account, till = await opened(world, stripe)
    spoil(account, PAY, "slow_answer")
    asking = asyncio.create_task(till.authorize())
    while not account.events:
        await asyncio.sleep(0.02)
    assert await account.deliver(lambda body, headers: post(world, body, headers), times=2) == 2
    await till.work()
    assert (await asking).state == "authorized"
    await till.work(*LATER)
    assert (account.held(), await till.told()) == (HOLD, ["PaymentAuthorized"])
    await till.at_rest()


async def test_webhooks_forged_or_old(world: World, stripe: FakeStripe) -> None:
    """Signature v1 only, five minutes, the operator's own secret; I7."""
    account, till = await opened(world, stripe)
    await till.authorize()
    event = account.events[-1]
    body, headers = account.signed(event)
    assert await post(world, body, headers) == 200
    assert await post(world, body + b" ", headers) == 400
    for header in ("", "t=,v1=", "v1=00", headers["stripe-signature"].replace("v1=", "v0=")):
        assert await post(world, body, {"stripe-signature": header}) == 400
    rolled = headers["stripe-signature"].replace("v1=", "v1=00,v1=")
    assert await post(world, body, {"stripe-signature": rolled}) == 200
    now = int(clock.now().timestamp())
    for away in (-301, 302):
        assert await post(world, *account.signed(event, now + away)) == 400
    stranger = await make_world()
    assert await post(stranger, body, headers) == 400
    await open_stripe(stranger, stripe)
    assert await post(stranger, body, headers) == 400


async def test_an_operator_has_a_webhook_handled_again(world: World, stripe: FakeStripe) -> None:
    account, till = await opened(world, stripe)
    await till.authorize()
    event = account.events[-1]
    await post(world, *account.signed(event))
    await till.work()
    before = len(account.requests)
    async with world.client(world.admin()) as client:
        path = f"/api/v1/gateway-webhooks/stripe/{event['id']}/replay"
        assert (await client.post(path)).status_code == 202
        assert (await client.post(path.replace("evt_", "no_"))).status_code == 404
        listed = (await client.get("/api/v1/gateway-webhooks")).json()["webhooks"]
        assert [(each["event_id"], each["handled_at"]) for each in listed] == [(event["id"], None)]
    stranger = await make_world()
    async with stranger.client(stranger.admin()) as client:  # I7
        assert (await client.post(path)).status_code == 404
        assert (await client.get("/api/v1/gateway-webhooks")).json()["webhooks"] == []
    await till.work()
    listed_again = await doors.webhooks(world.admin(), 50, 0)
    assert listed_again.webhooks[0].handled_at is not None
    assert len(account.requests) >= before


# --- refunds that fail later, disputes


async def test_a_refund_that_fails_a_day_later(world: World, stripe: FakeStripe) -> None:
    """The money is ours again, the rider was told it was not: it can be refunded anew."""
    account, till = await completed(world, stripe, "pm_card_refundFail")
    await contract.refund(world.call("support"), till.id, 525, "broken brakes", "case 1")
    assert (await till.payment()).state == "refunded"
    with clock.moved_to(clock.now() + timedelta(days=1)):
        account.refund_fails(account.all("refund")[0])
        await account.deliver(lambda body, headers: post(world, body, headers), times=2)
        payment = await till.work()
        assert (payment.state, payment.refunded_minor) == ("completed", 0)
        assert (await till.told())[-1] == "payment.refund_failed"
        again = await contract.refund(world.call("support"), till.id, 525, "again", "case 2")
        assert again.state == "refunded"
        assert account.taken() == 0
        await till.work()
        await till.at_rest()
        assert await queries.broken_invariants(world.system()) == []
        page = await ledger.accounts(world.system(), "gateway_clearing", "stripe", None, 10, 0)
        assert [account.balance_minor for account in page.accounts] == [0]


async def test_a_refund_that_takes_its_time(world: World, stripe: FakeStripe) -> None:
    account, till = await completed(world, stripe, "pm_card_pendingRefund")
    with pytest.raises(contract.PaymentUnknown):
        await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
    assert (await till.work(*LATER)).refunded_minor == 0
    account.refund_arrives(account.all("refund")[0])
    await account.deliver(lambda body, headers: post(world, body, headers))
    assert (await till.work(200)).refunded_minor == 200
    assert len(account.all("refund")) == 1
    await till.at_rest()


@pytest.mark.parametrize("seed", range(4))
async def test_a_dispute(world: World, stripe: FakeStripe, seed: int) -> None:
    """Whatever the order of its webhooks: opened once, moves forward, is listed."""
    account, till = await completed(world, stripe)
    account.events.clear()
    dispute = account.customer_disputes(account.all("payment_intent")[0])

    async def deliver() -> None:
        order = random.Random(seed)
        await account.deliver(
            lambda body, headers: post(world, body, headers), shuffle=order, times=2
        )
        await till.work()

    if seed % 2:
        await deliver()
    account.dispute_moves(dispute, "under_review")
    account.dispute_moves(dispute, "lost")
    await deliver()
    async with world.client(world.call("support")) as client:
        (shown,) = (await client.get("/api/v1/disputes")).json()["disputes"]
    assert (shown["status"], shown["amount"], shown["gateway_id"]) == ("lost", 5.25, dispute["id"])
    rows = await db.run(
        "payments", world.system(),
        "SELECT name, data FROM kernel.event WHERE stream LIKE 'dispute:%' ORDER BY version",
    )  # fmt: skip
    told = {row["name"]: row["data"] for row in rows}
    assert sorted(told) == [
        *("payment.dispute_changed", "payment.dispute_money", "payment.disputed")
    ]
    assert len(rows) == 3
    assert told["payment.dispute_changed"]["state"] == "lost"
    assert told["payment.dispute_money"]["withdrawn"] == 525
