"""What other rooms may ask of pricing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused


class Promotion(msgspec.Struct, frozen=True):
    """A discount as granted to one ride (C-22: WELCOME10 = 10 %, at most 1.00)."""

    code: str
    percent_bp: int
    most_minor: int | None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a ride will cost, agreed at its start and stored with it (PRC-19).

    ``price_per_unit_e4`` in ten-thousandths of the currency for ``unit_minutes`` minutes: 2500 for
    1 minute, 25000 for 60 (C-20, C-24). Time is charged by the started minute, pro rata of it.
    """

    tariff_id: UUID
    vehicle_type: str
    unit_minutes: int
    base_fee_minor: int
    price_per_unit_e4: int
    daily_cap_minor: int
    currency: str
    tax_rate_bp: int
    tax_included: bool
    promotion: Promotion | None = None

    @property
    def price_per_minute_e4(self) -> int:
        """For display: 2500 for 0.25; hourly tariffs are rounded to four decimals."""
        return round(self.price_per_unit_e4 / self.unit_minutes)

    @property
    def price_per_hour_e4(self) -> int:
        """For display: 150000 for 15.00."""
        return self.price_per_unit_e4 * 60 // self.unit_minutes


class Quote(msgspec.Struct, frozen=True):
    """What a ride of ``minutes`` would cost, and how much to authorise for it (C-19)."""

    terms: Terms
    minutes: int
    estimated_minor: int
    hold_minor: int


class Rating(msgspec.Struct, frozen=True):
    """What a ride cost: base + time + promotion + parking bonus (both negative) [+ tax] = total
    (PRC-14).

    ``tax_minor`` is contained in the total when ``tax_included``, else added to it (C-21).
    """

    billed_minutes: int
    base_fee_minor: int
    time_cost_minor: int
    promo_discount_minor: int
    tax_minor: int
    tax_included: bool
    total_minor: int
    currency: str
    parking_bonus_minor: int = 0
    """For ending in preferred parking (FLT-30): zero or negative."""


class VehiclePrice(msgspec.Struct, frozen=True):
    """What one vehicle costs; ``reference`` as the caller wrote it."""

    reference: str
    terms: Terms


class Campaign(msgspec.Struct, frozen=True):
    """A promotion as its operator sees it: when, how often, and how often already (PRC-05)."""

    promotion: Promotion
    valid_from: datetime | None
    valid_until: datetime | None
    uses_per_rider: int | None
    used: int
    """Rides that ended with it."""


class CampaignPage(msgspec.Struct, frozen=True):
    """One page of promotions and how many there are in all."""

    campaigns: list[Campaign]
    total: int


class PromotionTaken(Conflict):
    """The operator has another promotion with this code."""

    code = "PROMOTION_EXISTS"
    message = "There is already a promotion with this code."


class UnknownPromotion(Refused):
    """No such code, not valid now, or used up by this rider."""

    code = "PROMOTION_NOT_VALID"
    message = "This promotion code is not valid."


class NoTariff(NotFound):
    """The operator has set no price for this type of vehicle."""

    code = "NO_TARIFF"
    message = "There is no tariff for this type of vehicle."


@query
async def tariffs(call: Call) -> dict[str, Terms]:
    """The valid terms per vehicle type, without promotions. Cached for seconds in the process."""
    raise AssertionError


@query
async def prices(call: Call, vehicles: list[str]) -> list[VehiclePrice]:
    """What each of up to 100 vehicles costs (PRC-11), in the order asked.

    Takes every name fleet knows a vehicle by. A vehicle that does not exist (any more) or has no
    tariff is left out, so that one of them does not spoil a search. Raises ``Invalid``.
    """
    raise AssertionError


@query
async def promotions(call: Call, limit: int, offset: int) -> CampaignPage:
    """The operator's promotions, newest first (permission ``pricing.promotion.read``)."""
    raise AssertionError


@query
async def quote(
    call: Call,
    vehicle_type: str,
    minutes: int | None,
    promo_code: str | None,
    rider_id: UUID | None,
) -> Quote:
    """Price a ride before it starts; None minutes = the operator's usual 30.

    ``rider_id`` None leaves out how often the rider has used the promotion. Raises ``NoTariff``,
    ``UnknownPromotion``, ``Invalid`` (minutes).
    """
    raise AssertionError


@query
async def rate_ride(
    call: Call, terms: Terms, duration_s: int, parking_bonus_minor: int = 0
) -> Rating:
    """What a ride of ``duration_s`` costs under its terms. Pure; the daily cap is per 24 h.

    ``parking_bonus_minor`` is taken off what is left after the promotion, down to nothing.
    """
    raise AssertionError


@action
async def set_tariff(
    call: Call,
    vehicle_type: str,
    unit_minutes: int,
    base_fee_minor: int,
    price_per_unit_e4: int,
    daily_cap_minor: int,
) -> Terms:
    """Set an operator's tariff from now on (permission ``pricing.tariff.write``).

    Rides under way keep their terms. Setting what is already valid changes nothing. Raises
    ``Invalid``.
    """
    raise AssertionError


@action
async def add_promotion(
    call: Call,
    code: str,
    percent_bp: int,
    most_minor: int | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    uses_per_rider: int | None,
) -> Promotion:
    """Create a promotion (permission ``pricing.promotion.write``); WELCOME10 exists by default.

    Repeating it word for word is harmless. Raises ``PromotionTaken``, ``Invalid``.
    """
    raise AssertionError
