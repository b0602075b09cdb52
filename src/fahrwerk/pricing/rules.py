"""What a ride costs and how much to hold for it. Whole numbers only, rounded half up.

A *day* of a ride is 24 hours counted from its start. Each day's price is computed and rounded once,
then capped; the base fee belongs to the first day and counts towards its cap.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fahrwerk.kernel import money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing.contract import Promotion, Rating, Terms

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

DAY_MINUTES = 1440
USUAL_MINUTES = 30
HOLD_FACTOR = 10  # C-19
MOST_MINUTES = 30 * DAY_MINUTES
MOST_MINOR = 1_000_000_000
MOST_E4 = 100_000_000_000
_CODE = re.compile(r"^[A-Z0-9_-]{3,32}$")


def started_minutes(duration_s: int) -> int:
    """Every minute that has begun counts, the first one at once: 0 s -> 1, 60 s -> 1, 61 s -> 2."""
    return max(1, -(-duration_s // 60))


def rate(terms: Terms, duration_s: int, parking_bonus_minor: int = 0) -> Rating:
    """What a ride of ``duration_s`` costs: base + time + promotion [+ tax] = total (PRC-14)."""
    if duration_s < 0:
        raise Invalid(field="duration_s", issue="must not be negative")
    if parking_bonus_minor < 0:
        raise Invalid(field="parking_bonus_minor", issue="must not be negative")
    minutes = started_minutes(duration_s)
    time_cost = _time_cost(terms, minutes)
    subtotal = terms.base_fee_minor + time_cost
    discount = _discount(terms.promotion, subtotal)
    bonus = min(parking_bonus_minor, subtotal - discount)
    after = subtotal - discount - bonus
    if terms.tax_included:
        tax, total = money.tax_within(after, terms.tax_rate_bp), after
    else:
        tax = money.tax_on(after, terms.tax_rate_bp)
        total = after + tax
    return Rating(
        billed_minutes=minutes,
        base_fee_minor=terms.base_fee_minor,
        time_cost_minor=time_cost,
        promo_discount_minor=-discount,
        tax_minor=tax,
        tax_included=terms.tax_included,
        total_minor=total,
        currency=terms.currency,
        parking_bonus_minor=-bonus,
    )


def hold(terms: Terms, minutes: int) -> int:
    """How much to authorise before a ride of about ``minutes`` (C-19): tax and all.

    Ten times the estimated time price, because riders ride longer than they say; at least the base
    fee and 30 minutes; at most one day's cap; never less than one whole unit of the currency, since
    banks refuse to authorise nothing.
    """
    wanted = max(
        HOLD_FACTOR * _time_price(terms, minutes),
        terms.base_fee_minor + _time_price(terms, USUAL_MINUTES),
        _one(terms.currency),
    )
    wanted = min(wanted, terms.daily_cap_minor)
    return wanted if terms.tax_included else wanted + money.tax_on(wanted, terms.tax_rate_bp)


def _time_cost(terms: Terms, minutes: int) -> int:
    """The time price with the daily cap applied (PRC-18, C-26)."""
    days, rest = divmod(minutes, DAY_MINUTES)
    whole_day = _time_price(terms, DAY_MINUTES)
    first_cap = terms.daily_cap_minor - terms.base_fee_minor
    if days == 0:
        return min(_time_price(terms, rest), first_cap)
    return (
        min(whole_day, first_cap)
        + (days - 1) * min(whole_day, terms.daily_cap_minor)
        + min(_time_price(terms, rest), terms.daily_cap_minor)
    )


def _time_price(terms: Terms, minutes: int) -> int:
    """Minutes at the tariff's price, pro rata of its unit, in minor units."""
    return _half_up(
        terms.price_per_unit_e4 * minutes * _one(terms.currency),
        money.E4 * terms.unit_minutes,
    )


def _discount(promotion: Promotion | None, subtotal: int) -> int:
    """How much a promotion takes off: its share, at most its limit, never more than there is."""
    if promotion is None:
        return 0
    share = _half_up(subtotal * promotion.percent_bp, 10_000)
    return min(share, subtotal, subtotal if promotion.most_minor is None else promotion.most_minor)


def _one(currency: str) -> int:
    """One whole unit of a currency in its minor units: 100 for EUR, 1 for JPY."""
    return int(10 ** money.decimals(currency))


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


_SCALE = {
    "PLN": 4, "SEK": 10, "DKK": 8, "NOK": 10, "CZK": 25, "HUF": 400, "JPY": 100, "KRW": 1000,
    "ISK": 100,
}  # fmt: skip
"""Roughly what one euro buys, so that a new operator's default prices are of a sensible size."""


