"""Bookings: reservation and payment, in the words of their contract (RNT-11..24)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import Rental, Spot
from fahrwerk.rentals.http.shapes import (
    MethodId,
    PromoCode,
    VehicleId,
    VehicleName,
    Whose,
    public_rental,
    public_vehicle,
    rental_id_in,
    stamp,
    whose,
)
from fahrwerk.tenancy.contract import markets

Minutes = Annotated[int, Meta(ge=1, le=43_200)]


class BookingWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to reserve (RNT-11). ``vehicle_id``: public, external or QR id; a number is fine."""

    vehicle_id: VehicleId | int
    start_time: Annotated[datetime, Meta(tz=True)] | None = None
    estimated_duration_minutes: Minutes | None = None
    promo_code: PromoCode | None = None
    business_trip: bool = False


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """A booking as it is stored (RNT-13).

    ``estimated_charge`` is what is held at the rider's bank, ``estimated_cost`` what the ride is
    expected to cost (C-19).
    """

    id: str
    status: str
    reason: str | None
    user_id: str
    vehicle: VehicleName
    payment_id: str
    start_time: str
    end_time: str | None
    estimated_duration_minutes: int
    actual_duration_minutes: int | None
    estimated_cost: float
    estimated_charge: float
    final_charge: float | None
    currency: str
    business_trip: bool
    expires_at: str | None
    created_at: str
    confirmed_at: str | None
    cancelled_at: str | None


