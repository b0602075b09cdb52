"""Reads of pricing: valid tariffs (cached for seconds), quotes, ratings, promotions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.kernel.privacy import Holdings, Section, Text
from fahrwerk.pricing import rules
from fahrwerk.pricing.contract import (
    Campaign,
    CampaignPage,
    NoTariff,
    Promotion,
    Quote,
    Rating,
    Terms,
    UnknownPromotion,
    VehiclePrice,
)
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

CACHED_S = 5.0
MOST_VEHICLES = 100
_MOST_TENANTS = 10_000


class _Cached(NamedTuple):
    until: float
    terms: dict[str, Terms]


_cache: dict[UUID | None, _Cached] = {}
_changes = 0


def changed(tenant: UUID | None) -> str:
    """The signal that tells every process that an operator's tariffs changed."""
    return f"pricing.tariff:{tenant}"


def _forget(signal: str) -> None:
    global _changes
    _changes += 1
    for tenant in [t for t in _cache if changed(t) == signal]:
        del _cache[tenant]


hub.hear("pricing.tariff", _forget)

_VALID = """
SELECT id, vehicle_type, unit_minutes, base_fee_minor, price_per_unit_e4, daily_cap_minor, currency
FROM pricing.tariff WHERE tenant_id = kernel.tenant() AND valid_until IS NULL
ORDER BY vehicle_type
"""


async def tariffs(call: Call) -> dict[str, Terms]:
    """See the contract."""
    found = _cache.get(call.tenant)
    if found is not None and time.monotonic() < found.until:
        return dict(found.terms)
    before = _changes
    operator, rows = await asyncio.gather(tenancy.operator(call), db.run("pricing", call, _VALID))
    terms = {row["vehicle_type"]: _terms(row, operator) for row in rows}
    # A change heard while we were reading may not be in what we read: answer it, do not keep it.
    if before == _changes:
        if len(_cache) >= _MOST_TENANTS:
            _cache.clear()
        _cache[call.tenant] = _Cached(time.monotonic() + CACHED_S, terms)
    return dict(terms)


def _terms(row: Any, operator: tenancy.Operator) -> Terms:
    return Terms(
        tariff_id=row["id"],
        vehicle_type=row["vehicle_type"],
        unit_minutes=row["unit_minutes"],
        base_fee_minor=row["base_fee_minor"],
        price_per_unit_e4=row["price_per_unit_e4"],
        daily_cap_minor=row["daily_cap_minor"],
        currency=row["currency"],
        tax_rate_bp=operator.tax_rate_bp,
        tax_included=operator.tax_included,
    )


async def prices(call: Call, vehicles: list[str]) -> list[VehiclePrice]:
    """See the contract."""
    if not 1 <= len(vehicles) <= MOST_VEHICLES:
        raise Invalid(field="vehicle_ids", issue=f"must name 1 to {MOST_VEHICLES} vehicles")
    known, types = await asyncio.gather(
        tariffs(call), asyncio.gather(*(_type_of(call, reference) for reference in vehicles))
    )
    return [
        VehiclePrice(reference, known[kind])
        for reference, kind in zip(vehicles, types, strict=True)
        if kind in known
    ]


async def _type_of(call: Call, reference: str) -> str:
    try:
        return (await fleet.find_vehicle(call, reference)).vehicle_type
    except NotFound:
        return ""


_PROMOTION = """
SELECT p.code, p.percent_bp, p.most_minor, p.valid_from, p.valid_until, p.uses_per_rider,
       (SELECT count(*) FROM pricing.redemption r WHERE r.tenant_id = p.tenant_id
        AND r.rider_id = $2 AND r.promotion_id = p.id) AS used
FROM pricing.promotion p WHERE p.tenant_id = kernel.tenant() AND p.code = $1
"""


async def quote(
    call: Call,
    vehicle_type: str,
    minutes: int | None,
    promo_code: str | None,
    rider_id: UUID | None,
) -> Quote:
    """See the contract."""
    minutes = rules.USUAL_MINUTES if minutes is None else minutes
    if not 1 <= minutes <= rules.MOST_MINUTES:
        raise Invalid(
            field="estimated_duration_minutes", issue=f"must be between 1 and {rules.MOST_MINUTES}"
        )
    terms = (await tariffs(call)).get(vehicle_type)
    if terms is None:
        raise NoTariff(vehicle_type=vehicle_type)
    if promo_code is not None:
        terms = _with(terms, await _promotion(call, promo_code, rider_id))
    return Quote(
        terms=terms,
        minutes=minutes,
        estimated_minor=rules.rate(terms, minutes * 60).total_minor,
        hold_minor=rules.hold(terms, minutes),
    )


async def _promotion(call: Call, promo_code: str, rider_id: UUID | None) -> Promotion:
    try:
        code = rules.promotion_code(promo_code)
    except Invalid:
        raise UnknownPromotion(promo_code=promo_code[:32]) from None
    row = await db.one("pricing", call, _PROMOTION, code, rider_id)
    if row is None or not rules.is_usable(
        row["valid_from"], row["valid_until"], row["uses_per_rider"], row["used"], clock.now()
    ):
        raise UnknownPromotion(promo_code=code)
    return Promotion(row["code"], row["percent_bp"], row["most_minor"])


def _with(terms: Terms, promotion: Promotion) -> Terms:
    return msgspec.structs.replace(terms, promotion=promotion)


async def rate_ride(
    call: Call, terms: Terms, duration_s: int, parking_bonus_minor: int = 0
) -> Rating:
    """See the contract."""
    return rules.rate(terms, duration_s, parking_bonus_minor)


_CAMPAIGNS = """
SELECT p.code, p.percent_bp, p.most_minor, p.valid_from, p.valid_until, p.uses_per_rider,
       (SELECT count(*) FROM pricing.redemption r
        WHERE r.tenant_id = p.tenant_id AND r.promotion_id = p.id) AS used
FROM pricing.promotion p WHERE p.tenant_id = kernel.tenant()
ORDER BY p.created_at DESC, p.code LIMIT $1 OFFSET $2
"""
_HOW_MANY = "SELECT count(*) FROM pricing.promotion WHERE tenant_id = kernel.tenant()"


async def promotions(call: Call, limit: int, offset: int) -> CampaignPage:
    """See the contract."""
    call.require("pricing.promotion.read")
    rows, total = await asyncio.gather(
        db.run("pricing", call, _CAMPAIGNS, limit, offset), db.run("pricing", call, _HOW_MANY)
    )
    campaigns = [
        Campaign(
            Promotion(row["code"], row["percent_bp"], row["most_minor"]),
            row["valid_from"],
            row["valid_until"],
            row["uses_per_rider"],
            row["used"],
        )
        for row in rows
    ]
    return CampaignPage(campaigns, total[0][0])


PERSONAL = Holdings(
    sections=(
        Section(
            name="redemptions",
            title=Text("Promotions you used", "Aktionen, die Sie genutzt haben"),
            purpose=Text("To reckon your price", "Um Ihren Preis zu berechnen"),
            basis="contract",
            kept=Text("as long as the account exists", "solange das Konto besteht"),
            fate="deleted",
            sql="""SELECT p.code, r.rental_id AS booking_id, r.at FROM pricing.redemption r
            JOIN pricing.promotion p ON p.tenant_id = r.tenant_id AND p.id = r.promotion_id
            WHERE r.tenant_id = kernel.tenant() AND r.rider_id = $1 ORDER BY r.at, r.rental_id""",
        ),
    )
)
"""What pricing holds about people (``kernel.privacy``)."""
