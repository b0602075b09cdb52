"""How a payment moves: from what is wanted and what the gateway said to the next operation.

A *case* is a payment with all its attempts. ``next_step`` says what to do now, ``settled`` what an
answer of the gateway makes of the case, and which facts follow. Nothing here waits, reads a clock
or talks to anybody, so every order of answers can be tried (tests/payments/test_rules.py).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import events
from fahrwerk.payments.gateways import Kind, Outcome
from fahrwerk.payments.rules import debits
from fahrwerk.payments.rules.case import AUTHENTICATION as AUTHENTICATION
from fahrwerk.payments.rules.case import LATE as LATE
from fahrwerk.payments.rules.case import LATE_S as LATE_S
from fahrwerk.payments.rules.case import MOST_MINOR as MOST_MINOR
from fahrwerk.payments.rules.case import MOST_REFUSALS as MOST_REFUSALS
from fahrwerk.payments.rules.case import MOST_SENDS as MOST_SENDS
from fahrwerk.payments.rules.case import NOT_REACHED as NOT_REACHED
from fahrwerk.payments.rules.case import Attempt as Attempt
from fahrwerk.payments.rules.case import Begin as Begin
from fahrwerk.payments.rules.case import Case as Case
from fahrwerk.payments.rules.case import Close as Close
from fahrwerk.payments.rules.case import GiveUp as GiveUp
from fahrwerk.payments.rules.case import Resolve as Resolve
from fahrwerk.payments.rules.case import Rest as Rest
from fahrwerk.payments.rules.case import State as State
from fahrwerk.payments.rules.case import Step as Step
from fahrwerk.payments.rules.case import Wait as Wait
from fahrwerk.payments.rules.case import changed as changed
from fahrwerk.payments.rules.case import changed_attempt as changed_attempt
from fahrwerk.payments.rules.case import find as find
from fahrwerk.payments.rules.case import hinted as hinted
from fahrwerk.payments.rules.case import is_held as is_held
from fahrwerk.payments.rules.case import is_late as is_late
from fahrwerk.payments.rules.case import is_off as is_off
from fahrwerk.payments.rules.case import is_untaken as is_untaken
from fahrwerk.payments.rules.case import key_of as key_of
from fahrwerk.payments.rules.case import new_attempt as new_attempt
from fahrwerk.payments.rules.case import open_attempt as open_attempt
from fahrwerk.payments.rules.case import pause_s as pause_s
from fahrwerk.payments.rules.case import sent_again as sent_again
from fahrwerk.payments.rules.case import with_attempt as with_attempt
from fahrwerk.payments.rules.returns import returned

if TYPE_CHECKING:
    from datetime import datetime

_OPEN = ("created", "action_required")
BY_HAND = "byhand"
"""Stands where a gateway's name would, for money that came another way."""


def next_step(case: Case) -> Step:
    """What a worker has to do for this payment now."""
    if (attempt := open_attempt(case)) is not None:
        rest = pause_s(attempt.checks) - attempt.idle_s if attempt.state == "unknown" else 0.0
        return Wait(rest) if rest > 0 else Resolve(attempt)
    if (debit := debits.under_way(case)) is not None:
        rest = debits.LOOK_EVERY_S - debit.idle_s
        return Wait(rest) if rest > 0 else Resolve(debit)
    auths = [a for a in case.attempts if a.kind == "authorize"]
    if (late := next((a for a in auths if is_late(case, a)), None)) is not None:
        return _change(case, "void", late, late.amount_minor)
    if is_off(case):
        for auth in auths:
            if is_held(case, auth) or auth.state == "action_required":
                return _change(case, "void", auth, auth.result_minor or auth.amount_minor)
        return Rest() if case.state in ("failed", "voided") or case.captured_minor else Close()
    if case.due_minor is None:
        return Rest()
    missing = case.due_minor - case.captured_minor
    for auth in auths:
        if auth.state == "action_required" and auth.is_off_session:
            return _change(case, "void", auth, auth.amount_minor)
        if is_held(case, auth):
            amount = auth.result_minor or auth.amount_minor
            if missing > 0 and len(_captures_refused(case, auth)) < MOST_REFUSALS:
                taken = missing if auth.is_promise else min(missing, amount)
                return _change(case, "capture", auth, taken)
            return _change(case, "void", auth, amount)
    if missing <= 0 or case.state == "due":
        return Rest()
    return _collect(case, missing)


