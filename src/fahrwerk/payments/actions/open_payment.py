"""Open a payment, and mark one as unwanted. Both are one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, money
from fahrwerk.kernel.errors import Conflict, Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.payments import rules
from fahrwerk.payments.actions._case import WORK, as_payment, load, own_case

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment

_OPEN = """
INSERT INTO payments.payment (id, reference, rider_id, amount_minor, currency, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id
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
