"""Debits of bank accounts through a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.debits import Debit, DebitPage
from fahrwerk.payments.queries.sepa import READ
from fahrwerk.payments.rules.debits import expected_on

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.debits import DebitState

# A debit is the capture of what only was a promise. What came back keeps what had been collected.
_STATE = """CASE WHEN c.state = 'processing' THEN 'processing'
            WHEN c.reason IS NULL THEN 'collected'
            WHEN c.result_minor IS NULL THEN 'failed' ELSE 'returned' END"""
_FROM = f"""FROM payments.attempt a
JOIN payments.attempt c ON c.tenant_id = a.tenant_id AND c.payment_id = a.payment_id
 AND c.kind = 'capture' AND c.target = a.key AND c.state IN ('processing', 'succeeded', 'declined')
WHERE a.tenant_id = kernel.tenant() AND a.is_promise AND ($1::text IS NULL OR {_STATE} = $1)"""
_PAGE = f"""
SELECT d.payment_id, p.reference, p.rider_id, d.gateway, d.amount_minor, p.currency, d.state,
       d.reason, d.begun_at, m.label, coalesce(m.bank, '') AS bank,
       coalesce(m.mandate_reference, '') AS mandate_reference
FROM (SELECT c.payment_id, c.gateway, c.amount_minor, {_STATE} AS state, c.reason,
             c.sent_at AS begun_at, c.key, a.method_ref {_FROM}
      ORDER BY a.sent_at DESC, a.key, c.key LIMIT $2 OFFSET $3) d
JOIN payments.payment p ON p.tenant_id = kernel.tenant() AND p.id = d.payment_id
LEFT JOIN LATERAL (
    SELECT m.label, m.bank, m.mandate_reference FROM payments.method m
    WHERE m.tenant_id = p.tenant_id AND m.rider_id = p.rider_id AND m.gateway = d.gateway
      AND m.gateway_ref = d.method_ref LIMIT 1) m ON true
ORDER BY d.begun_at DESC, d.key
"""
_TOTAL = f"SELECT count(*) {_FROM}"


async def debits(call: Call, state: DebitState | None, limit: int, offset: int) -> DebitPage:
    """See the contract."""
    call.require(READ)
    rows = await db.run("payments", call, _PAGE, state, limit, offset)
    total = await db.run("payments", call, _TOTAL, state)
    found = [Debit(**row, due_on=expected_on(row["begun_at"])) for row in rows]
    return DebitPage(found, total[0][0])
