"""Rides, in the words of their contract (RNT-35..43): start, live state, end."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.stream import stream
from fahrwerk.rentals import contract, rules
from fahrwerk.rentals.contract import Details, Point, Rental
from fahrwerk.rentals.http.shapes import (
    CostBreakdown,
    Location,
    MethodId,
    Pricing,
    PromoCode,
    RiddenVehicle,
    VehicleId,
    VehicleName,
    Whose,
    address_of,
    breakdown,
    given_place,
    pricing,
    public_rental,
    public_vehicle,
    rental_id_in,
    shown_place,
    stamp,
    whose,
)

OfVehicle = Annotated[
    str | None, QueryParameter(max_length=100, description="id, identifier or QR code; staff")
]
CAPTURE_WAIT_S = 2.0
"""How long an ended ride's answer waits for its payment, so that it mostly says ``processed``."""
_BODY_BYTES = 12 << 20  # a photo of 8 MB in base64, and what goes with it


class RideWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which vehicle to ride from where, paid how (RNT-35). ``scooter_id`` or ``vehicle_id``."""

    scooter_id: VehicleId | int | None = None
    vehicle_id: VehicleId | int | None = None
    start_location: Location | None = None
    payment_method_id: MethodId | None = None
    promo_code: PromoCode | None = None
    business_trip: bool = False


class CostEstimate(msgspec.Struct, frozen=True):
    """What time will cost."""

    per_minute: float
    per_hour: float
    daily_maximum: float


class Limits(msgspec.Struct, frozen=True):
    """Where a ride ends by itself (RNT-51)."""

    max_duration_hours: int
    max_distance_km: int


class StartedRide(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ride just begun (RNT-36). ``scooter`` is there when the vehicle is one."""

    id: str
    vehicle: RiddenVehicle
    scooter: RiddenVehicle | None = None
    status: str
    start_time: str | None
    start_location: Location | None
    pricing: Pricing
    current_cost: float
    estimated_cost: CostEstimate
    limits: Limits


def started_ride(found: Details) -> StartedRide:
    """The answer to a start."""
    rental, vehicle, terms = found.rental, found.vehicle, found.rental.terms
    shown = RiddenVehicle(
        public_vehicle(rental), vehicle.identifier, vehicle.model, rental.vehicle_type
    )
    here = rental.start
    if here is None and vehicle.latitude is not None and vehicle.longitude is not None:
        here = Point(vehicle.latitude, vehicle.longitude)
    return StartedRide(
        id=public_rental(rental),
        vehicle=shown,
        scooter=shown if rental.vehicle_type == "scooter" else None,
        status=rules.ride_word(rental.state),
        start_time=stamp(rental.started_at),
        start_location=Location(here.latitude, here.longitude) if here else None,
        pricing=pricing(terms),
        current_cost=0.0,  # C-23: the base fee shows from the first status on
        estimated_cost=CostEstimate(
            money.price_to_major(terms.price_per_minute_e4),
            money.price_to_major(terms.price_per_hour_e4),
            money.to_major(terms.daily_cap_minor, terms.currency),
        ),
        limits=Limits(rental.max_ride_h, rental.max_ride_km),
    )


@post(
    "/api/v1/rentals",
    permission="rentals.rental.create",
    limit="rental",
    status_code=201,
    tags=["rentals"],
)
async def start(call: web.Caller, data: JSONBody[RideWish]) -> StartedRide:
    """Book, pay and unlock in one go (RNT-35..37); answers when the vehicle is open.

    Errors are those of the three steps; after one the vehicle is free and nothing is charged. Only
    after ``PAYMENT_AUTHENTICATION_REQUIRED`` and ``PAYMENT_PENDING`` the booking waits, and
    ``details.booking_id`` says which to confirm.
    """
    vehicle = data.vehicle_id if data.scooter_id is None else data.scooter_id
    if vehicle is None or None not in (data.vehicle_id, data.scooter_id):
        raise Invalid(field="scooter_id", issue="either scooter_id or vehicle_id is needed")
    place, method = given_place(data.start_location), data.payment_method_id
    rental = await contract.start(
        call, str(vehicle), place, method, data.promo_code, data.business_trip
    )
    return started_ride(await contract.details(call, rental.id))


