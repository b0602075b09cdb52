"""Refunds that failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.refunds import FailedRefund, FailedRefundPage

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

WRITE = "payments.refund.create"
# An answer counts once its own attempt is there: who died in between is asked again.
_FROM = """FROM payments.attempt a
JOIN payments.payment p ON p.tenant_id = a.tenant_id AND p.id = a.payment_id
LEFT JOIN payments.refund_answer r ON r.tenant_id = a.tenant_id AND r.attempt_key = a.key
WHERE a.tenant_id = kernel.tenant() AND a.kind = 'refund' AND a.state = 'declined'"""
_IS_OPEN = """(r.what IS NULL OR r.what <> 'dropped' AND NOT EXISTS (
    SELECT FROM payments.attempt b WHERE b.tenant_id = a.tenant_id AND b.payment_id = a.payment_id
    AND b.kind = 'refund' AND starts_with(b.step, r.again_step)))"""
COLUMNS = """a.key, a.payment_id, p.reference, p.rider_id, a.gateway, a.amount_minor, p.currency,
       coalesce(a.reason, '') AS reason, a.sent_at AS asked_at, a.touched_at AS failed_at,
       r.what AS answer, r.note"""
_PAGE = f"""
SELECT {COLUMNS} {_FROM} AND ($1 OR {_IS_OPEN})
ORDER BY a.touched_at DESC, a.key LIMIT $2 OFFSET $3
"""
_TOTAL = f"SELECT count(*) {_FROM} AND ($1 OR {_IS_OPEN})"
ONE = f"SELECT {COLUMNS} {_FROM} AND a.key = $1"


async def failed_refunds(call: Call, is_all: bool, limit: int, offset: int) -> FailedRefundPage:
    """See the contract."""
    call.require(WRITE)
    rows, total = await asyncio.gather(
        db.run("payments", call, _PAGE, is_all, limit, offset),
        db.run("payments", call, _TOTAL, is_all),
    )
    return FailedRefundPage([FailedRefund(**row) for row in rows], total[0][0])
