"""Operators' accounts connected to the platform's own, and the fee the platform takes (PAY-15)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from fahrwerk.kernel import clock, ids
from fahrwerk.payments import contract, gateways, jobs, queries
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.comparison import compare, differences
from fahrwerk.payments.contract.transfers import transfer
from fahrwerk.payments.gateways import _stripe_api as api
from tests.payments.fakes.stripe_more import now
from tests.payments.test_stripe import CAPTURE, LATER, REFUND, spoil
from tests.payments.till import Till, open_till
from tests.world import make_world

if TYPE_CHECKING:
    import httpx

    from tests.payments.fakes.server import FaultKind
    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.payments.fakes.stripe_connect import Platform
    from tests.world import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


@pytest.fixture
def platform(stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Whoever runs this platform has keys at Stripe."""
    found = stripe.open_platform()
    monkeypatch.setenv("FAHRWERK_STRIPE_PLATFORM_SECRET", found.secret)
    monkeypatch.setenv("FAHRWERK_STRIPE_PLATFORM_KEY", found.public_key)
    monkeypatch.setenv("FAHRWERK_STRIPE_PLATFORM_WEBHOOK_SECRET", found.webhook_secret)
    return found


def path_of(world: World) -> str:
    return f"/api/v1/tenants/{ids.public('ten', world.tenant)}/connect"


async def connect(world: World, account: Account, **fee: int) -> httpx.Response:
    async with world.client(world.call("platform")) as client:
        return await client.put(path_of(world), json={"account": account.id, **fee})


async def connected(world: World, stripe: FakeStripe, platform: Platform, **fee: int) -> Account:
    account = stripe.connect(platform)
    answer = await connect(world, account, **fee)
    assert answer.status_code == 200, answer.text
    return account


async def ridden(world: World, price: int) -> Till:
    """A ride that is paid by card."""
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    await till.ended(price)
    assert (await till.work()).state == "completed"
    return till


async def taken(world: World) -> dict[str, int]:
    """``fees`` and ``gateway_clearing`` in the operator's books."""
    page = await ledger.accounts(world.system(), None, None, None, 100, 0)
    found = {(each.code, each.owner): each.balance_minor for each in page.accounts}
    return {
        "fees": found.get(("fees", "platform"), 0),
        "clearing": found.get(("gateway_clearing", "stripe"), 0),
    }


