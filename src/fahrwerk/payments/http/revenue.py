"""Revenue by day, week or month, for staff."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from fahrwerk.kernel import clock, money, web
from fahrwerk.payments.contract import revenue as contract

BACK = 6
"""Periods before the last one that are shown when no beginning is given."""

Since = Annotated[
    datetime | None,
    QueryParameter(name="from", description="Not given: seven days, seven weeks, half a year"),
]
Until = Annotated[datetime | None, QueryParameter(name="to", description="Not given: now")]
By = Annotated[contract.Period, QueryParameter(description="How long a period is")]


class SoldView(msgspec.Struct, frozen=True, kw_only=True):
    """One period in the operator's zone, from ``begins`` until before ``ends``."""

    begins: str
    ends: str
    net: float
    """Sales without tax."""
    tax: float
    refunds: float
    """Given back, without tax: zero or less."""
    total: float
    """``net + tax + refunds``."""


class RevenueView(msgspec.Struct, frozen=True, kw_only=True):
    """What was sold, the oldest period first; one in which nothing was is there too."""

    by: contract.Period
    currency: str
    total: float
    periods: list[SoldView]


@get(
    "/api/v1/books/revenue",
    permission="payments.ledger.read",
    limit="analytics",
    tags=["payments"],
)
async def get_revenue(
    call: web.Caller, since: Since = None, until: Until = None, by: By = "day"
) -> RevenueView:
    """What was sold in each period that `from` to `to` touch, whole; at most 400 of them."""
    last = clock.now() if until is None else clock.of_our_days("to", until)
    back = timedelta(days=contract.LEAST_DAYS[by] * BACK)
    first = last - back if since is None else clock.of_our_days("from", since)
    found = await contract.revenue(call, first, last, by)

    def major(amount: int) -> float:
        return money.to_major(amount, found.currency)

    periods = [
        SoldView(
            begins=clock.stamp(each.begins), ends=clock.stamp(each.ends),
            net=major(each.net_minor), tax=major(each.tax_minor),
            refunds=major(each.refunds_minor), total=major(each.total_minor),
        )
        for each in found.periods
    ]  # fmt: skip
    total = major(sum(each.total_minor for each in found.periods))
    return RevenueView(by=by, currency=found.currency, total=total, periods=periods)


handlers = [get_revenue]
