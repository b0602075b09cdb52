"""What waits in suspense for a person: work, as long as suspense is exactly the sum of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments.contract.ledger import OpenItem, OpenItemPage
from fahrwerk.payments.rules import sepa as days

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

LATE_AFTER = 5
"""Bank days that an open item may wait before it is called late."""

# Lines of the bank nobody has assigned; and refunds of what is no ride that came back, after the
# wallet had given the money up: they wait until somebody repeats them.
OPEN_ITEMS = """
SELECT 'bank_line' AS kind, l.id AS subject, l.id AS reference, l.currency,
       -l.amount_minor AS amount_minor, s.imported_at AS since
FROM payments.sepa_line l
JOIN payments.sepa_statement s ON s.tenant_id = l.tenant_id AND s.id = l.statement_id
WHERE l.tenant_id = kernel.tenant() AND l.state = 'unmatched'
UNION ALL
SELECT 'failed_refund', f.payment_id, f.reference, f.currency, s.total::bigint, f.since
FROM (SELECT p.id AS payment_id, p.reference, p.currency, sum(t.result_minor) AS failed,
             min(t.touched_at) AS since
      FROM payments.attempt t
      JOIN payments.payment p ON p.tenant_id = t.tenant_id AND p.id = t.payment_id
      WHERE t.tenant_id = kernel.tenant() AND t.kind = 'refund' AND t.state = 'declined'
        AND t.result_minor IS NOT NULL AND p.is_prepaid
      GROUP BY p.id, p.reference, p.currency) f
CROSS JOIN LATERAL (
    SELECT sum(e.amount_minor) AS total FROM payments.journal j
    JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
    JOIN payments.account a
      ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
    WHERE j.tenant_id = kernel.tenant() AND j.reference = f.reference AND a.code = 'suspense') s
WHERE s.total BETWEEN -f.failed AND -1
"""
_PAGE = f"""
SELECT kind, subject, amount_minor, currency, since, count(*) OVER () AS total
FROM ({OPEN_ITEMS}) i ORDER BY since, kind, subject LIMIT $1 OFFSET $2
"""
_TOTAL = f"SELECT count(*) FROM ({OPEN_ITEMS}) i"
_PREFIXES = {"bank_line": "stl", "failed_refund": "pay"}


async def open_items(call: Call, limit: int, offset: int) -> OpenItemPage:
    """See the contract."""
    call.require("payments.ledger.read")
    rows = await db.run("payments", call, _PAGE, limit, offset)
    total = rows[0]["total"] if rows else (await db.run("payments", call, _TOTAL))[0][0]
    today = clock.now().date()
    items = [
        OpenItem(
            kind=row["kind"],
            subject=ids.public(_PREFIXES[row["kind"]], row["subject"]),
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            since=row["since"],
            is_late=days.bank_days_after(row["since"].date(), LATE_AFTER) < today,
        )
        for row in rows
    ]
    return OpenItemPage(items, total)
