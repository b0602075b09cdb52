"""Money is an integer of minor units and a currency; prices per time have four decimals (C-24/25).

``int`` inside, a decimal number at REST, never a float in between: rounding happens once, half up,
where a price becomes an amount.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

DECIMALS = {"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "PLN": 2, "SEK": 2, "DKK": 2, "NOK": 2,
            "CZK": 2, "HUF": 2, "JPY": 0, "KRW": 0, "ISK": 0}  # fmt: skip
"""ISO 4217 exponents of the currencies an operator may choose."""

E4 = 10_000
"""A price such as 0.375 EUR/min is held as 3750 ten-thousandths of the major unit."""


def decimals(currency: str) -> int:
    """Digits after the point in this currency."""
    return DECIMALS[currency]


def to_major(amount_minor: int, currency: str) -> float:
    """What a JSON answer shows: 1275 EUR -> 12.75. Exact for every amount below 2**53."""
    return amount_minor / float(10 ** DECIMALS[currency])


def price_to_major(price_e4: int) -> float:
    """0.375 for 3750."""
    return price_e4 / E4


def round_half_up(value: Decimal) -> int:
    """The one rounding of this house (DIN 1333; as cash registers do)."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def amount_of(price_e4: int, units: Decimal | int, currency: str) -> int:
    """Price times quantity in minor units: ``amount_of(2500, 45, "EUR") == 1125``."""
    return round_half_up(Decimal(price_e4) * units * 10 ** DECIMALS[currency] / E4)


def tax_within(gross_minor: int, rate_bp: int) -> int:
    """The tax contained in a gross amount; ``rate_bp`` in basis points (1900 = 19 %)."""
    return round_half_up(Decimal(gross_minor) * rate_bp / (10_000 + rate_bp))


def tax_on(net_minor: int, rate_bp: int) -> int:
    """The tax to be added to a net amount."""
    return round_half_up(Decimal(net_minor) * rate_bp / 10_000)


def formatted(amount_minor: int, currency: str, locale: str = "en") -> str:
    """For people: ``€12.50`` in English, ``12,50 €`` in German."""
    digits = DECIMALS[currency]
    sign = "-" if amount_minor < 0 else ""
    text = f"{Decimal(abs(amount_minor)).scaleb(-digits):,.{digits}f}"
    symbol = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency, currency)
    if locale.startswith("de"):
        text = text.translate(str.maketrans(",.", ".,"))
        return f"{sign}{text}\u00a0{symbol}"
    return f"{sign}{symbol}{text}" if len(symbol) == 1 else f"{sign}{symbol}\u00a0{text}"
