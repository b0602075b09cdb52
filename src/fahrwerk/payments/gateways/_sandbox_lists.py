"""The sandbox's own lists of charges, refunds and transfers: part of the far side of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import db
from fahrwerk.payments.gateways import Outcome
from fahrwerk.payments.gateways._offers import Listed
from fahrwerk.payments.gateways._sandbox_webhooks import short

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._sandbox_tokens import Fault

_LIST = """
SELECT o.kind, o.ref, o.intent, o.key, o.amount AS amount_minor, i.currency, o.settled_at AS at
FROM payments.sandbox_operation o
JOIN payments.sandbox_intent i ON i.tenant_id = o.tenant_id AND i.ref = o.intent
WHERE o.tenant_id = kernel.tenant() AND o.kind IN ('capture', 'refund') AND o.outcome = 'done'
  AND o.settled_at BETWEEN $1 AND $2 AND o.visible_at <= kernel.now()
ORDER BY o.settled_at DESC
"""


async def listed(call: Call, since: datetime, until: datetime, fault: Fault | None) -> list[Listed]:
    """Newest first; by the fault script the newest is wrong, or left out."""
    rows = [Listed(**row) for row in await db.run("payments", call, _LIST, since, until)]
    if rows and fault is not None and fault.kind == "wrong_amount":
        rows[0] = msgspec.structs.replace(rows[0], amount_minor=rows[0].amount_minor + 1)
    return rows[1:] if fault is not None and fault.kind == "missing" else rows


_SEND = """
INSERT INTO payments.sandbox_transfer (key, ref, account, amount, currency)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_SENT = """
SELECT ref, account, amount, currency FROM payments.sandbox_transfer
WHERE tenant_id = kernel.tenant() AND key = $1
"""


async def transfer(call: Call, account: str, amount: int, currency: str, key: str) -> Outcome:
    """Send money on, once per key; an account that begins with ``acct_closed`` takes none."""
    if account.startswith("acct_closed"):
        return Outcome(kind="declined", code="account_closed")
    ref = f"tr_{short(call, key)}"
    await db.run("payments", call, _SEND, key, ref, account, amount, currency)
    row = (await db.run("payments", call, _SENT, key))[0]
    if (row["account"], row["amount"], row["currency"]) != (account, amount, currency):
        return Outcome(kind="declined", code="idempotency_key_reused")
    return Outcome(kind="done", ref=row["ref"], amount_minor=row["amount"])


async def look(call: Call, key: str) -> Outcome | None:
    """What became of a transfer."""
    row = await db.one("payments", call, _SENT, key)
    return None if row is None else Outcome(kind="done", ref=row["ref"], amount_minor=row["amount"])
