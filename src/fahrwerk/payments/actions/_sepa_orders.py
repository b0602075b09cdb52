"""What becomes of orders: settled, sent back; the payment is told by a hint like a webhook's.

The hint says only that something happened: the payments' worker reads the order and moves the
payment on, so that any order of statements, crashes and repeats ends in the same state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import events
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.actions.methods import NEXT_DEFAULT
from fahrwerk.payments.events import MandateChanged
from fahrwerk.payments.rules import sepa as rules

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row, Tx

COLUMNS = """o.id, o.kind, o.key, o.capture_key, o.payment_id, o.mandate_id, o.amount_minor,
       o.state, o.settled_on, o.returned_on, o.bank_minor, o.run_id, o.is_prepaid"""
_HINT = """
WITH stored AS (
    INSERT INTO payments.gateway_event (gateway, event_id, kind, attempt_key, payment_id)
    SELECT 'sepa', $1, $2, $3, p.id FROM payments.payment p
    WHERE p.tenant_id = kernel.tenant() AND p.id = $4
    ON CONFLICT (tenant_id, gateway, event_id) DO NOTHING RETURNING payment_id
), turned AS (
    UPDATE payments.payment p SET turn = turn + 1 FROM stored
    WHERE p.tenant_id = kernel.tenant() AND p.id = stored.payment_id RETURNING p.id
)
INSERT INTO payments.work (kind, subject, at) SELECT 'payment', id, kernel.now() FROM turned
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""
_SETTLED = """
UPDATE payments.sepa_order
SET settled_on = $2, bank_minor = bank_minor + $3,
    state = CASE WHEN state IN ('rejected', 'returned') THEN state ELSE 'settled' END
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_BACK = """
UPDATE payments.sepa_order
SET state = $2, reason = coalesce(reason, $3), return_kind = coalesce(return_kind, $4),
    returned_on = coalesce(returned_on, $5), bank_minor = bank_minor + $6,
    fee_minor = fee_minor + $7
WHERE tenant_id = kernel.tenant() AND id = $1
"""
# The bank has given the money back: what had not left yet of its refunds would give it back twice.
_UNSENT = """
WITH waiting AS (
    SELECT o.id, o.amount_minor, o.run_id FROM payments.sepa_order o
    LEFT JOIN payments.sepa_run r ON r.tenant_id = o.tenant_id AND r.id = o.run_id
    WHERE o.tenant_id = kernel.tenant() AND o.parent = $1
      AND (o.state = 'due' OR o.state = 'batched' AND r.state IN ('draft', 'approved'))
    FOR UPDATE OF o
), gone AS (
    UPDATE payments.sepa_order o SET state = 'netted', amount_minor = 0, run_id = NULL
    FROM waiting w WHERE o.tenant_id = kernel.tenant() AND o.id = w.id
    RETURNING w.amount_minor, w.run_id
), runs AS (
    UPDATE payments.sepa_run r
    SET orders = r.orders - g.orders, total_minor = r.total_minor - g.total,
        state = CASE WHEN r.orders = g.orders THEN 'cancelled' ELSE r.state END
    FROM (SELECT run_id, count(*)::int AS orders, sum(amount_minor)::bigint AS total
          FROM gone WHERE run_id IS NOT NULL GROUP BY run_id) g
    WHERE r.tenant_id = kernel.tenant() AND r.id = g.run_id
)
UPDATE payments.sepa_order
SET unsent_minor = unsent_minor + (SELECT coalesce(sum(amount_minor), 0) FROM gone)
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_BLOCK = """
UPDATE payments.sepa_mandate SET state = 'blocked', reason = $2, version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND state IN ('active', 'ended')
RETURNING id, rider_id, reference, version
"""
_OPEN = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
WHERE o.tenant_id = kernel.tenant() AND o.mandate_id = $1 AND o.kind = 'collection'
  AND o.state = 'due' FOR UPDATE
"""


async def settle(tx: Tx, order: Row, on: date) -> None:
    """The bank has moved it: credited a collection, debited a refund."""
    sign = 1 if order["kind"] == "collection" else -1
    await tx.run(_SETTLED, order["id"], on, sign * order["amount_minor"])
    if order["is_prepaid"]:
        await _hint(tx, order, "settled")


async def send_back(
    tx: Tx, call: Call, order: Row, code: str, kind: str, on: date, moved_minor: int, fee_minor: int
) -> None:
    """It came back: ``moved_minor`` is what the bank moved now (0 for a rejection by message)."""
    state = "rejected" if order["settled_on"] is None else "returned"
    if order["state"] == "returned":
        state = "returned"
    await tx.run(_BACK, order["id"], state, code, kind, on, moved_minor, fee_minor)
    if order["kind"] == "collection":
        await tx.run(_UNSENT, order["id"])
    await _hint(tx, order, "returned")
    if order["kind"] == "collection" and rules.blocks_mandate(code):
        row = await tx.one(_BLOCK, order["mandate_id"], code)
        if row is not None:
            fact = MandateChanged(
                mandate_id=row["id"], rider_id=row["rider_id"], reference=row["reference"],
                what="blocked", reason=code,
            )  # fmt: skip
            await events.emit(tx, call, f"mandate:{row['id']}", row["version"], fact)
            await give_up(tx, call, order["mandate_id"], "mandate_blocked")


# As if the rider had removed it: the next one is the default, and the worker forgets it.
_NO_METHOD = """
WITH gone AS (
    UPDATE payments.method SET removed_at = kernel.now(), is_default = false
    WHERE tenant_id = kernel.tenant() AND gateway = 'sepa' AND gateway_ref = $1
      AND removed_at IS NULL RETURNING id, rider_id
)
INSERT INTO payments.work (kind, subject, at) SELECT 'method', id, kernel.now() FROM gone
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
RETURNING (SELECT rider_id FROM gone LIMIT 1) AS rider_id
"""


async def give_up(tx: Tx, call: Call, mandate_id: UUID, code: str) -> None:
    """A mandate is over: it is no method any more, and what was not handed in is not collected."""
    for gone in await tx.run(_NO_METHOD, mandate_id.hex):
        await tx.run(NEXT_DEFAULT, gone["rider_id"])
    for order in await tx.run(_OPEN, mandate_id):
        await tx.run(_BACK, order["id"], "rejected", code, "reject", None, 0, 0)
        await _hint(tx, order, "returned")


async def _hint(tx: Tx, order: Row, what: str) -> None:
    if order["payment_id"] is not None:
        key = order["capture_key"] or order["key"]
        await tx.run(_HINT, f"{order['id']}:{what}", f"sepa.{what}", key, order["payment_id"])
        tx.signal(WORK)
