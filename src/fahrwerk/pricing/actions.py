"""Verbs of pricing: set a tariff, add a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import audit, clock, db, events, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing import queries, rules
from fahrwerk.pricing.contract import Promotion, PromotionTaken, Terms
from fahrwerk.pricing.events import PromotionCreated, TariffChanged
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call

# Two people setting the same tariff at once take turns: the one-valid-row index would else refuse
# the second with an error nobody could act on.
_TAKE_TURN = """
SELECT pg_advisory_xact_lock(hashtextextended('tariff:' || kernel.tenant() || ':' || $1::text, 0))
"""
_SAME = """
SELECT id FROM pricing.tariff
WHERE tenant_id = kernel.tenant() AND valid_until IS NULL AND vehicle_type = $1
  AND (unit_minutes, base_fee_minor, price_per_unit_e4, daily_cap_minor, currency)
      = ($2::int, $3::bigint, $4::bigint, $5::bigint, $6::text)
"""
_CLOSE = """
UPDATE pricing.tariff SET valid_until = greatest(valid_from, $2)
WHERE tenant_id = kernel.tenant() AND valid_until IS NULL AND vehicle_type = $1
"""
_OPEN = """
INSERT INTO pricing.tariff (id, vehicle_type, unit_minutes, base_fee_minor, price_per_unit_e4,
                            daily_cap_minor, currency, valid_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def set_tariff(
    call: Call,
    vehicle_type: str,
    unit_minutes: int,
    base_fee_minor: int,
    price_per_unit_e4: int,
    daily_cap_minor: int,
) -> Terms:
    """See the contract."""
    call.require("pricing.tariff.write")
    if vehicle_type not in PREFIX:
        raise Invalid(field="vehicle_type", issue=f"must be one of {', '.join(PREFIX)}")
    currency = (await tenancy.operator(call)).currency
    values = (unit_minutes, base_fee_minor, price_per_unit_e4, daily_cap_minor)
    rules.check_tariff(*values, currency)
    before = (await queries.tariffs(call)).get(vehicle_type)
    async with db.tx("pricing", call) as tx:
        await tx.run(_TAKE_TURN, vehicle_type)
        if not await tx.run(_SAME, vehicle_type, *values, currency):
            await _replace_tariff(tx, call, vehicle_type, values, currency)
    after = (await queries.tariffs(call))[vehicle_type]
    told = (None if each is None else msgspec.to_builtins(each) for each in (before, after))
    audit.changed(f"tariff:{vehicle_type}", *told)
    return after


async def _replace_tariff(
    tx: db.Tx, call: Call, vehicle_type: str, values: tuple[int, int, int, int], currency: str
) -> None:
    now, tariff_id = clock.now(), ids.new()
    await tx.run(_CLOSE, vehicle_type, now)
    await tx.run(_OPEN, tariff_id, vehicle_type, *values, currency, now)
    await events.emit(tx, call, f"tariff:{tariff_id}", 1, TariffChanged(tariff_id, vehicle_type))
    tx.signal(queries.changed(call.tenant))


_ADD = """
INSERT INTO pricing.promotion (id, code, percent_bp, most_minor, valid_from, valid_until,
                               uses_per_rider)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, code) DO NOTHING RETURNING id
"""
_EQUAL = """
SELECT id FROM pricing.promotion WHERE tenant_id = kernel.tenant() AND code = $1
AND (percent_bp, most_minor, valid_from, valid_until, uses_per_rider) IS NOT DISTINCT FROM
    ($2::int, $3::bigint, $4::timestamptz, $5::timestamptz, $6::int)
"""


async def add_promotion(
    call: Call,
    code: str,
    percent_bp: int,
    most_minor: int | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    uses_per_rider: int | None,
) -> Promotion:
    """See the contract."""
    call.require("pricing.promotion.write")
    wanted = Promotion(rules.promotion_code(code), percent_bp, most_minor)
    rules.check_promotion(percent_bp, most_minor, valid_from, valid_until, uses_per_rider)
    async with db.tx("pricing", call) as tx:
        await _add_promotion(tx, call, wanted, valid_from, valid_until, uses_per_rider)
    return wanted


async def _add_promotion(
    tx: db.Tx,
    call: Call,
    wanted: Promotion,
    valid_from: datetime | None,
    valid_until: datetime | None,
    uses_per_rider: int | None,
) -> None:
    values = (wanted.code, wanted.percent_bp, wanted.most_minor, valid_from, valid_until,
              uses_per_rider)  # fmt: skip
    promotion_id = ids.new()
    if await tx.run(_ADD, promotion_id, *values):
        fact = PromotionCreated(promotion_id, wanted.code)
        await events.emit(tx, call, f"promotion:{promotion_id}", 1, fact)
    elif not await tx.run(_EQUAL, *values):
        raise PromotionTaken


async def lay_out_prices(tx: db.Tx, call: Call, currency: str) -> None:
    """Give a new operator its default tariffs and promotion (PRC-08, PRC-09, C-22)."""
    for vehicle_type in PREFIX:
        values = rules.default_terms(vehicle_type, currency)
        await _replace_tariff(tx, call, vehicle_type, values, currency)
    await _add_promotion(tx, call, rules.default_promotion(currency), None, None, None)
