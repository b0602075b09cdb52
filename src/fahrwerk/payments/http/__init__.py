"""Payments over HTTP: a rider's methods and payments, refunds by staff, webhooks of gateways."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, RawBody

from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments import contract, rules
from fahrwerk.payments.contract import refunds
from fahrwerk.payments.http import (
    bank_lines,
    books,
    comparison,
    connect,
    corrections,
    debits,
    debts,
    disputes,
    mandates,
    money_out,
    notes,
    revenue,
    risk,
    sandbox,
    sepa,
)
from fahrwerk.payments.http import gateways as accounts
from fahrwerk.payments.http.views import Payment
from fahrwerk.payments.http.views import payment as as_view

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
GatewayName = Annotated[str, msgspec.Meta(min_length=2, max_length=32, examples=["stripe"])]
AnyRequest = Request[Any, Any, State]


class Method(msgspec.Struct, frozen=True):
    """A stored payment method, masked (PAY-24)."""

    id: str
    type: str
    label: str
    brand: str
    last4: str
    expires: str
    is_default: bool
    created_at: str
    bank: str | None
    mandate_reference: str | None
    """Of a bank account: its bank's code, and what stands on the rider's statement."""


class Methods(msgspec.Struct, frozen=True):
    """All methods of the caller, the default one first."""

    payment_methods: list[Method]


class NewMethod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway gave to the client: a token, never a card number (PAY-27)."""

    gateway_token: Annotated[str, msgspec.Meta(min_length=4, max_length=255, examples=["tok_visa"])]
    make_default: bool = False
    gateway: GatewayName | None = None
    """Whose token it is; not given: of the gateway that this operator uses for this `type`."""
    type: accounts.Kind = "card"


class Payments(msgspec.Struct, frozen=True):
    """A page of the caller's payments, newest first (PAY-25)."""

    payments: list[Payment]
    pagination: web.Pagination


class PaymentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which booking or ride to pay, and with what; no method = the default one (PAY-03, G-03)."""

    booking_id: Id
    payment_method_id: Id | None = None


class RefundRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much to give back (nothing given: all that is left), and why."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    amount: Decimal | None = None


class PendingRefund(msgspec.Struct, frozen=True):
    """A refund that waits for a second person."""

    approval_id: str
    status: str
    amount: float
    currency: str
    expires_at: str


class Approving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to say about it; kept with the approval."""

    note: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Taken(msgspec.Struct, frozen=True):
    """A webhook was understood; ``is_new`` is false for one that had come before."""

    received: bool
    is_new: bool


class FaultScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replaces the script; an empty list ends all faults (docs/sandbox-gateway.md)."""

    faults: Annotated[list[contract.GatewayFault], msgspec.Meta(max_length=100)]


@get("/api/v1/payment-methods", permission="payments.method.read", tags=["payments"])
async def list_methods(call: web.Caller) -> Methods:
    """The caller's stored payment methods."""
    return Methods([_method(each) for each in await contract.methods(call)])


@post(
    "/api/v1/payment-methods",
    permission="payments.method.write",
    while_suspended=True,
    status_code=201,
    tags=["payments"],
)
async def post_method(call: web.Caller, data: JSONBody[NewMethod]) -> Method:
    """Store a payment method the client has set up at the gateway."""
    added = await contract.add_method(
        call, data.gateway_token, data.make_default, data.gateway, data.type
    )
    return _method(added)


@delete(
    "/api/v1/payment-methods/{method_id:str}",
    permission="payments.method.write",
    while_suspended=True,
    status_code=204,
    tags=["payments"],
)
async def delete_method(call: web.Caller, method_id: FromPath[str]) -> None:
    """Forget a payment method; 409 while a ride is to be paid with it."""
    await contract.remove_method(call, await contract.find_method(call, method_id))


@post(
    "/api/v1/payments",
    permission="payments.method.write",
    while_suspended=True,
    status_code=201,
    tags=["payments"],
)
async def post_payment(call: web.Caller, data: JSONBody[PaymentRequest]) -> Payment:
    """Pay now: authorise the hold of a booking, or pay what a ride still owes (PAY-03).

    A booking is confirmed as soon as its payment is authorised. 400 PAYMENT_FAILED when refused,
    400 PAYMENT_AUTHENTICATION_REQUIRED with ``next_action`` when the bank wants a confirmation, 503
    PAYMENT_PENDING when the gateway did not answer: ask again, nothing is charged twice.
    """
    method = data.payment_method_id
    paid = await contract.pay(
        call,
        ids.parse(data.booking_id, "rent", "book"),
        None if method is None else await contract.find_method(call, method),
    )
    return as_view(paid)


