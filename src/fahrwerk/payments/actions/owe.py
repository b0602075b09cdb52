"""A ride that prepaid money did not bear is due like one whose card was declined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events
from fahrwerk.payments.actions._case import WORK, signal_of
from fahrwerk.payments.contract import PaymentUnknown
from fahrwerk.payments.events import PaymentFailed
from fahrwerk.payments.rules.debts import SHORT

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_ENDED = """
SELECT (data->>'payment_id')::uuid AS payment_id FROM kernel.event
WHERE tenant_id = kernel.tenant() AND stream = 'rental:' || $1::uuid AND name = 'rental.ended'
LIMIT 1
"""
# A card that was tried beside the balance has left a payment behind: that one goes on, as soon as
# nothing is held on it any more.
_OWE = """
INSERT INTO payments.payment AS p
    (id, reference, rider_id, amount_minor, currency, created_at, state, due_minor, reason, version)
VALUES ($1, $2, $3, $4, $5, $6, 'due', $4, $7, 1)
ON CONFLICT (tenant_id, reference) DO UPDATE
SET state = 'due', due_minor = excluded.due_minor, reason = excluded.reason, is_unwanted = false,
    turn = p.turn + 1, version = p.version + 1
WHERE p.due_minor IS NULL AND (p.state IN ('voided', 'failed')
    OR p.state = 'created' AND NOT EXISTS (SELECT FROM payments.attempt a
        WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.id))
RETURNING id, version
"""
_IS_OWED = """
SELECT due_minor IS NOT NULL AS is_owed FROM payments.payment
WHERE tenant_id = kernel.tenant() AND reference = $1
"""
_QUEUE = """
INSERT INTO payments.work (kind, subject, at) VALUES ('debt', $1, kernel.now())
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def owe(
    call: Call, reference: UUID, rider_id: UUID, amount_minor: int, currency: str
) -> None:
    """See the contract."""
    ended = await db.one("payments", call, _ENDED, reference)
    if ended is None:
        return
    async with db.tx("payments", call) as tx:
        made = await tx.one(
            _OWE, ended["payment_id"], reference, rider_id, amount_minor, currency, clock.now(),
            SHORT,
        )  # fmt: skip
        if made is not None:
            fact = PaymentFailed(reference, made["id"], "capture", SHORT)
            await events.emit(tx, call, f"payment:{made['id']}", made["version"], fact)
            await tx.run(_QUEUE, made["id"])
            tx.signal(WORK)
            tx.signal(signal_of(reference))
            return
        known = await tx.one(_IS_OWED, reference)
    if known is None or not known["is_owed"]:
        raise PaymentUnknown(retry_after=2)
