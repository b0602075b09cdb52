"""Taking back journals above an operator's limit needs a second person, like refunds."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action
from fahrwerk.payments.contract.ledger import Journal

KIND = "payments.reversal"
APPROVE = "payments.ledger.approve"


class ReversalAsked(msgspec.Struct, frozen=True):
    """What came of asking: the reversal, or the approval it waits for."""

    reversal: Journal | None
    approval: Approval | None


@action
async def ask_reversal(call: Call, journal_id: UUID, reason: str, key: str) -> ReversalAsked:
    """Take a journal back at once, or, above the operator's limit, ask for a second person.

    Permission ``payments.ledger.write``. What counts is the sum of what the journal debits; a
    journal is taken back once, so there are no parts to slip through. Raises as
    ``reverse_journal``, and ``Invalid`` for a reason of more than 200 characters.
    """
    raise AssertionError


@action
async def approve_reversal(call: Call, approval_id: UUID, note: str | None) -> Journal:
    """Say yes as the second person (permission ``payments.ledger.approve``), and take it back.

    Repeating it is harmless and finishes what a crash left undone. Raises ``OwnWish``,
    ``AlreadyDecided``, and as ``reverse_journal``.
    """
    raise AssertionError