async def test_only_the_platform_connects(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    account = stripe.connect(platform)
    wish = {"account": account.id, "fee_bp": 1}
    async with world.client(world.admin()) as admin:
        for answer in (
            await admin.put(path_of(world), json=wish), await admin.get(path_of(world)),
            await admin.delete(path_of(world)),
        ):  # fmt: skip
            assert answer.status_code == 403, answer.text
    async with world.client(world.call("platform")) as boss:
        assert (await boss.get(path_of(world))).status_code == 404
        alien = {"account": stripe.open_account().id}  # never connected to this platform
        assert (await boss.put(path_of(world), json=alien)).status_code == 400
        nobody = f"/api/v1/tenants/{ids.public('ten', ids.new())}/connect"
        assert (await boss.put(nobody, json=wish)).status_code == 404
        assert (await boss.put(path_of(world), json=wish)).status_code == 200
        again = (await boss.put(path_of(world), json={**wish, "fee_minor": 10})).json()
        assert (again["fee_minor"], again["fee_bp"], again["is_connected"]) == (10, 1, True)
        assert (await boss.get(path_of(world))).json() == again
        other = path_of(await make_world())
        taken_elsewhere = await boss.put(other, json=wish)
        assert taken_elsewhere.json()["error"]["code"] == "ACCOUNT_CONNECTED_ELSEWHERE"
    own = stripe.open_account()
    keys = {"public_key": own.public_key, "secret": own.secret}
    async with world.client(world.admin()) as admin, world.client(world.call("platform")) as boss:
        (shown,) = (await admin.get("/api/v1/gateways")).json()["gateways"]
        assert (shown["is_connected"], shown["platform_fee_minor"]) == (True, 10)
        assert (shown["account"], shown["secret_ends_with"]) == (account.id, "")
        kept = await admin.put("/api/v1/gateways/stripe", json=keys)
        assert kept.json()["error"]["code"] == "GATEWAY_CONNECTED", "that would be a way around"
        assert (await admin.post("/api/v1/gateways/stripe/test")).json()["problem"] is None
        assert (await boss.delete(path_of(world))).json()["is_connected"] is False
        free = (await admin.put("/api/v1/gateways/stripe", json=keys)).json()
        assert (free["is_connected"], free["platform_fee_minor"]) == (False, 0)


async def test_without_keys_of_its_own(world: World, stripe: FakeStripe) -> None:
    answer = await connect(world, stripe.open_account())
    assert answer.json()["error"]["code"] == "NO_PLATFORM_KEYS"


async def test_the_fee_is_taken_and_given_back_in_proportion(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    """Shown on the payment, posted in the books, and never more than Stripe's own list says."""
    account = await connected(world, stripe, platform, fee_minor=10, fee_bp=150)
    till = await ridden(world, 1_000)
    assert (account.taken(), account.fees()) == (1_000, 25)
    assert await taken(world) == {"fees": 25, "clearing": 975}
    path = f"/api/v1/payments/{ids.public('pay', till.id)}/gateway-fee"
    async with world.client(world.admin()) as client:
        assert (await client.get(path)).json()["platform_fee"] == 0.25
    for amount, left in ((333, 17), (333, 8), (334, 0)):
        await contract.refund(
            world.call("support"), till.id, amount, "goodwill", f"r{amount}{left}"
        )
        await till.work()
        assert (account.fees(), (await taken(world))["fees"]) == (left, left)
    assert await taken(world) == {"fees": 0, "clearing": 0}
    async with world.client(world.admin()) as client:
        assert (await client.get(path)).json()["platform_fee"] == 0
    assert (await compare(world.system()))[0].found == 0
    await till.at_rest()


async def test_more_than_the_hold(world: World, stripe: FakeStripe, platform: Platform) -> None:
    """Two captures, and the fixed part once."""
    account = await connected(world, stripe, platform, fee_minor=10, fee_bp=200)
    till = await ridden(world, 3_000)
    assert account.fees() == 10 + 60
    assert (await taken(world))["fees"] == 70
    await till.at_rest()


async def test_a_fee_is_never_more_than_the_payment(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    account = await connected(world, stripe, platform, fee_minor=500, fee_bp=10_000)
    till = await ridden(world, 100)
    assert account.fees() == 100
    assert await taken(world) == {"fees": 100, "clearing": 0}
    await till.at_rest()


async def test_a_changed_fee_counts_from_then_on(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    account = await connected(world, stripe, platform, fee_bp=100)
    first = await ridden(world, 1_000)
    assert (await connect(world, account, fee_bp=500)).status_code == 200
    await ridden(world, 1_000)
    assert account.fees() == 10 + 50
    await contract.refund(world.call("support"), first.id, 1_000, "all", "r1")
    await first.work()
    assert (account.fees(), (await taken(world))["fees"]) == (50, 50)
    await first.at_rest()


@pytest.mark.parametrize("request_", [CAPTURE, REFUND])
@pytest.mark.parametrize("mode", ["timeout_before", "timeout_after", "error_before", "error_after"])
async def test_the_answer_is_lost(
    world: World, stripe: FakeStripe, platform: Platform, request_: str, mode: FaultKind
) -> None:
    """The fee is what it was when it was first asked for, once."""
    account = await connected(world, stripe, platform, fee_bp=200)
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    await till.ended(1_000)
    spoil(account, request_, mode)
    await till.work()
    await connect(world, account, fee_bp=900)
    account.forget_keys()
    await till.work(*LATER)
    assert account.fees() == 20
    if request_ == REFUND:
        with pytest.raises(contract.PaymentUnknown):
            await contract.refund(world.call("support"), till.id, 500, "half", "r1")
        account.forget_keys()
        await till.work(*LATER)
        assert account.fees() == 10
    books = await taken(world)
    assert books["fees"] == account.fees()
    assert books["clearing"] == account.taken() - account.fees()
    await till.at_rest()


async def test_a_refund_that_fails_keeps_the_fee_given_back(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    account = await connected(world, stripe, platform, fee_bp=200)
    till = await ridden(world, 1_000)
    await contract.refund(world.call("support"), till.id, 500, "half", "r1")
    account.refund_fails(account.all("refund")[0])
    assert (await deliver(world, account, platform)) == {200}
    assert (await till.work()).refunded_minor == 0
    assert (account.fees(), (await taken(world))["fees"]) == (10, 10)
    await contract.refund(world.call("support"), till.id, 500, "half", "r2")
    await till.work()
    assert (account.fees(), (await taken(world))["fees"]) == (10, 10)
    await till.at_rest()


async def deliver(
    world: World, account: Account, platform: Platform, about: str = "its own"
) -> set[int]:
    """Stripe sends what happened at connected accounts to the platform's one address."""
    statuses = set()
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        for event in account.events:
            name = {"account": account.id if about == "its own" else about}
            body = msgspec.json.encode({**event, **(name if about else {})})
            at = now()
            v1 = api.signature(platform.webhook_secret, at, body)
            headers = {"stripe-signature": f"t={at},v1={v1}"}
            answer = await client.post("/api/v1/webhooks/stripe", content=body, headers=headers)
            statuses.add(answer.status_code)
    account.events.clear()
    return statuses


async def test_webhooks_come_to_one_address(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    """They name the account; one of another operator's is not taken as this one's."""
    account = await connected(world, stripe, platform, fee_bp=100)
    till = await open_till(world, "pm_card_visa")
    account.faults.spoil("POST /v1/payment_intents", "timeout_after")
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    kept = list(account.events)
    assert await deliver(world, account, platform, "acct_nobody") == {400}
    account.events = list(kept)
    assert await deliver(world, account, platform, "") == {400}
    account.events = list(kept)
    assert await deliver(world, account, platform) == {200}
    assert (await till.work()).state == "authorized"
    begun = await contract.begin_set_up(till.rider, "card")
    assert (begun.public_key, begun.account) == (platform.public_key, account.id)


async def test_it_sends_nothing_on(world: World, stripe: FakeStripe, platform: Platform) -> None:
    """Stripe refuses: a connected account has no partners of its own."""
    await connected(world, stripe, platform)
    await ridden(world, 1_000)
    made = await transfer(world.system(), "acct_42", 500, "EUR", "p1")
    assert (made.state, made.reason) == ("declined", "resource_missing")


async def test_debits_have_it_when_they_arrive(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    account = await connected(world, stripe, platform, fee_minor=5, fee_bp=100)
    rider = world.call("customer")
    begun = await contract.begin_set_up(rider, "sepa_debit")
    assert begun.client_secret
    assert begun.token
    account.client_agrees(begun.client_secret)
    method = await contract.add_method(rider, begun.token, True, kind="sepa_debit")
    assert rider.user is not None
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 800, "EUR")
    till = Till(world, rider, method.id, payment)
    await till.authorize()
    await till.ended(1_000)
    assert (await till.work()).state == "processing"
    assert await taken(world) == {"fees": 0, "clearing": 0}
    account.debit_arrives(account.all("payment_intent")[0])
    await deliver(world, account, platform)
    assert (await till.work()).state == "completed"
    await till.work()
    assert (account.fees(), await taken(world)) == (15, {"fees": 15, "clearing": 985})
    assert await queries.proof(world.system()) == []


async def test_its_list_tells_whose_fee_is_whose(
    world: World, stripe: FakeStripe, platform: Platform
) -> None:
    """I10: Stripe's own part is booked when it is told; the platform's was booked already."""
    account = await connected(world, stripe, platform, fee_minor=10, fee_bp=150)
    await ridden(world, 1_000)
    with clock.moved_to(clock.now() + timedelta(days=1)):
        (last,) = await compare(world.admin())
        assert (last.problem, last.compared, last.found) == (None, 1, 0)
        await jobs.settle_payments()
        assert await taken(world) == {"fees": 25, "clearing": 1_000 - 25 - 40}
        assert await queries.proof(world.system()) == []
        account.all("payment_intent")[0]["application_fee_amount"] = 26
        (last,) = await compare(world.admin())
        (found,) = (await differences(world.admin(), False, 50, 0)).differences
    assert (last.found, found.kind, found.ours_minor, found.theirs_minor) == (
        1, "platform_fee", 25, 26,
    )  # fmt: skip