def _collect(case: Case, missing: int) -> Step:
    """What the hold did not cover is charged to the same method, without the rider (C-19)."""
    for auth in case.attempts:
        refusals = _captures_refused(case, auth)
        if len(refusals) >= MOST_REFUSALS:
            return GiveUp(refusals[-1].reason or "capture_failed")
    if case.method_ref is None:
        return GiveUp("no_payment_method")
    step = extra_step(case)
    refused = [a for a in case.attempts if a.kind == "authorize" and a.step == step]
    if len(refused) >= MOST_REFUSALS or any(a.reason in AUTHENTICATION for a in refused):
        return GiveUp(refused[-1].reason or "declined")
    if refused and (rest := pause_s(len(refused)) - refused[-1].idle_s) > 0:
        return Wait(rest)
    return Begin(
        new_attempt(
            case, "authorize", step, missing, method_ref=case.method_ref, is_off_session=True
        )
    )


def extra_step(case: Case) -> str:
    """The name of the next authorisation beyond the hold: extra.1, extra.2, ..."""
    done = {
        a.step
        for a in case.attempts
        if a.kind == "authorize" and a.step != "hold" and a.state == "succeeded"
    }
    return f"extra.{len(done) + 1}"


def _change(case: Case, kind: Kind, auth: Attempt, amount: int) -> Step:
    """Capture or void an authorisation: at once, or after a pause when it was refused before."""
    refused = [a for a in case.attempts if a.kind == kind and a.step == _aim(auth)]
    if refused and (rest := pause_s(len(refused)) - refused[-1].idle_s) > 0:
        return Wait(rest)
    return Begin(new_attempt(case, kind, _aim(auth), amount, target=auth))


def _aim(auth: Attempt) -> str:
    """The step of what acts on this authorisation."""
    return f"{auth.step}.{auth.number}"


def _captures_refused(case: Case, auth: Attempt) -> list[Attempt]:
    return [
        a for a in case.attempts
        if a.target == auth.key and a.kind == "capture" and a.state == "declined"
    ]  # fmt: skip


def step_to_authorise(case: Case, method_ref: str) -> Step:
    """What to do when the rider wants to pay with this method and the booking is still open."""
    if (attempt := open_attempt(case)) is not None:
        return Resolve(attempt)
    if any(is_held(case, a) for a in case.attempts if a.kind == "authorize"):
        return Rest()
    for auth in case.attempts:
        if auth.kind == "authorize" and auth.state == "action_required":
            # A challenge is under way. The same card: see how it went. Another one: drop it first.
            if auth.method_ref == method_ref:
                return Resolve(auth)
            return _change(case, "void", auth, auth.amount_minor)
    if case.state == "due" and case.due_minor is not None:
        missing = case.due_minor - case.captured_minor
        step = extra_step(case)
        return Begin(new_attempt(case, "authorize", step, missing, method_ref=method_ref))
    return Begin(new_attempt(case, "authorize", "hold", case.amount_minor, method_ref=method_ref))


def abandoned(case: Case, attempt: Attempt) -> Case:
    """Given up before it was taken (``is_untaken``), for another gateway to be asked (PAY-02)."""
    return with_attempt(
        case, changed_attempt(attempt, state="failed", reason="gateway_unreachable")
    )


def when_not_found(case: Case, attempt: Attempt) -> Literal["send", "wait", "fail"]:
    """What to do about an attempt the gateway has never seen.

    Sending it again with its key is safe, also when the first try is still on its way. What is not
    wanted any more is not sent; it counts as failed when it can no longer be on its way.
    """
    if attempt.state in ("failed", "succeeded", "declined", "processing"):
        return "wait"
    if attempt.kind == "authorize" and is_off(case):
        return "fail" if attempt.age_s >= LATE_S else "wait"
    # Only a hold is ever given up: the payment is closed then, and should the hold turn up after
    # all it is voided. To give up anything else could lead to a second charge beside it.
    is_lost = attempt.kind == "authorize" and attempt.step == "hold" and attempt.sends >= MOST_SENDS
    return "fail" if is_lost else "send"


