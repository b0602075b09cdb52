"""Record money that came another way for a payment that is due (PAY-28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.payments import rules
from fahrwerk.payments.actions._case import as_payment, load, save
from fahrwerk.payments.contract import PaymentUnknown
from fahrwerk.payments.contract.gateways import NotDue

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment

MOST_TURNS = 5


async def pay_by_hand(
    call: Call, payment_id: UUID, amount_minor: int, note: str, key: str
) -> Payment:
    """See the contract."""
    call.require("payments.debt.settle")
    if not 1 <= amount_minor <= rules.MOST_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    if not 1 <= len(note.strip()) <= 200:
        raise Invalid(field="note", issue="must have 1 to 200 characters")
    ref = f"hand-{ids.derived(payment_id, key).hex[:12]}: {note.strip()}"
    for _ in range(MOST_TURNS):
        case = await load(call, payment_id)
        if case is None:
            raise NotFound
        if (before := rules.by_hand(case, ref)) is not None:
            if before.amount_minor != amount_minor:
                raise Conflict("This was recorded with another amount.", code="KEY_REUSED")
            return as_payment(case)
        missing = (case.due_minor or 0) - case.captured_minor
        # What a gateway has not answered may have been paid there: it is not paid again by hand.
        if case.state != "due" or rules.open_attempt(case) or amount_minor > missing:
            raise NotDue(missing_minor=missing if case.state == "due" else 0)
        if not case.is_leased:
            paid, facts = rules.paid_by_hand(case, amount_minor, ref)
            saved = await save(call, case, paid, facts, again_in_s=0)
            if saved is not None:
                return as_payment(saved)
    raise PaymentUnknown(retry_after=2)