def default_terms(vehicle_type: str, currency: str) -> tuple[int, int, int, int]:
    """``unit_minutes, base_fee_minor, price_per_unit_e4, daily_cap_minor`` of a new operator.

    Scooters and e-bikes by the minute (PRC-08), cars and vans by the hour (PRC-09).
    """
    scale = _SCALE.get(currency, 1)
    minor = scale * _one(currency)
    if vehicle_type in ("car", "van"):
        return 60, 0, 25_000 * scale, 75 * minor
    return 1, 150 * minor // 100, 2_500 * scale, 75 * minor


def default_promotion(currency: str) -> Promotion:
    """WELCOME10: ten percent, at most one euro's worth (C-22)."""
    scale = _SCALE.get(currency, 1)
    return Promotion("WELCOME10", 1_000, scale * _one(currency))


def check_tariff(
    unit_minutes: int,
    base_fee_minor: int,
    price_per_unit_e4: int,
    daily_cap_minor: int,
    currency: str,
) -> None:
    """Raise ``Invalid`` naming the first thing wrong with a tariff."""
    least_cap = max(base_fee_minor, _one(currency))
    for field, value, least, most in (
        ("unit_minutes", unit_minutes, 1, DAY_MINUTES),
        ("base_fee", base_fee_minor, 0, MOST_MINOR),
        ("price_per_unit", price_per_unit_e4, 0, MOST_E4),
        ("daily_maximum", daily_cap_minor, least_cap, MOST_MINOR),
    ):
        if not least <= value <= most:
            raise Invalid(field=field, issue=f"must be between {least} and {most}")


def to_minor(amount: Decimal, currency: str, field: str) -> int:
    """An amount as people write it, in minor units. Raises ``Invalid`` for a fraction of those."""
    return _whole(amount, _one(currency), field, f"at most {money.decimals(currency)} decimals")


def to_e4(price: Decimal, field: str) -> int:
    """A price as people write it, in ten-thousandths. Raises ``Invalid`` for a finer one."""
    return _whole(price, money.E4, field, "at most 4 decimals")


def to_basis_points(percent: Decimal, field: str) -> int:
    """A percentage as people write it, in basis points. Raises ``Invalid`` for a finer one."""
    return _whole(percent, 100, field, "at most 2 decimals")


def _whole(amount: Decimal, factor: int, field: str, issue: str) -> int:
    # Looked at before it is multiplied: what is huge, or no number at all, cannot be.
    is_sane = amount.is_finite() and 0 <= amount <= MOST_E4
    value = amount * factor if is_sane else amount
    if not is_sane or value > MOST_E4:
        raise Invalid(field=field, issue="must be a number, not negative, not huge")
    if value != value.to_integral_value():
        raise Invalid(field=field, issue=f"must have {issue}")
    return int(value)


def promotion_code(text: str) -> str:
    """The code as stored: without spaces around, in capitals. Raises ``Invalid``."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise Invalid(field="promo_code", issue="must be 3 to 32 letters, digits, - or _")
    return code


def check_promotion(
    percent_bp: int,
    most_minor: int | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    uses_per_rider: int | None,
) -> None:
    """Raise ``Invalid`` naming the first thing wrong with a promotion."""
    if not 1 <= percent_bp <= 10_000:
        raise Invalid(field="percent", issue="must be more than 0 and at most 100")
    if most_minor is not None and not 1 <= most_minor <= MOST_MINOR:
        raise Invalid(field="at_most", issue="must be more than 0")
    if uses_per_rider is not None and not 1 <= uses_per_rider <= 1_000_000:
        raise Invalid(field="uses_per_rider", issue="must be at least 1")
    for field, at in (("valid_from", valid_from), ("valid_until", valid_until)):
        # Near the ends of the calendar another time zone has no such year.
        if at is not None and not 2000 <= at.year < 2100:
            raise Invalid(field=field, issue="must be between the years 2000 and 2100")
    if valid_from and valid_until and valid_until <= valid_from:
        raise Invalid(field="valid_until", issue="must be after valid_from")


def is_usable(
    valid_from: datetime | None,
    valid_until: datetime | None,
    uses_per_rider: int | None,
    used: int,
    now: datetime,
) -> bool:
    """Whether a promotion can be granted now to a rider who has ``used`` it so many times."""
    if valid_from is not None and now < valid_from:
        return False
    if valid_until is not None and now >= valid_until:
        return False
    return uses_per_rider is None or used < uses_per_rider
