"""How payments look outside."""

from __future__ import annotations

import msgspec

from fahrwerk.kernel import ids, money
from fahrwerk.payments import contract


class Payment(msgspec.Struct, frozen=True):
    """A payment, amounts in decimals of its currency (PAY-08, PAY-09)."""

    id: str
    booking_id: str
    status: str
    """created, unknown, action_required, authorized, processing (being collected: a bank account is
    debited, which takes days), completed, due, failed, voided, refunded"""
    amount: float
    """Authorised, or to be authorised, before the ride."""
    amount_authorized: float
    amount_captured: float
    amount_refunded: float
    currency: str
    payment_method: str | None
    transaction_id: str | None
    reason: str | None
    next_action: dict[str, str] | None


def payment(payment: contract.Payment) -> Payment:
    """A payment as its rider and staff may see it."""
    currency = payment.currency
    return Payment(
        id=ids.public("pay", payment.id),
        booking_id=ids.public("rent", payment.reference),
        status=payment.state,
        amount=money.to_major(payment.amount_minor, currency),
        amount_authorized=money.to_major(payment.authorized_minor, currency),
        amount_captured=money.to_major(payment.captured_minor, currency),
        amount_refunded=money.to_major(payment.refunded_minor, currency),
        currency=currency,
        payment_method=payment.method_label,
        transaction_id=payment.transaction_id,
        reason=payment.reason,
        next_action=payment.next_action,
    )
