"""Decisions to be looked at, and the operator's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.risk import Risk, RiskLimits, RiskPage

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.risk import Decision

MOST_ALLOWED = 1_000

RISK = """payment_id, method_id, rider_id, amount_minor, currency, decision, score, reasons,
       verdict, note, reviewed_by, reviewed_at, at"""
_RISKS = f"""
SELECT {RISK}, count(*) OVER () AS total FROM payments.risk
WHERE tenant_id = kernel.tenant() AND decision <> 'allow'
  AND ($1::boolean IS NULL OR (verdict IS NULL) = $1) AND ($2::text IS NULL OR decision = $2)
ORDER BY at DESC, payment_id LIMIT $3 OFFSET $4
"""
# The bound comes before the count: an operator's allowed payments may be millions.
_ALLOWED = f"""
WITH newest AS (
    SELECT {RISK} FROM payments.risk
    WHERE tenant_id = kernel.tenant() AND decision = 'allow'
      AND ($1::boolean IS NULL OR (verdict IS NULL) = $1)
    ORDER BY at DESC, payment_id LIMIT {MOST_ALLOWED}
)
SELECT *, count(*) OVER () AS total FROM newest ORDER BY at DESC, payment_id LIMIT $2 OFFSET $3
"""


async def risks(
    call: Call, is_open: bool | None, decision: Decision | None, limit: int, offset: int
) -> RiskPage:
    """See the contract."""
    call.require("payments.risk.read")
    if decision == "allow":
        rows = await db.run("payments", call, _ALLOWED, is_open, limit, offset)
    else:
        rows = await db.run("payments", call, _RISKS, is_open, decision, limit, offset)
    found = [dict(row) for row in rows]
    total = {each.pop("total") for each in found}.pop() if found else offset
    return RiskPage([Risk(**each) for each in found], total)


_LIMITS = """
SELECT review_at, block_at, hourly, high_minor, countries FROM payments.risk_setting
WHERE tenant_id = kernel.tenant()
"""


async def risk_limits(call: Call) -> RiskLimits:
    """See the contract."""
    row = await db.one("payments", call, _LIMITS)
    return RiskLimits() if row is None else RiskLimits(**row)
