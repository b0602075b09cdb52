"""Paying at a page of the gateway: completed once, expired when nobody pays (WAL-13)."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments import contract, jobs
from fahrwerk.payments.contract import charges, ledger
from fahrwerk.payments.gateways import _sandbox_pages as pages
from tests.payments.gateways.kits import open_stripe
from tests.payments.killer import KilledError

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from tests.payments.fakes.stripe import FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World

BACK = "/portal/billing?topup=top_1"


class Buyer:
    """Somebody without any stored method."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person: UUID = ids.new()
        self.wanted = charges.Charge(
            payment_id=ids.new(), reference=ids.new(), rider_id=self.person, amount_minor=2_500,
            currency="EUR", return_path=BACK,
        )  # fmt: skip

    @property
    def house(self) -> Call:
        return self.world.system("wallet")

    async def charge(self) -> Payment:
        return await charges.charge(self.house, self.wanted)

    async def page(self) -> str:
        """The page's address."""
        payment = await self.charge()
        assert payment.state == "action_required"
        assert payment.next_action
        assert payment.next_action["type"] == "redirect"
        return payment.next_action["url"]

    async def work(self, *seconds: float) -> Payment:
        for later in seconds or (0.0,):
            with clock.moved_to(clock.now() + timedelta(seconds=later)):
                for _ in range(3):
                    await jobs.send_sandbox_webhooks()
                    await jobs.settle_payments()
                await self.charge()
        return await contract.payment(self.house, self.wanted.payment_id)

    async def counted(self, kind: str) -> int:
        rows = await db.run(
            "payments", self.house,
            "SELECT count(*) FROM payments.attempt WHERE kind = $1 AND state = 'succeeded'", kind,
        )  # fmt: skip
        return int(rows[0][0])


async def paid(buyer: Buyer, token: str = "tok_visa") -> str | None:
    ref = (await buyer.page()).rpartition("/")[2]
    return await pages.pay(buyer.world.system(), ref, token)


async def test_paid_at_the_sandboxs_page_and_captured_once(world: World) -> None:
    buyer = Buyer(world)
    assert urlsplit(await buyer.page()).path.startswith(f"/sandbox/checkout/{world.tenant}/pi_")
    assert await buyer.page() == await buyer.page()
    assert await paid(buyer, "tok_insufficientFunds") == "insufficient_funds"
    assert await paid(buyer) is None
    await asyncio.gather(*(buyer.work() for _ in range(4)))
    payment = await buyer.work(20)
    assert (payment.state, payment.captured_minor) == ("completed", 2_500)
    assert (await buyer.counted("authorize"), await buyer.counted("capture")) == (1, 1)
    refund = await contract.refund(world.admin(), payment.id, 500, "kind", "k1")
    assert refund.refunded_minor == 500


async def test_nobody_pays(world: World) -> None:
    """The wallet voids it after half an hour: the page closes, and takes nothing any more."""
    buyer = Buyer(world)
    ref = (await buyer.page()).rpartition("/")[2]
    await contract.void(buyer.house, buyer.wanted.payment_id)
    assert (await buyer.work()).state == "voided"
    assert await pages.pay(world.system(), ref, "tok_visa") == "expired"
    assert await buyer.counted("authorize") == 0


async def test_paid_while_it_is_closed(world: World) -> None:
    """Whoever is faster: nothing stays held of what is not wanted (I12)."""
    buyer = Buyer(world)
    ref = (await buyer.page()).rpartition("/")[2]
    await asyncio.gather(
        contract.void(buyer.house, buyer.wanted.payment_id),
        pages.pay(world.system(), ref, "tok_visa"),
    )
    payment = await buyer.work(0, 20, 60)
    assert payment.state == "voided"
    assert payment.authorized_minor == 0


@pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
async def test_killed_while_the_page_is_made(world: World, killer: Killer, phase: str) -> None:
    """F1: one page, one charge."""
    buyer = Buyer(world)
    killer.at = f"payments.authorize.{phase}"
    with pytest.raises(KilledError):
        await buyer.charge()
    await buyer.work(20, 60)
    assert await paid(buyer) is None
    assert (await buyer.work(80)).captured_minor == 2_500
    rows = await db.run("payments", buyer.house, "SELECT count(*) FROM payments.sandbox_page")
    assert rows[0][0] == 1


