"""What the conformance suite needs to know about each gateway: one class, one line in ``KITS``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fahrwerk.kernel import ids
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.contract import mandates as mandate_doors
from fahrwerk.payments.gateways import find

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.payments.gateways import Outcome
    from tests.payments.fakes.paypal import Account as PayPalAccount
    from tests.payments.fakes.paypal import FakePayPal
    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.world import World


class Kit(Protocol):
    """A gateway with what stands for its far side."""

    name: str
    cannot: frozenset[str]
    """What a method of this gateway is never: ``declined`` or ``challenged`` at once."""

    async def open(self, world: World) -> None:
        """Give this operator an account there."""
        ...

    async def token(self, world: World, person: UUID, what: str) -> str:
        """What a client has in hand for a ``good``, ``declined`` or ``challenged`` method."""
        ...

    async def pass_challenge(self, world: World, asked: Outcome) -> None:
        """The rider does what the bank wants."""
        ...


class SandboxKit:
    name = "sandbox"
    cannot: frozenset[str] = frozenset()

    async def open(self, world: World) -> None:
        pass

    async def token(self, world: World, person: UUID, what: str) -> str:
        tokens = {"declined": "tok_insufficientFunds", "challenged": "tok_threeDSecure"}
        return tokens.get(what, "tok_visa")

    async def pass_challenge(self, world: World, asked: Outcome) -> None:
        pass  # ``confirm`` is the word of its challenge page


class StripeKit:
    name = "stripe"
    cannot: frozenset[str] = frozenset()

    def __init__(self, fake: FakeStripe) -> None:
        self._fake = fake
        self._accounts: dict[UUID, Account] = {}

    async def open(self, world: World) -> None:
        self._accounts[world.tenant] = await open_stripe(world, self._fake)

    async def token(self, world: World, person: UUID, what: str) -> str:
        if what == "good":
            return "pm_card_visa"
        if what == "declined":
            return "pm_card_visa_chargeDeclinedInsufficientFunds"
        # A card that wants its owner each time has to be set up by the client.
        key = f"set-up-{ids.new()}"
        begun = await find("stripe").begin_set_up(world.system("payments"), key, person)
        assert begun.client_secret
        assert begun.token
        account = self._accounts[world.tenant]
        account.client_sets_up(begun.client_secret, "pm_card_authenticationRequired")
        return begun.token

    async def pass_challenge(self, world: World, asked: Outcome) -> None:
        assert asked.next_action
        self._accounts[world.tenant].client_confirms(asked.next_action["client_secret"])


class PayPalKit:
    name = "paypal"
    cannot: frozenset[str] = frozenset()

    def __init__(self, fake: FakePayPal) -> None:
        self._fake = fake
        self._accounts: dict[UUID, PayPalAccount] = {}

    async def open(self, world: World) -> None:
        self._accounts[world.tenant] = await open_paypal(world, self._fake)

    async def token(self, world: World, person: UUID, what: str) -> str:
        key = f"set-up-{ids.new()}"
        begun = await find("paypal").begin_set_up(world.system("payments"), key, person)
        assert begun.token
        self._accounts[world.tenant].payer_approves_set_up(begun.token, what)
        return begun.token

    async def pass_challenge(self, world: World, asked: Outcome) -> None:
        assert asked.next_action
        assert asked.ref
        assert asked.next_action["url"].endswith(asked.ref)
        self._accounts[world.tenant].payer_approves(asked.ref)


class SepaKit:
    name = "sepa"
    cannot = frozenset({"declined", "challenged"})

    async def open(self, world: World) -> None:
        await open_sepa(world)

    async def token(self, world: World, person: UUID, what: str) -> str:
        rider = world.call("customer", user=person)
        offer = await mandate_doors.mandate_offer(rider)
        signed = await mandate_doors.sign_mandate(
            rider,
            mandate_doors.NewMandate(
                iban=RIDER_IBAN, holder="Ada Lovelace", agreed_text=offer.version, is_one_off=False
            ),
        )
        return ids.public("mnd", signed.id)

    async def pass_challenge(self, world: World, asked: Outcome) -> None:
        raise AssertionError("there is none")


CREDITOR_ID, CREDITOR_IBAN = "DE98ZZZ09999999999", "DE89370400440532013000"
RIDER_IBAN = "DE12500105170648489890"


async def open_sepa(world: World, **fields: Any) -> None:
    """The operator enters a creditor identifier and the account to collect to."""
    await doors.set_gateway_account(
        world.admin(),
        doors.NewGatewayAccount(
            gateway="sepa", public_key=CREDITOR_ID, secret=CREDITOR_IBAN, **fields
        ),
    )


async def open_paypal(world: World, fake: FakePayPal, *, rank: int = 50) -> PayPalAccount:
    """The operator gets an account at what stands for PayPal, and enters its keys."""
    account = fake.open_account()
    await doors.set_gateway_account(
        world.admin(),
        doors.NewGatewayAccount(
            gateway="paypal", public_key=account.client_id, secret=account.secret,
            webhook_secret=account.webhook_id, rank=rank,
        ),
    )  # fmt: skip
    return account


async def open_stripe(world: World, fake: FakeStripe, *, rank: int = 50) -> Account:
    """The operator gets an account at what stands for Stripe, and enters its keys."""
    account = fake.open_account()
    await doors.set_gateway_account(
        world.admin(),
        doors.NewGatewayAccount(
            gateway="stripe", public_key=account.public_key, secret=account.secret,
            webhook_secret=account.webhook_secret, kinds=["card"], rank=rank,
        ),
    )  # fmt: skip
    return account
