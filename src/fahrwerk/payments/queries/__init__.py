"""Reads of payments, and the invariants of the money (RELIABILITY.md, section 1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.contract import Method, Payment, PaymentPage, UnknownMethod
from fahrwerk.payments.queries.comparison import comparisons as comparisons
from fahrwerk.payments.queries.comparison import differences as differences
from fahrwerk.payments.queries.connect import connection as connection
from fahrwerk.payments.queries.debits import debits as debits
from fahrwerk.payments.queries.debts import all_debts as all_debts
from fahrwerk.payments.queries.debts import check_debts as check_debts
from fahrwerk.payments.queries.debts import debt as debt
from fahrwerk.payments.queries.debts import debt_step as debt_step
from fahrwerk.payments.queries.debts import debt_steps as debt_steps
from fahrwerk.payments.queries.debts import dunning as dunning
from fahrwerk.payments.queries.debts import own_debts as own_debts
from fahrwerk.payments.queries.disputes import dispute as dispute
from fahrwerk.payments.queries.gateways import disputes as disputes
from fahrwerk.payments.queries.gateways import gateway_accounts as gateway_accounts
from fahrwerk.payments.queries.gateways import gateway_fee as gateway_fee
from fahrwerk.payments.queries.gateways import platform_fee as platform_fee
from fahrwerk.payments.queries.gateways import webhooks as webhooks
from fahrwerk.payments.queries.ledger import accounts as accounts
from fahrwerk.payments.queries.ledger import journal as journal
from fahrwerk.payments.queries.ledger import purse as purse
from fahrwerk.payments.queries.ledger import statement as statement
from fahrwerk.payments.queries.ledger import trial_balance as trial_balance
from fahrwerk.payments.queries.notes import notes_on as notes_on
from fahrwerk.payments.queries.notes import run_notes as run_notes
from fahrwerk.payments.queries.open_items import open_items as open_items
from fahrwerk.payments.queries.personal import PERSONAL as PERSONAL
from fahrwerk.payments.queries.proof import proof as proof
from fahrwerk.payments.queries.proof import quick_proof
from fahrwerk.payments.queries.refunds import failed_refunds as failed_refunds
from fahrwerk.payments.queries.revenue import revenue as revenue
from fahrwerk.payments.queries.risk import risk_limits as risk_limits
from fahrwerk.payments.queries.risk import risks as risks
from fahrwerk.payments.queries.sepa import announced_debit as announced_debit
from fahrwerk.payments.queries.sepa import bank_lines as bank_lines
from fahrwerk.payments.queries.sepa import mandate_offer as mandate_offer
from fahrwerk.payments.queries.sepa import mandates as mandates
from fahrwerk.payments.queries.sepa import own_mandates as own_mandates
from fahrwerk.payments.queries.sepa import run_file as run_file
from fahrwerk.payments.queries.sepa import sepa_orders as sepa_orders
from fahrwerk.payments.queries.sepa import sepa_run as sepa_run
from fahrwerk.payments.queries.sepa import sepa_runs as sepa_runs
from fahrwerk.payments.queries.sepa import sepa_settings as sepa_settings
from fahrwerk.payments.queries.sepa import statements as statements
from fahrwerk.payments.queries.transfers import transfer_of as transfer_of
from fahrwerk.payments.queries.transfers import transfers as transfers

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_METHODS = """
SELECT id, kind, label, brand, last4, expires, is_default, created_at, bank, mandate_reference
FROM payments.method
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
ORDER BY is_default DESC, created_at DESC, id
"""


async def methods(call: Call) -> list[Method]:
    """See the contract."""
    return db.shaped(Method, await db.run("payments", call, _METHODS, call.user))


_KINDS = """
SELECT DISTINCT kind FROM payments.gateway_account, unnest(kinds) AS kind
WHERE tenant_id = kernel.tenant() AND NOT is_disabled ORDER BY kind
"""


async def method_kinds(call: Call) -> list[str]:
    """See the contract."""
    return [row["kind"] for row in await db.run("payments", call, _KINDS)]


_METHOD = """
SELECT id FROM payments.method
WHERE tenant_id = kernel.tenant() AND id = $1 AND rider_id = $2 AND removed_at IS NULL
"""


async def find_method(call: Call, reference: str) -> UUID:
    """See the contract."""
    try:
        method_id = ids.parse(reference, "pm")
    except NotFound:
        raise UnknownMethod from None
    if not await db.run("payments", call, _METHOD, method_id, call.user):
        raise UnknownMethod
    return method_id


_COLUMNS = """id, reference, rider_id, state, currency, amount_minor, authorized_minor,
       captured_minor, refunded_minor, method_label, transaction_id, reason, next_action"""
_FOR_RENTAL = f"""
SELECT {_COLUMNS} FROM payments.payment WHERE tenant_id = kernel.tenant() AND reference = $1
"""
_BY_ID = f"SELECT {_COLUMNS} FROM payments.payment WHERE tenant_id = kernel.tenant() AND id = $1"


async def payment_for(call: Call, reference: UUID) -> Payment | None:
    """See the contract."""
    row = await db.one("payments", call, _FOR_RENTAL, reference)
    return None if row is None else Payment(**row)


async def payment(call: Call, payment_id: UUID) -> Payment:
    """See the contract."""
    row = await db.one("payments", call, _BY_ID, payment_id)
    if row is None:
        raise NotFound
    found = Payment(**row)
    if call.user not in (None, found.rider_id) and not call.may("payments.payment.read_any"):
        raise NotFound
    return found


_PAGE = f"""
SELECT {_COLUMNS} FROM payments.payment WHERE tenant_id = kernel.tenant() AND rider_id = $1
ORDER BY created_at DESC, id LIMIT $2 OFFSET $3
"""
_TOTAL = """
SELECT count(*) FROM payments.payment WHERE tenant_id = kernel.tenant() AND rider_id = $1
"""


async def payments(call: Call, limit: int, offset: int) -> PaymentPage:
    """See the contract."""
    rows, total = await asyncio.gather(
        db.run("payments", call, _PAGE, call.user, limit, offset),
        db.run("payments", call, _TOTAL, call.user),
    )
    return PaymentPage([Payment(**row) for row in rows], total[0][0])


_INVARIANTS = """
SELECT 'I1' AS invariant, format('%s: %s operations of kind %s done at the gateway for %s',
    a.payment_id, count(*), a.kind, a.step) AS detail
