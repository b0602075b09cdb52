"""Disputes: what a gateway tells about one is written down, forward only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.payments import gateways
from fahrwerk.payments.events import DisputeChanged, PaymentDisputed
from fahrwerk.payments.rules import disputes as rules

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

_OPEN = """
INSERT INTO payments.dispute
    (id, gateway, ref, payment_id, amount_minor, currency, reason, state, evidence_due_at,
     opened_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'needs_response', $8, $9, 1)
ON CONFLICT DO NOTHING RETURNING id
"""
_LOCK = """
SELECT state, version FROM payments.dispute WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_MOVE = """
UPDATE payments.dispute SET state = $2, evidence_due_at = $3, closed_at = $4, version = $5
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def follow_dispute(call: Call, gateway: str, ref: str, case: Case) -> None:
    """Look a dispute up at the gateway and write what is new: webhooks may come in any order."""
    async with asyncio.timeout(gateways.TIMEOUT_S):
        found = await gateways.find(gateway).dispute(call, ref)
    if found is None or found.amount_minor <= 0:
        return
    dispute_id = ids.derived("dispute", call.tenant, gateway, ref)
    stream = f"dispute:{dispute_id}"
    async with db.tx("payments", call) as tx:
        is_new = await tx.run(
            _OPEN, dispute_id, gateway, ref, case.id, found.amount_minor, found.currency,
            found.reason[:100], found.evidence_due_at, found.opened_at,
        )  # fmt: skip
        if is_new:
            opened = PaymentDisputed(
                dispute_id, case.reference, case.id, gateway, found.amount_minor,
                found.currency, found.reason[:100], found.evidence_due_at,
            )  # fmt: skip
            await events.emit(tx, call, stream, 1, opened)
        row = await tx.one(_LOCK, dispute_id)
        if row is None or not rules.is_ahead(found.state, row["state"]):
            return
        version = row["version"] + 1
        closed_at = clock.now() if rules.is_closed(found.state) else None
        await tx.run(_MOVE, dispute_id, found.state, found.evidence_due_at, closed_at, version)
        moved = DisputeChanged(
            dispute_id, case.id, gateway, found.amount_minor, found.currency, found.state
        )
        await events.emit(tx, call, stream, version, moved)
