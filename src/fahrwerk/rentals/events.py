"""What rentals tells. Streams are ``rental:<uuid>``; ``booking_id`` is the rental's id."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("rental.reserved", topic="booking-lifecycle")
class RentalReserved(msgspec.Struct, frozen=True):
    """A booking was made; it is not paid yet."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    payment_id: UUID
    hold_minor: int
    currency: str


@event("BookingConfirmed", topic="booking-lifecycle")
class BookingConfirmed(msgspec.Struct, frozen=True):
    """The payment is authorised; the vehicle waits for its unlock (EV-05)."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    confirmed_at: datetime
    estimated_start: datetime
    estimated_duration_minutes: int
    is_recorded: bool = False


@event("rental.started", topic="booking-lifecycle")
class RentalStarted(msgspec.Struct, frozen=True):
    """The vehicle confirmed its unlock: the ride has begun."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    started_at: datetime


@event("rental.ended", topic="booking-lifecycle")
class RentalEnded(msgspec.Struct, frozen=True):
    """The ride is over (EV-07): its price is to be captured, the vehicle locked and freed."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    payment_id: UUID
    started_at: datetime
    ended_at: datetime
    duration_s: int
    distance_m: int
    total_minor: int
    currency: str
    promo_code: str | None
    is_business: bool
    end_latitude: float | None = None
    """In events of before places were sealed only, as is the longitude."""
    end_longitude: float | None = None
    is_recorded: bool = False
    tax_minor: int | None = None
    """Within the total, as the receipt shows it; None in events of before the ledger."""
    tax_rate_bp: int | None = None
    secured_by: str = "payment"
    """What it is paid from: payment | wallet."""
    end_place: str | None = None
    """``latitude,longitude``, sealed with the rider's key (``kernel.person_keys``): where somebody
    was is to be forgotten with him."""


@event("rental.cancelled", topic="booking-lifecycle")
class RentalCancelled(msgspec.Struct, frozen=True):
    """A booking came to nothing: the vehicle is to be freed, the authorisation voided."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    payment_id: UUID
    reason: str
    hold_minor: int = 0
    currency: str = ""


@event("rental.rated", topic="booking-lifecycle")
class RentalRated(msgspec.Struct, frozen=True):
    """Its rider said how the ride was, after its end: 1 to 5."""

    booking_id: UUID
    user_id: UUID
    vehicle_id: UUID
    stars: int