@get("/api/v1/payments", permission="payments.payment.read", tags=["payments"])
async def list_payments(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> Payments:
    """The caller's payments (PAY-25)."""
    page = await contract.payments(call, limit, offset)
    rows = [as_view(each) for each in page.payments]
    return Payments(rows, web.pagination(page.total, limit, offset, len(rows)))


@get(
    "/api/v1/payments/{payment_id:str}",
    permission="payments.payment.read",
    personal=True,
    tags=["payments"],
)
async def get_payment(call: web.Caller, payment_id: FromPath[str]) -> Payment:
    """One payment of the caller, or of anybody for staff."""
    return as_view(await contract.payment(call, ids.parse(payment_id, "pay")))


@post(
    "/api/v1/payments/{payment_id:str}/refunds",
    permission="payments.refund.create",
    while_suspended=True,
    status_code=201,
    responses={202: ResponseSpec(PendingRefund, description="Waits for a second person")},
    tags=["payments"],
)
async def post_refund(
    call: web.Caller, payment_id: FromPath[str], data: JSONBody[RefundRequest]
) -> Response[Payment]:
    """Give money back (PAY-13). Send an ``Idempotency-Key``: a repeat refunds nothing twice.

    Above the operator's refund limit it answers 202: somebody else has to approve it.
    """
    found = await contract.payment(call, ids.parse(payment_id, "pay"))
    amount = (
        found.captured_minor - found.refunded_minor
        if data.amount is None
        else rules.to_minor(data.amount, found.currency)
    )
    # Without a key each request is a refund of its own; request ids may be the client's invention.
    key = call.key or str(ids.new())
    asked = await refunds.ask_refund(call, found.id, amount, data.reason, key)
    if asked.approval is None:
        return Response(as_view(asked.payment), status_code=201)
    pending: Response[Any] = Response(_pending(asked.approval), status_code=202)
    return pending


@post(
    "/api/v1/refund-approvals/{approval_id:str}/approve",
    permission="payments.refund.approve",
    while_suspended=True,
    status_code=200,
    tags=["payments"],
)
async def approve_refund(
    call: web.Caller, approval_id: FromPath[str], data: JSONBody[Approving]
) -> Payment:
    """Approve a refund that somebody else asked for, and refund it. Repeatable.

    403 ``SECOND_PERSON_NEEDED`` for one's own, 409 ``APPROVAL_CLOSED``. To decline:
    ``/api/v1/approvals/{id}/decline``.
    """
    return as_view(await refunds.approve_refund(call, ids.parse(approval_id, "apr"), data.note))


@post(
    "/api/v1/payments/{payment_id:str}/complete-3ds",
    permission="payments.method.write",
    while_suspended=True,
    status_code=200,
    tags=["payments"],
)
async def post_complete_3ds(call: web.Caller, payment_id: FromPath[str]) -> Payment:
    """The rider is back from the bank's challenge (PAY-05); see docs/sandbox-gateway.md."""
    return as_view(await contract.complete_authentication(call, ids.parse(payment_id, "pay")))


@post(
    "/api/v1/webhooks/{gateway:str}",
    permission=None,
    public=True,
    unkeyed=True,
    limit="webhook",
    status_code=200,
    tags=["payments"],
)
async def post_webhook(
    call: web.Caller,
    gateway: FromPath[str],
    body: RawBody,
    request: AnyRequest,
) -> Taken:
    """A gateway's webhook: verified by its signature, stored once, handled afterwards (F11)."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Taken(True, await contract.take_webhook(call, gateway, body, headers))


@post(
    "/api/v1/webhooks/{gateway:str}/{operator:uuid}",
    permission=None,
    public=True,
    unkeyed=True,
    limit="webhook",
    status_code=200,
    tags=["payments"],
)
async def post_operators_webhook(
    call: web.Caller,
    gateway: FromPath[str],
    operator: FromPath[UUID],
    body: RawBody,
    request: AnyRequest,
) -> Taken:
    """The same for gateways that do not know our operators: the address says whose account it is.

    It counts only when that operator's own webhook secret signed it.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    own = system(operator, "payments", trace=call.trace)
    return Taken(True, await contract.take_webhook(own, gateway, body, headers))


@post(
    "/dev/gateway/faults",
    permission="payments.sandbox.write",
    status_code=204,
    include_in_schema=False,
)
async def post_faults(call: web.Caller, data: JSONBody[FaultScript], request: AnyRequest) -> None:
    """Make the sandbox gateway misbehave; only where ``settings.dev`` is on."""
    if not request.app.state.settings.dev:
        raise NotFound
    await contract.script_sandbox(call, data.faults)


def _method(method: contract.Method) -> Method:
    return Method(
        id=ids.public("pm", method.id),
        type=method.kind,
        label=method.label,
        brand=method.brand,
        last4=method.last4,
        expires=method.expires,
        is_default=method.is_default,
        created_at=clock.stamp(method.created_at),
        bank=method.bank or None,
        mandate_reference=method.mandate_reference or None,
    )


def _pending(approval: Approval) -> PendingRefund:
    currency = str(approval.details["currency"])
    return PendingRefund(
        ids.public("apr", approval.id), approval.state,
        money.to_major(int(approval.details["amount_minor"]), currency), currency,
        clock.stamp(approval.expires_at),
    )  # fmt: skip


handlers = [
    list_methods,
    post_method,
    delete_method,
    post_payment,
    list_payments,
    get_payment,
    post_refund,
    approve_refund,
    post_complete_3ds,
    post_webhook,
    post_operators_webhook,
    post_faults,
    *accounts.handlers,
    *connect.handlers,
    *books.handlers,
    *revenue.handlers,
    *corrections.handlers,
    *mandates.handlers,
    *sepa.handlers,
    *debits.handlers,
    *notes.handlers,
    *bank_lines.handlers,
    *money_out.handlers,
    *debts.handlers,
    *disputes.handlers,
    *comparison.handlers,
    *sandbox.handlers,
    *risk.handlers,
]
