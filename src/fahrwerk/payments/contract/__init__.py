"""What other rooms may ask of payments. Amounts are minor units of the payment's currency."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Unavailable, Unpaid
from fahrwerk.payments.gateways import SetUp as SetUp


class Method(msgspec.Struct, frozen=True):
    """A stored way to pay, masked (PAY-24): we keep a gateway's token, never a card number."""

    id: UUID
    kind: str
    """card | paypal | sepa | sepa_debit (a bank account, through a gateway)"""
    label: str
    """Visa ending in 4242"""
    brand: str
    last4: str
    expires: str
    """MM/YY"""
    is_default: bool
    created_at: datetime
    bank: str = ""
    mandate_reference: str = ""
    """Of a bank account: its bank's code, and what stands on the rider's statement."""


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What one rental owes and how far it is paid (PAY-09).

    ``state``: created -> authorized -> completed; or action_required (3-D Secure), failed, voided,
    refunded (wholly), due (wanted but not to be had), unknown (the gateway has not said),
    processing (a bank account is being debited: completed or due in some days).
    """

    id: UUID
    reference: UUID
    """The rental's id."""
    rider_id: UUID
    state: str
    currency: str
    amount_minor: int
    """To be authorised: the hold (C-19)."""
    authorized_minor: int
    captured_minor: int
    refunded_minor: int
    method_label: str | None
    transaction_id: str | None
    """``txn_...`` of the capture, for receipts."""
    reason: str | None
    """The gateway's code when it failed."""
    next_action: dict[str, str] | None
    """What the client must do when ``action_required``."""


class PaymentDeclined(Unpaid):
    """The gateway refused: insufficient funds, fraud suspected, expired card (PAY-11)."""


class AuthenticationRequired(Unpaid):
    """3-D Secure is needed or failed: the booking waits, the rider may try again (RNT-24)."""

    code = "PAYMENT_AUTHENTICATION_REQUIRED"
    message = "Your bank wants you to confirm this payment."


class PaymentUnknown(Unavailable):
    """The gateway has not answered; nothing is lost, nothing is charged twice (PAY-12)."""

    code = "PAYMENT_PENDING"
    message = "The payment is still being checked. Please try again shortly."


class UnknownMethod(NotFound):
    """Not one of the caller's payment methods."""

    code = "UNKNOWN_PAYMENT_METHOD"
    message = "There is no such payment method."


class MethodInUse(Conflict):
    """A ride under way is to be paid with it."""

    code = "PAYMENT_METHOD_IN_USE"
    message = "This payment method is needed for a ride under way."


class RefundTooLarge(Conflict):
    """More than was captured and is not refunded yet."""

    code = "REFUND_TOO_LARGE"
    message = "More cannot be refunded than was paid."


class PaymentPage(msgspec.Struct, frozen=True):
    """One page of payments and how many there are in all."""

    payments: list[Payment]
    total: int


class GatewayFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the sandbox's fault script: spoil the next ``times`` requests of a kind."""

    operation: Literal[
        "set_up",
        "authorize",
        "confirm",
        "capture",
        "void",
        "refund",
        "read",
        "evidence",
        "transfer",
        "list",
        "any",
    ]
    fault: Literal[
        "declined",
        "timeout_before",
        "timeout_after",
        "error_500_before",
        "error_500_after",
        "rate_limited",
        "slow",
        "wrong_amount",
        "wrong_fee",
        "delayed",
        "late",
        "missing",
    ]
    """``missing``: the gateway's list leaves its newest line out."""
    code: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    """Of ``declined``."""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 3.0
    """Of ``slow``, ``delayed`` and ``late``."""
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class PaymentClosed(Conflict):
    """The payment is voided, failed or refunded and takes no more."""

    code = "PAYMENT_CLOSED"
    message = "This payment is closed."


@action
async def open_payment(
    call: Call, payment_id: UUID, reference: UUID, rider_id: UUID, amount_minor: int, currency: str
) -> Payment:
    """Open the payment of a rental: one INSERT, no gateway yet. Repeating answers what is there.

    What was called off before it was opened stays closed: the booking had been cancelled meanwhile.
    Raises ``Invalid`` (an amount of nothing, or of more than a million units), ``Conflict`` (the
    rental has another payment).
    """
    raise AssertionError


@action
async def authorize(call: Call, payment_id: UUID, method_id: UUID | None) -> Payment:
    """Authorise the whole amount with a method of the rider (None = the default one) (PAY-04..06).

    Harmless to repeat: an authorised payment answers itself, and an attempt under way is not made
    a second time. Raises ``UnknownMethod``, ``PaymentDeclined``, ``AuthenticationRequired`` (with
    ``next_action``), ``PaymentUnknown``, ``PaymentClosed``.
    """
    raise AssertionError