class ShownRide(msgspec.Struct, frozen=True, kw_only=True):
    """A ride as it is stored (RNT-43)."""

    id: str
    status: str
    user_id: str
    vehicle: VehicleName
    pricing: Pricing
    start_time: str | None
    end_time: str | None
    start_location: Location | None
    end_location: Location | None
    duration_minutes: int | None
    total_distance: float
    total_cost: float | None
    cost_breakdown: CostBreakdown | None
    business_trip: bool
    rating: int | None
    feedback: str | None


class Rides(msgspec.Struct, frozen=True):
    """One page of rides, newest first."""

    rentals: list[ShownRide]
    pagination: web.Pagination


def _ride(rental: Rental) -> ShownRide:
    rating = rental.rating
    return ShownRide(
        id=public_rental(rental),
        status=rules.ride_word(rental.state),
        user_id=ids.public("usr", rental.rider_id),
        vehicle=VehicleName(public_vehicle(rental), rental.vehicle_type),
        pricing=pricing(rental.terms),
        start_time=stamp(rental.started_at),
        end_time=stamp(rental.ended_at),
        start_location=shown_place(rental.start),
        end_location=shown_place(rental.end),
        duration_minutes=rating.billed_minutes if rating else None,
        total_distance=rules.km(rental.distance_m),
        total_cost=money.to_major(rating.total_minor, rating.currency) if rating else None,
        cost_breakdown=breakdown(rating) if rating else None,
        business_trip=rental.is_business,
        rating=rental.stars,
        feedback=rental.feedback,
    )


