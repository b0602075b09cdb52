"""The operator's accounts at gateways, webhooks and disputes; riders' preparation of a method."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, settings, web
from fahrwerk.kernel.call import Call
from fahrwerk.payments import contract, rules
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.http import views

Kind = Literal["card", "paypal", "sepa", "sepa_debit"]
Key = Annotated[str, Meta(min_length=8, max_length=300)]


class SetUpRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What kind of method the rider wants to store."""

    type: Kind = "card"
    return_path: Annotated[str, Meta(max_length=150, pattern=r"^/[A-Za-z0-9_/.?=&-]*$")] | None = (
        None
    )
    """Given: the rider does it at a page of the gateway, which sends them back to this place of
    ours with `result` and `token`, the `gateway_token`."""


class SetUpView(msgspec.Struct, frozen=True):
    """What the rider's client needs to set the method up with the gateway itself (PAY-27)."""

    gateway: str
    public_key: str | None
    client_secret: str | None
    """For the gateway's own library in the client; never to be logged."""
    gateway_token: str | None
    """To be sent to `POST /api/v1/payment-methods` when the gateway says that it is done."""
    url: str | None
    """The gateway's page, when one was wished for."""
    account: str | None
    """For which account `public_key` is used there, when it is the platform's
    (`Stripe(public_key, {stripeAccount: account})`)."""


class AccountRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the operator's account; they are tried before they are kept (docs/gateways.md)."""

    public_key: Key
    secret: Key
    """Kept sealed, never shown again."""
    webhook_secret: Key | None = None
    """Not given: the one from before stays."""
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=5)] | None = None
    """Not given: all that this gateway can."""
    rank: Annotated[int, Meta(ge=1, le=100)] = 50
    """Of several gateways for the same kind of method, the one with the lowest rank is used."""
    fee_minor: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """What the gateway keeps of each capture by contract: in minor units ..."""
    fee_bp: Annotated[int, Meta(ge=0, le=10_000, examples=[150])] = 0
    """... and of its amount, in basis points."""

    def __repr__(self) -> str:
        return "AccountRequest()"


class GatewayAccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a gateway; secrets are never shown."""

    gateway: str
    public_key: str
    secret_ends_with: str
    has_webhook_secret: bool
    webhook_url: str
    """Where the gateway has to send its webhooks."""
    account: str
    is_live: bool
    """False: keys for tests; no real money moves."""
    kinds: list[str]
    rank: int
    fee_minor: int
    fee_bp: int
    is_disabled: bool
    set_at: str
    tested_at: str
    problem: str | None
    is_connected: bool
    """The platform acts for this account with its own keys, and takes its fee:"""
    platform_fee_minor: int
    """once of each payment, in minor units,"""
    platform_fee_bp: int
    """and of each capture, in basis points."""


class GatewayAccounts(msgspec.Struct, frozen=True):
    """All accounts, those that are asked first in front."""

    gateways: list[GatewayAccountView]


class FeeView(msgspec.Struct, frozen=True):
    """What gateways keep of a payment; 0 when their prices were not entered."""

    gateway_fee: float
    platform_fee: float
    """What the platform took of it, less what it gave back."""
    currency: str


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that came in; what happened is read at the gateway."""

    gateway: str
    event_id: str
    type: str
    payment_id: str | None
    received_at: str
    handled_at: str | None


class WebhooksView(msgspec.Struct, frozen=True):
    """A page of webhooks, newest first."""

    webhooks: list[WebhookView]
    pagination: web.Pagination


class DisputeView(msgspec.Struct, frozen=True, kw_only=True):
    """A disputed charge."""

    id: str
    gateway: str
    gateway_id: str
    payment_id: str
    amount: float
    currency: str
    reason: str
    status: str
    """needs_response, under_review, won, lost"""
    evidence_due_at: str | None
    opened_at: str
    closed_at: str | None


class DisputesView(msgspec.Struct, frozen=True):
    """A page of disputes, newest first."""

    disputes: list[DisputeView]
    pagination: web.Pagination


class HandRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much came in, and how."""

    amount: Decimal
    note: Annotated[str, Meta(min_length=1, max_length=200, examples=["bank transfer of 3 May"])]


@post(
    "/api/v1/payment-methods/setup",
    permission="payments.method.write",
    while_suspended=True,
    status_code=201,
    tags=["payments"],
)
async def post_set_up(call: web.Caller, data: JSONBody[SetUpRequest]) -> SetUpView:
    """Prepare the storing of a payment method: the client goes on with the gateway itself."""
    found = await contract.begin_set_up(call, data.type, data.return_path)
    return SetUpView(
        found.gateway, found.public_key, found.client_secret, found.token, found.url,
        found.account,
    )  # fmt: skip


@get("/api/v1/gateways", permission="payments.gateway.read", tags=["payments"])
async def list_accounts(call: web.Caller) -> GatewayAccounts:
    """The operator's accounts at payment gateways."""
    return GatewayAccounts([_account(call, each) for each in await doors.gateway_accounts(call)])


@put("/api/v1/gateways/{gateway:str}", permission="payments.gateway.write", tags=["payments"])
async def put_account(
    call: web.Caller, gateway: FromPath[str], data: JSONBody[AccountRequest]
) -> GatewayAccountView:
    """Set or replace the keys of a gateway; 400 when the gateway does not accept them."""
    wanted = doors.NewGatewayAccount(
        gateway=gateway,
        public_key=data.public_key,
        secret=data.secret,
        webhook_secret=data.webhook_secret,
        kinds=None if data.kinds is None else [*data.kinds],
        rank=data.rank,
        fee_minor=data.fee_minor,
        fee_bp=data.fee_bp,
    )
    return _account(call, await doors.set_gateway_account(call, wanted))