FROM payments.attempt a
JOIN payments.sandbox_operation o ON o.tenant_id = a.tenant_id AND o.key = a.key
WHERE a.tenant_id = kernel.tenant() AND o.outcome = 'done' AND o.visible_at <= kernel.now()
GROUP BY a.payment_id, a.kind, a.step HAVING count(*) > 1
UNION ALL
SELECT 'I1', format('%s: captured %s of %s authorised', p.id, p.captured_minor, p.authorized_minor)
FROM payments.payment p
WHERE p.tenant_id = kernel.tenant() AND p.captured_minor > p.authorized_minor
UNION ALL
SELECT 'I1', format('%s: captured %s, attempts say %s', p.id, p.captured_minor, a.captured)
FROM payments.payment p JOIN LATERAL (
    SELECT coalesce(sum(result_minor) FILTER (WHERE kind = 'capture'), 0) AS captured,
           coalesce(sum(result_minor) FILTER (WHERE kind = 'refund'), 0) AS refunded
    FROM payments.attempt WHERE tenant_id = p.tenant_id AND payment_id = p.id
    AND state = 'succeeded') a ON true
WHERE p.tenant_id = kernel.tenant()
  AND (p.captured_minor, p.refunded_minor) <> (a.captured, a.refunded)
UNION ALL
SELECT 'I1', format('%s: captured %s for a ride of %s', p.id, p.captured_minor, p.due_minor)
FROM payments.payment p
WHERE p.tenant_id = kernel.tenant() AND p.captured_minor > coalesce(p.due_minor, 0)
UNION ALL
SELECT 'I10', format('%s: here %s %s, at the gateway %s %s, for %s s', coalesce(a.key, o.key),
    coalesce(a.state, 'nothing'), a.result_minor, coalesce(o.outcome, 'nothing'), o.amount,
    round(extract(epoch FROM kernel.now() - coalesce(o.settled_at, a.touched_at))))
FROM (SELECT * FROM payments.attempt
      WHERE tenant_id = kernel.tenant() AND gateway = 'sandbox') a
FULL JOIN (SELECT * FROM payments.sandbox_operation
           WHERE tenant_id = kernel.tenant() AND visible_at <= kernel.now()
             AND settled_at <= kernel.now()) o ON o.key = a.key
WHERE (coalesce(a.state = 'succeeded', false), coalesce(a.result_minor, 0))
   <> (coalesce(o.outcome = 'done', false),
       CASE WHEN o.outcome = 'done' THEN o.amount ELSE coalesce(a.result_minor, 0) END)
  -- What is under way may differ for as long as a worker may take to find out (I8).
  AND NOT (a.state IN ('sent', 'unknown', 'action_required')
           AND greatest(a.sent_at, o.settled_at) > kernel.now() - interval '120 seconds')
UNION ALL
SELECT 'I10', format('%s %s %s: here %s, in the gateway''s list %s, for %s s', gateway, kind,
    subject, ours_minor, theirs_minor, round(extract(epoch FROM kernel.now() - first_seen_at)))
FROM payments.difference WHERE tenant_id = kernel.tenant() AND resolved_at IS NULL
UNION ALL
SELECT 'I12', format('%s: refunded %s of %s captured', p.id, p.refunded_minor, p.captured_minor)
FROM payments.payment p
WHERE p.tenant_id = kernel.tenant() AND p.refunded_minor > p.captured_minor
UNION ALL
SELECT 'I12', format('%s: %s, unwanted, and %s still held', p.id, p.state, p.authorized_minor)
FROM payments.payment p
WHERE p.tenant_id = kernel.tenant() AND p.authorized_minor > 0 AND p.captured_minor = 0
  AND (p.is_unwanted OR p.due_minor = 0 OR p.state IN ('failed', 'voided'))
  AND NOT EXISTS (SELECT FROM payments.attempt a WHERE a.tenant_id = p.tenant_id
      AND a.payment_id = p.id AND a.touched_at > kernel.now() - interval '120 seconds')
UNION ALL
SELECT 'I12', format('%s: %s here, but the gateway still holds %s', p.id, p.state, i.amount)
FROM payments.payment p
JOIN payments.attempt a ON a.tenant_id = p.tenant_id AND a.payment_id = p.id
JOIN payments.sandbox_intent i ON i.tenant_id = a.tenant_id AND i.key = a.key
WHERE p.tenant_id = kernel.tenant() AND p.state IN ('failed', 'voided', 'completed', 'refunded')
  AND i.state = 'requires_capture'
  AND a.touched_at < kernel.now() - interval '120 seconds'
ORDER BY 1, 2
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What is against I1, I5, I10 or I12 for this operator: ``(id, detail)``; mostly nothing.

    Asked by ``fahrwerk doctor``, the metrics and the fault tests. What is under way is given the
    120 s of I8 before it counts as a difference.
    """
    rows = await db.run("payments", call, _INVARIANTS)
    found = [(row["invariant"], row["detail"]) for row in rows]
    return found + [("I5", str(each)) for each in await quick_proof(call)]
