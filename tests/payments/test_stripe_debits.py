"""SEPA debits through Stripe: promised before the ride, collected for days, and what comes back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import contract, gateways, queries
from fahrwerk.payments.contract import debts, ledger
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.contract.comparison import compare
from fahrwerk.wallet import contract as wallet
from tests.payments.fakes.stripe_debits import DISPUTE_FEE
from tests.payments.killer import KilledError
from tests.payments.test_debts_journey import debtor
from tests.payments.test_stripe import LATER, post, spoil
from tests.payments.till import HOLD, Till
from tests.site.browsing import Browser

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from tests.payments.fakes.server import FaultKind
    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.payments.fakes.stripe_more import Values
    from tests.payments.killer import Killer
    from tests.world import World

DAYS = timedelta(days=5)
CONFIRM = r"POST /v1/payment_intents/\w+/confirm"
AMOUNT = r"POST /v1/payment_intents/\w+"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


@pytest.fixture
async def account(world: World, stripe: FakeStripe) -> Account:
    """An operator's account that takes cards and bank accounts."""
    return await set_up(world, stripe)


async def set_up(world: World, stripe: FakeStripe) -> Account:
    found = stripe.open_account()
    await doors.set_gateway_account(
        world.admin(),
        doors.NewGatewayAccount(
            gateway="stripe", public_key=found.public_key, secret=found.secret,
            webhook_secret=found.webhook_secret,
        ),
    )  # fmt: skip
    return found


async def stored(rider: Call, account: Account) -> contract.Method:
    """The rider's bank account, as an app stores it: entered in Stripe's own field."""
    begun = await contract.begin_set_up(rider, "sepa_debit")
    assert begun.client_secret
    assert begun.token
    account.client_agrees(begun.client_secret)
    return await contract.add_method(rider, begun.token, True, "stripe")


async def opened(world: World, account: Account) -> Till:
    rider = world.call("customer")
    method = await stored(rider, account)
    assert rider.user is not None
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, HOLD, "EUR")
    return Till(world, rider, method.id, payment)


async def collecting(world: World, account: Account, price: int = 525) -> tuple[Till, Values]:
    """A ride that is over, and whose debit is under way."""
    till = await opened(world, account)
    await till.authorize()
    await till.ended(price)
    assert (await till.work()).state == "processing"
    (intent,) = account.all("payment_intent")
    return till, intent


async def told(world: World, account: Account) -> None:
    """Stripe's webhooks arrive."""
    await account.deliver(lambda body, headers: post(world, body, headers))


async def books(world: World) -> dict[str, int]:
    page = await ledger.accounts(world.system(), None, None, None, 100, 0)
    found: dict[str, int] = {}
    for each in page.accounts:
        found[each.code] = found.get(each.code, 0) + each.balance_minor
    return {code: amount for code, amount in found.items() if amount}


async def sound(world: World) -> None:
    """Nothing is wrong, five minutes from now."""
    with clock.moved_to(clock.now() + timedelta(minutes=5)):
        assert await queries.proof(world.system()) == []
        assert await queries.broken_invariants(world.system()) == []


async def test_a_bank_account_is_a_payment_method(world: World, account: Account) -> None:
    """PAY-24, PAY-27: last digits, bank and mandate are shown; a bare token has no mandate."""
    rider = await world.rider()
    async with world.client(rider) as client:
        begun = await client.post("/api/v1/payment-methods/setup", json={"type": "sepa_debit"})
        assert begun.status_code == 201, begun.text
        assert begun.json()["url"] is None
        early = {"gateway_token": begun.json()["gateway_token"], "gateway": "stripe"}
        assert (await client.post("/api/v1/payment-methods", json=early)).status_code == 400
        account.client_agrees(begun.json()["client_secret"])
        added = await client.post("/api/v1/payment-methods", json=early)
        assert added.status_code == 201, added.text
        (listed,) = (await client.get("/api/v1/payment-methods")).json()["payment_methods"]
    (mandate,) = account.all("mandate")
    reference = mandate["payment_method_details"]["sepa_debit"]["reference"]
    assert (listed["type"], listed["last4"], listed["expires"]) == ("sepa_debit", "3201", "")
    assert (listed["bank"], listed["mandate_reference"]) == ("19043", reference)
    assert listed["label"] == "SEPA direct debit ending in 3201"
    (method,) = account.all("payment_method")
    with pytest.raises(Invalid):
        await contract.add_method(world.call("customer"), method["id"], False, "stripe")


