"""Refunds above an operator's limit need a second person (separation of duties)."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.payments.contract import Payment

KIND = "payments.refund"
APPROVE = "payments.refund.approve"


class RefundAsked(msgspec.Struct, frozen=True):
    """What came of asking: the payment as it is now, and the approval it waits for, if any."""

    payment: Payment
    approval: Approval | None


class RefundNeedsApproval(Forbidden):
    """Above the operator's limit, all refunds of this payment together; ``limit_minor``."""

    code = "SECOND_PERSON_NEEDED"
    message = "A refund of this size needs a second person."


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
