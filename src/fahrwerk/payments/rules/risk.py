"""How risky a payment is. Pure: facts and limits in, decision out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.payments.contract.risk import Decision, Facts, RiskLimits

BLOCKED = "risk_blocked"
"""The reason of a payment that was refused before any gateway was asked."""
NEW_CARD_S = 86_400.0
MOST_DECLINED = 3
MOST_NETWORK_RIDERS = 4
MOST_CARD_RIDERS = 2
WEIGHTS = {
    "velocity": 50,
    "declines": 50,
    "new_card_high_amount": 50,
    "country": 40,
    "shared_card": 60,
    "shared_network": 30,
    "known_fraud": 120,
}
_COUNTRY = re.compile(r"[A-Z]{2}")


class Assessment(msgspec.Struct, frozen=True):
    """A decision and what it was made of."""

    decision: Decision
    score: int
    reasons: list[str]


def assess(facts: Facts, limits: RiskLimits) -> Assessment:
    """Add up what is unusual. One sign alone lets a payment pass, if need be to be looked at."""
    is_new = facts.method_age_s < NEW_CARD_S
    signs = {
        "velocity": facts.hourly >= limits.hourly,
        "declines": facts.declined >= MOST_DECLINED,
        "new_card_high_amount": is_new and facts.amount_minor >= limits.high_minor,
        "country": bool(
            limits.countries and facts.country and facts.country not in limits.countries
        ),
        "shared_card": facts.card_riders > MOST_CARD_RIDERS,
        "shared_network": facts.network_riders > MOST_NETWORK_RIDERS,
        "known_fraud": facts.frauds > 0,
    }
    reasons = [sign for sign, is_there in signs.items() if is_there]
    score = sum(WEIGHTS[reason] for reason in reasons)
    if score >= limits.block_at:
        return Assessment("block", score, reasons)
    return Assessment("review" if score >= limits.review_at else "allow", score, reasons)


def checked(limits: RiskLimits) -> RiskLimits:
    """The limits, countries in order. Raises ``Invalid``."""
    if not 1 <= limits.review_at <= limits.block_at <= 10_000:
        raise Invalid(field="block_at", issue="must be at least review_at, both 1 to 10000")
    if not 1 <= limits.hourly <= 10_000:
        raise Invalid(field="hourly", issue="must be 1 to 10000")
    if not 1 <= limits.high_minor <= 10**12:
        raise Invalid(field="high", issue="must be above zero")
    countries = sorted({each.strip().upper() for each in limits.countries})
    if not all(map(_COUNTRY.fullmatch, countries)):
        raise Invalid(field="countries", issue="must be codes of two letters, like DE")
    return msgspec.structs.replace(limits, countries=countries)