@get(
    "/api/v1/rentals",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def list_rides(
    call: web.Caller,
    status: FromQuery[Literal["active", "completed"] | None] = None,
    user_id: Whose = None,
    vehicle: OfVehicle = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> Rides:
    """Your rides under way and ended, newest first; bookings before them are in ``/bookings``.

    With ``vehicle`` (staff) those with that vehicle, whoever rode; ``user_id`` is passed over.
    """
    states = [{"active": "in_progress"}.get(status, status)] if status else [*rules.RIDES]
    if vehicle is not None:
        page = await contract.rides_of_vehicle(call, vehicle, states, limit, offset)
    else:
        page = await contract.rental_page(call, whose(call, user_id), states, limit, offset)
    shown = [_ride(rental) for rental in page.rentals]
    return Rides(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    "/api/v1/rentals/{rental_id:str}",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def one_ride(call: web.Caller, rental_id: FromPath[str]) -> ShownRide:
    """One of your rides."""
    return _ride(await contract.rental(call, rental_id_in(rental_id)))


class RoutePoint(msgspec.Struct, frozen=True):
    """Where the vehicle was when."""

    latitude: float
    longitude: float
    timestamp: str


class RideStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A ride at this moment (RNT-38): kilometres, km/h, percent of the battery."""

    id: str
    status: str
    duration_minutes: int
    current_cost: float
    currency: str
    distance_traveled: float
    average_speed: float
    battery_consumed: int
    current_location: Location | None
    route: list[RoutePoint]


_OVER = ("completed", "cancelled")


@get(
    "/api/v1/rentals/{rental_id:str}/status",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def status(call: web.Caller, rental_id: FromPath[str]) -> RideStatus:
    """Live state of a ride (RNT-38..40, RNT-46): cost so far = base fee + minutes x price.

    A promotion and the tax show at the end. ``route`` has at most 500 points.
    """
    return _ride_status(await contract.ride(call, rental_id_in(rental_id)))


@get(
    "/api/v1/rentals/{rental_id:str}/live",
    permission="rentals.rental.read",
    personal=True,
    limit="rental",
    media_type="text/event-stream",
    tags=["rentals"],
)
async def live(call: web.Caller, rental_id: FromPath[str]) -> Stream:
    """The same as ``status``, as server-sent events ``ride`` whenever it changes (RNT-46).

    Ends with the ride. Send it again after an hour, or poll ``status``.
    """
    wanted = rental_id_in(rental_id)
    await contract.rental(call, wanted)  # somebody else's is 404, not a stream with an error
    patient = msgspec.structs.replace(call, deadline=float("inf"))

    async def look() -> RideStatus:
        return _ride_status(await contract.ride(patient, wanted))

    return stream(
        look,
        signal=f"rentals.rental:{wanted}",
        name="ride",
        is_last=lambda ride: ride.status in _OVER,
    )


def _ride_status(found: contract.Ride) -> RideStatus:
    rental, rating, track = found.rental, found.rating, found.track
    is_underway = rental.started_at is not None
    here = None
    if found.latitude is not None and found.longitude is not None:
        here = Location(found.latitude, found.longitude)
    cost = rating.base_fee_minor + rating.time_cost_minor if is_underway else 0
    return RideStatus(
        id=public_rental(rental),
        status=rules.ride_word(rental.state),
        duration_minutes=rating.billed_minutes if is_underway else 0,
        current_cost=money.to_major(cost, rating.currency),
        currency=rating.currency,
        distance_traveled=rules.km(track.distance_m),
        average_speed=rules.speed_kmh(track.distance_m, found.duration_s),
        battery_consumed=track.battery_used_pct,
        current_location=here,
        route=[RoutePoint(p.latitude, p.longitude, clock.stamp(p.at)) for p in track.points],
    )


class RideEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a ride ended (RNT-41). ``end_photo``: a data URI of a JPEG, PNG or WebP up to 8 MB."""

    end_location: Location | None = None
    end_photo: Annotated[str, Meta(max_length=11_300_000)] | None = None
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None
    feedback: Annotated[str, Meta(max_length=2_000)] | None = None


class ReceiptPayment(msgspec.Struct, frozen=True):
    """``processed`` once captured, ``processing`` before, ``due`` when the bank refused (C-12)."""

    status: str
    payment_method: str | None
    transaction_id: str | None


class EndedRide(msgspec.Struct, frozen=True, kw_only=True):
    """An ended ride, itemised (RNT-42)."""

    id: str
    status: str
    end_time: str | None
    duration_minutes: int
    total_distance: float
    total_cost: float
    currency: str
    cost_breakdown: CostBreakdown
    payment: ReceiptPayment
    receipt_url: str


def _photo(text: str | None) -> bytes | None:
    if text is None:
        return None
    head, comma, data = text.partition(",")
    if comma and not (head.startswith("data:image/") and head.endswith(";base64")):
        raise Invalid(field="end_photo", issue="must be like data:image/jpeg;base64,...")
    try:
        return base64.b64decode(data if comma else text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(field="end_photo", issue="is not valid base64") from None


def ended_ride(found: Details, address: str) -> EndedRide:
    """The answer to an end. Raises ``WrongState`` before there is one."""
    rental, payment, rating = found.rental, found.payment, found.rental.rating
    if rating is None:
        raise contract.WrongState(state=rental.state)
    return EndedRide(
        id=public_rental(rental),
        status=rules.ride_word(rental.state),
        end_time=stamp(rental.ended_at),
        duration_minutes=rating.billed_minutes,
        total_distance=rules.km(rental.distance_m),
        total_cost=money.to_major(rating.total_minor, rating.currency),
        currency=rating.currency,
        cost_breakdown=breakdown(rating),
        payment=ReceiptPayment(
            rules.paid_word(payment.state if payment else None),
            payment.method_label if payment else None,
            payment.transaction_id if payment else None,
        ),
        receipt_url=f"{address}{found.receipt_path}",
    )


@post(
    "/api/v1/rentals/{rental_id:str}/end",
    permission="rentals.rental.end",
    scoped="rentals.rental.end_any",
    while_suspended=True,
    limit="rental",
    status_code=200,
    request_max_body_size=_BODY_BYTES,
    body_bytes=_BODY_BYTES,
    tags=["rentals"],
)
async def end(
    call: web.Caller,
    request: Request[Any, Any, Any],
    state: State,
    rental_id: FromPath[str],
    data: JSONBody[RideEnd | None] = None,
) -> EndedRide:
    """End a ride: the meter stops now, the payment is captured (RNT-41, RNT-42, RNT-49).

    Repeatable. Waits up to 2 s for the capture, so that ``payment.status`` is mostly ``processed``.
    """
    wish = data or RideEnd()
    place, photo = given_place(wish.end_location), _photo(wish.end_photo)
    rental = await contract.end(
        call, rental_id_in(rental_id), place, photo, wish.rating, wish.feedback
    )
    found = await contract.details(call, rental.id, CAPTURE_WAIT_S)
    return ended_ride(found, address_of(request, state))