async def test_the_page_in_the_browser(world: World) -> None:
    """Declined, another card, paid, and sent back; paid pages say so."""
    buyer = Buyer(world)
    path = urlsplit(await buyer.page()).path
    async with world.client() as client:
        shown = await client.get(path)
        assert (shown.status_code, "25" in shown.text) == (200, True)
        assert "script-src" not in shown.headers["content-security-policy"]
        no = await client.post(path, data={"do": "pay", "card": "tok_chargeDeclined"})
        assert no.headers["location"] == f"{path}?refused=card_declined"
        assert "card_declined" in (await client.get(no.headers["location"])).text
        left = await client.post(path, data={"do": "cancel"})
        assert left.headers["location"].endswith(f"{BACK}&result=cancelled")
        yes = await client.post(path, data={"do": "pay", "card": "tok_visa"})
        assert (yes.status_code, yes.headers["location"].endswith("&result=success")) == (303, True)
        assert "form" not in (await client.get(path)).text.partition("<main>")[2]
        nothing = await client.get(path[:-3] + "xyz")
        assert nothing.status_code == 404
    assert (await buyer.work()).state == "completed"


@pytest.mark.parametrize("seed", [0, 1])
async def test_at_stripe(world: World, stripe: FakeStripe, seed: int) -> None:
    """Checkout: declined, then paid; webhooks doubled and in any order complete it once."""
    account = await open_stripe(world, stripe)
    buyer = Buyer(world)
    assert (await buyer.page()).startswith("https://checkout.stripe.example/")
    (session,) = account.all("checkout.session")
    assert session["success_url"].endswith(f"{BACK}&result=success")
    assert not account.payer_pays(session, "pm_card_visa_chargeDeclined")

    async def post(body: bytes, headers: dict[str, str]) -> None:
        await contract.take_webhook(world.system(), "stripe", body, headers)

    await account.deliver(post)
    assert (await buyer.work()).state == "action_required"
    assert account.payer_pays(session)
    await account.deliver(post, shuffle=random.Random(seed), times=2)
    payment = await buyer.work(0, 5)
    assert (payment.state, payment.captured_minor) == ("completed", 2_500)
    assert (account.taken(), account.held()) == (2_500, 0)
    assert len(account.all("payment_intent")) == 1


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before", "error_after"])
async def test_stripes_answer_is_lost(world: World, stripe: FakeStripe, fault: str) -> None:
    account = await open_stripe(world, stripe)
    account.faults.spoil("POST /v1/checkout/sessions", fault)  # type: ignore[arg-type]
    buyer = Buyer(world)
    assert (await buyer.charge()).state == "unknown"
    await buyer.work(20, 60)
    await buyer.page()
    (session,) = account.all("checkout.session")
    assert account.payer_pays(session)
    # No webhook comes: who asks for the charge again finds it paid.
    assert (await buyer.work(120, 130)).captured_minor == 2_500


async def test_closed_at_stripe(world: World, stripe: FakeStripe) -> None:
    """Open, it is expired there; just paid, the intent is canceled."""
    account = await open_stripe(world, stripe)
    buyer, late = Buyer(world), Buyer(world)
    await buyer.page()
    await late.page()
    first, second = account.all("checkout.session")
    account.payer_pays(second)
    for each in (buyer, late):
        await contract.void(each.house, each.wanted.payment_id)
        assert (await each.work(0, 5)).state == "voided"
    assert first["status"] == "expired"
    assert (account.held(), account.taken()) == (0, 0)


async def test_another_gateway_when_the_first_provably_did_not_take_it(
    world: World, stripe: FakeStripe
) -> None:
    """PAY-02 for charges: refused keys at the first, the next stored method at another one."""
    account = await open_stripe(world, stripe)
    rider = world.call("customer")
    assert rider.user
    await contract.add_method(rider, "pm_card_visa", True)
    await contract.add_method(rider, "tok_visa", False, "sandbox")
    account.faults.spoil("POST /v1/payment_intents", "limited", 3)
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=2_500,
        currency="EUR",
    )  # fmt: skip
    payment = await charges.charge(world.system("wallet"), wanted)
    assert (payment.state, payment.captured_minor) == ("completed", 2_500)
    assert account.held() == account.taken() == 0
    account.faults.spoil("POST /v1/payment_intents", "timeout_after")
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=900,
        currency="EUR",
    )  # fmt: skip
    assert (await charges.charge(world.system("wallet"), wanted)).state == "unknown"
    assert len(account.all("payment_intent")) == 1  # unknown: nobody else is asked
    page = await ledger.accounts(world.system(), "gateway_clearing", "sandbox", None, 5, 0)
    assert sum(each.balance_minor for each in page.accounts) in (0, 2_500)