async def test_at_a_page_of_stripes(world: World, account: Account) -> None:
    """Without Stripe's library: hosted, and back to a place of ours with what is to be stored."""
    rider = await world.rider()
    async with world.client(rider) as client:
        wish = {"type": "sepa_debit", "return_path": "/portal/methods"}
        begun = (await client.post("/api/v1/payment-methods/setup", json=wish)).json()
        (session,) = account.all("checkout.session")
        assert begun["url"] == session["url"]
        back = account.payer_agrees(session)
        assert "/portal/methods?result=success&token=cs_" in back
        token = back.rpartition("token=")[2]
        assert token == begun["gateway_token"]
        body = {"gateway_token": token, "gateway": "stripe"}
        added = await client.post("/api/v1/payment-methods", json=body)
        assert added.json()["type"] == "sepa_debit", added.text
        bad = {"type": "sepa_debit", "return_path": "https://evil.example/"}
        refused = await client.post("/api/v1/payment-methods/setup", json=bad)
        assert refused.status_code == 400
    async with world.client(await world.rider()) as stranger:
        stolen = await stranger.post("/api/v1/payment-methods", json=body)
        assert stolen.status_code == 400


@pytest.mark.parametrize("price", [525, 3_000])
async def test_a_ride_is_debited_at_its_end(world: World, account: Account, price: int) -> None:
    """One debit of what it cost, be that more than the hold; paid when the money has arrived."""
    till = await opened(world, account)
    assert (await till.authorize()).state == "authorized"
    (intent,) = account.all("payment_intent")
    assert (intent["status"], account.held()) == ("requires_confirmation", 0)
    await till.ended(price)
    under_way = await till.work()
    assert (under_way.state, under_way.captured_minor) == ("processing", 0)
    assert (intent["status"], intent["amount"]) == ("processing", price)
    assert "gateway_clearing" not in await books(world)
    async with world.client(till.rider) as client:
        shown = (await client.get(f"/api/v1/payments/{ids.public('pay', till.id)}")).json()
        assert (shown["status"], shown["amount_captured"]) == ("processing", 0)
        kept = await client.delete(f"/api/v1/payment-methods/{ids.public('pm', till.method)}")
        assert kept.status_code == 409
    with pytest.raises(contract.RefundTooLarge):
        await contract.refund(world.system(), till.id, 100, "not yet", "r0")
    await sound(world)
    with clock.moved_to(clock.now() + DAYS):
        await compare(world.system())
        account.debit_arrives(intent)
        await told(world, account)
        paid = await till.work()
        assert (paid.state, paid.captured_minor) == ("completed", price)
        back = await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 1")
        assert back.refunded_minor == 200
        assert account.taken() == price - 200
        await till.at_rest()
        (compared,) = await compare(world.system())
        assert (compared.compared, compared.found) == (2, 0)
    assert await till.told() == [
        "PaymentAuthorized", "payment.processing", "payment.captured", "PaymentCompleted",
        "payment.refunded", "payment.fee_kept",
    ]  # fmt: skip
    assert len([each for each in account.requests if each.endswith("/confirm")]) == 1


async def test_without_webhooks_it_is_found_out_later(world: World, account: Account) -> None:
    till, intent = await collecting(world, account)
    account.debit_arrives(intent)
    account.events.clear()
    assert (await till.work(60, 3_600)).state == "processing"  # nobody asks every minute
    assert (await till.work(7 * 3_600)).state == "completed"
    await till.at_rest()


async def test_a_debit_that_fails_is_a_debt(world: World, account: Account) -> None:
    """Never debited again by itself; the rider pays with another method."""
    till, intent = await collecting(world, account)
    with clock.moved_to(clock.now() + DAYS):
        account.debit_fails(intent, "account_closed")
        await told(world, account)
        owed = await till.work(0, 60, 600)
        assert (owed.state, owed.reason, owed.captured_minor) == ("due", "account_closed", 0)
        assert len(account.all("payment_intent")) == 1
        assert intent["status"] == "canceled"
        (debt,) = (await debts.own_debts(till.rider, 10, 0)).debts
        assert (debt.state, debt.owed_minor, debt.reason) == ("open", 525, "account_closed")
        card = await till.card("pm_card_visa")
        paid = await contract.pay(till.rider, till.rental, card)
        assert (paid.state, paid.captured_minor) == ("completed", 525)
        await till.work()
        assert (await debts.own_debts(till.rider, 10, 0)).debts[0].state == "paid"
        await till.at_rest()
    assert (await till.told())[1:4] == ["payment.processing", "PaymentFailed", "payment.captured"]


