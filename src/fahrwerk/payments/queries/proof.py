"""Proving the books: every rule of the ledger asked of its rows, and all rides derived once more.

Each check names the journal (or the account, when no journal can be blamed). ``proof`` is for the
night and the command, ``quick_proof`` for every minute: it reads one entry an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, ids
from fahrwerk.payments.contract.ledger import ACCOUNT_PREFIX, JOURNAL_PREFIX, Finding
from fahrwerk.payments.queries.open_items import OPEN_ITEMS
from fahrwerk.payments.queries.rides import all_rides
from fahrwerk.payments.rules import ledger as rules
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.queries.rides import Ride

SHOWN = 100
"""Findings of one check; more of the same say no more."""
PAGE = 500
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Stands where a journal has no reference."""

# Columns of every check: journal or null, account or null, other subject or null, detail.
_SUMS = """
SELECT journal_id, NULL::uuid, NULL, format('is off by %s %s', sum(amount_minor), currency)
FROM payments.entry WHERE tenant_id = kernel.tenant()
GROUP BY journal_id, currency HAVING sum(amount_minor) <> 0
UNION ALL
SELECT j.id, NULL, NULL, 'has no entries' FROM payments.journal j
WHERE j.tenant_id = kernel.tenant() AND NOT EXISTS (
    SELECT FROM payments.entry e WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.id)
"""
_RUNNING = """
SELECT journal_id, account_id, NULL,
       format('balance after it is %s, its entries say %s', balance_after_minor, running)
FROM (SELECT journal_id, account_id, balance_after_minor, version,
             sum(amount_minor) OVER row AS running,
             coalesce(lag(balance_after_minor) OVER row, 0) + amount_minor AS expected
      FROM payments.entry WHERE tenant_id = kernel.tenant()
      WINDOW row AS (PARTITION BY account_id, shard ORDER BY version)) e
WHERE balance_after_minor <> expected
"""
_BALANCES = """
SELECT NULL::uuid, a.id, NULL, format('%s %s says %s, its entries %s', a.code, a.owner,
                                      a.posted_minor, coalesce(e.total, 0))
FROM payments.account a LEFT JOIN (
    SELECT account_id, shard, sum(amount_minor) AS total FROM payments.entry
    WHERE tenant_id = kernel.tenant() GROUP BY account_id, shard
) e ON e.account_id = a.id AND e.shard = a.shard
WHERE a.tenant_id = kernel.tenant() AND a.posted_minor <> coalesce(e.total, 0)
"""
_VERSIONS = """
SELECT e.journal_id, e.account_id, NULL, format('is entry %s where %s was to come', version, nth)
FROM (SELECT journal_id, account_id, version,
             row_number() OVER (PARTITION BY account_id, shard ORDER BY version) AS nth
      FROM payments.entry WHERE tenant_id = kernel.tenant()) e
WHERE version <> nth
UNION ALL
SELECT NULL, a.id, NULL, format('counts %s entries and has %s', a.version, coalesce(e.most, 0))
FROM payments.account a LEFT JOIN (
    SELECT account_id, shard, max(version) AS most FROM payments.entry
    WHERE tenant_id = kernel.tenant() GROUP BY account_id, shard
) e ON e.account_id = a.id AND e.shard = a.shard
WHERE a.tenant_id = kernel.tenant() AND a.version <> coalesce(e.most, 0)
"""
_FLOORS = """
SELECT NULL::uuid, id, NULL, format('%s %s is below its floor of %s', code, owner, floor_minor)
FROM payments.account
WHERE tenant_id = kernel.tenant() AND CASE WHEN kind IN ('asset', 'expense') THEN posted_minor
    ELSE -posted_minor END - held_minor < floor_minor
"""
_LOTS = """
SELECT NULL::uuid, a.id, NULL, format('%s %s has %s, its lots %s', a.code, a.owner,
                                      -a.posted_minor, coalesce(l.total, 0))
FROM payments.account a LEFT JOIN (
    SELECT account_id, sum(left_minor) AS total FROM payments.lot
    WHERE tenant_id = kernel.tenant() GROUP BY account_id
) l ON l.account_id = a.id
WHERE a.tenant_id = kernel.tenant() AND (a.code LIKE 'wallet\\_%' OR l.total IS NOT NULL)
  AND -a.posted_minor <> coalesce(l.total, 0)
UNION ALL
SELECT l.journal_id, l.account_id, NULL, format('granted %s, of which %s were used and %s are left',
                                                l.granted_minor, coalesce(u.used, 0), l.left_minor)
FROM payments.lot l LEFT JOIN (
    SELECT lot_id, sum(amount_minor) AS used FROM payments.lot_use
    WHERE tenant_id = kernel.tenant() GROUP BY lot_id
) u ON u.lot_id = l.id
WHERE l.tenant_id = kernel.tenant() AND l.granted_minor - coalesce(u.used, 0) <> l.left_minor
"""
_HOLDS = """
SELECT NULL::uuid, a.id, NULL, format('%s %s holds %s, its holds %s', a.code, a.owner,
                                      a.held_minor, coalesce(h.total, 0))
FROM payments.account a LEFT JOIN (
    SELECT account_id, sum(amount_minor) AS total FROM payments.hold
    WHERE tenant_id = kernel.tenant() AND state = 'open' GROUP BY account_id
) h ON h.account_id = a.id AND a.shard = 0
WHERE a.tenant_id = kernel.tenant() AND a.held_minor <> coalesce(h.total, 0)
UNION ALL
SELECT NULL, account_id, key, format('captured %s of %s held', captured_minor, amount_minor)
FROM payments.hold WHERE tenant_id = kernel.tenant() AND captured_minor > amount_minor
UNION ALL
SELECT NULL, account_id, key, format('is open, but ran out at %s', expires_at)
FROM payments.hold WHERE tenant_id = kernel.tenant() AND state = 'open'
  AND expires_at < kernel.now() - interval '120 seconds'
"""
_REFUNDS = """
SELECT (array_agg(j.id ORDER BY j.posted_at DESC) FILTER (WHERE j.kind = 'refund'))[1], NULL::uuid,
       NULL, format('refunds %s in all, of %s captured', -sum(e.amount_minor)
           FILTER (WHERE j.kind = 'refund'), coalesce(sum(e.amount_minor)
           FILTER (WHERE j.kind = 'capture'), 0))
FROM payments.journal j
JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
JOIN payments.account a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE j.tenant_id = kernel.tenant() AND j.kind IN ('capture', 'refund')
  AND a.code = 'gateway_clearing'
GROUP BY j.reference HAVING sum(e.amount_minor) < 0
"""
# What is on its way from a gateway is, ride by ride, what was captured and not given back.
_CLEARING = """
SELECT c.journal, NULL::uuid, 'ride ' || coalesce(p.reference, c.reference),
       format('clearing has %s, the gateway took %s and gave back %s', coalesce(c.total, 0),
              coalesce(p.captured_minor, 0), coalesce(p.refunded_minor, 0))
FROM (SELECT * FROM payments.payment p
      WHERE tenant_id = kernel.tenant() AND due_minor IS NOT NULL AND NOT EXISTS (
          SELECT FROM payments.attempt t WHERE t.tenant_id = p.tenant_id AND t.payment_id = p.id
          AND t.touched_at > kernel.now() - interval '120 seconds')) p
FULL JOIN (
    SELECT j.reference, (array_agg(j.id ORDER BY j.posted_at DESC))[1] AS journal,
           sum(e.amount_minor) AS total
    FROM payments.journal j
    JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
    JOIN payments.account a
      ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
    WHERE j.tenant_id = kernel.tenant() AND j.kind IN ('capture', 'refund', 'return')
      AND a.code = 'gateway_clearing' GROUP BY j.reference
) c ON c.reference = p.reference
WHERE coalesce(c.total, 0) <> coalesce(p.captured_minor - p.refunded_minor, 0)
  AND (p.reference IS NOT NULL OR NOT EXISTS (SELECT FROM payments.payment q
       WHERE q.tenant_id = kernel.tenant() AND q.reference = c.reference))
"""
# Suspense is the sum of its open items. When it is not, what differs is named: what a reference has
# there against the items about it. Two minutes are no matter.
_SUSPENSE = f"""
WITH item AS (
    SELECT coalesce(reference, '{NOBODY}') AS about, currency, sum(amount_minor) AS total
    FROM ({OPEN_ITEMS}) i GROUP BY 1, 2
), waiting AS (
    SELECT coalesce(j.reference, '{NOBODY}') AS about, e.currency, sum(e.amount_minor) AS total,
           max(j.posted_at) AS last, (array_agg(j.id ORDER BY j.posted_at DESC))[1] AS journal_id
    FROM payments.account a
    JOIN payments.entry e
      ON e.tenant_id = a.tenant_id AND e.account_id = a.id AND e.shard = a.shard
    JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
    WHERE a.tenant_id = kernel.tenant() AND a.code = 'suspense' GROUP BY 1, 2
)
SELECT w.journal_id, NULL::uuid, 'suspense', format('%s %s of it are open items, and %s are there',
    coalesce(i.total, 0), coalesce(w.currency, i.currency), coalesce(w.total, 0))
FROM waiting w FULL JOIN item i ON i.about = w.about AND i.currency = w.currency
WHERE coalesce(w.total, 0) <> coalesce(i.total, 0)
  AND coalesce(w.last, '-infinity') < kernel.now() - interval '120 seconds'
  AND (SELECT coalesce(sum(x.total), 0) FROM waiting x
       WHERE x.currency = coalesce(w.currency, i.currency))
   <> (SELECT coalesce(sum(x.total), 0) FROM item x
       WHERE x.currency = coalesce(w.currency, i.currency))
"""
# What is under way at the bank: order by order, and all of it as the books have it.
_COLLECTIONS = """
SELECT NULL::uuid, NULL::uuid, 'order ' || end_to_end_id,
       format('is %s, the bank has moved %s of %s', state, bank_minor, amount_minor)
FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND CASE state
    WHEN 'settled' THEN abs(bank_minor) <> amount_minor
    WHEN 'rejected' THEN abs(bank_minor) > amount_minor
    ELSE bank_minor <> 0 END
UNION ALL
SELECT NULL, NULL, 'clearing sepa', format('the books say %s, the orders %s', b.total, o.total)
FROM (SELECT coalesce(sum(e.amount_minor), 0) AS total FROM payments.journal j
      JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
      JOIN payments.account a
        ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
      WHERE j.tenant_id = kernel.tenant() AND j.kind IN ('bank_settled', 'bank_returned')
        AND a.code = 'gateway_clearing' AND a.owner = 'sepa') b,
     (SELECT coalesce(sum(-bank_minor), 0) AS total FROM payments.sepa_order
      WHERE tenant_id = kernel.tenant()) o
WHERE b.total <> o.total
"""
_STRANGERS = """
SELECT e.journal_id, e.account_id, NULL, CASE WHEN j.id IS NULL
    THEN 'is no journal of this operator' ELSE 'moves an account that is not this operator''s' END
FROM payments.entry e
LEFT JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
LEFT JOIN payments.account a
       ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE e.tenant_id = kernel.tenant() AND (j.id IS NULL OR a.id IS NULL)
UNION ALL
SELECT e.journal_id, e.account_id, NULL, format('%s at %s on an account of %s, in a journal of %s',
                                                e.currency, e.at, a.currency, j.at)
FROM payments.entry e
JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
JOIN payments.account a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE e.tenant_id = kernel.tenant() AND (e.currency <> a.currency OR e.at <> j.at)
"""
_MIRRORS = """
SELECT r.id, NULL::uuid, NULL, format('is not the mirror of %s', r.reverses)
FROM payments.journal r
WHERE r.tenant_id = kernel.tenant() AND r.reverses IS NOT NULL AND EXISTS (
    SELECT FROM payments.entry e WHERE e.tenant_id = r.tenant_id
    AND e.journal_id IN (r.id, r.reverses) GROUP BY e.account_id HAVING sum(e.amount_minor) <> 0)
"""
# Each dispute has in clearing what its gateway took out for it.
_DISPUTES = """
SELECT NULL::uuid, NULL::uuid, 'dispute ' || d.id,
       format('the gateway withdrew %s and kept %s, the books say %s', d.withdrawn_minor,
              d.fee_minor, coalesce(b.total, 0))
FROM (SELECT payment_id, min(id::text) AS id, sum(withdrawn_minor) AS withdrawn_minor,
             sum(fee_minor) AS fee_minor
      FROM payments.dispute WHERE tenant_id = kernel.tenant()
        AND opened_at < kernel.now() - interval '120 seconds' GROUP BY payment_id) d
JOIN payments.payment p ON p.tenant_id = kernel.tenant() AND p.id = d.payment_id
LEFT JOIN LATERAL (
    SELECT -sum(e.amount_minor) AS total FROM payments.journal j
    JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
    JOIN payments.account a
      ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
    WHERE j.tenant_id = kernel.tenant() AND j.kind = 'chargeback' AND j.reference = p.reference
      AND a.code = 'gateway_clearing') b ON true
WHERE d.withdrawn_minor + d.fee_minor <> coalesce(b.total, 0)
  AND NOT EXISTS (SELECT FROM payments.work w WHERE w.tenant_id = kernel.tenant()
                  AND w.kind = 'books' AND w.subject = p.reference)
"""
# What gateways kept of charges is in the fees, ride by ride.
_FEES = """
SELECT NULL::uuid, NULL::uuid, 'ride ' || p.reference,
       format('the gateway kept %s, the books say %s', k.total, coalesce(b.total, 0))
FROM (SELECT payment_id, sum(fee_minor) AS total FROM payments.attempt
      WHERE tenant_id = kernel.tenant() AND fee_minor IS NOT NULL GROUP BY payment_id) k
JOIN payments.payment p ON p.tenant_id = kernel.tenant() AND p.id = k.payment_id
LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS total FROM payments.journal j
    JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
    JOIN payments.account a
      ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
    WHERE j.tenant_id = kernel.tenant() AND j.kind = 'gateway_fee' AND j.reference = p.reference
      AND a.code = 'fees') b ON true
WHERE k.total <> coalesce(b.total, 0)
  AND NOT EXISTS (SELECT FROM payments.work w WHERE w.tenant_id = kernel.tenant()
                  AND w.kind = 'books' AND w.subject = p.reference)
"""
# What is written off is written off in the books, ride by ride; and no debt waits for its worker.
_DEBTS = """
SELECT NULL::uuid, NULL::uuid, 'debt ' || d.id,
       format('has %s written off, the books say %s', d.written_off_minor, coalesce(b.total, 0))
FROM payments.debt d LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS total FROM payments.journal j
    JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
    JOIN payments.account a
      ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
    WHERE j.tenant_id = kernel.tenant() AND j.kind = 'write_off' AND j.reference = d.reference
      AND a.code = 'write_offs') b ON true
WHERE d.tenant_id = kernel.tenant() AND d.written_off_minor <> coalesce(b.total, 0)
  AND NOT EXISTS (SELECT FROM payments.work w WHERE w.tenant_id = kernel.tenant()
                  AND w.kind = 'books' AND w.subject = d.reference)
"""
# What is paid from a purse goes through clearing and comes out of it: the captures and refunds of a
# ride against what the purse gave and got.
_PURSES = """
SELECT NULL::uuid, a.id, NULL, format('%s left in the clearing of purses', sum(a.posted_minor))
FROM payments.account a
WHERE a.tenant_id = kernel.tenant() AND a.code = 'gateway_clearing' AND a.owner = 'purse'
  AND NOT EXISTS (SELECT FROM payments.attempt t WHERE t.tenant_id = kernel.tenant()
      AND t.gateway = 'purse' AND t.touched_at > kernel.now() - interval '120 seconds')
GROUP BY a.id HAVING sum(a.posted_minor) <> 0
"""
_COMPARISON = """
SELECT NULL::uuid, NULL::uuid, concat_ws(' ', gateway, kind, subject),
       format('here %s, at the gateway %s, for %s h', coalesce(ours_minor::text, 'nothing'),
              coalesce(theirs_minor::text, 'nothing'),
              round(extract(epoch FROM kernel.now() - first_seen_at) / 3600))
FROM payments.difference WHERE tenant_id = kernel.tenant() AND resolved_at IS NULL
"""
CHECKS = {
    "sums": _SUMS,
    "running": _RUNNING,
    "balances": _BALANCES,
    "versions": _VERSIONS,
    "floors": _FLOORS,
    "lots": _LOTS,
    "holds": _HOLDS,
    "refunds": _REFUNDS,
    "clearing": _CLEARING,
    "suspense": _SUSPENSE,
    "collections": _COLLECTIONS,
    "strangers": _STRANGERS,
    "mirrors": _MIRRORS,
    "disputes": _DISPUTES,
    "fees": _FEES,
    "debts": _DEBTS,
    "purses": _PURSES,
    "comparison": _COMPARISON,
}
"""Beside these: ``digests`` and ``replay``, which need more than SQL."""


