"""Journals whose taking back needs a second person: asked for, approved, carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel import ids
from fahrwerk.payments.actions._approved import approve
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
    return await approve(call, approval_id, note, KIND, reverse_wished)


async def reverse_wished(call: Call, wish: Approval, key: str) -> Journal:
    """Take back the journal that an approved wish names."""
    # Who asked may take journals back; who says yes need not.
    able = msgspec.structs.replace(call, permissions=call.permissions | {WRITE})
    return await reverse_journal(able, wish.subject, wish.reason, key)
