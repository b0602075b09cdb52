"""Differences between our books and the gateways' lists, with their age."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.comparison import Comparison, Difference, DifferencePage

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

READ = "payments.gateway.read"
_PAGE = """
SELECT gateway, kind, subject, payment_id, ours_minor, theirs_minor, currency, first_seen_at,
       last_seen_at, resolved_at,
       extract(epoch FROM coalesce(resolved_at, kernel.now()) - first_seen_at)::float8 AS age_s
FROM payments.difference WHERE tenant_id = kernel.tenant() AND ($1 OR resolved_at IS NULL)
ORDER BY resolved_at IS NOT NULL, first_seen_at, gateway, kind, subject LIMIT $2 OFFSET $3
"""
_TOTAL = """
SELECT count(*) FROM payments.difference
WHERE tenant_id = kernel.tenant() AND ($1 OR resolved_at IS NULL)
"""


async def differences(call: Call, with_resolved: bool, limit: int, offset: int) -> DifferencePage:
    """See the contract."""
    call.require(READ)
    rows, total = await asyncio.gather(
        db.run("payments", call, _PAGE, with_resolved, limit, offset),
        db.run("payments", call, _TOTAL, with_resolved),
    )
    return DifferencePage([Difference(**row) for row in rows], total[0][0])


_LAST = """
SELECT gateway, at, compared, found, problem FROM payments.comparison
WHERE tenant_id = kernel.tenant() ORDER BY gateway
"""


async def comparisons(call: Call) -> list[Comparison]:
    """See the contract."""
    call.require(READ)
    return [Comparison(**row) for row in await db.run("payments", call, _LAST)]
