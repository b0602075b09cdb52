"""A refunded top-up goes out of the account again; what is spent already is owed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Unpaid
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import WORK, book
from fahrwerk.wallet.actions.resellers import claw_back
from fahrwerk.wallet.actions.topup import drive
from fahrwerk.wallet.queries import topup

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.wallet.contract import Topup

MOST_TRIES = 5


class _Taking(NamedTuple):
    taken_minor: int
    taking_minor: int | None
    taking_to: int | None


_LOOK = "SELECT taken_minor, taking_minor, taking_to FROM wallet.topup WHERE id = $1"
_INTEND = """
UPDATE wallet.topup SET taking_minor = $2, taking_to = $3 WHERE id = $1 AND taking_to IS NULL
"""
_FORGET = """
UPDATE wallet.topup SET taking_minor = NULL, taking_to = NULL WHERE id = $1 AND taking_to = $2
"""
_TAKEN = """
UPDATE wallet.topup SET taken_minor = taking_to, taking_minor = NULL, taking_to = NULL
WHERE id = $1 AND taking_to = $2 RETURNING id
"""
_DONE = "DELETE FROM wallet.work WHERE kind = 'takeback' AND subject = $1"


async def take_back(call: Call, topup_id: UUID) -> None:
    """Take out what was refunded and is not taken out yet. Harmless to repeat.

    Payments booked the refund against suspense, because it knows of no sale; here it is set off.
    """
    found = await topup(call, topup_id)
    if found.state != "credited":
        found = await drive(call, found)  # what was not put in cannot be taken out
        if found.state != "credited":
            return
    for _ in range(MOST_TRIES):
        refunded = (await payments.payment(call, found.payment_id)).refunded_minor
        state = _Taking(*(await db.run("wallet", call, _LOOK, topup_id))[0])
        if state.taking_to is None:
            if refunded <= state.taken_minor:
                await db.run("wallet", call, _DONE, topup_id)
                return
            purse = await ledger.purse(call, str(found.rider_id), found.currency)
            part = min(refunded - state.taken_minor, purse.available_minor)
            await db.run("wallet", call, _INTEND, topup_id, part, refunded)
            state = _Taking(*(await db.run("wallet", call, _LOOK, topup_id))[0])
        if state.taking_to is not None:
            point("wallet.takeback.after_intent")
            await _take(call, found, state)


async def _take(call: Call, found: Topup, state: _Taking) -> None:
    owner, part, until = str(found.rider_id), state.taking_minor or 0, state.taking_to or 0
    amount = until - state.taken_minor
    key = f"refund:{found.id}:{until}"
    journal = ledger.NewJournal(
        key=f"wallet:{key}",
        kind="top_up_refund",
        currency=found.currency,
        lines=[
            ledger.Line("suspense", -amount),
            ledger.Line("receivables", amount - part, owner),
        ],
        at=clock.now(),
        reference=found.id,
    )
    if part == 0:
        await ledger.post_journal(call, journal)
    else:
        try:
            spent = await ledger.spend(call, owner, "paid", journal)
        except Unpaid:
            # Somebody spent it meanwhile, and nothing was posted: look again at what is there.
            await db.run("wallet", call, _FORGET, found.id, until)
            return
        entry = rules.Entry(
            id=rules.transaction_id(call.tenant, found.rider_id, key),
            rider_id=found.rider_id, key=key, type="refund", amount_minor=-part,
            currency=found.currency, reference=found.id, at=journal.at,
        )  # fmt: skip
        await book(partial(db.run, "wallet", call), call, entry, spent.journal_id)
    async with db.tx("wallet", call) as tx:
        if await tx.one(_TAKEN, found.id, until) is not None:
            await claw_back(tx, call, found.id, until)
            tx.signal(WORK)
