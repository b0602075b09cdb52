"""What other rooms may ask of rentals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.fleet.contract import Track, Vehicle
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused
from fahrwerk.payments.contract import Payment
from fahrwerk.pricing.contract import Rating, Terms
from fahrwerk.tenancy.contract import Operator

STATES = ("pending", "confirmed", "in_progress", "completed", "cancelled")  # RNT-14
LONGEST_NOTE = 500
"""Of what is said of a photo."""


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
    """Why it was cancelled or ended: expired | payment_failed | rider | vehicle_silent | limit |
    staff_despite_no_parking | ..."""
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
    reservation_token: str = ""
    """Proof of the hold on the vehicle, for the rider alone (RNT-17, G-11)."""
    cancelled_at: datetime | None = None
    max_ride_h: int = 24
    max_ride_km: int = 100
    """What a ride may last and go at most (RNT-51), as it stood when it was booked."""
    secured_by: str | None = None
    """What vouches for the price (I2): payment | wallet; None until it is confirmed."""


class RentalPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    rentals: list[Rental]
    total: int


class Details(msgspec.Struct, frozen=True):
    """A rental with its vehicle and its payment as they are now."""

    rental: Rental
    vehicle: Vehicle
    payment: Payment | None
    operator: Operator
    receipt_path: str | None
    """Where the receipt is shown without a login, from the root; None before the ride has ended."""


class Ride(msgspec.Struct, frozen=True):
    """A ride as it is at this moment, or as it was when it ended (RNT-38)."""

    rental: Rental
    duration_s: int
    rating: Rating
    """What it would cost if it ended now."""
    track: Track
    latitude: float | None
    longitude: float | None
    """Where the vehicle is (at the end: was left)."""


class Happening(msgspec.Struct, frozen=True):
    """One event of a rental's stream (RNT-44)."""

    id: UUID
    event_type: str
    event_data: dict[str, str | int | float | bool | None]
    created_at: datetime
    version: int
    actor: str


class EndPhoto(msgspec.Struct, frozen=True):
    """That there is a photo of a ride's end, and what somebody said of it."""

    rental_id: UUID
    rider_id: UUID
    vehicle_id: UUID
    vehicle_type: str
    taken_at: datetime
    verdict: str | None
    """good | bad; None until somebody has looked."""
    note: str
    reviewed_by: UUID | None
    reviewed_at: datetime | None


class EndPhotoPage(msgspec.Struct, frozen=True):
    """One page of photos and how many there are in all."""

    photos: list[EndPhoto]
    total: int


class Spot(msgspec.Struct, frozen=True):
    """A place as the search writes it (RNT-03, C-83)."""

    lat: float
    lon: float


class FoundVehicle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An available vehicle with its distance and what it costs there and now (RNT-03)."""

    id: str
    type: str
    identifier: str
    model: str
    battery: int | None
    location: Spot
    distance_meters: int
    price_per_hour: float
    price_per_minute: float
    base_fee: float
    currency: str
    estimated_range_km: float | None
    warning: str | None = None
    """Only there when the vehicle has not reported lately: bookable all the same (C-18)."""


class Found(msgspec.Struct, frozen=True):
    """The answer of a search, nearest first."""

    vehicles: list[FoundVehicle]
    count: int
    search_radius_meters: int


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


class BookingNeeded(Conflict):
    """The caller has no booking of this vehicle that would let it be unlocked (FLT-24)."""

    code = "BOOKING_REQUIRED"
    message = "You have no confirmed booking for this vehicle."


class ParkingRefused(Refused):
    """The ride cannot end here (RNT-47): it goes on. Told in the rider's language.

    ``details``: ``reason`` outside_operating_area | no_parking | no_go | parking_only; ``zone_id``
    and ``zone_name`` of the zone that forbids it, if one does; ``nearest``: ``latitude``,
    ``longitude``, ``distance_meters``, ``zone_name`` of a place where it can, or null.
    """

    code = "PARKING_NOT_ALLOWED"
    message = "Your ride cannot end here."


class TooLateToAdd(Conflict):
    """Rating and photo can be added for some ``days`` after the end."""

    code = "TOO_LATE_TO_ADD"
    message = "Nothing can be added to this ride any more."


class NoPhoto(NotFound):
    """The ride was ended without a photo."""

    code = "NO_PHOTO"
    message = "There is no photo of this ride's end."


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


@query
async def rental_page(
    call: Call, rider_id: UUID | None, states: list[str] | None, limit: int, offset: int
) -> RentalPage:
    """A page of :func:`rentals` in these states (None = all), and their number."""
    raise AssertionError


@query
async def rides_of_vehicle(
    call: Call, vehicle: str, states: list[str], limit: int, offset: int
) -> RentalPage:
    """What was ridden with a vehicle, named as in ``fleet.find_vehicle``, newest first (FLT-22).

    For whom ``rentals.rental.read_any`` is allowed. Raises ``UnknownVehicle``.
    """
    raise AssertionError


@query
async def rental_of(
    call: Call, vehicle: str, booking: UUID | None = None, qr_code: str | None = None
) -> Rental:
    """The caller's live rental of a vehicle, named as in ``fleet.find_vehicle`` (FLT-24).

    ``booking`` must be that rental, and ``qr_code`` that vehicle's, when they are given (FLT-27).
    Raises ``UnknownVehicle``, ``BookingNeeded``, ``Invalid``.
    """
    raise AssertionError


@query
async def details(call: Call, rental_id: UUID, wait_s: float = 0.0) -> Details:
    """A rental with all around it; waits up to ``wait_s`` for its payment to come to an end.

    Raises ``UnknownRental``.
    """
    raise AssertionError


@query
async def receipt(call: Call, rental_id: UUID, key: str | None) -> Details:
    """An ended ride: the caller's, or by the key in its receipt's link, whoever asks.

    The key names operator and secret. Raises ``UnknownRental`` for any key but the right one,
    ``WrongState`` before the ride has ended.
    """
    raise AssertionError


@query
async def ride(call: Call, rental_id: UUID) -> Ride:
    """The live figures and the route of a ride (RNT-38, RNT-46). Raises ``UnknownRental``."""
    raise AssertionError


@query
async def ride_track(call: Call, rental_id: UUID, most: int) -> Track:
    """Where the vehicle was during a ride, in at most ``most`` points; none before it began.

    Riders see their own rides, staff any. Raises ``UnknownRental``.
    """
    raise AssertionError


@query
async def history(call: Call, rental_id: UUID) -> list[Happening]:
    """All that happened to a rental, oldest first (RNT-44). Raises ``UnknownRental``."""
    raise AssertionError


@query
async def photo(call: Call, rental_id: UUID) -> bytes:
    """The JPEG of a ride's end (RNT-48). Raises ``UnknownRental``, ``NoPhoto``."""
    raise AssertionError


