"""Accounts at gateways, webhooks that came in, disputes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.gateways import (
    DisputePage,
    DisputeRecord,
    GatewayAccount,
    WebhookPage,
    WebhookTaken,
)
from fahrwerk.payments.rules.fees import fee_of

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

ACCOUNT = """gateway, public_key, hint, webhook_sealed IS NOT NULL AS has_webhook_secret,
       remote_id, is_live, kinds, rank, fee_minor, fee_bp, is_disabled, set_at, tested_at,
       problem, is_connected, platform_fee_minor, platform_fee_bp"""
_ACCOUNTS = f"""
SELECT {ACCOUNT} FROM payments.gateway_account WHERE tenant_id = kernel.tenant()
ORDER BY rank, gateway
"""


async def gateway_accounts(call: Call) -> list[GatewayAccount]:
    """See the contract."""
    call.require("payments.gateway.read")
    return [GatewayAccount(**row) for row in await db.run("payments", call, _ACCOUNTS)]


_CAPTURED = """
SELECT t.result_minor, t.fee_minor AS told_minor, coalesce(a.fee_minor, 0) AS fee_minor,
       coalesce(a.fee_bp, 0) AS fee_bp FROM payments.attempt t
LEFT JOIN payments.gateway_account a ON a.tenant_id = t.tenant_id AND a.gateway = t.gateway
WHERE t.tenant_id = kernel.tenant() AND t.payment_id = $1 AND t.kind = 'capture'
  AND t.state = 'succeeded'
"""


async def gateway_fee(call: Call, payment_id: UUID) -> int:
    """See the contract."""
    call.require("payments.gateway.read")
    rows = await db.run("payments", call, _CAPTURED, payment_id)
    return sum(
        fee_of(row["result_minor"], row["fee_minor"], row["fee_bp"])
        if row["told_minor"] is None
        else row["told_minor"]
        for row in rows
    )


_PLATFORM_FEE = """
SELECT coalesce(sum(CASE kind WHEN 'capture' THEN platform_fee_minor ELSE -platform_fee_minor END),
                0)::bigint AS fee
FROM payments.attempt WHERE tenant_id = kernel.tenant() AND payment_id = $1
  AND (kind = 'capture' AND state = 'succeeded'
       OR kind = 'refund' AND (state = 'succeeded' OR result_minor IS NOT NULL))
"""


async def platform_fee(call: Call, payment_id: UUID) -> int:
    """See the contract."""
    call.require("payments.gateway.read")
    rows = await db.run("payments", call, _PLATFORM_FEE, payment_id)
    return int(rows[0]["fee"])


_WEBHOOKS = """
SELECT gateway, event_id, kind, payment_id, received_at, handled_at FROM payments.gateway_event
WHERE tenant_id = kernel.tenant() ORDER BY received_at DESC, gateway, event_id LIMIT $1 OFFSET $2
"""
_WEBHOOK_COUNT = """
SELECT count(*) FROM payments.gateway_event WHERE tenant_id = kernel.tenant()
"""


async def webhooks(call: Call, limit: int, offset: int) -> WebhookPage:
    """See the contract."""
    call.require("payments.gateway.read")
    rows, total = await asyncio.gather(
        db.run("payments", call, _WEBHOOKS, limit, offset),
        db.run("payments", call, _WEBHOOK_COUNT),
    )
    return WebhookPage([WebhookTaken(**row) for row in rows], total[0][0])


_DISPUTES = """
SELECT id, gateway, ref, payment_id, amount_minor, currency, reason, state, evidence_due_at,
       opened_at, closed_at
FROM payments.dispute
WHERE tenant_id = kernel.tenant() ORDER BY opened_at DESC, id LIMIT $1 OFFSET $2
"""
_DISPUTE_COUNT = "SELECT count(*) FROM payments.dispute WHERE tenant_id = kernel.tenant()"


async def disputes(call: Call, limit: int, offset: int) -> DisputePage:
    """See the contract."""
    call.require("payments.dispute.read")
    rows, total = await asyncio.gather(
        db.run("payments", call, _DISPUTES, limit, offset),
        db.run("payments", call, _DISPUTE_COUNT),
    )
    return DisputePage([DisputeRecord(**row) for row in rows], total[0][0])