async def proof(call: Call) -> list[Finding]:
    """See the contract."""
    found: list[Finding] = []
    for check, sql in CHECKS.items():
        async with db.tx("payments", call) as tx:
            # All of the books at once may take longer than any request may.
            await tx.run("SELECT set_config('statement_timeout', '0', true)")
            rows = await tx.run(f"{sql} LIMIT {SHOWN}")
        found += [_finding(check, row) for row in rows]
    return found + await _digests(call) + await _replayed(call)


def _finding(check: str, row: db.Row) -> Finding:
    journal, account, other, detail = row
    subject: str = other or (ids.public(ACCOUNT_PREFIX, account) if account else "")
    if journal is not None:
        subject = f"{ids.public(JOURNAL_PREFIX, journal)} {subject}".strip()
    return Finding(check, subject, detail)


_CONTENTS = """
SELECT j.id, j.kind, j.reference, j.digest, j.posted_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(a.code, a.owner, e.currency, e.amount_minor)),
                        '[]')
        FROM payments.entry e JOIN payments.account a
          ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.id) AS lines
FROM payments.journal j
WHERE j.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR j.id > $1) ORDER BY j.id LIMIT $2
"""


async def _digests(call: Call) -> list[Finding]:
    """Journals whose content is not what it was when it was posted."""
    found: list[Finding] = []
    after = None
    while True:
        rows = await db.run("payments", call, _CONTENTS, after, PAGE)
        for row in rows:
            lines = [
                (code, owner, currency, amount) for code, owner, currency, amount in row["lines"]
            ]
            if rules.digest(row["kind"], row["reference"], lines) != row["digest"]:
                subject = ids.public(JOURNAL_PREFIX, row["id"])
                found.append(Finding("digests", subject, "was changed after it was posted"))
        if len(rows) < PAGE or len(found) > SHOWN:
            return found
        after = rows[-1]["id"]


