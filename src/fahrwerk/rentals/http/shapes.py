"""What several answers of rentals share: ids, places, prices, and how each is written."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.params import QueryParameter
from msgspec import Meta

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import clock, ids, money
from fahrwerk.rentals.contract import Point, Rental

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.pricing.contract import Rating, Terms

VehicleId = Annotated[str, Meta(min_length=1, max_length=100, examples=["sco_123456"])]
PromoCode = Annotated[str, Meta(min_length=1, max_length=32, examples=["WELCOME10"])]
MethodId = Annotated[str, Meta(min_length=1, max_length=100, examples=["pm_123456"])]
Whose = Annotated[
    str | None, QueryParameter(max_length=60, description="usr_...; staff see everybody's without")
]


class Location(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A place as riders' apps say it."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    address: Annotated[str, Meta(max_length=300)] | None = None


class VehicleName(msgspec.Struct, frozen=True):
    """Which vehicle."""

    id: str
    type: str


def public_rental(rental: Rental) -> str:
    """``rent_...``: a booking and its ride have one id."""
    return ids.public("rent", rental.id)


def rental_id_in(text: str) -> UUID:
    """``rent_...``, ``book_...`` or the bare UUID (RNT-12). Raises ``NotFound``."""
    return ids.parse(text, "rent", "book")


def public_vehicle(rental: Rental) -> str:
    """``sco_...``, ``car_...``: the rental's vehicle."""
    return ids.public(PREFIX[rental.vehicle_type], rental.vehicle_id)


def stamp(at: datetime | None) -> str | None:
    """A time as answers show it, or null."""
    return clock.stamp(at) if at is not None else None


def whose(call: Call, user: str | None) -> UUID | None:
    """Whose rentals a list is of: the named person's, else one's own, or everybody's for staff."""
    if user is not None:
        return ids.parse(user, "usr")
    return None if call.may("rentals.rental.read_any") else call.user


def shown_place(point: Point | None) -> Location | None:
    """A place for an answer."""
    return Location(point.latitude, point.longitude, point.address) if point else None


def given_place(location: Location | None) -> Point | None:
    """A place from a request."""
    return Point(location.latitude, location.longitude, location.address) if location else None


class RiddenVehicle(msgspec.Struct, frozen=True):
    """The vehicle of a ride (RNT-36)."""

    id: str
    identifier: str
    model: str
    type: str


class Pricing(msgspec.Struct, frozen=True):
    """The tariff as agreed at the start (PRC-19)."""

    base_fee: float
    price_per_minute: float
    currency: str


def pricing(terms: Terms) -> Pricing:
    """The prices of these terms in decimals."""
    return Pricing(
        money.to_major(terms.base_fee_minor, terms.currency),
        money.price_to_major(terms.price_per_minute_e4),
        terms.currency,
    )


class CostBreakdown(msgspec.Struct, frozen=True):
    """base_fee + time_cost + promo_discount (negative) = total; tax is in it, or on top (C-21).

    ``parking_bonus`` (negative) is there, and in the sum, when the ride ended in preferred parking.
    """

    base_fee: float
    time_cost: float
    promo_discount: float
    tax: float
    tax_included: bool
    parking_bonus: float | msgspec.UnsetType = msgspec.UNSET


def breakdown(rating: Rating) -> CostBreakdown:
    """A rating in decimals."""
    return CostBreakdown(
        money.to_major(rating.base_fee_minor, rating.currency),
        money.to_major(rating.time_cost_minor, rating.currency),
        money.to_major(rating.promo_discount_minor, rating.currency),
        money.to_major(rating.tax_minor, rating.currency),
        rating.tax_included,
        money.to_major(rating.parking_bonus_minor, rating.currency)
        if rating.parking_bonus_minor
        else msgspec.UNSET,
    )


def address_of(request: Request[Any, Any, Any], state: State) -> str:
    """Where this caller reaches us: as configured, else as he did."""
    public_url = state.settings.public_url
    return str(public_url or request.base_url).rstrip("/")
