"""The conduct every gateway owes us, tried on each file in payments/gateways."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from fahrwerk.kernel import clock, ids
from fahrwerk.payments import gateways
from fahrwerk.payments.gateways import Authorisation, Change, Outcome, Question, _offers
from tests.payments.fakes.paypal import FakePayPal
from tests.payments.fakes.stripe import FakeStripe
from tests.payments.gateways.kits import Kit, PayPalKit, SandboxKit, SepaKit, StripeKit

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Gateway
    from tests.world import World

NAMES = [m.name for m in pkgutil.iter_modules(gateways.__path__) if not m.name.startswith("_")]
KITS: dict[str, Callable[[FakeStripe, FakePayPal], Kit]] = {
    "sandbox": lambda _, __: SandboxKit(),
    "stripe": lambda stripe, _: StripeKit(stripe),
    "paypal": lambda _, paypal: PayPalKit(paypal),
    "sepa": lambda _, __: SepaKit(),
}
"""One line for each gateway."""


class Customer:
    """Somebody with a card at one gateway."""

    def __init__(self, kit: Kit, world: World) -> None:
        self.kit = kit
        self.world = world
        self.gateway: Gateway = gateways.find(kit.name)
        self.call: Call = world.system("payments")
        self.card = ""
        self.person: UUID = ids.new()

    async def authorise(
        self, key: str, amount: int = 1_250, card: str | None = None, *, off_session: bool = False
    ) -> Outcome:
        return await self.gateway.authorise(
            self.call,
            Authorisation(
                key=key, amount_minor=amount, currency="EUR", method_ref=card or self.card,
                customer=self.person, is_off_session=off_session, metadata={},
            ),
        )  # fmt: skip

    async def with_card(self, what: str) -> str:
        """Another card, of this kind."""
        return await self.with_token(await self.kit.token(self.world, self.person, what))

    async def with_token(self, token: str) -> str:
        key = f"set-up-{ids.new()}"
        return (await self.gateway.set_up(self.call, key, token, self.person)).ref

    async def read(
        self, key: str, kind: Literal["authorize", "capture", "void", "refund"],
        intent: str | None = None,
    ) -> Outcome | None:  # fmt: skip
        question = Question(key=key, kind=kind, intent=intent, customer=self.person)
        return await self.gateway.read(self.call, question)


def change(key: str, intent: str | None, amount: int) -> Change:
    assert intent is not None
    return Change(key=key, intent=intent, amount_minor=amount, currency="EUR")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 5.0)


@pytest.fixture(params=sorted(KITS))
async def customer(
    request: pytest.FixtureRequest, world: World, stripe: FakeStripe, paypal: FakePayPal
) -> Customer:
    customer = Customer(KITS[request.param](stripe, paypal), world)
    await customer.kit.open(world)
    customer.card = await customer.with_card("good")
    return customer


def test_every_gateway_is_held_to_it() -> None:
    assert sorted(KITS) == sorted(NAMES)


async def test_a_method_is_masked(customer: Customer) -> None:
    """PAY-24, PAY-27."""
    token = await customer.kit.token(customer.world, customer.person, "good")
    card = await customer.gateway.set_up(customer.call, "set-up-2", token, customer.person)
    if card.kind == "card":
        assert len(card.last4) == 4
        assert len(card.expires) == 5
    assert card.brand
    assert token not in card.ref
    with pytest.raises(gateways.UnknownToken):
        await customer.with_token("tok_nosuchtoken")


async def test_authorise_capture_refund(customer: Customer) -> None:
    """PAY-04, PAY-06, PAY-07: each done with its own id and the amount it was done for."""
    held = await customer.authorise("a")
    assert (held.kind, held.amount_minor) == ("done", 1_250)
    taken = await customer.gateway.capture(customer.call, change("c", held.ref, 525))
    assert (taken.kind, taken.amount_minor) == ("done", 525)
    back = await customer.gateway.refund(customer.call, change("r", held.ref, 200))
    assert (back.kind, back.amount_minor) == ("done", 200)
    assert len({held.ref, taken.ref, back.ref}) == 3


async def test_its_list_has_what_was_done_and_kept(customer: Customer) -> None:
    """I10: who has a list tells the fee of each charge, less than it and more than nothing."""
    if not isinstance(customer.gateway, _offers.WithLists):
        pytest.skip("has no list")
    held = await customer.authorise("a")
    await customer.gateway.capture(customer.call, change("c", held.ref, 525))
    await customer.gateway.refund(customer.call, change("r", held.ref, 200))
    now = clock.now()
    found = await customer.gateway.listed(
        customer.call, now - timedelta(hours=1), now + timedelta(hours=1)
    )
    assert sorted((each.kind, each.amount_minor) for each in found) == [
        ("capture", 525), ("refund", 200),
    ]  # fmt: skip
    for each in found:
        if each.kind == "capture":
            assert each.fee_minor is not None
            assert 0 < each.fee_minor < 525
            assert not each.platform_fee_minor  # nobody's account here is connected
        else:
            assert (each.fee_minor, each.platform_fee_minor) == (None, None)


async def test_authorise_void(customer: Customer) -> None:
    held = await customer.authorise("a")
    gone = await customer.gateway.void(customer.call, change("v", held.ref, 1_250))
    assert gone.kind == "done"
    late = await customer.gateway.capture(customer.call, change("c", held.ref, 1))
    assert late.kind == "declined"


async def test_voiding_what_is_void_is_done(customer: Customer) -> None:
    held = await customer.authorise("a")
    for key in ("v1", "v2"):
        gone = await customer.gateway.void(customer.call, change(key, held.ref, 1_250))
        assert gone.kind == "done"


async def test_one_key_is_one_operation(customer: Customer) -> None:
    """PAY-29, I1: the same answer however often and however many at once."""
    answers = await asyncio.gather(*(customer.authorise("a") for _ in range(6)))
    assert len({(a.kind, a.ref, a.amount_minor) for a in answers}) == 1
    ref = answers[0].ref
    taken = await asyncio.gather(
        *(customer.gateway.capture(customer.call, change("c", ref, 500)) for _ in range(6))
    )
    assert {(t.kind, t.ref) for t in taken} == {("done", taken[0].ref)}
    back = await asyncio.gather(
        *(customer.gateway.refund(customer.call, change("r", ref, 300)) for _ in range(6))
    )
    assert {b.ref for b in back} == {back[0].ref}
    more = await customer.gateway.refund(customer.call, change("r2", ref, 201))
    assert more.kind == "declined", "300 went back once: 200 are left"


async def test_a_key_cannot_be_used_for_something_else(customer: Customer) -> None:
    await customer.authorise("a")
    assert (await customer.authorise("a", 9_900)).kind == "declined"


@pytest.mark.parametrize(("kind", "amount"), [("capture", 1_251), ("refund", 526)])
async def test_never_more_than_there_is(
    customer: Customer, kind: Literal["capture", "refund"], amount: int
) -> None:
    """I1, I12."""
    held = await customer.authorise("a")
    if kind == "refund":
        await customer.gateway.capture(customer.call, change("c", held.ref, 525))
        answer = await customer.gateway.refund(customer.call, change("x", held.ref, amount))
    else:
        answer = await customer.gateway.capture(customer.call, change("x", held.ref, amount))
    assert answer.kind == "declined"


async def test_a_second_capture_is_refused(customer: Customer) -> None:
    held = await customer.authorise("a")
    await customer.gateway.capture(customer.call, change("c1", held.ref, 500))
    again = await customer.gateway.capture(customer.call, change("c2", held.ref, 500))
    assert again.kind == "declined"


async def test_what_became_of_it_can_be_asked(customer: Customer) -> None:
    """The heart of it all: by our key, and *never seen* is told from *seen*."""
    assert await customer.read("a", "authorize") is None
    held = await customer.authorise("a")
    seen = await customer.read("a", "authorize", held.ref)
    assert seen is not None
    assert (seen.kind, seen.ref, seen.amount_minor) == ("done", held.ref, 1_250)
    assert await customer.read("c", "capture", held.ref) is None
    await customer.gateway.capture(customer.call, change("c", held.ref, 525))
    taken = await customer.read("c", "capture", held.ref)
    assert taken is not None
    assert (taken.kind, taken.amount_minor) == ("done", 525)


async def test_a_decline_has_a_code_and_stays(customer: Customer) -> None:
    """PAY-11."""
    if "declined" in customer.kit.cannot:
        pytest.skip("it hears of refusals later: tests/payments/test_sepa_returns.py")
    card = await customer.with_card("declined")
    first = await customer.authorise("a", card=card)
    assert (first.kind, first.code) == ("declined", "insufficient_funds")
    assert (await customer.authorise("a", card=card)).kind == "declined"
    seen = await customer.read("a", "authorize")
    assert seen is not None
    assert seen.kind == "declined"


async def test_a_challenge(customer: Customer) -> None:
    """PAY-05: first asked for, then passed; without the rider it is a decline."""
    if "challenged" in customer.kit.cannot:
        pytest.skip("the rider has agreed once, by the mandate")
    card = await customer.with_card("challenged")
    first = await customer.authorise("a", card=card)
    assert first.kind == "action_required"
    assert first.next_action
    await customer.kit.pass_challenge(customer.world, first)
    question = Question(key="a", kind="authorize", intent=first.ref)
    assert (await customer.gateway.confirm(customer.call, question)).kind == "done"
    assert (await customer.gateway.confirm(customer.call, question)).kind == "done"
    away = await customer.authorise("b", card=card, off_session=True)
    assert (away.kind, away.code) == ("declined", "authentication_required")


async def test_a_forgotten_card_is_not_charged(customer: Customer) -> None:
    for _ in range(2):
        await customer.gateway.forget(customer.call, customer.card)
    assert (await customer.authorise("a")).kind == "declined"


async def test_unknown_things_are_declined(customer: Customer) -> None:
    assert (await customer.authorise("a", card="pm_nosuch")).kind == "declined"
    answer = await customer.gateway.capture(customer.call, change("c", "pi_nosuch", 1))
    assert answer.kind == "declined"


async def test_webhooks_are_verified(customer: Customer) -> None:
    with pytest.raises(gateways.Forged):
        await customer.gateway.parse_webhook(customer.call, b"{}", {})
    assert await customer.gateway.account_of(b"not even json") is None


async def test_operators_have_accounts_of_their_own(customer: Customer, world: World) -> None:
    """I7: the same key with another operator is another operation."""
    from tests.world import make_world

    other = await make_world()
    await customer.kit.open(other)
    held = await customer.authorise("a")
    call = other.system("payments")
    question = Question(key="a", kind="authorize", intent=None, customer=customer.person)
    assert await customer.gateway.read(call, question) is None
    stolen = await customer.gateway.capture(call, change("c", held.ref, 100))
    assert stolen.kind == "declined"
