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
from fahrwerk.payments.contract.refunds import RefundNeedsApproval
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

MOST_TURNS = 12


async def refund(call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str) -> Payment:
    """See the contract. A person is bound to the operator's limit, the house itself is not."""
    call.require("payments.refund.create")
    check_wish(amount_minor, reason)
    limit = (await tenancy.operator(call)).refund_limit_minor if call.user is not None else None
    return await give_back(call, payment_id, amount_minor, reason, key, limit)


def check_wish(amount_minor: int, reason: str) -> None:
    """Raise ``Invalid`` for an amount or reason that cannot be."""
    if not 1 <= amount_minor <= rules.MOST_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    if not 1 <= len(reason.strip()) <= 200:
        raise Invalid(field="reason", issue="must have 1 to 200 characters")


async def give_back(
    call: Call, payment_id: UUID, amount_minor: int, reason: str, key: str, most: int | None
) -> Payment:
    """Refund, as far as ``most`` of this payment goes back in all; None: whoever may, decided.

    Raises ``RefundNeedsApproval`` above it.
    """
    step = step_of(payment_id, key)
    for _ in range(MOST_TURNS):
        case = await load(call, payment_id)
        if case is None:
            raise NotFound
        done = await _one_step(call, case, step, amount_minor, reason.strip(), most)
        if done is not None:
            return as_payment(done)
    raise PaymentUnknown(retry_after=2)


def step_of(payment_id: UUID, key: str) -> str:
    """How the steps of the refund with this key begin."""
    return f"refund-{ids.derived(payment_id, key).hex[:20]}-"


async def _one_step(
    call: Call, case: Case, step: str, amount: int, reason: str, most: int | None
) -> Case | None:
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
    # Seen with the case that ``begin`` takes on, so that two at once are not each below it.
    if most is not None and case.refunded_minor + left > most:
        raise RefundNeedsApproval(limit_minor=most)
    capture, part = parts[0]
    name = f"{step}{amount}.{len(own) + 1}"
    wanted = rules.new_attempt(case, "refund", name, part, target=capture)
    moved = await begin(call, case, rules.changed_attempt(wanted, reason=reason))
    if moved is not None and rules.find(moved, wanted.key).state in ("sent", "unknown"):
        raise PaymentUnknown(retry_after=2)
    return None