class NewBooking(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation to be paid until ``expires_at`` (RNT-11, RNT-17, RNT-18)."""

    booking: Booking
    payment_intent_id: str
    payment_required: bool
    reservation_token: str
    expires_at: str | None
    helmet: markets.Helmet = "none"
    """What the market where the vehicle stands says of helmets: none, recommended, required."""


class Bookings(msgspec.Struct, frozen=True):
    """One page of bookings, newest first."""

    bookings: list[Booking]
    pagination: web.Pagination


def _booking(rental: Rental) -> Booking:
    currency, rating = rental.terms.currency, rental.rating
    return Booking(
        id=public_rental(rental),
        status=rental.state,
        reason=rental.reason,
        user_id=ids.public("usr", rental.rider_id),
        vehicle=VehicleName(public_vehicle(rental), rental.vehicle_type),
        payment_id=ids.public("pay", rental.payment_id),
        start_time=clock.stamp(rental.planned_start_at),
        end_time=stamp(rental.ended_at),
        estimated_duration_minutes=rental.estimated_minutes,
        actual_duration_minutes=rating.billed_minutes if rating else None,
        estimated_cost=money.to_major(rental.estimated_minor, currency),
        estimated_charge=money.to_major(rental.hold_minor, currency),
        final_charge=money.to_major(rating.total_minor, currency) if rating else None,
        currency=currency,
        business_trip=rental.is_business,
        expires_at=stamp(rental.expires_at),
        created_at=clock.stamp(rental.created_at),
        confirmed_at=stamp(rental.confirmed_at),
        cancelled_at=stamp(rental.cancelled_at),
    )


@post(
    ["/api/v1/bookings", "/bookings"],
    permission="rentals.rental.create",
    limit="booking",
    status_code=201,
    tags=["rentals"],
)
async def book(call: web.Caller, data: JSONBody[BookingWish]) -> NewBooking:
    """Reserve a vehicle for some minutes; pay with ``confirm-payment`` (RNT-11, C-15).

    Send an ``Idempotency-Key``: a repeat then finds the first try's booking (RNT-26). 409
    ``VEHICLE_UNAVAILABLE`` lists ``alternatives`` nearby (RNT-16); 409 ``TOO_MANY_ACTIVE_RENTALS``.
    """
    rental = await contract.book(
        call,
        str(data.vehicle_id),
        data.start_time,
        data.estimated_duration_minutes,
        data.promo_code,
        data.business_trip,
        None,
    )
    start = rental.start
    market = await markets.market_at(call, start.latitude, start.longitude) if start else None
    return NewBooking(
        booking=_booking(rental),
        payment_intent_id=ids.public("pay", rental.payment_id),
        payment_required=rental.state == "pending",
        reservation_token=rental.reservation_token,
        expires_at=stamp(rental.expires_at),
        helmet=market.helmet if market is not None else "none",
    )


class PaymentChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With which stored method to pay (RNT-19); the default one if none is named."""

    payment_method_id: MethodId | None = None


class BookedVehicle(msgspec.Struct, frozen=True):
    """The vehicle that waits for its rider."""

    id: str
    type: str
    battery: int | None
    location: Spot | None


class BookingPayment(msgspec.Struct, frozen=True):
    """What is held at the rider's bank (C-19)."""

    status: str
    estimated_charge: float
    currency: str


class ConfirmedBooking(msgspec.Struct, frozen=True):
    """A paid booking (RNT-21)."""

    id: str
    status: str
    vehicle: BookedVehicle
    payment: BookingPayment
    unlock_expires_at: str | None


class Confirmation(msgspec.Struct, frozen=True):
    """The answer to a confirmed payment."""

    booking: ConfirmedBooking


@post(
    [
        "/api/v1/bookings/{booking_id:str}/confirm-payment",
        "/bookings/{booking_id:str}/confirm-payment",
    ],
    permission="rentals.rental.create",
    limit="rental",
    status_code=200,
    tags=["rentals"],
)
async def confirm_payment(
    call: web.Caller, booking_id: FromPath[str], data: JSONBody[PaymentChoice | None] = None
) -> Confirmation:
    """Authorise the payment; the vehicle then waits for its unlock (RNT-19..22).

    400 ``PAYMENT_FAILED``: refused, the booking is cancelled and the vehicle free; 400
    ``PAYMENT_AUTHENTICATION_REQUIRED``: do what ``next_action`` says and send this again (RNT-24);
    503 ``PAYMENT_PENDING``: the bank has not answered, send this again.
    """
    method = data.payment_method_id if data else None
    rental = await contract.confirm(call, rental_id_in(booking_id), method)
    found = await contract.details(call, rental.id)
    vehicle, terms = found.vehicle, found.rental.terms
    spot = None
    if vehicle.latitude is not None and vehicle.longitude is not None:
        spot = Spot(vehicle.latitude, vehicle.longitude)
    return Confirmation(
        ConfirmedBooking(
            id=public_rental(found.rental),
            status=found.rental.state,
            vehicle=BookedVehicle(
                public_vehicle(found.rental), vehicle.vehicle_type, vehicle.battery_level, spot
            ),
            payment=BookingPayment(
                found.payment.state if found.payment else "authorized",
                money.to_major(found.rental.hold_minor, terms.currency),
                terms.currency,
            ),
            unlock_expires_at=stamp(found.rental.expires_at),
        )
    )


@get(
    ["/api/v1/bookings", "/bookings"],
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    tags=["rentals"],
)
async def list_bookings(
    call: web.Caller,
    status: FromQuery[
        Literal["pending", "confirmed", "in_progress", "completed", "cancelled"] | None
    ] = None,
    user_id: Whose = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> Bookings:
    """Your bookings, whatever became of them, newest first."""
    states: list[str] | None = [status] if status else None
    page = await contract.rental_page(call, whose(call, user_id), states, limit, offset)
    shown = [_booking(rental) for rental in page.rentals]
    return Bookings(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    ["/api/v1/bookings/{booking_id:str}", "/bookings/{booking_id:str}"],
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    tags=["rentals"],
)
async def one_booking(call: web.Caller, booking_id: FromPath[str]) -> Booking:
    """One of your bookings."""
    return _booking(await contract.rental(call, rental_id_in(booking_id)))


@post(
    ["/api/v1/bookings/{booking_id:str}/cancel", "/bookings/{booking_id:str}/cancel"],
    permission="rentals.rental.create",
    while_suspended=True,
    limit="rental",
    status_code=200,
    tags=["rentals"],
)
async def cancel(call: web.Caller, booking_id: FromPath[str]) -> Booking:
    """Cancel before the ride: the vehicle is free, what was held at your bank is given back (C-84).

    Repeatable. 409 ``RENTAL_STATE`` once the ride has begun.
    """
    return _booking(await contract.cancel(call, rental_id_in(booking_id), "rider"))
