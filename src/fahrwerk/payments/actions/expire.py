"""End what has run out: holds whose lease is over, lots whose time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, events
from fahrwerk.kernel.call import system
from fahrwerk.payments.actions import _books
from fahrwerk.payments.actions.purse import END_HOLDS, signal_of
from fahrwerk.payments.contract.ledger import Line, NewJournal
from fahrwerk.payments.events import HoldExpired, LotExpired
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row

BATCH = 200

_TENANTS = """
SELECT tenant_id FROM payments.hold WHERE state = 'open' AND expires_at <= kernel.now()
UNION
SELECT tenant_id FROM payments.lot WHERE left_minor > 0 AND expires_at <= kernel.now()
"""


async def tenants_with_expired() -> list[UUID]:
    """Whose purses have something to be ended."""
    rows = await db.run("payments", system(None, "payments"), _TENANTS)
    return [row["tenant_id"] for row in rows]


_DUE_HOLDS = """
SELECT DISTINCT key, placed_at FROM payments.hold
WHERE tenant_id = kernel.tenant() AND state = 'open' AND expires_at <= kernel.now()
ORDER BY placed_at, key LIMIT $1
"""
# A lot that a hold still counts on waits for the hold.
_DUE_LOTS = """
SELECT l.id, l.account_id, l.kind, l.left_minor, l.expires_at, a.owner, a.currency
FROM payments.lot l
JOIN payments.account a ON a.tenant_id = l.tenant_id AND a.id = l.account_id AND a.shard = l.shard
WHERE l.tenant_id = kernel.tenant() AND l.left_minor > 0 AND l.expires_at <= kernel.now()
  AND -a.posted_minor - a.held_minor >= l.left_minor
ORDER BY l.expires_at, l.id LIMIT $1
"""


async def expire_purses(call: Call) -> None:
    """One operator's: each hold and each lot in a short transaction of its own."""
    for row in await db.run("payments", call, _DUE_HOLDS, BATCH):
        await _end_hold(call, row["key"])
    for row in await db.run("payments", call, _DUE_LOTS, BATCH):
        await _expire_lot(call, row)


_OVER = """
SELECT h.account_id, h.amount_minor, h.reference, a.owner, a.currency FROM payments.hold h
JOIN payments.account a ON a.tenant_id = h.tenant_id AND a.id = h.account_id AND a.shard = h.shard
WHERE h.tenant_id = kernel.tenant() AND h.key = $1 AND h.state = 'open'
  AND h.expires_at <= kernel.now()
"""


async def _end_hold(call: Call, key: str) -> None:
    async with db.tx("payments", call) as tx:
        await _books.lock(tx.run, [row["account_id"] for row in await tx.run(_OVER, key)])
        rows = await tx.run(_OVER, key)  # once more: it may have been extended or captured
        if not rows:
            return
        accounts = [row["account_id"] for row in rows]
        await tx.run(END_HOLDS, key, accounts, [0] * len(accounts), "expired")
        owner, amount = rows[0]["owner"], sum(row["amount_minor"] for row in rows)
        fact = HoldExpired(key, owner, amount, rows[0]["currency"], rows[0]["reference"])
        await events.emit(tx, call, f"hold:{key}", 1, fact)
        tx.signal(signal_of(owner))


_LOT = """
SELECT l.left_minor FROM payments.lot l
JOIN payments.account a ON a.tenant_id = l.tenant_id AND a.id = l.account_id AND a.shard = l.shard
WHERE l.tenant_id = kernel.tenant() AND l.id = $1 AND l.left_minor > 0
  AND -a.posted_minor - a.held_minor >= l.left_minor
"""
_EMPTY = """
WITH emptied AS (
    UPDATE payments.lot SET left_minor = 0 WHERE tenant_id = kernel.tenant() AND id = $1
)
INSERT INTO payments.lot_use (lot_id, journal_id, amount_minor) VALUES ($1, $2, $3)
"""
_TIMES = """
SELECT count(*) FROM kernel.event WHERE tenant_id = kernel.tenant() AND stream = $1
"""


@_books.making_accounts
async def _expire_lot(call: Call, lot: Row) -> None:
    """What a promise costs that nobody took up goes back to where it was charged: goodwill.

    Paid money that has run out by the terms it was sold under is income.
    """
    against = "expired_balance" if lot["kind"] == "paid" else "goodwill"
    stream = f"lot:{lot['id']}"
    async with db.tx("payments", call) as tx:
        # More than once only when a reversal gave something back to a lot that was over.
        times = (await tx.run(_TIMES, stream))[0][0]
        journal = NewJournal(
            key=f"expiry:{lot['id']}:{times + 1}", kind="expiry", currency=lot["currency"],
            lines=[Line(against, -lot["left_minor"])], at=lot["expires_at"],
        )  # fmt: skip
        other = rules.account_id(call.tenant, against, "", lot["currency"])
        await _books.lock(tx.run, [lot["account_id"], other])
        row = await tx.one(_LOT, lot["id"])
        if row is None or row["left_minor"] != lot["left_minor"]:
            return  # somebody spent or holds it meanwhile: next time
        whole = rules.spent(lot["owner"], {lot["kind"]: lot["left_minor"]}, journal)
        journal_id, is_new = await _books.write(tx.run, call, whole)
        if not is_new:
            raise RuntimeError(f"lot {lot['id']} expired before and is not empty")
        await tx.run(_EMPTY, lot["id"], journal_id, lot["left_minor"])
        fact = LotExpired(lot["id"], lot["owner"], lot["kind"], lot["left_minor"], lot["currency"])
        await events.emit(tx, call, stream, times + 1, fact)
        tx.signal(signal_of(lot["owner"]))
