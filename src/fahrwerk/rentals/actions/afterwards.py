"""What a rider adds to an ended ride: how it was, and the photo that did not get through.

A ride must end on a bad network, so its end does not wait for a photo: the app sends that later.
Only what is missing can be added, by its rider, within a week.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.pictures import made_anew
from fahrwerk.rentals.actions.photo import PHOTO
from fahrwerk.rentals.contract import Rental, TooLateToAdd, WrongState
from fahrwerk.rentals.events import RentalRated
from fahrwerk.rentals.queries import COLUMNS, check_own, find, read

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WITHIN = timedelta(days=7)
FEEDBACK_LENGTH = 2_000


async def _ended(call: Call, rental_id: UUID) -> Rental:
    """The caller's own ended ride, while something may be added to it."""
    rental = await find(call, rental_id)
    check_own(call, rental)
    if rental.state != "completed" or rental.ended_at is None:
        raise WrongState(state=rental.state, wanted=["completed"])
    if clock.now() - rental.ended_at > WITHIN:
        raise TooLateToAdd(days=WITHIN.days)
    return rental


_RATE = f"""
WITH changed AS (
    UPDATE rentals.rental SET stars = $7, feedback = $8, version = version + 1
    WHERE id = $6 AND stars IS NULL AND state = 'completed'
    RETURNING {COLUMNS}
), told AS (
    {events.INSERT}
    SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
)
SELECT * FROM changed
"""


async def rate(call: Call, rental_id: UUID, stars: int, feedback: str | None) -> Rental:
    if not 1 <= stars <= 5:
        raise Invalid(field="rating", issue="must be between 1 and 5")
    if feedback is not None and len(feedback) > FEEDBACK_LENGTH:
        raise Invalid(field="feedback", issue=f"must not be longer than {FEEDBACK_LENGTH}")
    rental = await _ended(call, rental_id)
    if rental.stars is not None:
        return rental
    fact = RentalRated(rental.id, rental.rider_id, rental.vehicle_id, stars)
    row = await db.one(
        "rentals", call, _RATE, *events.columns(call, fact), rental_id, stars, feedback
    )
    return read(row) if row is not None else await find(call, rental_id)


_PHOTO = """
INSERT INTO rentals.end_photo (rental_id, image) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""


async def add_photo(call: Call, rental_id: UUID, photo: bytes) -> Rental:
    rental = await _ended(call, rental_id)
    await db.run("rentals", call, _PHOTO, rental_id, await made_anew(photo, PHOTO))
    return rental
