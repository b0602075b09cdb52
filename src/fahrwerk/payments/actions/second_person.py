"""Refunds that need a second person: asked for, approved, carried out (separation of duties)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound, Problem, Unavailable
from fahrwerk.payments.actions._case import as_payment, load
from fahrwerk.payments.actions.refund import check_wish, give_back
from fahrwerk.payments.contract.refunds import APPROVE, KIND, RefundAsked, RefundNeedsApproval
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract.approvals import Approval
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment

log = structlog.get_logger()


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
    wish = await approvals.approval(call, approval_id)
    if wish.kind != KIND:
        raise approvals.UnknownApproval
    if wish.state != "done" or wish.decided_by != call.user:
        wish = await approvals.decide_approval(call, approval_id, True, note)
    return await _carry_out(call, wish)


async def _carry_out(call: Call, wish: Approval) -> Payment:
    """Refund under the approval's own key, so that whoever repeats it refunds nothing twice."""
    amount = int(wish.details["amount_minor"])
    try:
        paid = await give_back(call, wish.subject, amount, wish.reason, f"apr-{wish.id}", None)
    except Unavailable:
        raise  # nobody knows yet: it is tried again
    except Problem as problem:
        await approvals.finish_approval(call, wish.id, problem.error_code)
        raise
    await approvals.finish_approval(call, wish.id, None)
    return paid


async def carry_out_owed() -> bool:
    """Carry out what was approved while its process died; True when there may be more."""
    owed = await approvals.owed(system(None, "payments"), KIND)
    for each in owed:
        call = system(each.tenant, "payments")
        wish = await approvals.approval(call, each.id)
        with suppress(Unavailable):
            try:
                await _carry_out(call, wish)
            except Unavailable:
                raise
            except Problem as problem:
                log.error(
                    "approved refund refused", approval=str(each.id), reason=problem.error_code
                )
    return len(owed) == 100
