"""Refunds that need a second person: asked for, approved, carried out (separation of duties)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.actions._approved import approve
from fahrwerk.payments.actions._case import as_payment, load
from fahrwerk.payments.actions.refund import check_wish, give_back
from fahrwerk.payments.contract.refunds import APPROVE, KIND, RefundAsked, RefundNeedsApproval
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract.approvals import Approval
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment


async def ask_refund(
    call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str
) -> RefundAsked:
    call.require("payments.refund.create")
    check_wish(amount_minor, reason)
    limit = (await tenancy.operator(call)).refund_limit_minor
    try:
        return RefundAsked(
            await give_back(call, payment_id, amount_minor, reason, key, limit), None
        )
    except RefundNeedsApproval:
        case = await load(call, payment_id)
        if case is None:
            raise NotFound from None
    asked = await approvals.ask_approval(
        call, ids.derived("approval", payment_id, call.user, key), KIND, payment_id, APPROVE,
        {"amount_minor": amount_minor, "currency": case.currency}, reason.strip(),
    )  # fmt: skip
    return RefundAsked(as_payment(case), asked)


async def approve_refund(call: Call, approval_id: UUID, note: str | None) -> Payment:
    call.require(APPROVE)
    return await approve(call, approval_id, note, KIND, refund_wished)


async def refund_wished(call: Call, wish: Approval, key: str) -> Payment:
    """Give back what an approved wish names."""
    amount = int(wish.details["amount_minor"])
    return await give_back(call, wish.subject, amount, wish.reason, key, None)
