"""End a ride (RNT-41, RNT-48, RNT-49): what it cost, the photo, and the news everyone waits for.

The meter stops when the first valid request comes in; whether the vehicle can be reached, or its
telemetry read, changes nothing about that: fleet hears ``rental.ended`` and locks, payments
captures. Of two requests at the same time one writes, and both answer what it wrote. A request from
where a ride may not end (RNT-47) is not a valid one: the ride goes on. But only what is sure counts
against a rider, and of a silent vehicle nothing is.

Crash points: ``rentals.end.after_rating``, ``rentals.end.after_end``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import clock, crypto, db, events, ids, person_keys
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Invalid, Unavailable
from fahrwerk.kernel.pictures import made_anew
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.photo import PHOTO
from fahrwerk.rentals.contract import ParkingRefused, Point, Rental
from fahrwerk.rentals.events import RentalEnded
from fahrwerk.rentals.queries import COLUMNS, END_ANY, check_may, find, read
from fahrwerk.rentals.queries.rows import anywhere, check_reach

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

FEEDBACK_LENGTH = 2_000
_LASTED = """
SELECT extract(epoch FROM kernel.now() - unlocked_at)::float8 AS seconds
FROM rentals.rental WHERE id = $1 AND unlocked_at IS NOT NULL AND NOT is_recorded
"""
log = structlog.get_logger()


async def end(
    call: Call,
    rental_id: UUID,
    place: Point | None,
    photo: bytes | None,
    stars: int | None,
    feedback: str | None,
) -> Rental:
    ended_at = clock.now()
    rental = await find(call, rental_id)
    check_may(call, rental, END_ANY)
    await check_reach(call, rental)
    call = anywhere(call)  # where it ends, and what becomes of its vehicle, is all one ride
    if rules.move("end", rental.state) is None:
        return rental
    if stars is not None and not 1 <= stars <= 5:
        raise Invalid(field="rating", issue="must be between 1 and 5")
    if feedback is not None and len(feedback) > FEEDBACK_LENGTH:
        raise Invalid(field="feedback", issue=f"must not be longer than {FEEDBACK_LENGTH}")
    parked = await _check_parking(call, rental, place)
    image = await made_anew(photo, PHOTO) if photo is not None else None
    lasted = await db.one("rentals", call, _LASTED, rental_id)
    if lasted is not None and rental.started_at is not None:
        ended_at = rules.ended_at(rental.started_at, ended_at, lasted["seconds"])
    return await finish(
        call, rental, ended_at, place=place, image=image, stars=stars, feedback=feedback,
        reason=parked.despite, bonus_minor=parked.bonus_minor,
    )  # fmt: skip


class _Parked(msgspec.Struct, frozen=True):
    """How it stands with the place where a ride ends."""

    despite: str | None = None
    """What staff ended it despite."""
    bonus_minor: int = 0


async def _check_parking(call: Call, rental: Rental, place: Point | None) -> _Parked:
    """Raise ``ParkingRefused`` where this ride may not end, but for staff."""
    if rental.is_recorded:
        return _Parked()  # it ended long ago
    here = fleet.Place(place.latitude, place.longitude) if place is not None else None
    try:
        found = await zones.parking_decision(call, rental.vehicle_id, here)
    except db.DatabaseDown:
        raise
    except Unavailable as problem:
        log.warning("ride ended without its zone", rental=str(rental.id), code=problem.error_code)
        return _Parked()
    if found.is_allowed:
        return _Parked(bonus_minor=found.bonus_minor)
    if call.may(END_ANY):
        return _Parked(f"staff_despite_{found.reason}")
    near = found.nearest
    raise ParkingRefused(
        found.message,
        reason=found.reason,
        zone_id=ids.public(zones.ZONE_PREFIX, found.zone_id) if found.zone_id else None,
        zone_name=found.zone_name,
        nearest={
            "latitude": near.latitude, "longitude": near.longitude,
            "distance_meters": near.distance_m, "zone_name": near.zone_name,
        } if near else None,
    )  # fmt: skip


_END = f"""
WITH changed AS (
    UPDATE rentals.rental
    SET state = 'completed', ended_at = $7, end_latitude = $8, end_longitude = $9,
        end_address = $10, distance_m = $11, battery_used_pct = $12, rating = $13, stars = $14,
        feedback = $15, reason = $16, receipt_key = $17, version = version + 1
    WHERE id = $6 AND state = ANY($18)
    RETURNING {COLUMNS}
), photographed AS (
    INSERT INTO rentals.end_photo (rental_id, image)
    SELECT id, $19::bytea FROM changed WHERE $19::bytea IS NOT NULL
), told AS (
    {events.INSERT}
    SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
)
SELECT * FROM changed
"""


async def finish(
    call: Call,
    rental: Rental,
    ended_at: datetime,
    *,
    place: Point | None = None,
    image: bytes | None = None,
    stars: int | None = None,
    feedback: str | None = None,
    reason: str | None = None,
    bonus_minor: int = 0,
) -> Rental:
    """Rate a ride under way and record its end in one statement; the rental as it ended."""
    started_at = rental.started_at or ended_at
    ended_at = max(ended_at, started_at)
    seconds = rules.duration_s(started_at, ended_at)
    rating, track, key = await asyncio.gather(
        pricing.rate_ride(call, rental.terms, seconds, bonus_minor),
        _track(call, rental, started_at, ended_at),
        person_keys.key_of(call, rental.rider_id),
    )
    if place is None and track.points:
        place = Point(track.points[-1].latitude, track.points[-1].longitude)
    latitude, longitude = (place.latitude, place.longitude) if place else (None, None)
    promotion = rental.terms.promotion
    fact = RentalEnded(
        booking_id=rental.id,
        user_id=rental.rider_id,
        vehicle_id=rental.vehicle_id,
        payment_id=rental.payment_id,
        started_at=started_at,
        ended_at=ended_at,
        duration_s=seconds,
        distance_m=track.distance_m,
        total_minor=rating.total_minor,
        currency=rating.currency,
        promo_code=promotion.code if promotion else None,
        is_business=rental.is_business,
        end_place=person_keys.seal_text(key, f"{latitude},{longitude}") if place else None,
        is_recorded=rental.is_recorded,
        tax_minor=rating.tax_minor,
        tax_rate_bp=rental.terms.tax_rate_bp,
        secured_by=rental.secured_by or "payment",
    )
    point("rentals.end.after_rating")
    row = await db.one(
        "rentals", call, _END, *events.columns(call, fact),
        rental.id, ended_at, latitude, longitude, place.address if place else None,
        track.distance_m, track.battery_used_pct, rating, stars, feedback, reason,
        crypto.new_secret(), rules.before("end"), image,
    )  # fmt: skip
    point("rentals.end.after_end")
    return read(row) if row is not None else await find(call, rental.id)


async def _track(call: Call, rental: Rental, since: datetime, until: datetime) -> fleet.Track:
    """What the vehicle did; nothing, when fleet cannot say: a ride ends whoever is down."""
    try:
        return await fleet.track(call, rental.vehicle_id, since, until)
    except db.DatabaseDown:
        raise
    except Unavailable as problem:
        log.warning("ride ended without its track", rental=str(rental.id), code=problem.error_code)
        return fleet.Track([], 0, 0)
