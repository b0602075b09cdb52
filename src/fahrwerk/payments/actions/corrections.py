"""Journals whose taking back needs a second person: asked for, approved, carried out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import structlog

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem, Unavailable
from fahrwerk.payments.actions.ledger import reverse_journal
from fahrwerk.payments.contract.corrections import APPROVE, KIND, ReversalAsked
from fahrwerk.payments.contract.ledger import NotReversible
from fahrwerk.payments.queries.ledger import read_journal
from fahrwerk.payments.rules import ledger as rules
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract.approvals import Approval
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.ledger import Journal

WRITE = "payments.ledger.write"
log = structlog.get_logger()


async def ask_reversal(call: Call, journal_id: UUID, reason: str, key: str) -> ReversalAsked:
    call.require(WRITE)
    found = await read_journal(call, journal_id)
    limit = (await tenancy.operator(call)).refund_limit_minor
    amount = sum(line.amount_minor for line in found.lines if line.amount_minor > 0)
    if limit is None or amount <= limit or found.reversed_by is not None:
        return ReversalAsked(await reverse_journal(call, journal_id, reason, key), None)
    if found.reverses is not None or found.kind in rules.GATEWAY_FACTS:
        raise NotReversible
    asked = await approvals.ask_approval(
        call, ids.derived("approval", journal_id, call.user, key), KIND, journal_id, APPROVE,
        {"amount_minor": amount, "currency": found.lines[0].currency}, reason.strip(),
    )  # fmt: skip
    return ReversalAsked(None, asked)


async def approve_reversal(call: Call, approval_id: UUID, note: str | None) -> Journal:
    call.require(APPROVE)
    wish = await approvals.approval(call, approval_id)
    if wish.kind != KIND:
        raise approvals.UnknownApproval
    if wish.state != "done" or wish.decided_by != call.user:
        wish = await approvals.decide_approval(call, approval_id, True, note)
    return await _carry_out(call, wish)


async def _carry_out(call: Call, wish: Approval) -> Journal:
    """Under the approval's own key: whoever repeats it finds the reversal that there is."""
    # Who asked may take journals back; who says yes need not.
    able = msgspec.structs.replace(call, permissions=call.permissions | {WRITE})
    try:
        done = await reverse_journal(able, wish.subject, wish.reason, f"apr-{wish.id}")
    except Unavailable:
        raise  # nobody knows yet: it is tried again
    except Problem as problem:
        await approvals.finish_approval(call, wish.id, problem.error_code)
        raise
    await approvals.finish_approval(call, wish.id, None)
    return done


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
                code = problem.error_code
                log.error("approved reversal refused", approval=str(each.id), reason=code)
    return len(owed) == 100
