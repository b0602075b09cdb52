"""A capture whose money the rider's bank took back: what is due again, what counts as refunded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.payments import events
from fahrwerk.payments.rules.case import changed, changed_attempt, find, new_attempt, with_attempt

if TYPE_CHECKING:
    from fahrwerk.payments.rules.case import Attempt, Case


def returned(case: Case, capture: Attempt, back_minor: int, code: str) -> tuple[Case, list[Any]]:
    """The case after a debit of ``back_minor`` came back, once; the facts that follow.

    That is less than was captured when a refund came before the file, and made it smaller. A ride
    is due again, without its authorisation: it is charged anew only by dunning or the rider. What
    was refunded of the debit before stays refunded. A prepaid balance goes the way of refunds.
    """
    if capture.reason is not None:
        return case, []  # told before
    amount = capture.result_minor or 0
    before = sum(
        a.result_minor or a.amount_minor
        for a in case.attempts
        if a.target == capture.key and a.kind == "refund" and a.state in _GIVEN
    )
    if case.is_prepaid:
        case, facts = _as_refund(case, capture, amount - before, code)
        return case, [*facts, _fact(case, capture, back_minor, 0, amount - before, code)]
    auth = find(case, capture.target)
    case = with_attempt(case, changed_attempt(auth, state="declined", reason=code))
    state = "succeeded" if before else "declined"
    left = changed_attempt(capture, state=state, result_minor=before or amount, reason=code)
    case = with_attempt(case, left)
    case = changed(
        case,
        captured_minor=case.captured_minor - (amount - before),
        authorized_minor=case.authorized_minor - ((auth.result_minor or 0) - before),
    )
    due = amount - before
    fact = _fact(case, capture, back_minor, due, 0, code)
    if due == 0:
        return case, [fact]
    case = changed(case, state="due", reason=code, next_action=None)
    failed = events.PaymentFailed(case.reference, case.id, "capture", code)
    return case, [fact, failed]


_GIVEN = ("sent", "unknown", "succeeded")


def _as_refund(case: Case, capture: Attempt, amount: int, code: str) -> tuple[Case, list[Any]]:
    case = with_attempt(case, changed_attempt(capture, reason=code))
    if amount == 0:
        return case, []
    back = new_attempt(case, "refund", f"returned-{capture.number}", amount, target=capture)
    back = changed_attempt(back, state="succeeded", result_minor=amount, reason=code)
    case = with_attempt(case, back)
    case = changed(case, refunded_minor=case.refunded_minor + amount)
    if case.refunded_minor >= case.captured_minor:
        case = changed(case, state="refunded")
    fact = events.PaymentRefunded(
        case.reference, case.id, amount, case.currency, code, back.gateway, back.key, case.rider_id
    )
    return case, [fact]


def _fact(
    case: Case, capture: Attempt, amount: int, due: int, refunded: int, code: str
) -> events.PaymentReturned:
    return events.PaymentReturned(
        booking_id=case.reference, payment_id=case.id, rider_id=case.rider_id,
        gateway=capture.gateway, amount=amount, due=due, refunded=refunded,
        currency=case.currency, reason=code, key=capture.key,
    )  # fmt: skip