@post(
    "/api/v1/gateways/{gateway:str}/test",
    permission="payments.gateway.write",
    status_code=200,
    tags=["payments"],
)
async def post_test(call: web.Caller, gateway: FromPath[str]) -> GatewayAccountView:
    """Try the stored keys; `problem` says what was found."""
    return _account(call, await doors.try_gateway_account(call, gateway))


@post(
    "/api/v1/gateways/{gateway:str}/disable",
    permission="payments.gateway.write",
    status_code=200,
    tags=["payments"],
)
async def post_disable(call: web.Caller, gateway: FromPath[str]) -> GatewayAccountView:
    """Take no new methods and payments there; what is under way is finished."""
    return _account(call, await doors.disable_gateway_account(call, gateway, True))


@post(
    "/api/v1/gateways/{gateway:str}/enable",
    permission="payments.gateway.write",
    status_code=200,
    tags=["payments"],
)
async def post_enable(call: web.Caller, gateway: FromPath[str]) -> GatewayAccountView:
    """Use a disabled gateway again."""
    return _account(call, await doors.disable_gateway_account(call, gateway, False))


@get(
    "/api/v1/payments/{payment_id:str}/gateway-fee",
    permission="payments.gateway.read",
    tags=["payments"],
)
async def get_fee(call: web.Caller, payment_id: FromPath[str]) -> FeeView:
    """What gateways keep of a payment by their contracts (PAY-32), and what the platform takes."""
    found = await contract.payment(call, ids.parse(payment_id, "pay"))
    fee = await doors.gateway_fee(call, found.id)
    taken = await doors.platform_fee(call, found.id)
    currency = found.currency
    return FeeView(money.to_major(fee, currency), money.to_major(taken, currency), currency)


@get("/api/v1/gateway-webhooks", permission="payments.gateway.read", tags=["payments"])
async def list_webhooks(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> WebhooksView:
    """Webhooks that came in, newest first."""
    page = await doors.webhooks(call, limit, offset)
    rows = [_webhook(each) for each in page.webhooks]
    return WebhooksView(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/api/v1/gateway-webhooks/{gateway:str}/{event_id:str}/replay",
    permission="payments.gateway.write",
    status_code=202,
    tags=["payments"],
)
async def post_replay(call: web.Caller, gateway: FromPath[str], event_id: FromPath[str]) -> None:
    """Handle a webhook once more: the gateway is asked again what happened."""
    await doors.replay_webhook(call, gateway, event_id)


@get("/api/v1/disputes", permission="payments.dispute.read", tags=["payments"])
async def list_disputes(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> DisputesView:
    """Charges that cardholders dispute at their banks, newest first."""
    page = await doors.disputes(call, limit, offset)
    rows = [_dispute(each) for each in page.disputes]
    return DisputesView(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/api/v1/payments/{payment_id:str}/by-hand",
    permission="payments.debt.settle",
    while_suspended=True,
    status_code=201,
    tags=["payments"],
)
async def post_by_hand(
    call: web.Caller, payment_id: FromPath[str], data: JSONBody[HandRequest]
) -> views.Payment:
    """Record money that came another way for a payment that is due (PAY-28).

    Send an `Idempotency-Key`: a repeat records nothing twice.
    """
    found = await contract.payment(call, ids.parse(payment_id, "pay"))
    amount = rules.to_minor(data.amount, found.currency)
    key = call.key or str(ids.new())
    return views.payment(await doors.pay_by_hand(call, found.id, amount, data.note, key))


def _account(call: Call, account: doors.GatewayAccount) -> GatewayAccountView:
    address = settings.load().address
    return GatewayAccountView(
        gateway=account.gateway,
        public_key=account.public_key,
        secret_ends_with=account.hint,
        has_webhook_secret=account.has_webhook_secret,
        webhook_url=f"{address}/api/v1/webhooks/{account.gateway}/{call.tenant}",
        account=account.remote_id,
        is_live=account.is_live,
        kinds=account.kinds,
        rank=account.rank,
        fee_minor=account.fee_minor,
        fee_bp=account.fee_bp,
        is_disabled=account.is_disabled,
        set_at=clock.stamp(account.set_at),
        tested_at=clock.stamp(account.tested_at),
        problem=account.problem,
        is_connected=account.is_connected,
        platform_fee_minor=account.platform_fee_minor,
        platform_fee_bp=account.platform_fee_bp,
    )


def _webhook(each: doors.WebhookTaken) -> WebhookView:
    return WebhookView(
        gateway=each.gateway,
        event_id=each.event_id,
        type=each.kind,
        payment_id=None if each.payment_id is None else ids.public("pay", each.payment_id),
        received_at=clock.stamp(each.received_at),
        handled_at=None if each.handled_at is None else clock.stamp(each.handled_at),
    )


def _dispute(each: doors.DisputeRecord) -> DisputeView:
    return DisputeView(
        id=ids.public("dsp", each.id),
        gateway=each.gateway,
        gateway_id=each.ref,
        payment_id=ids.public("pay", each.payment_id),
        amount=money.to_major(each.amount_minor, each.currency),
        currency=each.currency,
        reason=each.reason,
        status=each.state,
        evidence_due_at=None if each.evidence_due_at is None else clock.stamp(each.evidence_due_at),
        opened_at=clock.stamp(each.opened_at),
        closed_at=None if each.closed_at is None else clock.stamp(each.closed_at),
    )


handlers = [
    post_set_up,
    list_accounts,
    put_account,
    post_test,
    post_disable,
    post_enable,
    get_fee,
    list_webhooks,
    post_replay,
    list_disputes,
    post_by_hand,
]
