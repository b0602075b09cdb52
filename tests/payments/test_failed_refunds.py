"""Refunds that riders did not get: listed for staff until something is done about each."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.actions.webhook import forget_webhooks
from fahrwerk.payments.contract import ledger, refunds
from fahrwerk.payments.queries import broken_invariants
from fahrwerk.wallet import contract as wallet
from tests.payments.gateways.kits import open_stripe
from tests.payments.test_stripe import completed, post
from tests.payments.till import open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import FakeStripe
    from tests.world import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 5.0)


async def refused(world: World) -> str:
    """A refund that the sandbox refuses: its key."""
    till = await open_till(world, "tok_refundFails")
    await till.authorize()
    await till.ended(525)
    await till.work()
    with pytest.raises(contract.PaymentDeclined):
        await contract.refund(world.system(), till.id, 100, "broken", "r1")
    return (await refunds.failed_refunds(world.admin(), False, 1, 0)).refunds[0].key


async def test_refused_again_it_is_listed_anew(world: World) -> None:
    """The one that was repeated is answered, its repeat is not; another operator sees neither."""
    key, admin = await refused(world), world.admin()
    for _ in range(2):
        with pytest.raises(contract.PaymentDeclined):
            await refunds.answer_refund(admin, key, "repeated", "once more")
    (open_one,) = (await refunds.failed_refunds(admin, False, 10, 0)).refunds
    assert open_one.key != key
    assert (await refunds.failed_refunds(admin, True, 10, 0)).total == 2
    stranger = (await make_world()).admin()
    assert (await refunds.failed_refunds(stranger, True, 10, 0)).total == 0
    with pytest.raises(refunds.UnknownRefund):
        await refunds.answer_refund(stranger, key, "dropped", "x")


async def test_handled_webhooks_are_forgotten(world: World) -> None:
    """90 days later; what nobody handled stays."""
    till = await open_till(world, "tok_visa")
    store = """
        INSERT INTO payments.gateway_event (gateway, event_id, kind, payment_id, handled_at,
                                            received_at)
        SELECT 'sandbox', n::text, 'x', $1, CASE WHEN n <> 2 THEN now() END,
               now() - make_interval(days => CASE n WHEN 1 THEN 1 ELSE 100 END)
        FROM generate_series(1, 3) n
    """
    await db.run("payments", world.system(), store, till.id)
    await forget_webhooks(world.system())
    rows = await db.run(
        "payments", world.system(), "SELECT event_id FROM payments.gateway_event ORDER BY event_id"
    )
    assert [row["event_id"] for row in rows] == ["1", "2"]


@pytest.mark.parametrize("answer", ["repeated", "by_hand", "dropped"])
async def test_staff_answers_a_refund_that_failed(
    world: World, stripe: FakeStripe, answer: refunds.Answer
) -> None:
    """PAY-13: listed until it is repeated, paid by hand or dropped; two at once do one thing."""
    account, till = await completed(world, stripe, "pm_card_refundFail")
    support, admin = world.call("support"), world.admin()
    await contract.refund(support, till.id, 200, "broken brakes", "case 1")
    with clock.moved_to(clock.now() + timedelta(days=1)):
        account.refund_fails(account.all("refund")[0])
        await account.deliver(lambda body, headers: post(world, body, headers))
        await till.work()
        (failed,) = (await refunds.failed_refunds(support, False, 10, 0)).refunds
        assert (failed.amount_minor, failed.payment_id, failed.answer) == (200, till.id, None)
        if answer == "by_hand":
            with pytest.raises(Forbidden):
                await refunds.answer_refund(support, failed.key, answer, "transferred")
        staff = world.client(admin)
        path = f"/api/v1/failed-refunds/{failed.key}/answer"
        sent = [staff.post(path, json={"answer": answer, "note": "again"}) for _ in range(3)]
        statuses = {each.status_code for each in await asyncio.gather(*sent)}
        assert statuses <= {200, 503}  # one is at it; the others may be told to ask again
        done = await staff.post(path, json={"answer": answer, "note": "again"})
        assert done.status_code == 200, done.text
        refunded = 0 if answer == "dropped" else 200
        payment = await till.work()
        assert payment.refunded_minor == refunded
        assert len(account.all("refund")) == (2 if answer == "repeated" else 1)
        other: refunds.Answer = "by_hand" if answer == "dropped" else "dropped"
        with pytest.raises(refunds.RefundAnswered):
            await refunds.answer_refund(admin, failed.key, other, "no")
        assert (await refunds.failed_refunds(support, False, 10, 0)).total == 0
        (known,) = (await refunds.failed_refunds(support, True, 10, 0)).refunds
        assert known.answer == answer
        await till.work()
        await till.at_rest()
        page = await ledger.accounts(world.system(), "gateway_clearing", None, None, 10, 0)
        total = sum(each.balance_minor for each in page.accounts)
        assert total == 525 - refunded


async def test_a_top_up_whose_refund_came_back_is_an_open_item(
    world: World, stripe: FakeStripe
) -> None:
    """The wallet has given the money up: until somebody repeats it, it waits and is listed."""
    account = await open_stripe(world, stripe)
    rider, admin = await world.rider(), world.admin()
    card = (await contract.add_method(rider, "pm_card_refundFail", True)).id
    topup = await wallet.open_topup(rider, 2_000, card, None)
    assert topup.state == "credited"
    await contract.refund(admin, topup.payment_id, 500, "asked for", "r1")
    await world.settle()
    account.refund_fails(account.all("refund")[0])
    await account.deliver(lambda body, headers: post(world, body, headers))
    await world.settle()
    with clock.moved_to(clock.now() + timedelta(minutes=5)):
        (waiting,) = (await ledger.open_items(admin, 10, 0)).items
        assert (waiting.kind, waiting.amount_minor) == ("failed_refund", -500)
        assert waiting.subject == ids.public("pay", topup.payment_id)
        assert await ledger.proof(admin) == []
        assert await broken_invariants(world.system()) == []
        (failed,) = (await refunds.failed_refunds(admin, False, 10, 0)).refunds
        await refunds.answer_refund(admin, failed.key, "repeated", "another card")
        await world.settle()
        assert (await ledger.open_items(admin, 10, 0)).total == 0
        assert await ledger.proof(admin) == []
