"""What payments tells. Streams are ``payment:<uuid>``; amounts are minor units."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("PaymentAuthorized", topic="payment-lifecycle")
class PaymentAuthorized(msgspec.Struct, frozen=True):
    """The amount is reserved at the rider's bank (EV-02)."""

    booking_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    currency: str
    authorized_at: datetime


@event("PaymentCompleted", topic="payment-lifecycle")
class PaymentCompleted(msgspec.Struct, frozen=True):
    """The ride's price was captured (EV-03). ``amount`` is all that was captured for it."""

    booking_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    currency: str
    transaction_id: str


@event("PaymentFailed", topic="payment-lifecycle")
class PaymentFailed(msgspec.Struct, frozen=True):
    """An authorisation was refused, or a capture came to nothing (EV-04)."""

    booking_id: UUID
    payment_id: UUID
    step: str
    """authorize | capture"""
    reason: str


@event("payment.pending", topic="payment-lifecycle")
class PaymentPending(msgspec.Struct, frozen=True):
    """The gateway has not said whether it authorised; it is asked again until it does (PAY-12)."""

    booking_id: UUID
    payment_id: UUID


@event("payment.action_required", topic="payment-lifecycle")
class PaymentActionRequired(msgspec.Struct, frozen=True):
    """The rider's bank wants a confirmation, or did not get it (3-D Secure, PAY-05, RNT-24)."""

    booking_id: UUID
    payment_id: UUID
    reason: str | None
    """None: to be confirmed; else why the confirmation failed: the rider may try again."""


@event("payment.voided", topic="payment-lifecycle")
class PaymentVoided(msgspec.Struct, frozen=True):
    """The payment is off and what was authorised for it was given back."""

    booking_id: UUID
    payment_id: UUID
    amount: int
    """0 when nothing had been authorised."""
    currency: str


@event("payment.refunded", topic="payment-lifecycle")
class PaymentRefunded(msgspec.Struct, frozen=True):
    """Captured money went back."""

    booking_id: UUID
    payment_id: UUID
    amount: int
    currency: str
    reason: str
