"""Give captured money back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.payments import rules
from fahrwerk.payments.actions._case import as_payment, load
from fahrwerk.payments.actions._work import begin, resolve
from fahrwerk.payments.contract import (
    Payment,
    PaymentDeclined,
    PaymentUnknown,
    RefundTooLarge,
)

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

MOST_TURNS = 12


async def refund(call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str) -> Payment:
    """See the contract."""
    call.require("payments.refund.create")
    if not 1 <= amount_minor <= rules.MOST_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    if not 1 <= len(reason.strip()) <= 200:
        raise Invalid(field="reason", issue="must have 1 to 200 characters")
    step = f"refund-{ids.derived(payment_id, key).hex[:20]}-"
    for _ in range(MOST_TURNS):
        case = await load(call, payment_id)
        if case is None:
            raise NotFound
        done = await _one_step(call, case, step, amount_minor, reason.strip())
        if done is not None:
            return as_payment(done)
    raise PaymentUnknown(retry_after=2)


async def _one_step(call: Call, case: Case, step: str, amount: int, reason: str) -> Case | None:
    """The next operation of this refund; the case when all of it is given back, else None.

    A refund of more than one capture is one attempt for each, all named after the refund's key, so
    that whoever repeats it finds what was done and goes on from there.
    """
    own = [a for a in case.attempts if a.kind == "refund" and a.step.startswith(step)]
    if any(not a.step.startswith(f"{step}{amount}.") for a in own):
        raise Conflict("This refund was made with another amount.", code="REFUND_KEY_REUSED")
    if case.is_leased:
        raise PaymentUnknown(retry_after=2)
    for attempt in own:
        if attempt.state in ("sent", "unknown"):
            case = await resolve(call, case, attempt) or case
            if rules.find(case, attempt.key).state in ("sent", "unknown"):
                raise PaymentUnknown(retry_after=2)
            return None
        if attempt.state != "succeeded":
            raise PaymentDeclined(
                "The gateway refused the refund.",
                code="REFUND_FAILED", reason=attempt.reason or "declined",
            )  # fmt: skip
    left = amount - sum(a.amount_minor for a in own)
    if left == 0:
        return case
    parts = rules.split_refund(case, left)
    if parts is None:
        raise RefundTooLarge(refundable_minor=case.captured_minor - case.refunded_minor)
    capture, part = parts[0]
    name = f"{step}{amount}.{len(own) + 1}"
    wanted = rules.new_attempt(case, "refund", name, part, target=capture)
    moved = await begin(call, case, rules.changed_attempt(wanted, reason=reason))
    if moved is not None and rules.find(moved, wanted.key).state in ("sent", "unknown"):
        raise PaymentUnknown(retry_after=2)
    return None
