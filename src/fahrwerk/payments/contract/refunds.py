"""Refunds above an operator's limit, which need a second person; and refunds that failed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound
from fahrwerk.payments.contract import Payment

KIND = "payments.refund"
APPROVE = "payments.refund.approve"
Answer = Literal["repeated", "by_hand", "dropped"]


class RefundAsked(msgspec.Struct, frozen=True):
    """What came of asking: the payment as it is now, and the approval it waits for, if any."""

    payment: Payment
    approval: Approval | None


class RefundNeedsApproval(Forbidden):
    """Above the operator's limit, all refunds of this payment together; ``limit_minor``."""

    code = "SECOND_PERSON_NEEDED"
    message = "A refund of this size needs a second person."


class FailedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that its gateway refused, or that came back from the rider's bank days later."""

    key: str
    """Of the operation at the gateway."""
    payment_id: UUID
    reference: UUID
    rider_id: UUID
    gateway: str
    amount_minor: int
    currency: str
    reason: str
    """The gateway's code."""
    asked_at: datetime
    failed_at: datetime
    answer: Answer | None
    """What staff has decided. Listed as open as long as that is not carried out."""
    note: str | None


class FailedRefundPage(msgspec.Struct, frozen=True):
    """One page, the newest first, and how many there are in all."""

    refunds: list[FailedRefund]
    total: int


class UnknownRefund(NotFound):
    """The operator has no failed refund of this key."""

    code = "UNKNOWN_REFUND"
    message = "There is no such failed refund."


class RefundAnswered(Conflict):
    """Somebody has decided otherwise."""

    code = "REFUND_ANSWERED"
    message = "Something else was done about this refund already."


@query
async def failed_refunds(call: Call, is_all: bool, limit: int, offset: int) -> FailedRefundPage:
    """Refunds that failed (permission ``payments.refund.create``): the open ones, or all."""
    raise AssertionError


@action
async def answer_refund(call: Call, key: str, answer: Answer, note: str) -> Payment:
    """Do something about a failed refund (permission ``payments.refund.create``); repeatable.

    ``repeated``: ask the gateway once more, for as much. ``by_hand``: the rider got it another way
    (permission ``payments.debt.settle``); the bank's line goes to ``gateway_clearing`` of
    ``byhand``. ``dropped``: nothing is to be done. Raises ``UnknownRefund``, ``RefundAnswered``,
    ``RefundTooLarge``, ``PaymentUnknown``, ``PaymentDeclined``, ``Invalid`` (``note``).
    """
    raise AssertionError


@action
async def ask_refund(
    call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str
) -> RefundAsked:
    """Refund at once, or, above the operator's limit, ask for a second person.

    Permission ``payments.refund.create``. What counts is all that was refunded of this payment and
    this together, so that many small ones are no way around. Raises as ``refund``.
    """
    raise AssertionError


@action
async def approve_refund(call: Call, approval_id: UUID, note: str | None) -> Payment:
    """Say yes as the second person (permission ``payments.refund.approve``), and refund.

    Repeating it is harmless and finishes what a crash left undone. Raises ``OwnWish``,
    ``AlreadyDecided``, and as ``refund``.
    """
    raise AssertionError