@query
async def end_photos(
    call: Call, verdict: str | None, is_unseen: bool, limit: int, offset: int
) -> EndPhotoPage:
    """Photos of rides' ends, newest first (permission ``rentals.photo.review``).

    ``verdict``: good | bad, only those; ``is_unseen``: only those nobody has looked at.
    """
    raise AssertionError


@query
async def search(
    call: Call,
    latitude: float,
    longitude: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
    min_battery: int | None = None,
    model: str | None = None,
    max_price_per_minute: float | None = None,
) -> bytes:
    """Available vehicles near a point with their prices: ``Found``, encoded (RNT-02..07).

    At most 30 s old, and not at all where another process or this one said that a vehicle there
    changed; prices may lag a change of the tariff by as much. Radius in metres, at most 50,000.
    """
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

    With an ``Idempotency-Key`` a repeat finds the first try's booking (RNT-26); one that was
    cancelled because the payment failed or the vehicle was silent is tried anew (C-17). Raises
    ``VehicleTaken`` (with alternatives), ``UnknownVehicle``, ``MayNotRide``, ``TooManyRentals``,
    ``UnknownPromotion``, ``NoTariff``, ``Invalid`` (start more than 12 h ahead, too many minutes).
    """
    raise AssertionError


@action
async def confirm(call: Call, rental_id: UUID, payment_method: str | None) -> Rental:
    """Authorise the payment and confirm the booking (RNT-19..24).

    ``payment_method`` is ``pm_...``, None for the default one, or ``wallet``: then the money is
    kept in the rider's balance (``Unpaid`` INSUFFICIENT_BALANCE when it is not there).

    Declined: the booking is cancelled, the vehicle free, ``PaymentDeclined``. 3-D Secure needed:
    it stays pending, ``AuthenticationRequired``. Gateway silent: ``PaymentUnknown``.
    """
    raise AssertionError


@action
async def unlock(call: Call, rental_id: UUID) -> Rental:
    """Unlock the booked vehicle and wait for its confirmation, at most 10 s (FLT-24, FLT-25).

    During the ride it opens a vehicle that was locked (FLT-26). Repeatable.

    Raises ``WrongState``, ``VehicleSilent`` (503; the booking stays, nothing is charged).
    """
    raise AssertionError


@action
async def lock(call: Call, rental_id: UUID) -> Rental:
    """Lock the vehicle during a ride, which goes on (FLT-26). Repeatable.

    Raises ``WrongState``, ``VehicleSilent``, ``VehicleMoving``.
    """
    raise AssertionError


@action
async def start(
    call: Call,
    vehicle: str,
    place: Point | None,
    payment_method: str | None,
    promo_code: str | None,
    is_business: bool,
) -> Rental:
    """Book, pay and unlock in one go (RNT-35, RNT-37, C-14).

    Whatever fails on the way leaves nothing behind: vehicle free, nothing charged. Raises what
    ``book``, ``confirm`` and ``unlock`` raise.
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

    Where a ride may not end (RNT-47) a rider gets ``ParkingRefused`` and rides on; staff with
    ``rentals.rental.end_any`` end it all the same, and ``reason`` says so.

    ``photo`` is a JPEG, PNG or WebP of at most 8 MB and 40 megapixels. Repeating it answers the
    ended rental; of two at the same time the first one counts. Raises ``WrongState`` before the
    ride has begun, ``Invalid``.
    """
    raise AssertionError


@action
async def rate(call: Call, rental_id: UUID, stars: int, feedback: str | None) -> Rental:
    """How one's own ended ride was, 1 to 5 (RNT-42), within a week; the first rating counts.

    Raises ``WrongState`` before the end, ``TooLateToAdd``, ``Invalid``.
    """
    raise AssertionError


@action
async def add_photo(call: Call, rental_id: UUID, photo: bytes) -> Rental:
    """The photo of one's own ended ride that its end came without (RNT-48), within a week.

    As with ``end``: at most 8 MB; the first photo counts. Raises ``WrongState``, ``TooLateToAdd``,
    ``Invalid``.
    """
    raise AssertionError


@action
async def review_photo(call: Call, rental_id: UUID, verdict: str | None, note: str) -> EndPhoto:
    """Say of a ride's photo: good | bad; None takes it back. Permission ``rentals.photo.review``.

    Raises ``NoPhoto``.
    """
    raise AssertionError


@action
async def cancel(call: Call, rental_id: UUID, reason: str) -> Rental:
    """Cancel a booking before the ride: vehicle free, money back (C-84). Repeatable.

    Raises ``WrongState`` once the ride has begun.
    """
    raise AssertionError
