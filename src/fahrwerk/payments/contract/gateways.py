"""The operator's accounts at gateways, webhooks that came in, disputes, payments made by hand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound
from fahrwerk.payments.contract import Payment


class NewGatewayAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of the operator's account at a gateway. Does not print its secrets."""

    gateway: str
    public_key: str
    secret: str
    webhook_secret: str | None = None
    """None: the one that was set before stays."""
    kinds: list[str] | None = None
    """Kinds of payment methods set up there; None: all that the gateway can."""
    rank: int = 50
    """1 to 100: of several gateways for the same kind the lowest."""
    fee_minor: int = 0
    """What the gateway keeps of each capture by contract, in minor units ..."""
    fee_bp: int = 0
    """... and of its amount, in basis points: 150 is 1.5 %."""

    def __repr__(self) -> str:
        return f"NewGatewayAccount({self.gateway})"


class GatewayAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it may be shown: never its secrets."""

    gateway: str
    public_key: str
    hint: str
    """The last four characters of the secret."""
    has_webhook_secret: bool
    remote_id: str
    """The gateway's id of the account."""
    is_live: bool
    """False: keys for tests, no real money."""
    kinds: list[str]
    rank: int
    fee_minor: int
    fee_bp: int
    is_disabled: bool
    set_at: datetime
    tested_at: datetime
    problem: str | None
    """What the last test of the keys found; None: they worked."""
    is_connected: bool = False
    """The platform acts for it with its own keys (``contract/connect.py``)."""
    platform_fee_minor: int = 0
    platform_fee_bp: int = 0
    """What the platform takes: once of each payment, and of each capture in basis points."""


class WebhookTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that came in, verified."""

    gateway: str
    event_id: str
    kind: str
    payment_id: UUID | None
    """None: it is about nothing of ours."""
    received_at: datetime
    handled_at: datetime | None


class WebhookPage(msgspec.Struct, frozen=True):
    """One page of webhooks, newest first, and how many there are in all."""

    webhooks: list[WebhookTaken]
    total: int


class DisputeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A charge disputed by its cardholder. Amounts in minor units."""

    id: UUID
    gateway: str
    ref: str
    payment_id: UUID
    amount_minor: int
    currency: str
    reason: str
    state: str
    """needs_response | under_review | won | lost"""
    evidence_due_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None


class DisputePage(msgspec.Struct, frozen=True):
    """One page of disputes, newest first, and how many there are in all."""

    disputes: list[DisputeRecord]
    total: int


class UnknownAccount(NotFound):
    """The operator has no account at this gateway here."""

    code = "UNKNOWN_GATEWAY_ACCOUNT"
    message = "There are no keys for this gateway."


class AccountInUse(Conflict):
    """Payments under way belong to the account that the present keys are of."""

    code = "GATEWAY_ACCOUNT_IN_USE"
    message = "Payments of the account set up before are still under way. Disable it and try later."


class AccountConnected(Conflict):
    """The account is connected to the platform's: who runs the platform changes that."""

    code = "GATEWAY_CONNECTED"
    message = "This account is connected by the platform. Ask whoever runs it."


class NotDue(Conflict):
    """Nothing is owed, or not that much, or the gateway has not said yet what became of it."""

    code = "PAYMENT_NOT_DUE"
    message = "This payment does not owe that much."


@action
async def set_gateway_account(call: Call, wanted: NewGatewayAccount) -> GatewayAccount:
    """Set or replace the keys of a gateway (permission ``payments.gateway.write``).

    They are tried at the gateway first; secrets are kept sealed and never shown again. Raises
    ``Invalid`` (not keys of this gateway, or refused there), ``UnknownGateway``, ``AccountInUse``
    (they are of another account than before and payments there are under way), ``Unavailable`` (the
    gateway did not answer).
    """
    raise AssertionError


@action
async def try_gateway_account(call: Call, gateway: str) -> GatewayAccount:
    """Try the stored keys; what was found stands in ``problem``. Raises ``UnknownAccount``."""
    raise AssertionError


@action
async def disable_gateway_account(call: Call, gateway: str, is_disabled: bool) -> GatewayAccount:
    """Take no new methods and payments there, or take them again. Raises ``UnknownAccount``.

    What is under way is finished: captured, voided, refunded.
    """
    raise AssertionError


@action
async def replay_webhook(call: Call, gateway: str, event_id: str) -> None:
    """Handle a webhook once more: the gateway is asked again. Raises ``NotFound``."""
    raise AssertionError


@action
async def pay_by_hand(
    call: Call, payment_id: UUID, amount_minor: int, note: str, key: str
) -> Payment:
    """Record money that came another way, such as by bank transfer, for a payment that is *due*.

    The way out while a gateway is down (PAY-28); permission ``payments.debt.settle``. ``key``
    names it: repeating it answers the same. Raises ``NotDue``, ``Invalid``, ``NotFound``.
    """
    raise AssertionError


@query
async def gateway_accounts(call: Call) -> list[GatewayAccount]:
    """The operator's accounts, by rank (permission ``payments.gateway.read``)."""
    raise AssertionError


@query
async def gateway_fee(call: Call, payment_id: UUID) -> int:
    """What gateways keep of a payment, in its minor units (PAY-32); 0 = not known.

    As their lists tell it; until they do, by the contract that the operator has entered.

    Permission ``payments.gateway.read``.
    """
    raise AssertionError


@query
async def platform_fee(call: Call, payment_id: UUID) -> int:
    """What the platform has taken of a payment less what it gave back (``payments.gateway.read``).

    In minor units of the payment.
    """
    raise AssertionError


@query
async def webhooks(call: Call, limit: int, offset: int) -> WebhookPage:
    """Webhooks that came in, newest first (permission ``payments.gateway.read``)."""
    raise AssertionError


@query
async def disputes(call: Call, limit: int, offset: int) -> DisputePage:
    """Disputes, newest first (permission ``payments.dispute.read``)."""
    raise AssertionError