def settled(
    case: Case, key: str, outcome: Outcome, now: datetime, *, is_read: bool
) -> tuple[Case, list[Any]]:
    """What the gateway's answer makes of the case: forward only, and which facts follow.

    ``is_read``: it was asked afterwards what became of it. An amount that is not the one we sent is
    believed only when it was asked about twice: echoes can be wrong.
    """
    attempt = find(case, key)
    if (attempt.kind, attempt.state, outcome.kind) == ("refund", "succeeded", "declined"):
        return _refund_failed(case, attempt, outcome.code or "refund_failed")
    if (attempt.kind, attempt.state, outcome.kind) == ("capture", "succeeded", "returned"):
        return returned(case, attempt, outcome.amount_minor or 0, outcome.code or "returned")
    if attempt.state in ("succeeded", "declined"):
        return case, []
    if (attempt.state, outcome.kind) == ("processing", "processing"):
        return case, []
    ref = outcome.ref or attempt.gateway_ref
    if outcome.kind == "unknown" or not _is_credible(case, attempt, outcome, is_read):
        if attempt.state == "sent":
            reason = attempt.reason
            if attempt.kind == "authorize":
                reason = NOT_REACHED if _never_left(attempt, outcome, is_read) else None
            attempt = changed_attempt(attempt, state="unknown", gateway_ref=ref, reason=reason)
        return _not_known(with_attempt(case, attempt), attempt)
    if attempt.state == "failed" and outcome.kind != "declined" and _is_replaced(case, attempt):
        attempt = changed_attempt(attempt, reason=LATE, gateway_ref=ref)
        return with_attempt(case, attempt), []
    if outcome.kind == "action_required":
        attempt = changed_attempt(attempt, state="action_required", gateway_ref=ref)
        return _challenged(with_attempt(case, attempt), attempt, outcome)
    if outcome.kind == "processing":
        attempt = changed_attempt(attempt, state="processing", gateway_ref=ref)
        return debits.begun(with_attempt(case, attempt), attempt)
    if outcome.kind in ("declined", "returned"):
        attempt = changed_attempt(attempt, state="declined", reason=outcome.code, gateway_ref=ref)
        if debits.is_debit(case, attempt):
            code = outcome.code or "debit_failed"
            return debits.not_collected(with_attempt(case, attempt), attempt, code)
        return _declined(with_attempt(case, attempt), attempt)
    amount = attempt.amount_minor if outcome.amount_minor is None else outcome.amount_minor
    attempt = changed_attempt(attempt, state="succeeded", result_minor=amount, gateway_ref=ref)
    if attempt.kind == "authorize":
        attempt = changed_attempt(attempt, reason=None, is_promise=outcome.is_promise)
    case = with_attempt(case, attempt)
    if attempt.kind == "authorize":
        return _authorised(case, attempt, now)
    if attempt.kind == "capture":
        return _captured(case, attempt)
    if attempt.kind == "void":
        return _voided(case, attempt)
    return _refunded(case, attempt)


def _is_credible(case: Case, attempt: Attempt, outcome: Outcome, is_read: bool) -> bool:
    amount = outcome.amount_minor
    if outcome.kind != "done" or amount is None or amount == attempt.amount_minor:
        return True
    if attempt.kind == "capture":
        limit = find(case, attempt.target).result_minor or 0  # of a debit: what we have sent
    elif attempt.kind == "refund":
        limit = case.captured_minor - case.refunded_minor
    else:
        limit = MOST_MINOR
    return is_read and attempt.checks >= 2 and 0 < amount <= limit


def _never_left(attempt: Attempt, outcome: Outcome, is_read: bool) -> bool:
    """True when this and all sendings before provably did not reach the gateway.

    That nobody could be asked *afterwards* (``is_read``) proves nothing: it may have been taken by
    then, and whoever sent it have died.
    """
    first_or_like_the_first = attempt.sends == 1 or attempt.reason == NOT_REACHED
    is_clean = not is_read and attempt.gateway_ref is None and first_or_like_the_first
    return is_clean and outcome.code == NOT_REACHED


def _is_replaced(case: Case, attempt: Attempt) -> bool:
    """True when another attempt at the same step lives: two of them must not."""
    return any(
        (a.kind, a.step) == (attempt.kind, attempt.step) and a.state not in ("declined", "failed")
        for a in case.attempts
    )


