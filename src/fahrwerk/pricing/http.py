"""Prices over HTTP: many vehicles at once, a quote, an operator's tariffs and promotions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from fahrwerk.kernel import clock, money, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing import contract, rules

VehicleType = Literal["scooter", "ebike", "car", "van"]
Code = Annotated[str, msgspec.Meta(min_length=3, max_length=32, examples=["WELCOME10"])]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=rules.MOST_MINUTES)]


class Price(msgspec.Struct, frozen=True):
    """What one vehicle costs, in decimals of its currency (PRC-11)."""

    vehicle_id: str
    base_fee: float
    price_per_minute: float
    price_per_hour: float
    daily_maximum: float
    currency: str


class Prices(msgspec.Struct, frozen=True):
    """The batch answer; a vehicle that does not exist (any more) is missing in it."""

    prices: list[Price]


class Tariff(msgspec.Struct, frozen=True):
    """An operator's price for one type of vehicle."""

    vehicle_type: str
    unit: str
    """minute | hour: what the operator quotes its price for."""
    base_fee: float
    price_per_minute: float
    price_per_hour: float
    daily_maximum: float
    currency: str
    tax_rate: float
    """Percent."""
    tax_included: bool


class Tariffs(msgspec.Struct, frozen=True):
    """All valid tariffs of the operator."""

    tariffs: list[Tariff]


class NewTariff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of ``price_per_minute`` and ``price_per_hour``; up to four decimals (C-24)."""

    daily_maximum: Decimal
    base_fee: Decimal = Decimal(0)
    price_per_minute: Decimal | None = None
    price_per_hour: Decimal | None = None


class QuoteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ride to price; without a duration, the usual 30 minutes."""

    vehicle_type: VehicleType
    estimated_duration_minutes: Minutes | None = None
    promo_code: Code | None = None


class Breakdown(msgspec.Struct, frozen=True):
    """What a price is made of (PRC-14); ``tax`` is contained when ``tax_included``, else added."""

    base_fee: float
    time_cost: float
    promo_discount: float
    tax: float
    tax_included: bool


class QuoteAnswer(msgspec.Struct, frozen=True):
    """What the ride would cost, and what would be authorised for it before it begins (C-19)."""

    tariff: Tariff
    estimated_duration_minutes: int
    estimated_cost: float
    cost_breakdown: Breakdown
    authorization_amount: float
    currency: str


class NewPromotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A discount by code (PRC-05)."""

    code: Code
    percent: Decimal
    """Up to two decimals, above 0, at most 100."""
    at_most: Decimal | None = None
    valid_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    valid_until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    uses_per_rider: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class PromotionAnswer(msgspec.Struct, frozen=True):
    """A promotion as created."""

    code: str
    percent: float
    at_most: float | None
    currency: str


class PromotionRow(msgspec.Struct, frozen=True):
    """A promotion in the operator's list."""

    code: str
    percent: float
    at_most: float | None
    currency: str
    valid_from: str | None
    valid_until: str | None
    uses_per_rider: int | None
    used: int


class Promotions(msgspec.Struct, frozen=True):
    """A page of promotions, newest first."""

    promotions: list[PromotionRow]
    pagination: web.Pagination


@get(["/api/v1/pricing/batch", "/pricing/batch"], permission="pricing.quote.read", tags=["pricing"])
async def batch(
    call: web.Caller,
    vehicle_ids: Annotated[
        str,
        QueryParameter(max_length=8_000, description="Up to 100 vehicle ids, separated by commas"),
    ],
) -> Prices:
    """Price up to 100 vehicles at once (PRC-11, RNT-07)."""
    wanted = [part.strip() for part in vehicle_ids.split(",") if part.strip()]
    return Prices(
        [
            Price(
                vehicle_id=found.reference,
                base_fee=money.to_major(found.terms.base_fee_minor, found.terms.currency),
                price_per_minute=money.price_to_major(found.terms.price_per_minute_e4),
                price_per_hour=money.price_to_major(found.terms.price_per_hour_e4),
                daily_maximum=money.to_major(found.terms.daily_cap_minor, found.terms.currency),
                currency=found.terms.currency,
            )
            for found in await contract.prices(call, wanted)
        ]
    )


