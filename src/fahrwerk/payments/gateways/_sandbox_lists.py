"""The sandbox's own lists of charges, refunds and transfers: part of the far side of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import db
from fahrwerk.payments.gateways import Outcome
from fahrwerk.payments.gateways._offers import Listed
from fahrwerk.payments.gateways._sandbox_webhooks import short
from fahrwerk.payments.rules.fees import fee_of

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._sandbox_tokens import Fault

FEE_MINOR, FEE_BP = 10, 150
"""What it keeps of each charge."""
_LIST = """
SELECT o.kind, o.ref, o.intent, o.key, o.amount AS amount_minor, i.currency, o.settled_at AS at
FROM payments.sandbox_operation o
JOIN payments.sandbox_intent i ON i.tenant_id = o.tenant_id AND i.ref = o.intent
WHERE o.tenant_id = kernel.tenant() AND o.kind IN ('capture', 'refund') AND o.outcome = 'done'
  AND o.settled_at BETWEEN $1 AND $2 AND o.visible_at <= kernel.now()
ORDER BY o.settled_at DESC
"""


async def listed(call: Call, since: datetime, until: datetime, fault: Fault | None) -> list[Listed]:
    """Newest first; by the fault script the newest is wrong or left out, or all fees are wrong."""
    rows = [_listed(row) for row in await db.run("payments", call, _LIST, since, until)]
    match fault.kind if rows and fault is not None else None:
        case "wrong_amount":
            rows[0] = msgspec.structs.replace(rows[0], amount_minor=rows[0].amount_minor + 1)
        case "wrong_fee":
            rows = [_dearer(each) for each in rows]
        case "missing":
            del rows[0]
    return rows


def _listed(row: db.Row) -> Listed:
    """One line of the list: the sandbox keeps a fee of charges, and no platform takes any here."""
    if row["kind"] != "capture":
        return Listed(**row)
    fee = min(fee_of(row["amount_minor"], FEE_MINOR, FEE_BP), row["amount_minor"])
    return Listed(**row, fee_minor=fee, platform_fee_minor=0)


def _dearer(each: Listed) -> Listed:
    fee = each.fee_minor
    return each if fee is None else msgspec.structs.replace(each, fee_minor=fee + 1)


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
