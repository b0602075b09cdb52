"""The risk of a payment: decided by rules before a gateway is asked, looked at by staff.

``allow`` goes on; ``review`` goes on and is listed for staff; ``block`` is refused as
``risk_blocked``, and passes after staff has cleared it. Amounts are minor units.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound

Decision = Literal["allow", "review", "block"]
Verdict = Literal["cleared", "fraud"]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when a payment is about to be made."""

    amount_minor: int
    hourly: int = 0
    """Other payments of this rider within an hour."""
    declined: int = 0
    """Of this rider's within a day: refused by a bank."""
    method_age_s: float = 0.0
    country: str = ""
    """Of the card; empty = unknown."""
    card_riders: int = 1
    """Riders who have stored this card."""
    network_riders: int = 1
    """Riders who paid from this public address within a day."""
    frauds: int = 0
    """Of this rider, or with this card, that staff found to be fraud."""


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's limits. Scores add up: see docs/gateways.md."""

    review_at: int = 50
    block_at: int = 120
    hourly: int = 10
    """More payments of a rider within an hour are unusual."""
    high_minor: int = 10_000
    """From this amount on a card stored within a day is unusual."""
    countries: list[str] = []
    """Where cards usually come from (ISO 3166); empty = anywhere."""


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about a payment with one method."""

    payment_id: UUID
    method_id: UUID
    rider_id: UUID
    amount_minor: int
    currency: str
    decision: Decision
    score: int
    reasons: list[str]
    """What was unusual: ``velocity``, ``declines``, ... (docs/gateways.md)."""
    verdict: Verdict | None
    note: str
    reviewed_by: str | None
    reviewed_at: datetime | None
    at: datetime


class RiskPage(msgspec.Struct, frozen=True):
    """One page, newest first, and how many there are in all."""

    risks: list[Risk]
    total: int


class UnknownRisk(NotFound):
    """No decision of this payment that somebody has to look at."""

    code = "UNKNOWN_RISK"
    message = "There is nothing to be looked at for this payment."


@query
async def risks(
    call: Call, is_open: bool | None, decision: Decision | None, limit: int, offset: int
) -> RiskPage:
    """Decisions of one kind, or payments in review and blocked ones (``payments.risk.read``).

    ``is_open``: those without a verdict, or those with one; None = both. Of allowed ones, which
    are nearly all there are, only the newest 1000.
    """
    raise AssertionError


@query
async def risk_limits(call: Call) -> RiskLimits:
    """The operator's limits (``payments.risk.read``)."""
    raise AssertionError


@action
async def review_risk(call: Call, payment_id: UUID, verdict: Verdict, note: str) -> Risk:
    """Say what a payment was found to be (``payments.risk.review``); its latest decision.

    May be said anew. No money moves: refund and block by their own actions. ``UnknownRisk``.
    """
    raise AssertionError


@action
async def change_risk_limits(call: Call, wanted: RiskLimits) -> RiskLimits:
    """Replace the operator's limits (``payments.risk.write``). Raises ``Invalid``."""
    raise AssertionError
