"""What was sold, by day, week or month of the operator's time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query

Period = Literal["day", "week", "month"]
LEAST_DAYS: dict[Period, int] = {"day": 1, "week": 7, "month": 28}
MOST_PERIODS = 400


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """One period, from ``begins`` until before ``ends``; income is positive here."""

    begins: datetime
    ends: datetime
    net_minor: int
    """Sales without tax."""
    tax_minor: int
    """Of the sales, less that of what was given back."""
    refunds_minor: int
    """Given back, without tax: zero or less."""
    total_minor: int
    """The three together: what came in for rides, tax included."""


class Revenue(msgspec.Struct, frozen=True):
    """What was sold in the operator's currency; a period in which nothing was is there too."""

    currency: str
    periods: list[Sold]


@query
async def revenue(call: Call, since: datetime, until: datetime, by: Period) -> Revenue:
    """All periods that ``since`` to ``until`` touch, whole, the oldest first; 400 at most.

    In the operator's zone: a day on which clocks are put back has 25 hours.
    Permission ``payments.ledger.read``. Raises ``Invalid`` (``from``).
    """
    raise AssertionError
