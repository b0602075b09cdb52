"""Where a gateway's list of charges, refunds and fees is not ours. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.payments.gateways._offers import Listed


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """A charge or refund of ours that was carried out."""

    payment_id: UUID
    reference: UUID
    """What was paid for."""
    kind: Literal["capture", "refund"]
    key: str
    auth_key: str | None
    """Of the authorisation it belongs to."""
    intent: str | None
    """The gateway's id of that."""
    amount_minor: int
    currency: str
    at: datetime
    fee_minor: int | None = None
    """Of a charge: what is booked as kept by the gateway; None: nothing yet."""
    platform_fee_minor: int = 0
    """Of a charge: what is booked as taken by the platform."""


class Span(msgspec.Struct, frozen=True):
    """What is reported: ours until ``settled``, as lists lag behind; theirs until ``until``."""

    since: datetime
    settled: datetime
    until: datetime


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    kind: Literal["capture", "refund", "fee", "platform_fee"]
    subject: str
    payment_id: UUID | None
    ours_minor: int | None
    theirs_minor: int | None
    currency: str


class Pair(NamedTuple):
    """One of ours, and what the gateway lists of it."""

    own: Ours
    other: Listed | None


def paired(ours: Sequence[Ours], theirs: Sequence[Listed]) -> list[Pair]:
    """Each of ours beside theirs.

    A charge is theirs when it has our key (or that of its authorisation), or belongs to the same
    authorisation there, which is captured once at most; a refund by our key only.
    """
    by_key = {(each.kind, each.key): each for each in theirs if each.key is not None}
    by_intent = {each.intent: each for each in theirs if each.kind == "capture" and each.intent}
    found: list[Pair] = []
    for own in ours:
        other = by_key.get((own.kind, own.key))
        if other is None and own.kind == "capture":
            other = by_key.get((own.kind, own.auth_key or "")) or by_intent.get(own.intent or "")
        found.append(Pair(own, other))
    return found


def unbooked(pairs: Sequence[Pair]) -> list[tuple[Ours, int]]:
    """Charges whose fee the gateway tells for the first time, and that fee."""
    return [
        (own, other.fee_minor)
        for own, other in pairs
        if other is not None and other.fee_minor is not None and other.fee_minor >= 0
        and own.kind == "capture" and own.fee_minor is None and own.currency == other.currency
    ]  # fmt: skip


def compared(pairs: Sequence[Pair], theirs: Sequence[Listed], span: Span) -> list[Differs]:
    """All differences. Both lists may begin before ``since``: pairs are found across it."""
    found: list[Differs] = []
    seen: set[str] = set()
    for own, other in pairs:
        if other is not None:
            seen.add(other.ref)
            if span.since <= own.at <= span.until:
                found += _fees(own, other)
        said = None if other is None else other.amount_minor
        same = other is not None and (said, other.currency) == (own.amount_minor, own.currency)
        if not same and span.since <= own.at <= (span.settled if other is None else span.until):
            found.append(
                Differs(
                    kind=own.kind, subject=own.key, payment_id=own.payment_id,
                    ours_minor=own.amount_minor, theirs_minor=said, currency=own.currency,
                )
            )  # fmt: skip
    found += [
        Differs(
            kind=each.kind, subject=each.ref, payment_id=None, ours_minor=None,
            theirs_minor=each.amount_minor, currency=each.currency,
        )
        for each in theirs
        if each.ref not in seen and span.since <= each.at <= span.until
    ]  # fmt: skip
    return found


def _fees(own: Ours, other: Listed) -> list[Differs]:
    """What was kept of a charge, as far as it is told there and booked here."""
    if own.kind != "capture" or own.currency != other.currency:
        return []
    kept: list[tuple[Literal["fee", "platform_fee"], int | None, int | None]] = [
        ("fee", own.fee_minor, other.fee_minor),
        ("platform_fee", own.platform_fee_minor, other.platform_fee_minor),
    ]
    return [
        Differs(
            kind=kind, subject=own.key, payment_id=own.payment_id, ours_minor=here,
            theirs_minor=there, currency=own.currency,
        )
        for kind, here, there in kept if None not in (here, there) and here != there
    ]  # fmt: skip