@action
async def void(call: Call, payment_id: UUID) -> None:
    """Mark a payment as no longer wanted: what is authorised now or later is voided (I12).

    Harmless to repeat, and without effect once the ride has ended: what is captured is refunded
    (C-84). The voiding itself is a worker's; it is signalled like every change.
    """
    raise AssertionError


@action
async def pay(call: Call, reference: UUID, method_id: UUID | None) -> Payment:
    """Pay what one's rental owes now (PAY-03): the hold of a booking, or what remained *due*.

    Like ``authorize`` while the ride has not ended. A due rest is authorised and captured at once,
    with the rider present. A payment that owes nothing answers itself. Raises what ``authorize``
    raises, ``NotFound`` for somebody else's rental.
    """
    raise AssertionError


@action
async def complete_authentication(call: Call, payment_id: UUID) -> Payment:
    """Go on after the rider's 3-D Secure challenge (PAY-05, PAY-06).

    Real gateways tell us by themselves; the sandbox takes this as the word of its challenge page.
    Without a challenge under way it answers the payment as it is. Raises ``PaymentDeclined``,
    ``AuthenticationRequired`` (it failed and may be tried again), ``PaymentUnknown``, ``NotFound``.
    """
    raise AssertionError


@action
async def refund(call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str) -> Payment:
    """Give back part or all of what was captured (permission ``payments.refund.create``).

    ``key`` names this refund: repeating it answers the same. Raises ``RefundTooLarge`` (a
    ``Conflict``) when more than was captured, ``Unpaid`` when the gateway refuses,
    ``PaymentUnknown`` when it did not answer (a worker sees it through), ``Invalid``, ``NotFound``.
    """
    raise AssertionError


@action
async def take_webhook(call: Call, gateway: str, body: bytes, headers: dict[str, str]) -> bool:
    """A gateway's webhook, as it came in (F11); header names in lower case. False: known already.

    It is stored once by (gateway, event id) and answered at once; a worker then reads at the
    gateway what happened. Raises ``Invalid`` (signature, time or operator wrong), ``NotFound`` (no
    such gateway).
    """
    raise AssertionError


@action
async def script_sandbox(call: Call, faults: list[GatewayFault]) -> None:
    """Make the sandbox gateway misbehave (permission ``payments.sandbox.write``); [] = no more."""
    raise AssertionError


@action
async def add_method(
    call: Call, gateway_token: str, make_default: bool, gateway: str | None = None,
    kind: str = "card",
) -> Method:  # fmt: skip
    """Store a method the client has set up at the gateway; the same token again is the same method.

    ``gateway``: whose token it is; None = the one this operator uses for this ``kind``. Raises
    ``Invalid`` (a token the gateway does not know), ``Unpaid`` (refused by the gateway),
    ``PaymentUnknown`` (the gateway did not answer: try again), ``Conflict`` (too many methods),
    ``NoGateway``.
    """
    raise AssertionError


@action
async def begin_set_up(call: Call, kind: str, return_path: str | None = None) -> SetUp:
    """Prepare the setting up of a method of the caller by their client (PAY-05, PAY-27).

    Which gateway it is, is the operator's choice for methods of this ``kind``. With
    ``return_path``, a place of ours, the rider does it at a page of the gateway (``url``), which
    sends them back there with ``result=success`` and ``token``. Raises ``NoGateway`` (none takes
    them), ``NotTaken`` (its account cannot), ``NotOffered`` (it has no pages), ``PaymentUnknown``
    (it did not answer: try again).
    """
    raise AssertionError


@action
async def remove_method(call: Call, method_id: UUID) -> None:
    """Forget a method of the caller. Raises ``UnknownMethod``, ``MethodInUse``."""
    raise AssertionError


@query
async def methods(call: Call) -> list[Method]:
    """The caller's methods, the default one first."""
    raise AssertionError


@query
async def method_kinds(call: Call) -> list[str]:
    """Kinds of methods that riders may store at the operator's own accounts at gateways."""
    raise AssertionError


@query
async def find_method(call: Call, reference: str) -> UUID:
    """A method of the caller by ``pm_...``. Raises ``UnknownMethod``."""
    raise AssertionError


@query
async def payment_for(call: Call, reference: UUID) -> Payment | None:
    """The payment of a rental, or None. Signalled as ``payments.payment:<rental uuid>``."""
    raise AssertionError


@query
async def payment(call: Call, payment_id: UUID) -> Payment:
    """One payment: the caller's own, or anybody's with ``payments.payment.read_any``.

    Raises ``NotFound``.
    """
    raise AssertionError


@query
async def payments(call: Call, limit: int, offset: int) -> PaymentPage:
    """The caller's payments, newest first (PAY-25)."""
    raise AssertionError
