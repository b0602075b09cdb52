"""What payments tells. Streams are ``payment:<uuid>`` unless said; amounts are minor units."""

from __future__ import annotations

from datetime import date, datetime
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


@event("payment.processing", topic="payment-lifecycle")
class PaymentProcessing(msgspec.Struct, frozen=True):
    """A bank account is being debited; whether that succeeds is known in days."""

    booking_id: UUID
    payment_id: UUID
    gateway: str
    amount: int
    currency: str
    key: str
    """Of the operation at the gateway, as of ``payment.captured`` when it succeeds."""


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
    rider_id: UUID | None = None
    """None in events of before there were debts."""
    platform_fee: int = 0
    """What the platform takes of it."""


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
    rider_id: UUID | None = None
    platform_fee: int = 0
    """What the platform gives back of its fee."""


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


@event("payment.returned", topic="payment-lifecycle")
class PaymentReturned(msgspec.Struct, frozen=True, kw_only=True):
    """A captured direct debit came back from the rider's bank. The ledger books it.

    A ride is *due* again, which ``PaymentFailed`` (step ``capture``) tells as well; of a prepaid
    balance it is told as ``payment.refunded``, too.
    """

    booking_id: UUID
    payment_id: UUID
    rider_id: UUID
    gateway: str
    amount: int
    """What came back."""
    due: int
    """Of it, due again."""
    refunded: int
    """Of it, told as refunded. The rest had been refunded before: the rider has it twice."""
    currency: str
    reason: str
    """The bank's code: AM04, MD06, ..."""
    key: str
    """Of the capture."""


@event("sepa.debit_announced", topic="payment-lifecycle")
class DebitAnnounced(msgspec.Struct, frozen=True, kw_only=True):
    """Pre-notification: the rider's account will be debited. Stream ``sepa_order:<uuid>``."""

    order_id: UUID
    rider_id: UUID
    payment_id: UUID | None
    amount: int
    currency: str
    collect_on: date
    """Not before this day."""
    mandate_reference: str
    creditor_id: str
    iban_masked: str = ""
    """Of events of before; who writes the letter asks for the account (``announced_debit``)."""


@event("mandate.changed", topic="payment-lifecycle")
class MandateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A SEPA mandate was signed, confirmed, amended, or is over. Stream ``mandate:<uuid>``."""

    mandate_id: UUID
    rider_id: UUID
    reference: str
    what: str
    """signed | confirmed | amended | blocked | ended | revoked | expired"""
    reason: str | None = None


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


@event("payment.dispute_money", topic="payment-lifecycle")
class DisputeMoney(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway took money out of the operator's account for a dispute, or gave it back (negative).

    Stream ``dispute:<uuid>``. The ledger books it.
    """

    dispute_id: UUID
    booking_id: UUID
    payment_id: UUID
    gateway: str
    withdrawn: int
    fee: int
    currency: str


@event("payment.dispute_owed", topic="payment-lifecycle")
class DisputeOwed(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute was lost and the ride is owed again; negative: the bank has overturned it.

    The ledger books it.
    """

    booking_id: UUID
    payment_id: UUID
    dispute_id: UUID
    amount: int
    currency: str


@event("payment.evidence_given", topic="payment-lifecycle")
class EvidenceGiven(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's evidence against a dispute is at the gateway. Stream ``dispute:<uuid>``."""

    dispute_id: UUID
    payment_id: UUID
    gateway: str


@event("payment.fee_charged", topic="payment-lifecycle")
class FeeCharged(msgspec.Struct, frozen=True, kw_only=True):
    """A dunning fee was added to what a ride owes. The ledger books it."""

    booking_id: UUID
    payment_id: UUID
    amount: int
    currency: str


@event("payment.fee_kept", topic="payment-lifecycle")
class FeeKept(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's own list says what it kept of a charge. The ledger books it."""

    booking_id: UUID
    payment_id: UUID
    gateway: str
    key: str
    """Of the charge."""
    amount: int
    currency: str


@event("payment.written_off", topic="payment-lifecycle")
class PaymentWrittenOff(msgspec.Struct, frozen=True, kw_only=True):
    """What a ride owes is not expected any more; negative: it came in after all."""

    booking_id: UUID
    payment_id: UUID
    amount: int
    currency: str


@event("debt.opened", topic="payment-lifecycle")
class DebtOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A ride could not be collected. Stream ``debt:<uuid>``, as of the next two."""

    debt_id: UUID
    step_id: UUID
    booking_id: UUID
    payment_id: UUID
    rider_id: UUID
    amount: int
    currency: str
    reason: str
    is_reopened: bool


@event("debt.reminded", topic="payment-lifecycle")
class DebtReminded(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the dunning was taken."""

    debt_id: UUID
    step_id: UUID
    step: int
    """1, 2, 3 ..."""
    booking_id: UUID
    rider_id: UUID
    amount: int
    """Owed now, the fee of this step included."""
    fee: int
    currency: str
    is_noticed: bool


@event("debt.closed", topic="payment-lifecycle")
class DebtEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A debt was paid, written off or forgiven."""

    debt_id: UUID
    booking_id: UUID
    payment_id: UUID
    rider_id: UUID
    state: str
    """paid | written_off | forgiven"""
    amount: int
    """Written off or forgiven; 0 when paid."""
    currency: str


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


@event("payment.risk_decided", topic="payment-lifecycle")
class PaymentRiskDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A payment is to be looked at, or was refused before any gateway was asked.

    Stream ``risk:<payment>:<method>``, as of the other. Who is allowed tells nothing.
    """

    payment_id: UUID
    method_id: UUID
    rider_id: UUID
    decision: str
    """review | block"""
    score: int
    reasons: list[str]


@event("payment.risk_reviewed", topic="payment-lifecycle")
class PaymentRiskReviewed(msgspec.Struct, frozen=True, kw_only=True):
    """Staff has said what a payment was found to be."""

    payment_id: UUID
    method_id: UUID
    rider_id: UUID
    verdict: str
    """cleared | fraud"""


@event("payment.gateway_connected", topic="payment-lifecycle")
class GatewayConnected(msgspec.Struct, frozen=True):
    """The operator's own account at a gateway works for the first time.

    Stream ``gateway_account:<gateway>``: one fact each.
    """

    gateway: str
    is_live: bool