def _not_known(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    is_hold = attempt.kind == "authorize" and attempt.step == "hold"
    if not is_hold or attempt.state != "unknown" or case.state not in _OPEN:
        return case, []
    case = changed(case, state="unknown", reason=None, next_action=None)
    return case, [events.PaymentPending(case.reference, case.id)]


def _challenged(case: Case, attempt: Attempt, outcome: Outcome) -> tuple[Case, list[Any]]:
    if is_off(case):
        return case, []
    case = changed(case, next_action=outcome.next_action)
    if case.state not in ("created", "unknown"):
        return case, []
    case = changed(case, state="action_required", reason=None)
    return case, [events.PaymentActionRequired(case.reference, case.id, None)]


def _declined(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    """A refused hold ends the payment, unless it was 3-D Secure that failed (RNT-23, RNT-24)."""
    if attempt.kind != "authorize" or case.state in ("failed", "voided"):
        return case, []
    case = changed(case, next_action=None)
    reason = attempt.reason or "declined"
    if attempt.step != "hold":
        return changed(case, reason=reason), []
    if reason in AUTHENTICATION and not is_off(case):
        case = changed(case, state="action_required", reason=reason)
        return case, [events.PaymentActionRequired(case.reference, case.id, reason)]
    return hold_failed(case, reason)


def hold_failed(case: Case, reason: str) -> tuple[Case, list[Any]]:
    """Nothing was authorised and nothing will be."""
    case = changed(case, state="failed", reason=reason, next_action=None)
    return case, [events.PaymentFailed(case.reference, case.id, "authorize", reason)]


def _authorised(case: Case, attempt: Attempt, now: datetime) -> tuple[Case, list[Any]]:
    amount = attempt.result_minor or 0
    case = changed(case, authorized_minor=case.authorized_minor + amount, next_action=None)
    if attempt.step != "hold":
        return case, []
    if amount != attempt.amount_minor:
        return hold_failed(changed(case, is_unwanted=True), "amount_mismatch")
    fact = events.PaymentAuthorized(
        case.reference, case.id, attempt.gateway, amount, case.currency, now
    )
    if case.state in ("failed", "voided"):
        return case, [fact]  # late: nobody wants it any more, and next_step gives it back (I12)
    return changed(case, state="authorized", reason=None), [fact]


def _captured(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    if debits.is_debit(case, attempt):
        case = debits.promised(case, attempt)
    case = changed(
        case,
        captured_minor=case.captured_minor + (attempt.result_minor or 0),
        transaction_id=case.transaction_id or ids.public("txn", ids.derived(attempt.key)),
    )
    captured = events.PaymentCaptured(
        case.reference, case.id, attempt.gateway, attempt.result_minor or 0, case.currency,
        attempt.key, case.rider_id, attempt.platform_fee_minor,
    )  # fmt: skip
    if case.due_minor is None or case.captured_minor < case.due_minor:
        return case, [captured]
    case = changed(case, state="completed", reason=None)
    fact = events.PaymentCompleted(
        case.reference, case.id, attempt.gateway, case.captured_minor, case.currency,
        case.transaction_id or "",
    )  # fmt: skip
    return case, [captured, fact]


def _voided(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    auth = find(case, attempt.target)
    amount = (auth.result_minor or 0) if auth.state == "succeeded" else 0
    if auth.state == "action_required":
        auth = changed_attempt(auth, state="failed", reason="canceled")
        case = changed(with_attempt(case, auth), next_action=None)
    case = changed(case, authorized_minor=case.authorized_minor - amount)
    if not is_off(case) or not isinstance(next_step(case), Rest | Close):
        return case, []
    return closed(case, amount)


def closed(case: Case, amount: int = 0) -> tuple[Case, list[Any]]:
    """Nothing is held any more. A payment that failed stays failed."""
    if case.state != "failed":
        case = changed(case, state="voided")
    return changed(case, next_action=None), [
        events.PaymentVoided(case.reference, case.id, amount, case.currency)
    ]


def _refunded(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    amount = attempt.result_minor or 0
    case = changed(case, refunded_minor=case.refunded_minor + amount)
    if case.refunded_minor >= case.captured_minor:
        case = changed(case, state="refunded")
    fact = events.PaymentRefunded(
        case.reference, case.id, amount, case.currency, "requested", attempt.gateway,
        attempt.key, case.rider_id, attempt.platform_fee_minor,
    )  # fmt: skip
    return case, [fact]


def _refund_failed(case: Case, attempt: Attempt, code: str) -> tuple[Case, list[Any]]:
    """The bank sent a refund back: the money is ours again, and still the rider's due (PAY-13)."""
    amount = attempt.result_minor or 0
    case = with_attempt(case, changed_attempt(attempt, state="declined", reason=code))
    case = changed(case, refunded_minor=case.refunded_minor - amount)
    if case.state == "refunded":
        case = changed(case, state="completed")
    fact = events.PaymentRefundFailed(
        case.reference, case.id, amount, case.currency, code, attempt.gateway, attempt.key
    )
    return case, [fact]


def owed(case: Case, reason: str) -> tuple[Case, list[Any]]:
    """Everything was tried: the rest stays due until the rider pays it (PAY-12)."""
    case = changed(case, state="due", reason=reason, next_action=None)
    return case, [events.PaymentFailed(case.reference, case.id, "capture", reason)]


def paid_by_hand(case: Case, amount: int, ref: str) -> tuple[Case, list[Any]]:
    """Money for a payment that is due came another way: as if authorised and captured (PAY-28)."""
    step = extra_step(case)
    auth = new_attempt(changed(case, gateway=BY_HAND), "authorize", step, amount)
    auth = changed_attempt(auth, state="succeeded", result_minor=amount, gateway_ref=ref)
    case = with_attempt(changed(case, authorized_minor=case.authorized_minor + amount), auth)
    capture = new_attempt(case, "capture", _aim(auth), amount, target=auth)
    capture = changed_attempt(capture, state="succeeded", result_minor=amount, gateway_ref=ref)
    return _captured(with_attempt(case, capture), capture)


def refunded_by_hand(
    case: Case, failed: Attempt, step: str, note: str
) -> tuple[Case, list[Any]] | None:
    """A refund that its gateway did not make was paid out another way; None: there is no room."""
    capture, amount = find(case, failed.target), failed.amount_minor
    if capture.state != "succeeded" or amount > refundable(case, capture):
        return None
    back = new_attempt(case, "refund", step, amount, target=capture)
    back = changed_attempt(
        back, gateway=BY_HAND, state="succeeded", result_minor=amount, gateway_ref=step,
        reason=note, platform_fee_minor=0,
    )  # fmt: skip
    return _refunded(with_attempt(case, back), back)


def by_hand(case: Case, ref: str) -> Attempt | None:
    """What was recorded under this reference before."""
    return next((a for a in case.attempts if (a.kind, a.gateway_ref) == ("capture", ref)), None)


def not_sent(case: Case, attempt: Attempt) -> tuple[Case, list[Any]]:
    """The gateway provably never saw this authorisation, and it is not sent again."""
    attempt = changed_attempt(attempt, state="failed", reason="gateway_unreachable")
    case = with_attempt(case, attempt)
    if attempt.step != "hold" or is_off(case):
        return case, []
    return hold_failed(case, "gateway_unreachable")


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount as people write it, in minor units. Raises ``Invalid`` for a fraction of those."""
    is_sane = amount.is_finite() and amount <= MOST_MINOR  # what is huge cannot be multiplied
    minor = amount.scaleb(money.decimals(currency)) if is_sane else Decimal(-1)
    if not 0 < minor <= MOST_MINOR or minor != minor.to_integral_value():
        raise Invalid(
            field="amount",
            issue=f"must be more than 0, with at most {money.decimals(currency)} decimals",
        )
    return int(minor)


def split_refund(case: Case, amount: int) -> list[tuple[Attempt, int]] | None:
    """Which captures to refund how much of, oldest first; None when there is not that much left.

    What came by hand goes back by hand.
    """
    parts: list[tuple[Attempt, int]] = []
    for capture in case.attempts:
        is_captured = (capture.kind, capture.state) == ("capture", "succeeded")
        if is_captured and capture.gateway != BY_HAND and amount > 0:
            part = min(amount, refundable(case, capture))
            if part > 0:
                parts.append((capture, part))
                amount -= part
    return None if amount > 0 else parts


def refundable(case: Case, capture: Attempt) -> int:
    """What is left of a capture; refunds whose outcome is not known yet count as given back."""
    given = sum(
        a.amount_minor
        for a in case.attempts
        if a.target == capture.key and a.state in ("sent", "unknown", "succeeded")
    )
    return (capture.result_minor or 0) - given
