"""What payments tells. Streams are ``payment:<uuid>`` unless said; amounts are minor units."""

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


@event("payment.captured", topic="payment-lifecycle")
class PaymentCaptured(msgspec.Struct, frozen=True):
    """One capture went through: money on its way to the operator. The ledger books it."""

    booking_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    """Of this capture; a ride beyond its hold has several."""
    currency: str
    key: str
    """Of the operation at the gateway."""


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
    gateway: str = ""
    key: str = ""
    """Of the operation at the gateway; both empty in events of before the ledger."""


@event("payment.refund_failed", topic="payment-lifecycle")
class PaymentRefundFailed(msgspec.Struct, frozen=True):
    """The bank sent refunded money back, maybe days later: take the refund out of the books."""

    booking_id: UUID
    payment_id: UUID
    amount: int
    currency: str
    reason: str
    """The gateway's code."""
    gateway: str
    key: str
    """Of the refund."""


@event("payment.disputed", topic="payment-lifecycle")
class PaymentDisputed(msgspec.Struct, frozen=True):
    """The cardholder disputes a charge at the bank. Stream ``dispute:<uuid>``."""

    dispute_id: UUID
    booking_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    currency: str
    reason: str
    evidence_due_at: datetime | None


@event("payment.dispute_changed", topic="payment-lifecycle")
class DisputeChanged(msgspec.Struct, frozen=True):
    """A dispute went on. Stream ``dispute:<uuid>``."""

    dispute_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    currency: str
    state: str
    """under_review | won | lost (the money is gone)"""


@event("ledger.hold_expired", topic="payment-lifecycle")
class HoldExpired(msgspec.Struct, frozen=True):
    """Money held of a purse was let go because the lease ran out. Stream ``hold:<key>``."""

    key: str
    owner: str
    amount: int
    currency: str
    reference: UUID | None


@event("ledger.lot_expired", topic="payment-lifecycle")
class LotExpired(msgspec.Struct, frozen=True):
    """What was left of a lot ran out and was taken off its purse. Stream ``lot:<uuid>``."""

    lot_id: UUID
    owner: str
    kind: str
    """paid | bonus | voucher"""
    amount: int
    currency: str
