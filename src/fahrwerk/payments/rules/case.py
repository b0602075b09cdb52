"""What is known about a payment: the payment, its attempts, and simple questions about them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel import money
from fahrwerk.payments.gateways import Kind
from fahrwerk.payments.rules.fees import fee_of

MOST_MINOR = 100_000_000
"""More than any ride costs: an amount above is a mistake, not a payment."""
MOST_REFUSALS = 3
MOST_SENDS = 6
LATE_S = 60.0
"""A request of ours that a gateway has not seen by then is not on its way any more."""
NOT_REACHED = "not_reached"
"""The reason of an authorisation that provably never got to its gateway (yet)."""
LATE = "late"
"""The reason of one that was given up, then done after all while another one was in use."""
MAY_RETURN = frozenset({"sepa"})
"""Gateways whose captures may come back from the rider's bank."""
AUTHENTICATION = frozenset({"authentication_failed", "authentication_required"})

State = Literal[
    "sent", "unknown", "processing", "action_required", "succeeded", "declined", "failed"
]


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
    is_promise: bool = False
    """An authorisation that reserves nothing."""
    platform_fee_minor: int = 0
    """Of a capture what the platform takes, of a refund what it gives back."""
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
    is_prepaid: bool = False
    """For a balance, not a ride: what comes back is a refund, not a debt."""
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
    fee_gateway: str | None = None
    """The gateway where the platform takes a fee of this operator ..."""
    fee_minor: int = 0
    fee_bp: int = 0
    """... once of each payment, and of each capture in basis points."""
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
    fee = 0
    if kind == "capture" and target is not None and target.gateway == case.fee_gateway:
        is_first = not any(a.kind == "capture" and a.state in _LIVE for a in case.attempts)
        fee = fee_of(amount_minor, case.fee_minor if is_first else 0, case.fee_bp)
    elif kind == "refund" and target is not None and target.platform_fee_minor:
        fee = _fee_back(case, target, amount_minor)
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
        platform_fee_minor=min(fee, amount_minor),
    )


_LIVE = ("sent", "unknown", "processing", "succeeded")


def _fee_back(case: Case, capture: Attempt, amount_minor: int) -> int:
    """Of the platform's fee, in proportion: all refunds together give all of it back.

    A refund that failed after it was made has given its part of the fee back all the same.
    """
    before = [a for a in case.attempts if a.kind == "refund" and a.target == capture.key]
    refunded = sum(a.amount_minor for a in before if a.state in _LIVE) + amount_minor
    given = sum(
        a.platform_fee_minor for a in before if a.state in _LIVE or a.result_minor is not None
    )
    whole = capture.result_minor or capture.amount_minor
    share = money.round_half_up(Decimal(capture.platform_fee_minor * refunded) / whole)
    return max(0, share - given)


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


def is_late(case: Case, auth: Attempt) -> bool:
    """True for an authorisation that was given up, then done after all, beside the one in use."""
    return (auth.state, auth.reason) == ("failed", LATE) and not any(
        a.target == auth.key and a.kind == "void" and a.state == "succeeded" for a in case.attempts
    )


def is_untaken(attempt: Attempt) -> bool:
    """True when the gateway provably has not got this authorisation: another one may be asked."""
    return (attempt.state, attempt.reason, attempt.kind) == ("unknown", NOT_REACHED, "authorize")


def hinted(case: Case, key: str | None) -> Attempt | None:
    """What to ask about when a webhook speaks of this key; None: nothing new can have happened.

    A webhook about the payment as a whole may bring the answer to whatever is open. A refund that
    was done may fail days later, a debit may be under way for days, and come back once taken.
    """
    named = next((a for a in case.attempts if a.key == key), None)
    if named is not None and (
        named.state not in ("succeeded", "declined")
        or (named.kind, named.state) == ("refund", "succeeded")
        or (named.kind == "capture" and named.gateway in MAY_RETURN)
    ):
        return named
    waiting = (a for a in case.attempts if a.state == "processing")
    return open_attempt(case) or next(waiting, None)


def is_off(case: Case) -> bool:
    """True when no money is wanted for this payment (any more)."""
    return case.is_unwanted or case.due_minor == 0 or case.state in ("failed", "voided")


def with_attempt(case: Case, attempt: Attempt) -> Case:
    """The case with this attempt added, or put in the place of the one with its key."""
    if all(a.key != attempt.key for a in case.attempts):
        return msgspec.structs.replace(case, attempts=(*case.attempts, attempt))
    attempts = tuple(attempt if a.key == attempt.key else a for a in case.attempts)
    return msgspec.structs.replace(case, attempts=attempts)


def changed(case: Case, **fields: Any) -> Case:
    """The case with these fields."""
    return msgspec.structs.replace(case, **fields)


def changed_attempt(attempt: Attempt, **fields: Any) -> Attempt:
    """The attempt with these fields."""
    return msgspec.structs.replace(attempt, **fields)


def sent_again(attempt: Attempt) -> Attempt:
    """The attempt on its way once more; ``reason`` still says if no sending before arrived."""
    return changed_attempt(attempt, state="sent", sends=attempt.sends + 1)
