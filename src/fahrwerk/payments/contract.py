"""What other rooms may ask of payments. Amounts are minor units of the payment's currency."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Unavailable, Unpaid


class Method(msgspec.Struct, frozen=True):
    """A stored way to pay, masked (PAY-24): we keep a gateway's token, never a card number."""

    id: UUID
    kind: str
    """card"""
    label: str
    """Visa ending in 4242"""
    brand: str
    last4: str
    expires: str
    """MM/YY"""
    is_default: bool
    created_at: datetime


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What one rental owes and how far it is paid (PAY-09).

    ``state``: created -> authorized -> completed; or action_required (3-D Secure), failed, voided,
    refunded (wholly), due (wanted but not to be had), unknown (the gateway has not said).
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


class PaymentClosed(Conflict):
    """The payment is voided, failed or refunded and takes no more."""

    code = "PAYMENT_CLOSED"
    message = "This payment is closed."


@action
async def open_payment(
    call: Call, payment_id: UUID, reference: UUID, rider_id: UUID, amount_minor: int, currency: str
) -> Payment:
    """Open the payment of a rental: one INSERT, no gateway yet. Repeating answers what is there."""
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
    """Mark a payment as no longer wanted: what is authorised now or later is voided (I12)."""
    raise AssertionError


@action
async def refund(call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str) -> Payment:
    """Give back part or all of what was captured (permission ``payments.refund.create``).

    Raises ``Conflict`` when more than was captured, ``Unpaid`` when the gateway refuses.
    """
    raise AssertionError


@action
async def add_method(call: Call, gateway_token: str, make_default: bool) -> Method:
    """Store a method the client has set up at the gateway. Raises ``Invalid``, ``Unpaid``."""
    raise AssertionError


@action
async def remove_method(call: Call, method_id: UUID) -> None:
    """Forget a method of the caller. Raises ``UnknownMethod``."""
    raise AssertionError


@query
async def methods(call: Call) -> list[Method]:
    """The caller's methods, the default one first."""
    raise AssertionError


@query
async def find_method(call: Call, reference: str) -> UUID:
    """A method of the caller by ``pm_...``. Raises ``UnknownMethod``."""
    raise AssertionError


@query
async def payment_for(call: Call, reference: UUID) -> Payment | None:
    """The payment of a rental, or None. Signalled as ``payments.payment:<rental uuid>``."""
    raise AssertionError
