"""Payments that staff has to look at, and the operator's limits."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.payments.contract import risk as contract

Open = Annotated[
    bool | None, QueryParameter(name="open", description="Without a verdict, or with one")
]
Decided = Annotated[
    contract.Decision | None,
    QueryParameter(description="Only these; of `allow` the newest 1000"),
]
Score = Annotated[int, Meta(ge=1, le=10_000)]
Country = Annotated[str, Meta(min_length=2, max_length=2)]


class RiskView(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about a payment with one method."""

    payment_id: str
    method_id: str
    user_id: str
    amount: float
    currency: str
    decision: str
    score: int
    reasons: list[str]
    verdict: str | None
    note: str
    reviewed_by: str | None
    reviewed_at: str | None
    at: str


class RisksView(msgspec.Struct, frozen=True):
    """One page of decisions."""

    decisions: list[RiskView]
    pagination: web.Pagination


class ReviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it was found to be, and why."""

    verdict: Literal["cleared", "fraud"]
    note: Annotated[str, Meta(max_length=500)] = ""


class RiskLimitsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which score on a payment is looked at and blocked, and what is unusual."""

    review_at: Score
    block_at: Score
    hourly: Score
    high_minor: Annotated[int, Meta(ge=1, le=10**12)]
    """In minor units: from this amount on a card stored within a day is unusual."""
    countries: Annotated[list[Country], Meta(max_length=250)] = []


def _view(found: contract.Risk) -> RiskView:
    return RiskView(
        payment_id=ids.public("pay", found.payment_id),
        method_id=ids.public("pm", found.method_id),
        user_id=ids.public("usr", found.rider_id),
        amount=money.to_major(found.amount_minor, found.currency),
        currency=found.currency,
        decision=found.decision,
        score=found.score,
        reasons=found.reasons,
        verdict=found.verdict,
        note=found.note,
        reviewed_by=found.reviewed_by,
        reviewed_at=None if found.reviewed_at is None else clock.stamp(found.reviewed_at),
        at=clock.stamp(found.at),
    )


@get("/api/v1/risk/decisions", permission="payments.risk.read", tags=["payments"])
async def list_risks(
    call: web.Caller,
    is_open: Open = None,
    decision: Decided = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> RisksView:
    """Payments in review and blocked ones, newest first; or decisions of one kind."""
    page = await contract.risks(call, is_open, decision, limit, offset)
    shown = [_view(each) for each in page.risks]
    return RisksView(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/risk/decisions/{payment_id:str}/review",
    permission="payments.risk.review",
    status_code=200,
    tags=["payments"],
)
async def post_review(
    call: web.Caller, payment_id: FromPath[str], data: JSONBody[ReviewBody]
) -> RiskView:
    """``cleared`` lets a blocked payment pass when it is tried again; ``fraud`` counts from now on.

    No money moves: refund the payment, or block the person, by their own endpoints.
    """
    wanted = ids.parse(payment_id, "pay")
    return _view(await contract.review_risk(call, wanted, data.verdict, data.note))


@get("/api/v1/risk/limits", permission="payments.risk.read", tags=["payments"])
async def get_risk_limits(call: web.Caller) -> contract.RiskLimits:
    """The operator's limits."""
    return await contract.risk_limits(call)


@put("/api/v1/risk/limits", permission="payments.risk.write", tags=["payments"])
async def put_risk_limits(call: web.Caller, data: JSONBody[RiskLimitsBody]) -> contract.RiskLimits:
    """Replace them; they hold for payments decided from now on."""
    wanted = contract.RiskLimits(**msgspec.structs.asdict(data))
    return await contract.change_risk_limits(call, wanted)


handlers = [list_risks, post_review, get_risk_limits, put_risk_limits]
