"""What is done about a refund that its gateway refused, or that came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.payments import rules
from fahrwerk.payments.actions._case import as_payment, load, save
from fahrwerk.payments.actions.refund import give_back, step_of
from fahrwerk.payments.contract import PaymentUnknown, RefundTooLarge
from fahrwerk.payments.contract.refunds import FailedRefund, RefundAnswered, UnknownRefund
from fahrwerk.payments.queries.refunds import ONE, WRITE

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from fahrwerk.payments.contract.refunds import Answer

MOST_TURNS = 5
_CLAIM = """
INSERT INTO payments.refund_answer (attempt_key, what, again_step, note, actor, at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_CLAIMED = """
SELECT what FROM payments.refund_answer WHERE tenant_id = kernel.tenant() AND attempt_key = $1
"""
_UNCLAIM = """
DELETE FROM payments.refund_answer WHERE tenant_id = kernel.tenant() AND attempt_key = $1
"""


async def answer_refund(call: Call, key: str, answer: Answer, note: str) -> Payment:
    """See the contract.

    What was decided is written first, so that of two people only one does something; what they do
    has a name of its own, under which a repeat finds it.
    """
    call.require(WRITE)
    if answer == "by_hand":
        call.require("payments.debt.settle")
    note = note.strip()
    if not 1 <= len(note) <= 200:
        raise Invalid(field="note", issue="must have 1 to 200 characters")
    row = await db.one("payments", call, ONE, key)
    if row is None:
        raise UnknownRefund
    failed = FailedRefund(**row)
    step = {
        "repeated": step_of(failed.payment_id, _again(key)),
        "by_hand": f"hand-{ids.derived(failed.payment_id, key).hex[:20]}",
    }.get(answer)
    await db.run("payments", call, _CLAIM, key, answer, step, note, call.actor, clock.now())
    if (await db.run("payments", call, _CLAIMED, key))[0]["what"] != answer:
        raise RefundAnswered
    try:
        if answer == "repeated":
            return await give_back(
                call, failed.payment_id, failed.amount_minor, note, _again(key), None
            )
        return await _by_hand(call, failed.payment_id, key, step, note)
    except RefundTooLarge:
        await db.run("payments", call, _UNCLAIM, key)  # it was refunded otherwise meanwhile
        raise


def _again(key: str) -> str:
    return f"again:{key}"


async def _by_hand(call: Call, payment_id: UUID, key: str, step: str | None, note: str) -> Payment:
    """Record it, once; with no ``step`` nothing is recorded."""
    for _ in range(MOST_TURNS):
        case = await load(call, payment_id)
        if case is None:
            raise NotFound
        if step is None or any(a.step == step for a in case.attempts):
            return as_payment(case)
        if case.is_leased or rules.open_attempt(case) is not None:
            raise PaymentUnknown(retry_after=2)
        done = rules.refunded_by_hand(case, rules.find(case, key), step, note)
        if done is None:
            raise RefundTooLarge(refundable_minor=case.captured_minor - case.refunded_minor)
        saved = await save(call, case, *done)
        if saved is not None:
            return as_payment(saved)
    raise PaymentUnknown(retry_after=2)
