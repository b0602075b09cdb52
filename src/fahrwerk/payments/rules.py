"""How a payment moves: from what is wanted and what the gateway said to the next operation.

A *case* is a payment with all its attempts. ``next_step`` says what to do now, ``settled`` what an
answer of the gateway makes of the case, and which facts follow. Nothing here waits, reads a clock
or talks to anybody, so every order of answers can be tried (tests/payments/test_rules.py).
"""

# long: one state machine, to be read from top to bottom: next step, then each answer
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import events
from fahrwerk.payments.gateways import Kind, Outcome

if TYPE_CHECKING:
    from datetime import datetime

MOST_MINOR = 100_000_000
"""More than any ride costs: an amount above is a mistake, not a payment."""
MOST_REFUSALS = 3
MOST_SENDS = 6
LATE_S = 60.0
"""A request of ours that a gateway has not seen by then is not on its way any more."""
AUTHENTICATION = frozenset({"authentication_failed", "authentication_required"})

_OPEN = ("created", "action_required")
State = Literal["sent", "unknown", "action_required", "succeeded", "declined", "failed"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One operation at the gateway, under one key."""

    kind: Kind
    step: str
    number: int
    key: str
    target: str | None
    gateway: str
    method_ref: str | None
    amount_minor: int
    is_off_session: bool
    state: State = "sent"
    gateway_ref: str | None = None
    result_minor: int | None = None
    reason: str | None = None
    sends: int = 1
    checks: int = 0
    age_s: float = 0.0
    """Since it was first sent."""
    idle_s: float = 0.0
    """Since we last sent it or asked about it."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A payment and everything tried for it, as of one look into the database."""

    id: UUID
    reference: UUID
    rider_id: UUID
    state: str
    currency: str
    amount_minor: int
    authorized_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    due_minor: int | None = None
    is_unwanted: bool = False
    method_id: UUID | None = None
    method_label: str | None = None
    gateway: str | None = None
    transaction_id: str | None = None
    reason: str | None = None
    next_action: dict[str, str] | None = None
    turn: int = 0
    version: int = 0
    method_ref: str | None = None
    """The method's token at the gateway; None when the rider has removed the method."""
    is_leased: bool = False
    attempts: tuple[Attempt, ...] = ()


class Rest(msgspec.Struct, frozen=True):
    """Nothing is to be done."""


class Wait(msgspec.Struct, frozen=True):
    """Something is to be done, but not yet."""

    seconds: float


class Begin(msgspec.Struct, frozen=True):
    """Write this attempt down as sent, then send it."""

    attempt: Attempt


class Resolve(msgspec.Struct, frozen=True):
    """Ask the gateway what became of this attempt."""

    attempt: Attempt


class Close(msgspec.Struct, frozen=True):
    """Nothing is held any more and nothing wanted: the payment is void."""


class GiveUp(msgspec.Struct, frozen=True):
    """The money is owed but not to be had without the rider."""

    reason: str


Step = Rest | Wait | Begin | Resolve | Close | GiveUp


def key_of(payment_id: UUID, kind: Kind, step: str, number: int) -> str:
    """The idempotency key: the same for the same operation, whoever asks and however often."""
    return f"{payment_id.hex}-{kind}-{step}-{number}"


def new_attempt(
    case: Case, kind: Kind, step: str, amount_minor: int, *, target: Attempt | None = None,
    method_ref: str | None = None, is_off_session: bool = False,
) -> Attempt:  # fmt: skip
    """The next attempt at ``step``: numbers go up only after a refusal for good."""
    number = 1 + len([a for a in case.attempts if (a.kind, a.step) == (kind, step)])
    return Attempt(
        kind=kind,
        step=step,
        number=number,
        key=key_of(case.id, kind, step, number),
        target=target.key if target else None,
        gateway=(target.gateway if target else case.gateway) or "",
        method_ref=method_ref,
        amount_minor=amount_minor,
        is_off_session=is_off_session,
    )


def find(case: Case, key: str | None) -> Attempt:
    """The attempt with this key."""
    return next(a for a in case.attempts if a.key == key)


def open_attempt(case: Case) -> Attempt | None:
    """The attempt whose outcome we do not know."""
    return next((a for a in case.attempts if a.state in ("sent", "unknown")), None)


def pause_s(times: int) -> float:
    """How long to leave a gateway alone: 2, 4, 8 ... 60 s; after ten times, an hour."""
    return 3600.0 if times >= 10 else min(60.0, 2.0 * 2**times)


def is_held(case: Case, auth: Attempt) -> bool:
    """True while this authorisation reserves money: neither captured nor voided."""
    return auth.state == "succeeded" and not any(
        a.target == auth.key and a.kind in ("capture", "void") and a.state == "succeeded"
        for a in case.attempts
    )


def is_off(case: Case) -> bool:
    """True when no money is wanted for this payment (any more)."""
    return case.is_unwanted or case.due_minor == 0 or case.state in ("failed", "voided")


def next_step(case: Case) -> Step:
    """What a worker has to do for this payment now."""
    if (attempt := open_attempt(case)) is not None:
        rest = pause_s(attempt.checks) - attempt.idle_s if attempt.state == "unknown" else 0.0
        return Wait(rest) if rest > 0 else Resolve(attempt)
    auths = [a for a in case.attempts if a.kind == "authorize"]
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
                return _change(case, "capture", auth, min(missing, amount))
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


def when_not_found(case: Case, attempt: Attempt) -> Literal["send", "wait", "fail"]:
    """What to do about an attempt the gateway has never seen.

    Sending it again with its key is safe, also when the first try is still on its way. What is not
    wanted any more is not sent; it counts as failed when it can no longer be on its way.
    """
    if attempt.state == "failed":
        return "wait"
    if attempt.kind == "authorize" and is_off(case):
        return "fail" if attempt.age_s >= LATE_S else "wait"
    # Only a hold is ever given up: the payment is closed then, and should the hold turn up after
    # all it is voided. To give up anything else could lead to a second charge beside it.
    is_lost = attempt.kind == "authorize" and attempt.step == "hold" and attempt.sends >= MOST_SENDS
    return "fail" if is_lost else "send"


def with_attempt(case: Case, attempt: Attempt) -> Case:
    """The case with this attempt added, or put in the place of the one with its key."""
    if all(a.key != attempt.key for a in case.attempts):
        return msgspec.structs.replace(case, attempts=(*case.attempts, attempt))
    attempts = tuple(attempt if a.key == attempt.key else a for a in case.attempts)
    return msgspec.structs.replace(case, attempts=attempts)


def changed(case: Case, **fields: Any) -> Case:
    """The case with these fields."""
    return msgspec.structs.replace(case, **fields)


def settled(
    case: Case, key: str, outcome: Outcome, now: datetime, *, is_read: bool
) -> tuple[Case, list[Any]]:
    """What the gateway's answer makes of the case: forward only, and which facts follow.

    ``is_read``: it was asked afterwards what became of it. An amount that is not the one we sent is
    believed only when it was asked about twice: echoes can be wrong.
    """
    attempt = find(case, key)
    if attempt.state in ("succeeded", "declined"):
        return case, []
    ref = outcome.ref or attempt.gateway_ref
    if outcome.kind == "unknown" or not _is_credible(case, attempt, outcome, is_read):
        if attempt.state == "sent":
            attempt = changed_attempt(attempt, state="unknown", gateway_ref=ref)
        return _not_known(with_attempt(case, attempt), attempt)
    if outcome.kind == "action_required":
        attempt = changed_attempt(attempt, state="action_required", gateway_ref=ref)
        return _challenged(with_attempt(case, attempt), attempt, outcome)
    if outcome.kind == "declined":
        attempt = changed_attempt(attempt, state="declined", reason=outcome.code, gateway_ref=ref)
        return _declined(with_attempt(case, attempt), attempt)
    amount = attempt.amount_minor if outcome.amount_minor is None else outcome.amount_minor
    attempt = changed_attempt(attempt, state="succeeded", result_minor=amount, gateway_ref=ref)
    case = with_attempt(case, attempt)
    if attempt.kind == "authorize":
        return _authorised(case, attempt, now)
    if attempt.kind == "capture":
        return _captured(case, attempt)
    if attempt.kind == "void":
        return _voided(case, attempt)
    return _refunded(case, attempt)


def changed_attempt(attempt: Attempt, **fields: Any) -> Attempt:
    """The attempt with these fields."""
    return msgspec.structs.replace(attempt, **fields)


def _is_credible(case: Case, attempt: Attempt, outcome: Outcome, is_read: bool) -> bool:
    amount = outcome.amount_minor
    if outcome.kind != "done" or amount is None or amount == attempt.amount_minor:
        return True
    if attempt.kind == "capture":
        limit = find(case, attempt.target).result_minor or 0
    elif attempt.kind == "refund":
        limit = case.captured_minor - case.refunded_minor
    else:
        limit = MOST_MINOR
    return is_read and attempt.checks >= 2 and 0 < amount <= limit


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
    case = changed(
        case,
        captured_minor=case.captured_minor + (attempt.result_minor or 0),
        transaction_id=case.transaction_id or ids.public("txn", ids.derived(attempt.key)),
    )
    if case.due_minor is None or case.captured_minor < case.due_minor:
        return case, []
    case = changed(case, state="completed", reason=None)
    fact = events.PaymentCompleted(
        case.reference, case.id, attempt.gateway, case.captured_minor, case.currency,
        case.transaction_id or "",
    )  # fmt: skip
    return case, [fact]


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
        case.reference, case.id, amount, case.currency, attempt.reason or ""
    )
    return case, [fact]


def owed(case: Case, reason: str) -> tuple[Case, list[Any]]:
    """Everything was tried: the rest stays due until the rider pays it (PAY-12)."""
    case = changed(case, state="due", reason=reason, next_action=None)
    return case, [events.PaymentFailed(case.reference, case.id, "capture", reason)]


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

    Refunds whose outcome is not known yet count as given back.
    """
    parts: list[tuple[Attempt, int]] = []
    for capture in case.attempts:
        if capture.kind == "capture" and capture.state == "succeeded" and amount > 0:
            given = sum(
                a.amount_minor
                for a in case.attempts
                if a.target == capture.key and a.state in ("sent", "unknown", "succeeded")
            )
            part = min(amount, (capture.result_minor or 0) - given)
            if part > 0:
                parts.append((capture, part))
                amount -= part
    return None if amount > 0 else parts
