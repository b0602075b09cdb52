"""Post a journal; take one back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions import _books
from fahrwerk.payments.contract.ledger import (
    AlreadyReversed,
    InsufficientBalance,
    Journal,
    Line,
    NewJournal,
    NotReversible,
)
from fahrwerk.payments.queries.ledger import read_journal
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx


@_books.making_accounts
async def post_journal(call: Call, journal: NewJournal) -> UUID:
    """See the contract."""
    journal = rules.checked(journal)
    posted, _ = await _books.write(partial(db.run, "payments", call), call, journal)
    return posted


@_books.making_accounts
async def reverse_journal(call: Call, journal_id: UUID, reason: str, key: str) -> Journal:
    """See the contract."""
    call.require("payments.ledger.write")
    reason = reason.strip()
    if not 1 <= len(reason) <= 500:
        raise Invalid(field="reason", issue="must have 1 to 500 characters")
    found = await read_journal(call, journal_id)
    if found.reverses is not None or found.kind in rules.GATEWAY_FACTS:
        raise NotReversible
    mirror = rules.checked(
        NewJournal(
            key=f"reversal:{key}",
            kind="reversal",
            currency=found.lines[0].currency,
            lines=[Line(x.code, -x.amount_minor, x.owner) for x in found.lines],
            at=max(clock.now(), found.at),  # never before what it takes back
            reference=found.reference,
            narration=reason,
        ),
        with_purse=True,
    )
    if found.reversed_by is not None:
        return await _repeated(call, found.reversed_by, mirror.key)
    async with db.tx("payments", call) as tx:
        await _books.lock(tx.run, [x.account_id for x in found.lines])
        earlier = await tx.one(_REVERSED, journal_id)
        if earlier is None:
            reversal, _ = await _books.write(tx.run, call, mirror, journal_id)
            await _give_back_lots(tx, journal_id, reversal)
    if earlier is not None:
        return await _repeated(call, earlier["id"], mirror.key)
    for line in found.lines:
        if line.code in rules.PURSE:
            hub.signal(f"payments.purse:{line.owner}")
    return await read_journal(call, reversal)


_REVERSED = "SELECT id FROM payments.journal WHERE tenant_id = kernel.tenant() AND reverses = $1"


async def _repeated(call: Call, reversal: UUID, key: str) -> Journal:
    """The reversal there is, when it was made under this key."""
    found = await read_journal(call, reversal)
    if found.key != key:
        raise AlreadyReversed
    return found


_WHOLE = """
SELECT bool_and(left_minor = granted_minor) AS whole FROM payments.lot
WHERE tenant_id = kernel.tenant() AND journal_id = $1
"""
_LOTS_BACK = """
WITH moves AS (
    SELECT id AS lot_id, granted_minor AS amount FROM payments.lot
    WHERE tenant_id = kernel.tenant() AND journal_id = $1
    UNION ALL
    SELECT lot_id, -amount_minor FROM payments.lot_use
    WHERE tenant_id = kernel.tenant() AND journal_id = $1
), moved AS (
    UPDATE payments.lot l SET left_minor = l.left_minor - m.amount FROM moves m
    WHERE l.tenant_id = kernel.tenant() AND l.id = m.lot_id RETURNING l.id, m.amount
)
INSERT INTO payments.lot_use (lot_id, journal_id, amount_minor)
SELECT id, $2, amount FROM moved
"""


async def _give_back_lots(tx: Tx, journal_id: UUID, reversal: UUID) -> None:
    """The lots a journal made go, the lots it took from get theirs back. Its accounts are locked.

    What is given back to a lot that has run out meanwhile runs out with it, at the next round.
    """
    row = await tx.one(_WHOLE, journal_id)
    if row is not None and row["whole"] is False:
        raise InsufficientBalance("What this journal granted is spent in part.")
    await tx.run(_LOTS_BACK, journal_id, reversal)
