"""The comparison of our books with each gateway's own list of charges, refunds and fees (I10)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A charge, a refund or a fee that is not the same on both sides. Amounts in minor units."""

    gateway: str
    kind: str
    """capture | refund | fee | platform_fee (of a capture)"""
    subject: str
    """Our key of the operation, or the gateway's id of one that we do not know."""
    payment_id: UUID | None
    ours_minor: int | None
    """None: we know of none."""
    theirs_minor: int | None
    """None: the gateway lists none."""
    currency: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    age_s: float
    """Since it was first seen, until now or until it was resolved."""


class DifferencePage(msgspec.Struct, frozen=True):
    """One page of differences, those longest open first, and how many there are in all."""

    differences: list[Difference]
    total: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison with a gateway."""

    gateway: str
    at: datetime
    compared: int
    """Charges and refunds on our side."""
    found: int
    """Differences."""
    problem: str | None
    """Why it could not be made: then nothing was changed."""


@query
async def differences(call: Call, with_resolved: bool, limit: int, offset: int) -> DifferencePage:
    """What is not the same (permission ``payments.gateway.read``)."""
    raise AssertionError


@query
async def comparisons(call: Call) -> list[Comparison]:
    """The last comparison with each gateway (permission ``payments.gateway.read``)."""
    raise AssertionError


@action
async def compare(call: Call) -> list[Comparison]:
    """Compare now, the last 35 days, with all gateways that have lists.

    Fees that they tell for the first time are booked. Permission ``payments.gateway.write``. Runs
    each night by itself.
    """
    raise AssertionError
