"""Captures that a bank account is debited for: under way for days, then done, or never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.payments import events
from fahrwerk.payments.rules.case import changed, changed_attempt, find, with_attempt
from fahrwerk.payments.rules.sepa import BERLIN, bank_days_after

if TYPE_CHECKING:
    from datetime import date, datetime

    from fahrwerk.payments.rules.case import Attempt, Case

LOOK_EVERY_S = 6 * 3600.0
"""Webhooks tell it; who missed one looks himself."""
KNOWN_AFTER = 5
"""Bank days: so long a debit usually takes."""


def expected_on(begun: datetime) -> date:
    """The day by which it usually is known what became of a debit."""
    return bank_days_after(begun.astimezone(BERLIN).date(), KNOWN_AFTER)


def under_way(case: Case) -> Attempt | None:
    """The capture that is being collected."""
    return next((a for a in case.attempts if a.state == "processing"), None)


def collected_for(case: Case, intent: str | None) -> Attempt | None:
    """The capture of a promise that the gateway knows by this id, done or still under way."""
    return next(
        (
            a
            for a in case.attempts
            if a.kind == "capture"
            and a.state in ("processing", "succeeded")
            and (auth := find(case, a.target)).is_promise
            and auth.gateway_ref == intent
        ),
        None,
    )


def is_debit(case: Case, attempt: Attempt) -> bool:
    """True for a capture of something that only was a promise."""
    return attempt.kind == "capture" and find(case, attempt.target).is_promise


def begun(case: Case, capture: Attempt) -> tuple[Case, list[Any]]:
    """The gateway has taken the debit on."""
    fact = events.PaymentProcessing(
        case.reference, case.id, capture.gateway, capture.amount_minor, case.currency, capture.key
    )
    return changed(case, state="processing", reason=None, next_action=None), [fact]


def promised(case: Case, capture: Attempt) -> Case:
    """The case with as much authorised as was captured: that is all a promise was for."""
    auth, amount = find(case, capture.target), capture.result_minor or 0
    more = amount - (auth.result_minor or 0)
    case = with_attempt(case, changed_attempt(auth, result_minor=amount))
    return changed(case, authorized_minor=case.authorized_minor + more)


def not_collected(case: Case, capture: Attempt, code: str) -> tuple[Case, list[Any]]:
    """The debit came to nothing: due, and never debited again by itself (docs/gateways.md)."""
    auth = find(case, capture.target)
    # For good, as the debit: a late webhook about it must not bring it back to life.
    case = with_attempt(case, changed_attempt(auth, state="declined", reason=code))
    case = changed(case, authorized_minor=case.authorized_minor - (auth.result_minor or 0))
    case = changed(case, state="due", reason=code, next_action=None)
    return case, [events.PaymentFailed(case.reference, case.id, "capture", code)]