async def test_a_debt_may_be_paid_by_debit(world: World, account: Account) -> None:
    """It stays open while the money is on its way, and is over when it has arrived."""
    till, intent = await collecting(world, account)
    account.debit_fails(intent)
    await told(world, account)
    assert (await till.work()).state == "due"
    again = await contract.pay(till.rider, till.rental, till.method)
    assert again.state == "processing"
    assert (await contract.pay(till.rider, till.rental, till.method)).state == "processing"
    await till.work()
    (debt,) = (await debts.own_debts(till.rider, 10, 0)).debts
    assert debt.state == "open"
    second = account.all("payment_intent")[-1]
    account.debit_arrives(second)
    await told(world, account)
    assert (await till.work()).state == "completed"
    await till.work()
    assert (await debts.own_debts(till.rider, 10, 0)).debts[0].state == "paid"
    await till.at_rest()


async def test_a_debit_that_comes_back(world: World, account: Account) -> None:
    """Eight weeks without a reason: due again; the gateway's fee is the operator's."""
    till, intent = await collecting(world, account)
    with clock.moved_to(clock.now() + DAYS):
        account.debit_arrives(intent)
        await told(world, account)
        assert (await till.work()).state == "completed"
    with clock.moved_to(clock.now() + timedelta(days=40)):
        account.debit_comes_back(intent)
        await told(world, account)
        owed = await till.work(0, 60)
        assert (owed.state, owed.reason) == ("due", "debit_not_authorized")
        (dispute,) = (await doors.disputes(world.admin(), 10, 0)).disputes
        assert (dispute.state, dispute.amount_minor) == ("lost", 525)
        (debt,) = (await debts.own_debts(till.rider, 10, 0)).debts
        assert (debt.state, debt.owed_minor) == ("open", 525)
        await till.at_rest()
        found = await books(world)
        assert (found["receivables"], found["fees"]) == (525, DISPUTE_FEE)
        assert found["gateway_clearing"] == -DISPUTE_FEE
        (compared,) = await compare(world.system())
        assert compared.found == 0
    assert (await till.told())[-2:] == ["payment.returned", "PaymentFailed"]


async def test_webhooks_in_any_order(world: World, account: Account) -> None:
    """Succeeded and taken back before anybody looked: it ends where Stripe is."""
    till, intent = await collecting(world, account)
    account.debit_arrives(intent)
    account.debit_comes_back(intent)
    account.events.reverse()
    await account.deliver(lambda body, headers: post(world, body, headers), times=2)
    assert (await till.work(0, 60, 7 * 3_600)).state == "due"
    found = await books(world)
    assert found["receivables"] == 525
    await sound(world)


@pytest.mark.parametrize("ends", ["arrives", "fails", "comes back"])
async def test_a_top_up_by_debit(world: World, account: Account, ends: str) -> None:
    """WAL-13: only money that has arrived fills a balance; one that came back empties it."""
    rider = await world.rider()
    method = await stored(rider, account)
    topup = await wallet.open_topup(rider, 2_000, method.id, None)
    assert topup.state == "paying"
    (intent,) = account.all("payment_intent")
    with clock.moved_to(clock.now() + DAYS):
        await world.settle()
        assert (await wallet.wallet(rider, _me(rider))).balance_minor == 0
        if ends == "fails":
            account.debit_fails(intent)
        else:
            account.debit_arrives(intent)
        await told(world, account)
        await world.settle()
        balance = 0 if ends == "fails" else 2_000
        assert (await wallet.wallet(rider, _me(rider))).balance_minor == balance
        if ends == "comes back":
            account.debit_comes_back(intent)
            await told(world, account)
            await world.settle()
            assert (await wallet.wallet(rider, _me(rider))).balance_minor == 0
        seen = await wallet.topup(rider, topup.id)
        assert seen.state == ("failed" if ends == "fails" else "credited")
    await sound(world)


def _me(rider: Call) -> UUID:
    assert rider.user is not None
    return rider.user


async def test_in_the_portal(world: World, account: Account) -> None:
    """By forms and links alone: store an account at Stripe's page, top up, see it collected."""
    browser = Browser(world)
    await browser.log_in(world, await world.rider())
    page = await browser.send(await browser.get("/portal/methods"), "/portal/methods/account")
    (session,) = account.all("checkout.session")
    assert session["url"] in page.answer.text
    back = account.payer_agrees(session).partition("/portal/")[2]
    page = await browser.get(f"/portal/{back}")
    assert "Direct debit, account ending in 3201" in page.text
    page = await browser.send(
        await browser.get("/portal/billing"), "/portal/billing/topup", amount="20.00"
    )
    assert "Being collected" in page.text, page.text
    (intent,) = account.all("payment_intent")
    account.debit_fails(intent)
    await told(world, account)
    await world.settle()
    page = await browser.get(page.answer.url.raw_path.decode())
    assert "Nothing was charged." in page.text


