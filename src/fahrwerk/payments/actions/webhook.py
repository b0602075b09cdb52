"""Webhooks of gateways: verified, stored once, answered; what they mean is read at the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import WORK

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_STORE = """
WITH ours AS (
    SELECT payment_id FROM payments.attempt WHERE tenant_id = kernel.tenant() AND key = $4
    UNION
    SELECT payment_id FROM payments.attempt
    WHERE tenant_id = kernel.tenant() AND gateway_ref = $5 AND kind = 'authorize' AND gateway = $1
    LIMIT 1
), stored AS (
    INSERT INTO payments.gateway_event
        (gateway, event_id, kind, attempt_key, intent, subject, payment_id, handled_at)
    SELECT $1, $2, $3, $4, $5, $6, (SELECT payment_id FROM ours),
           CASE WHEN EXISTS (SELECT FROM ours) THEN NULL ELSE kernel.now() END
    ON CONFLICT (tenant_id, gateway, event_id) DO NOTHING RETURNING payment_id
), turned AS (
    UPDATE payments.payment p SET turn = turn + 1 FROM stored
    WHERE p.tenant_id = kernel.tenant() AND p.id = stored.payment_id RETURNING p.id
), work AS (
    INSERT INTO payments.work (kind, subject, at) SELECT 'payment', id, kernel.now() FROM turned
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT payment_id FROM stored
"""


async def take_webhook(call: Call, gateway: str, body: bytes, headers: dict[str, str]) -> bool:
    """See the contract."""
    provider = gateways.find(gateway)
    # Whoever the body names, it counts only if that operator's own secret signed it.
    account = await provider.account_of(body) or call.tenant
    if account is None:
        raise gateways.Forged
    own = system(account, "payments", trace=call.trace)
    notice = await provider.parse_webhook(own, body, headers)
    values = (
        gateway, notice.event_id[:200], notice.kind[:100], notice.key, notice.intent,
        notice.dispute,
    )  # fmt: skip
    rows = await db.run("payments", own, _STORE, *values)
    if rows and rows[0]["payment_id"] is not None:
        hub.signal(WORK)
    return bool(rows)


KEPT_DAYS = 90
"""Longer than any gateway sends a webhook again; a repeat after that would be a hint, no more."""
_FORGET = f"""
DELETE FROM payments.gateway_event
WHERE tenant_id = kernel.tenant() AND received_at < kernel.now() - interval '{KEPT_DAYS} days'
  AND handled_at IS NOT NULL
"""


async def forget_webhooks(call: Call) -> None:
    """Drop what is handled and old; what nobody handled stays to be looked at."""
    await db.run("payments", call, _FORGET)
