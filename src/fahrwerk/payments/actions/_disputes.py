"""Disputes: what a gateway tells about one is written down, forward only, with what it moved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.events import (
    DisputeChanged,
    DisputeMoney,
    DisputeOwed,
    PaymentDisputed,
)
from fahrwerk.payments.rules import disputes as rules
from fahrwerk.payments.rules.debts import CHARGEBACK

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.payments.gateways import Dispute
    from fahrwerk.payments.rules import Case

_OPEN = """
INSERT INTO payments.dispute
    (id, gateway, ref, payment_id, amount_minor, currency, reason, state, evidence_due_at,
     opened_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'needs_response', $8, $9, 1)
ON CONFLICT DO NOTHING RETURNING id
"""
_LOCK = """
SELECT state, withdrawn_minor, fee_minor, moves, owed_minor, version FROM payments.dispute
WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_MOVE = """
UPDATE payments.dispute
SET state = $2, evidence_due_at = coalesce($3, evidence_due_at), closed_at = $4, version = $5,
    withdrawn_minor = $6, fee_minor = $7, moves = $8, owed_minor = $9
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_BOOKS = """
INSERT INTO payments.work (kind, subject, at) VALUES ('books', $1, kernel.now())
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def follow_dispute(call: Call, gateway: str, ref: str, case: Case) -> Dispute | None:
    """Look a dispute up at the gateway and write what is new: webhooks may come in any order."""
    async with asyncio.timeout(gateways.TIMEOUT_S):
        found = await gateways.find(gateway).dispute(call, ref)
    if found is None or found.amount_minor <= 0:
        return None
    await note_dispute(call, gateway, found, case)
    return found


def id_of(call: Call, gateway: str, ref: str) -> UUID:
    """Our id of a gateway's dispute."""
    return ids.derived("dispute", call.tenant, gateway, ref)


async def note_dispute(call: Call, gateway: str, found: Dispute, case: Case) -> None:
    """Write one look at a dispute down. Looks may come in any order, and more than once."""
    dispute_id = id_of(call, gateway, found.ref)
    stream = f"dispute:{dispute_id}"
    async with db.tx("payments", call) as tx:
        is_new = await tx.run(
            _OPEN, dispute_id, gateway, found.ref, case.id, found.amount_minor, found.currency,
            found.reason[:100], found.evidence_due_at, found.opened_at,
        )  # fmt: skip
        if is_new:
            opened = PaymentDisputed(
                dispute_id, case.reference, case.id, gateway, found.amount_minor,
                found.currency, found.reason[:100], found.evidence_due_at,
            )  # fmt: skip
            await events.emit(tx, call, stream, 1, opened)
        row = await tx.one(_LOCK, dispute_id)
        if row is None:
            return
        *parts, owed, version = row
        known = rules.Stand(**dict(zip(rules.Stand.__struct_fields__, parts, strict=True)))
        now = rules.newer(known, rules.stand_of(found))
        if now == known:
            return
        if now.state != known.state:
            version += 1
            moved = DisputeChanged(
                dispute_id, case.id, gateway, found.amount_minor, found.currency, now.state
            )
            await events.emit(tx, call, stream, version, moved)
        version += await _tell_money(tx, call, case, (dispute_id, gateway, version), known, now)
        owed += await _owe(tx, call, case, dispute_id, now, owed)
        closed_at = clock.now() if rules.is_closed(now.state) else None
        await tx.run(
            _MOVE, dispute_id, now.state, found.evidence_due_at, closed_at, version,
            now.withdrawn_minor, now.fee_minor, now.moves, owed,
        )  # fmt: skip


async def _tell_money(
    tx: Tx, call: Call, case: Case, about: tuple[UUID, str, int], known: rules.Stand,
    now: rules.Stand,
) -> int:  # fmt: skip
    """The money that moved between two looks, for the books; how many events that were."""
    dispute_id, gateway, version = about
    withdrawn = now.withdrawn_minor - known.withdrawn_minor
    fee = now.fee_minor - known.fee_minor
    if not withdrawn and not fee:
        return 0
    fact = DisputeMoney(
        dispute_id=dispute_id, booking_id=case.reference, payment_id=case.id, gateway=gateway,
        withdrawn=withdrawn, fee=fee, currency=case.currency,
    )  # fmt: skip
    await events.emit(tx, call, f"dispute:{dispute_id}", version + 1, fact)
    await tx.run(_BOOKS, case.reference)
    tx.signal(WORK)
    return 1


_IS_OWED = """
SELECT is_dispute_owed FROM payments.dunning WHERE tenant_id = kernel.tenant()
"""
# Like a fee, it is added to what the ride costs. What the rider has paid again by the time a bank
# overturns its decision stays paid: somebody has to look at it, and refund it.
_OWE = """
WITH moved AS (
    UPDATE payments.payment
    SET due_minor = coalesce(due_minor, captured_minor) + $2, turn = turn + 1,
        version = version + 1, reason = CASE WHEN $2 > 0 THEN $3 END,
        state = CASE WHEN coalesce(due_minor, captured_minor) + $2 > captured_minor
                     THEN 'due' ELSE 'completed' END
    WHERE tenant_id = kernel.tenant() AND id = $1 AND NOT is_prepaid
      AND ($2 > 0 AND state IN ('completed', 'due')
           OR $2 < 0 AND state = 'due' AND due_minor - captured_minor >= -$2)
    RETURNING id, reference, version
), queued AS (
    INSERT INTO payments.work (kind, subject, at)
    SELECT 'debt', id, kernel.now() FROM moved
    UNION ALL SELECT 'books', reference, kernel.now() FROM moved
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT version FROM moved
"""


async def _owe(
    tx: Tx, call: Call, case: Case, dispute_id: UUID, now: rules.Stand, owed: int
) -> int:
    """What more is owed of the ride after this look, told and queued; 0 when nothing is."""
    row = await tx.one(_IS_OWED)
    is_wanted = row is not None and row["is_dispute_owed"]
    more = rules.to_owe(now, owed, is_wanted=is_wanted) - owed
    if not more:
        return 0
    moved = await tx.one(_OWE, case.id, more, CHARGEBACK)
    if moved is None:
        return 0
    fact = DisputeOwed(
        booking_id=case.reference, payment_id=case.id, dispute_id=dispute_id, amount=more,
        currency=case.currency,
    )  # fmt: skip
    await events.emit(tx, call, f"payment:{case.id}", moved["version"], fact)
    tx.signal(WORK)
    return more