async def test_a_debt_in_the_portal(world: World, stripe: FakeStripe) -> None:
    rider, debt = await debtor(world)
    method = await stored(rider, await set_up(world, stripe))
    async with world.client(rider) as client:
        body = {"payment_method_id": ids.public("pm", method.id)}
        answer = await client.post(f"/api/v1/debts/{debt}/pay", json=body)
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert (shown["status"], shown["is_collecting"], shown["pay_url"]) == ("open", True, None)
        assert shown["amount"] > 0
    with pytest.raises(debts.DebtOpen):
        await debts.check_debts(rider, _me(rider))  # it is not there yet
    browser = Browser(world)
    await browser.log_in(world, rider)
    page = await browser.get("/portal/debts")
    assert "Being collected" in page.text
    assert "Pay now" not in page.text


async def test_nobody_rides(world: World, account: Account) -> None:
    """What was promised is taken back: nothing was ever moved."""
    till = await opened(world, account)
    await till.authorize()
    await till.cancelled()
    assert (await till.work()).state == "voided"
    (intent,) = account.all("payment_intent")
    assert intent["status"] == "canceled"
    await till.at_rest()


async def test_one_promise_is_one_debit(world: World, account: Account) -> None:
    """PAY-29, I1, straight at the adapter: a key once however often, and no key beside it."""
    rider = world.call("customer")
    await stored(rider, account)
    (method,) = account.all("payment_method")
    stripe, call = gateways.find("stripe"), world.system("payments")
    wanted = gateways.Authorisation(
        key="a", amount_minor=HOLD, currency="EUR", method_ref=method["id"], customer=_me(rider),
        is_off_session=False, metadata={},
    )  # fmt: skip
    held = await asyncio.gather(*(stripe.authorise(call, wanted) for _ in range(4)))
    assert {(each.kind, each.is_promise, each.ref) for each in held} == {
        ("done", True, held[0].ref)
    }

    def taking(key: str, ref: str | None) -> gateways.Change:
        return gateways.Change(
            key=key, intent=ref or "", amount_minor=2_000, currency="EUR", is_promise=True
        )

    first = await asyncio.gather(
        *(stripe.capture(call, taking("c", held[0].ref)) for _ in range(4))
    )
    assert {each.kind for each in first} == {"processing"}
    account.forget_keys()
    assert (await stripe.capture(call, taking("c", held[0].ref))).kind == "processing"
    assert (await stripe.capture(call, taking("d", held[0].ref))).kind == "declined"
    assert (await stripe.capture(call, taking("e", "pi_nosuch"))).kind == "declined"
    (intent,) = account.all("payment_intent")
    assert (intent["status"], len(account.all("charge"))) == ("processing", 1)
    off = gateways.Change(key="v", intent=intent["id"], amount_minor=HOLD, currency="EUR")
    assert (await stripe.void(call, off)).kind == "declined"


async def test_without_a_mandate_nothing_is_debited(world: World, account: Account) -> None:
    till = await opened(world, account)
    await till.authorize()
    account.all("mandate")[0]["status"] = "inactive"
    await till.ended(525)
    owed = await till.work(0, 60)
    assert (owed.state, owed.reason) == ("due", "payment_intent_mandate_invalid")
    assert account.all("payment_intent")[0]["status"] == "canceled"
    await till.at_rest()


@pytest.mark.parametrize("request_", [AMOUNT, CONFIRM])
@pytest.mark.parametrize("mode", ["timeout_before", "timeout_after", "error_before", "error_after"])
async def test_the_answer_is_lost(
    world: World, account: Account, request_: str, mode: FaultKind
) -> None:
    """Debited once, whatever was heard of it."""
    till = await opened(world, account)
    await till.authorize()
    await till.ended(525)
    spoil(account, request_, mode)
    await till.work()
    account.forget_keys()
    assert (await till.work(*LATER)).state == "processing"
    (intent,) = account.all("payment_intent")
    assert (intent["status"], intent["amount"]) == ("processing", 525)
    assert len(account.all("charge")) == 1
    account.debit_arrives(intent)
    await told(world, account)
    assert (await till.work()).captured_minor == 525
    await till.at_rest()


@pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
async def test_killed_while_debiting(
    world: World, account: Account, killer: Killer, phase: str
) -> None:
    till = await opened(world, account)
    await till.authorize()
    await till.ended(525)
    killer.at = f"payments.capture.{phase}"
    with pytest.raises(KilledError):
        await till.work()
    account.forget_keys()
    assert (await till.work(*LATER)).state == "processing"
    (charge,) = account.all("charge")
    assert charge["amount_captured"] == 525
    rows = await db.run(
        "payments", world.system(), "SELECT state FROM payments.attempt WHERE kind = 'capture'"
    )
    assert [row["state"] for row in rows] == ["processing"]