@post("/api/v1/pricing/quote", permission="pricing.quote.read", status_code=200, tags=["pricing"])
async def quote(call: web.Caller, data: JSONBody[QuoteRequest]) -> QuoteAnswer:
    """What a ride would cost, itemised, before it is booked (PRC-14, PRC-17, RNT-34)."""
    found = await contract.quote(
        call, data.vehicle_type, data.estimated_duration_minutes, data.promo_code, call.user
    )
    rating = await contract.rate_ride(call, found.terms, found.minutes * 60)
    currency = rating.currency
    return QuoteAnswer(
        tariff=_tariff(found.terms),
        estimated_duration_minutes=found.minutes,
        estimated_cost=money.to_major(found.estimated_minor, currency),
        cost_breakdown=Breakdown(
            base_fee=money.to_major(rating.base_fee_minor, currency),
            time_cost=money.to_major(rating.time_cost_minor, currency),
            promo_discount=money.to_major(rating.promo_discount_minor, currency),
            tax=money.to_major(rating.tax_minor, currency),
            tax_included=rating.tax_included,
        ),
        authorization_amount=money.to_major(found.hold_minor, currency),
        currency=currency,
    )


@get("/api/v1/tariffs", permission="pricing.quote.read", scoped=True, tags=["pricing"])
async def list_tariffs(call: web.Caller) -> Tariffs:
    """The operator's valid tariffs, one per type of vehicle."""
    return Tariffs([_tariff(terms) for terms in (await contract.tariffs(call)).values()])


@put("/api/v1/tariffs/{vehicle_type:str}", permission="pricing.tariff.write", tags=["pricing"])
async def put_tariff(
    call: web.Caller, vehicle_type: FromPath[str], data: JSONBody[NewTariff]
) -> Tariff:
    """Set the price of a type of vehicle from now on; rides under way keep theirs (PRC-19)."""
    if (data.price_per_minute is None) == (data.price_per_hour is None):
        raise Invalid(field="price_per_minute", issue="give this or price_per_hour, not both")
    unit, price, field = (
        (1, data.price_per_minute, "price_per_minute")
        if data.price_per_minute is not None
        else (60, data.price_per_hour or Decimal(0), "price_per_hour")
    )
    terms = await contract.set_tariff(
        call,
        vehicle_type,
        unit,
        rules.to_minor(data.base_fee, call.currency, "base_fee"),
        rules.to_e4(price, field),
        rules.to_minor(data.daily_maximum, call.currency, "daily_maximum"),
    )
    return _tariff(terms)


@post("/api/v1/promotions", permission="pricing.promotion.write", status_code=201, tags=["pricing"])
async def post_promotion(call: web.Caller, data: JSONBody[NewPromotion]) -> PromotionAnswer:
    """Create a promotion (PRC-05)."""
    most = data.at_most
    made = await contract.add_promotion(
        call,
        data.code,
        rules.to_basis_points(data.percent, "percent"),
        None if most is None else rules.to_minor(most, call.currency, "at_most"),
        data.valid_from,
        data.valid_until,
        data.uses_per_rider,
    )
    return PromotionAnswer(*_promotion(made, call.currency))


@get("/api/v1/promotions", permission="pricing.promotion.read", tags=["pricing"])
async def list_promotions(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> Promotions:
    """The operator's promotions and how often each was used."""
    page = await contract.promotions(call, limit, offset)
    rows = [
        PromotionRow(
            *_promotion(each.promotion, call.currency),
            valid_from=clock.stamp(each.valid_from) if each.valid_from else None,
            valid_until=clock.stamp(each.valid_until) if each.valid_until else None,
            uses_per_rider=each.uses_per_rider,
            used=each.used,
        )
        for each in page.campaigns
    ]
    return Promotions(rows, web.pagination(page.total, limit, offset, len(rows)))


def _tariff(terms: contract.Terms) -> Tariff:
    return Tariff(
        vehicle_type=terms.vehicle_type,
        unit="minute" if terms.unit_minutes == 1 else "hour",
        base_fee=money.to_major(terms.base_fee_minor, terms.currency),
        price_per_minute=money.price_to_major(terms.price_per_minute_e4),
        price_per_hour=money.price_to_major(terms.price_per_hour_e4),
        daily_maximum=money.to_major(terms.daily_cap_minor, terms.currency),
        currency=terms.currency,
        tax_rate=terms.tax_rate_bp / 100,
        tax_included=terms.tax_included,
    )


def _promotion(
    promotion: contract.Promotion, currency: str
) -> tuple[str, float, float | None, str]:
    most = promotion.most_minor
    return (
        promotion.code,
        promotion.percent_bp / 100,
        None if most is None else money.to_major(most, currency),
        currency,
    )


handlers = [batch, quote, list_tariffs, put_tariff, post_promotion, list_promotions]