async def _replayed(call: Call) -> list[Finding]:
    """Rides whose journals are not what their events, read once more, would post now."""
    found: list[Finding] = []
    async for page in all_rides(call, (await tenancy.operator(call)).tax_rate_bp):
        for ride in page:
            found += _differences(ride)
        if len(found) > SHOWN:
            break
    return found


def _differences(ride: Ride) -> list[Finding]:
    wanted = {each.key: each for each in rules.journals_of(ride.money)}
    booked = {each.key: each for each in ride.booked}
    found = []
    for key, journal in booked.items():
        subject = ids.public(JOURNAL_PREFIX, journal.id)
        if (want := wanted.get(key)) is None:
            found.append(Finding("replay", subject, f"{key}: no event told of this"))
        elif rules.digest_of(want).hex() != journal.digest or want.at != journal.at:
            found.append(Finding("replay", subject, f"{key}: its event says otherwise"))
    if ride.is_settled:
        subject = f"ride {ride.money.reference}"
        missing = [key for key in wanted if key not in booked]
        found += [Finding("replay", subject, f"{key} is not in the books") for key in missing]
    return found


_QUICK = f"""
SELECT e.journal_id, a.id, NULL, format('%s %s says %s after %s entries, the last one %s', a.code,
       a.owner, a.posted_minor, a.version, e.balance_after_minor)
FROM payments.account a LEFT JOIN payments.entry e
  ON e.tenant_id = a.tenant_id AND e.account_id = a.id AND e.shard = a.shard
 AND e.version = a.version
WHERE a.tenant_id = kernel.tenant() AND a.version > 0
  AND a.posted_minor IS DISTINCT FROM e.balance_after_minor
UNION ALL
SELECT NULL, NULL, currency, format('accounts are off by %s in sum', sum(posted_minor))
FROM payments.account WHERE tenant_id = kernel.tenant()
GROUP BY currency HAVING sum(posted_minor) <> 0
UNION ALL
SELECT NULL, a.id, NULL, format('%s %s in suspense, open items say %s', a.posted_minor,
       a.currency, i.total)
FROM payments.account a
JOIN payments.entry e ON e.tenant_id = a.tenant_id AND e.account_id = a.id AND e.shard = a.shard
 AND e.version = a.version
JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
CROSS JOIN LATERAL (SELECT coalesce(sum(o.amount_minor), 0) AS total FROM ({OPEN_ITEMS}) o
                    WHERE o.currency = a.currency) i
WHERE a.tenant_id = kernel.tenant() AND a.code = 'suspense' AND a.posted_minor <> i.total
  AND j.posted_at < kernel.now() - interval '120 seconds'
UNION ALL
SELECT NULL, h.account_id, h.key, format('is open, but ran out at %s', h.expires_at)
FROM payments.hold h WHERE h.tenant_id = kernel.tenant() AND h.state = 'open'
  AND h.expires_at < kernel.now() - interval '120 seconds'
UNION ALL
SELECT NULL, NULL, 'ride ' || p.reference,
       format('captured %s is not in the books', p.captured_minor)
FROM payments.payment p
WHERE p.tenant_id = kernel.tenant() AND p.captured_minor > 0
  AND NOT EXISTS (SELECT FROM payments.journal j WHERE j.tenant_id = p.tenant_id
                  AND j.reference = p.reference AND j.kind = 'capture')
  AND NOT EXISTS (SELECT FROM payments.attempt t WHERE t.tenant_id = p.tenant_id
                  AND t.payment_id = p.id AND t.touched_at > kernel.now() - interval '120 seconds')
"""


async def quick_proof(call: Call) -> list[Finding]:
    """What can be seen without reading the whole books (I5): for every minute."""
    rows = await db.run("payments", call, f"{_QUICK} LIMIT {SHOWN}")
    return [_finding("books", row) for row in rows]
