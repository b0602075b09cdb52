"""Somebody has looked at the photo of a ride's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.rentals.contract import LONGEST_NOTE, EndPhoto, NoPhoto
from fahrwerk.rentals.queries.photos import COLUMNS, REVIEW
from fahrwerk.rentals.queries.rows import begun_within, part_of_rides

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

VERDICTS = ("good", "bad")

_REVIEW = f"""
UPDATE rentals.end_photo p
SET verdict = $2, note = $3, reviewed_by = CASE WHEN $2::text IS NOT NULL THEN $4::uuid END,
    reviewed_at = CASE WHEN $2::text IS NOT NULL THEN $5::timestamptz END
FROM rentals.rental r
WHERE p.rental_id = $1 AND r.tenant_id = p.tenant_id AND r.id = p.rental_id
  AND {begun_within(6, "r.")}
RETURNING {COLUMNS}
"""


async def review_photo(call: Call, rental_id: UUID, verdict: str | None, note: str) -> EndPhoto:
    call.require(REVIEW)
    if verdict is not None and verdict not in VERDICTS:
        raise Invalid(field="verdict", issue="must be good or bad")
    if len(note) > LONGEST_NOTE:
        raise Invalid(field="note", issue=f"must not be longer than {LONGEST_NOTE}")
    said = (verdict, note if verdict else "", call.user, clock.now(), *await part_of_rides(call))
    row = await db.one("rentals", call, _REVIEW, rental_id, *said)
    if row is None:
        raise NoPhoto
    return db.shaped(EndPhoto, [row])[0]
