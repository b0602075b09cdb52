"""Several gateways for one operator: routing, failing over, the breaker, and paying by hand.

PAY-01, PAY-02, PAY-28, TST-06: the next gateway is asked only when the first one provably has not
taken the payment; who did not answer is asked again, and nobody else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.gateways import Authorisation, find
from tests.payments.gateways.kits import open_stripe
from tests.payments.killer import KilledError
from tests.payments.test_stripe import LATER, PAY, post
from tests.payments.till import HOLD, Till, open_till

if TYPE_CHECKING:
    from uuid import UUID

    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


async def with_two(world: World, stripe: FakeStripe) -> tuple[Account, Till, UUID]:
    """A rider with a card at Stripe (the default) and one at the sandbox."""
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    other = await contract.add_method(till.rider, "tok_visa", False, "sandbox")
    return account, till, other.id


async def attempts(till: Till) -> list[tuple[str, str]]:
    """``(gateway, state)`` of all attempts, oldest first."""
    from fahrwerk.kernel import db

    rows = await db.run(
        "payments", till.world.system(),
        "SELECT gateway, state FROM payments.attempt ORDER BY sent_at, number",
    )  # fmt: skip
    return [(row["gateway"], row["state"]) for row in rows]


async def test_the_next_gateway_takes_over(world: World, stripe: FakeStripe) -> None:
    """PAY-02: not taken for certain, and the rider named no card."""
    account, till, _ = await with_two(world, stripe)
    account.faults.spoil(PAY, "limited", 100)
    held = await contract.authorize(till.rider, till.id, None)
    assert held.state == "authorized"
    assert await attempts(till) == [("stripe", "failed"), ("sandbox", "succeeded")]
    await till.ended(525)
    assert (await till.work(0, *LATER)).captured_minor == 525
    assert (account.held(), account.taken()) == (0, 0)
    await till.at_rest()


async def test_keys_that_were_revoked(world: World, stripe: FakeStripe) -> None:
    """401 is a class of its own: nothing was done, and asking again will not help."""
    account, till, _ = await with_two(world, stripe)
    del stripe.accounts[account.secret]
    assert (await contract.authorize(till.rider, till.id, None)).state == "authorized"
    tried = await doors.try_gateway_account(world.admin(), "stripe")
    assert tried.problem == "GATEWAY_KEYS_REFUSED"


@pytest.mark.parametrize("mode", ["timeout_before", "timeout_after", "error_before"])
async def test_unknown_never_goes_elsewhere(world: World, stripe: FakeStripe, mode: str) -> None:
    """I1: silence is not refusal."""
    account, till, _ = await with_two(world, stripe)
    account.faults.spoil(PAY, mode)  # type: ignore[arg-type]
    with pytest.raises(contract.PaymentUnknown):
        await contract.authorize(till.rider, till.id, None)
    account.forget_keys()
    assert (await till.work(*LATER)).state == "authorized"
    assert await attempts(till) == [("stripe", "succeeded")]
    assert account.held() == HOLD
    await till.at_rest()


@pytest.mark.parametrize("phase", ["after_intent", "after_call"])
async def test_a_death_while_sending_is_no_proof(
    world: World, stripe: FakeStripe, killer: Killer, phase: str
) -> None:
    """I1: that nobody can be asked afterwards does not mean that nothing was taken before."""
    account, till, other = await with_two(world, stripe)
    killer.at = f"payments.authorize.{phase}"
    with pytest.raises(KilledError):
        await contract.authorize(till.rider, till.id, None)
    account.faults.spoil(".*", "limited", 1_000)
    await till.work(16)
    with clock.moved_to(clock.now() + timedelta(seconds=60)):
        for method in (None, other):
            with pytest.raises(contract.PaymentUnknown) as caught:
                await contract.authorize(till.rider, till.id, method)
            assert "is_gateway_down" not in caught.value.details
    account.faults.clear()
    assert (await till.work(100, 200)).state == "authorized"
    assert await attempts(till) == [("stripe", "succeeded")]
    assert account.held() == HOLD
    await till.at_rest()


async def test_each_try_was_provably_in_vain(world: World, stripe: FakeStripe) -> None:
    """Sent again by a worker and refused again: the rider may still turn to another gateway."""
    account, till, other = await with_two(world, stripe)
    account.faults.spoil(PAY, "limited", 1_000)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.work(5, 30)
    with clock.moved_to(clock.now() + timedelta(seconds=60)):
        assert (await till.authorize(other)).state == "authorized"
    assert await attempts(till) == [("stripe", "failed"), ("sandbox", "succeeded")]
    assert account.held() == 0
    await till.at_rest()


async def test_a_named_card_is_the_only_one_charged(world: World, stripe: FakeStripe) -> None:
    """The rider chose; they are told what is wrong and may choose another one (PAY-28)."""
    account, till, other = await with_two(world, stripe)
    account.faults.spoil(PAY, "limited", 100)
    with pytest.raises(contract.PaymentUnknown) as caught:
        await till.authorize()
    assert caught.value.details["is_gateway_down"] is True
    assert (await till.authorize(other)).state == "authorized"
    assert await attempts(till) == [("stripe", "failed"), ("sandbox", "succeeded")]
    await till.at_rest()


async def test_a_late_success_of_the_first_is_given_back(world: World, stripe: FakeStripe) -> None:
    """I12: it said that it took nothing, and did. Its webhook tells; the second one is kept."""
    account, till, _ = await with_two(world, stripe)
    account.faults.spoil(PAY, "limited", 3)
    await contract.authorize(till.rider, till.id, None)
    stored = next(m for m in account.all("payment_method"))
    assert till.rider.user is not None
    late = Authorisation(
        key=f"{till.id.hex}-authorize-hold-1", amount_minor=HOLD, currency="EUR",
        method_ref=stored["id"], customer=till.rider.user, is_off_session=False, metadata={},
    )  # fmt: skip
    assert (await find("stripe").authorise(world.system("payments"), late)).kind == "done"
    assert account.held() == HOLD
    await account.deliver(lambda body, headers: post(world, body, headers))
    payment = await till.work(0, *LATER)
    assert (payment.state, payment.authorized_minor) == ("authorized", HOLD)
    assert account.held() == 0
    assert (await till.told()).count("PaymentAuthorized") == 1
    await till.ended(525)
    assert (await till.work(100)).captured_minor == 525
    assert account.taken() == 0


async def test_the_breaker_leaves_a_broken_gateway_alone(world: World, stripe: FakeStripe) -> None:
    """PAY-28: after five failures nothing is sent for a while: riders get their answer at once."""
    account, till, other = await with_two(world, stripe)
    account.faults.spoil(".*", "error_before", 100)
    for number in range(5):
        amount = HOLD + number
        each = await contract.open_payment(
            till.rider, *_ids(), till.rider.user or till.id, amount, "EUR"
        )
        with pytest.raises(contract.PaymentUnknown):
            await contract.authorize(till.rider, each.id, till.method)
    before = len(account.requests)
    with pytest.raises(contract.PaymentUnknown) as caught:
        await till.authorize()
    assert caught.value.details["is_gateway_down"] is True
    assert len(account.requests) == before
    assert (await till.authorize(other)).state == "authorized"


def _ids() -> tuple[UUID, UUID]:
    from fahrwerk.kernel import ids

    return ids.new(), ids.new()


async def test_another_operators_gateway_is_not_affected(world: World, stripe: FakeStripe) -> None:
    """One's revoked keys or limits open no breaker for others."""
    from tests.world import make_world

    account, till, _ = await with_two(world, stripe)
    account.faults.spoil(".*", "error_before", 100)
    for _ in range(6):
        each = await contract.open_payment(
            till.rider, *_ids(), till.rider.user or till.id, HOLD, "EUR"
        )
        with pytest.raises(contract.PaymentUnknown):
            await contract.authorize(till.rider, each.id, till.method)
    neighbour = await make_world()
    await open_stripe(neighbour, stripe)
    theirs = await open_till(neighbour, "pm_card_visa")
    assert (await theirs.authorize()).state == "authorized"


