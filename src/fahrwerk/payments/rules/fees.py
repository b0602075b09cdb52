"""What a gateway keeps of a capture (PAY-32), or the platform takes. Pure."""

from __future__ import annotations

from decimal import Decimal

from fahrwerk.kernel import money


def fee_of(amount_minor: int, fixed_minor: int, rate_bp: int) -> int:
    """A fixed part and a part of the amount, in basis points: 10 + 1.5 % of 1250 is 29."""
    return fixed_minor + money.round_half_up(Decimal(amount_minor * rate_bp) / 10_000)
