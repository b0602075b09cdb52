"""What other rooms may ask of rentals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused
from fahrwerk.pricing.contract import Rating, Terms

STATES = ("pending", "confirmed", "in_progress", "completed", "cancelled")  # RNT-14


class Point(msgspec.Struct, frozen=True):
    """Where a ride began or ended, as the rider's app said it."""

    latitude: float
    longitude: float
    address: str | None = None


class Rental(msgspec.Struct, frozen=True, kw_only=True):
    """A booking and the ride it became."""

    id: UUID
    rider_id: UUID
    vehicle_id: UUID
    vehicle_type: str
    state: str
    reason: str | None
    """Why it was cancelled or ended: expired | payment_failed | rider | vehicle_silent | ..."""
    terms: Terms
    estimated_minutes: int
    estimated_minor: int
    hold_minor: int
    payment_id: UUID
    planned_start_at: datetime
    created_at: datetime
    expires_at: datetime | None
    """Of the unpaid reservation, then of the unlock window; None once under way."""
    confirmed_at: datetime | None
    started_at: datetime | None
    """When the vehicle confirmed the unlock: the meter starts here."""
    ended_at: datetime | None
    """When the first valid request to end it came in: the meter stops here."""
    start: Point | None
    end: Point | None
    distance_m: int
    battery_used_pct: int
    rating: Rating | None
    is_business: bool
    is_recorded: bool
    """Brought in from history by a replay: no deadlines, no mail."""
    stars: int | None
    feedback: str | None
    version: int


class UnknownRental(NotFound):
    """No such rental of this rider."""

    code = "UNKNOWN_RENTAL"
    message = "There is no such rental."


class WrongState(Conflict):
    """The rental is not in a state that allows this; ``state`` says which it is in."""

    code = "RENTAL_STATE"
    message = "This is not possible in the rental's current state."


class TooManyRentals(Refused):
    """The rider already has as many rentals as the operator allows at a time."""

    status = 409
    code = "TOO_MANY_ACTIVE_RENTALS"
    message = "You already have as many rides as you may have at the same time."


@query
async def rental(call: Call, rental_id: UUID) -> Rental:
    """One rental: the caller's own, or any with permission ``rentals.rental.read_any``.

    Raises ``UnknownRental``.
    """
    raise AssertionError


@query
async def rentals(call: Call, rider_id: UUID | None, limit: int, offset: int) -> list[Rental]:
    """A rider's rentals, newest first; None = everybody's (``rentals.rental.read_any``)."""
    raise AssertionError


@action
async def book(
    call: Call,
    vehicle: str,
    planned_start_at: datetime | None,
    minutes: int | None,
    promo_code: str | None,
    is_business: bool,
    start: Point | None,
) -> Rental:
    """Reserve a vehicle and open its payment (RNT-11, RNT-17, RNT-18): state *pending*.

    With an ``Idempotency-Key`` a repeat finds the first try's booking (RNT-26). Raises
    ``VehicleTaken`` (with alternatives), ``UnknownVehicle``, ``MayNotRide``, ``TooManyRentals``,
    ``UnknownPromotion``, ``NoTariff``.
    """
    raise AssertionError


@action
async def confirm(call: Call, rental_id: UUID, payment_method: str | None) -> Rental:
    """Authorise the payment and confirm the booking (RNT-19..24).

    Declined: the booking is cancelled, the vehicle free, ``PaymentDeclined``. 3-D Secure needed:
    it stays pending, ``AuthenticationRequired``. Gateway silent: ``PaymentUnknown``.
    """
    raise AssertionError


@action
async def unlock(call: Call, rental_id: UUID) -> Rental:
    """Unlock the booked vehicle and wait for its confirmation, at most 10 s (FLT-24, FLT-25).

    Raises ``WrongState``, ``VehicleSilent`` (503; the booking stays, nothing is charged).
    """
    raise AssertionError


@action
async def end(
    call: Call,
    rental_id: UUID,
    place: Point | None,
    photo: bytes | None,
    stars: int | None,
    feedback: str | None,
) -> Rental:
    """End a ride (RNT-41, RNT-49): the meter stops now, whatever the vehicle does afterwards.

    Repeating it answers the ended rental. Raises ``WrongState`` before the ride has begun.
    """
    raise AssertionError


@action
async def cancel(call: Call, rental_id: UUID, reason: str) -> Rental:
    """Cancel a booking before the ride: vehicle free, money back (C-84). Repeatable.

    Raises ``WrongState`` once the ride has begun.
    """
    raise AssertionError