async def test_a_due_payment_is_paid_by_hand(world: World) -> None:
    """PAY-28: money that came another way; repeated it counts once; not more than is owed."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(3_000)
    await contract.script_sandbox(
        world.admin(),
        [contract.GatewayFault(operation="authorize", fault="declined", code="expired_card",
                               times=10)],
    )  # fmt: skip
    assert (await till.work(0, 5, 20, 60)).state == "due"
    admin = world.admin()
    with pytest.raises(doors.NotDue):
        await doors.pay_by_hand(admin, till.id, 1_751, "bank transfer", "k0")
    half = await doors.pay_by_hand(admin, till.id, 750, "bank transfer", "k1")
    assert (half.state, half.captured_minor) == ("due", HOLD + 750)
    again = await doors.pay_by_hand(admin, till.id, 750, "bank transfer", "k1")
    assert again.captured_minor == HOLD + 750
    async with world.client(admin) as client:
        path = f"/api/v1/payments/{_public(till)}/by-hand"
        wrong = await client.post(path, json={"amount": "10.001", "note": "cash"})
        assert wrong.status_code == 400
        done = await client.post(path, json={"amount": "10.00", "note": "cash"})
        assert (done.status_code, done.json()["status"]) == (201, "completed")
        more = await client.post(path, json={"amount": "10.00", "note": "cash"})
        assert (more.status_code, more.json()["error"]["code"]) == (409, "PAYMENT_NOT_DUE")
    with pytest.raises(contract.RefundTooLarge):  # what came by hand goes back by hand
        await contract.refund(world.call("support"), till.id, 3_000, "all", "r1")
    assert (await till.told())[-1] == "PaymentCompleted"
    await till.work(60)


def _public(till: Till) -> str:
    from fahrwerk.kernel import ids

    return ids.public("pay", till.id)
