"""Open a payment, and mark one as unwanted. Both are one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, money
from fahrwerk.kernel.errors import Conflict, Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.payments import rules
from fahrwerk.payments.actions._case import WORK, as_payment, load
from fahrwerk.payments.actions.authorize import own_case

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment

# A booking that is tried again after it came to nothing finds its payment called off, or with the
# price of then. As long as no gateway was asked, it starts anew.
_OPEN = """
INSERT INTO payments.payment AS p (id, reference, rider_id, amount_minor, currency, created_at)
SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (
    SELECT FROM payments.payment WHERE tenant_id = kernel.tenant() AND reference = $2 AND id <> $1)
ON CONFLICT (tenant_id, id) DO UPDATE
SET state = 'created', is_unwanted = false, amount_minor = excluded.amount_minor,
    currency = excluded.currency, turn = p.turn + 1
WHERE (p.reference, p.rider_id) = (excluded.reference, excluded.rider_id)
  AND p.state IN ('created', 'voided') AND NOT EXISTS (
    SELECT FROM payments.attempt a WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.id)
RETURNING id
"""


async def open_payment(
    call: Call, payment_id: UUID, reference: UUID, rider_id: UUID, amount_minor: int, currency: str
) -> Payment:
    """See the contract."""
    if not 1 <= amount_minor <= rules.MOST_MINOR:
        raise Invalid(field="amount", issue=f"must be 1 to {rules.MOST_MINOR} minor units")
    if currency not in money.DECIMALS:
        raise Invalid(field="currency", issue=f"must be one of {', '.join(money.DECIMALS)}")
    values = (payment_id, reference, rider_id, amount_minor, currency)
    if await db.run("payments", call, _OPEN, *values, clock.now()):
        return as_payment(
            rules.Case(
                id=payment_id, reference=reference, rider_id=rider_id, state="created",
                currency=currency, amount_minor=amount_minor,
            )
        )  # fmt: skip
    case = await load(call, payment_id)
    if case is None or (case.reference, case.rider_id) != (reference, rider_id):
        raise Conflict("This rental has another payment.", code="PAYMENT_EXISTS")
    return as_payment(case)


MARK_UNWANTED = """
WITH unwanted AS (
    UPDATE payments.payment SET is_unwanted = true, turn = turn + 1
    WHERE tenant_id = kernel.tenant() AND id = $1 AND due_minor IS NULL AND NOT is_unwanted
    RETURNING id
)
INSERT INTO payments.work (kind, subject, at) SELECT 'payment', id, kernel.now() FROM unwanted
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def void(call: Call, payment_id: UUID) -> None:
    """See the contract."""
    await own_case(call, payment_id)
    await db.run("payments", call, MARK_UNWANTED, payment_id)
    hub.signal(WORK)
