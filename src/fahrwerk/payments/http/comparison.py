"""Where a gateway's own list is not ours (I10)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.payments.contract import comparison as doors

Resolved = Annotated[bool, QueryParameter(description="Those too that are gone meanwhile")]


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A charge, a refund or a fee that is not the same on both sides."""

    gateway: str
    kind: str
    """capture, refund, fee (what the gateway kept of a capture) or platform_fee"""
    subject: str
    """Our key of it, or the gateway's id of one that we do not know."""
    payment_id: str | None
    ours: float | None
    """None: we know of none."""
    theirs: float | None
    """None: the gateway lists none."""
    currency: str
    first_seen_at: str
    last_seen_at: str
    resolved_at: str | None
    age_s: float


class DifferencesView(msgspec.Struct, frozen=True):
    """A page of differences, those longest open first."""

    differences: list[DifferenceView]
    pagination: web.Pagination


class ComparisonView(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison with a gateway."""

    gateway: str
    at: str
    compared: int
    found: int
    problem: str | None


class ComparisonsView(msgspec.Struct, frozen=True):
    """One for each gateway."""

    comparisons: list[ComparisonView]


@get("/api/v1/gateway-differences", permission="payments.gateway.read", tags=["payments"])
async def list_differences(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0, resolved: Resolved = False
) -> DifferencesView:
    """Charges, refunds and fees that are not the same here and at the gateway, with their age."""
    page = await doors.differences(call, resolved, limit, offset)
    rows = [_difference(each) for each in page.differences]
    return DifferencesView(rows, web.pagination(page.total, limit, offset, len(rows)))


@get("/api/v1/gateway-comparisons", permission="payments.gateway.read", tags=["payments"])
async def list_comparisons(call: web.Caller) -> ComparisonsView:
    """When each gateway was compared last, and what was found."""
    return _comparisons(await doors.comparisons(call))


@post(
    "/api/v1/gateway-comparisons",
    permission="payments.gateway.write",
    status_code=200,
    tags=["payments"],
)
async def post_comparison(call: web.Caller) -> ComparisonsView:
    """Compare the last 35 days with all gateways now; each night it happens by itself."""
    return _comparisons(await doors.compare(call))


def _comparisons(found: list[doors.Comparison]) -> ComparisonsView:
    return ComparisonsView(
        [
            ComparisonView(
                gateway=each.gateway,
                at=clock.stamp(each.at),
                compared=each.compared,
                found=each.found,
                problem=each.problem,
            )
            for each in found
        ]
    )


def _difference(each: doors.Difference) -> DifferenceView:
    def major(amount: int | None) -> float | None:
        return None if amount is None else money.to_major(amount, each.currency)

    return DifferenceView(
        gateway=each.gateway,
        kind=each.kind,
        subject=each.subject,
        payment_id=None if each.payment_id is None else ids.public("pay", each.payment_id),
        ours=major(each.ours_minor),
        theirs=major(each.theirs_minor),
        currency=each.currency,
        first_seen_at=clock.stamp(each.first_seen_at),
        last_seen_at=clock.stamp(each.last_seen_at),
        resolved_at=None if each.resolved_at is None else clock.stamp(each.resolved_at),
        age_s=each.age_s,
    )


handlers = [list_differences, list_comparisons, post_comparison]
