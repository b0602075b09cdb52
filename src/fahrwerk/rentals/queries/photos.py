"""The photos of rides' ends, for who looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.rentals.contract import EndPhoto, EndPhotoPage
from fahrwerk.rentals.queries.rows import begun_within, part_of_rides

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

REVIEW = "rentals.photo.review"
COLUMNS = """p.rental_id, r.rider_id, r.vehicle_id, r.vehicle_type, p.created_at, p.verdict, p.note,
    p.reviewed_by, p.reviewed_at"""
"""An ``EndPhoto``, from ``rentals.end_photo p`` and its ``rentals.rental r``."""

# Two statements, because the unseen ones have an index of their own.
_SEEN_OR_NOT = "FROM rentals.end_photo p WHERE ($1::text IS NULL OR p.verdict = $1)"
_UNSEEN = "FROM rentals.end_photo p WHERE p.verdict IS NULL AND $1::text IS NULL"
_PAGE = {
    is_unseen: f"""
SELECT {COLUMNS} FROM (
    SELECT p.tenant_id, p.rental_id, p.created_at, p.verdict, p.note, p.reviewed_by, p.reviewed_at
    {of} ORDER BY p.created_at DESC, p.rental_id DESC LIMIT $2 OFFSET $3
) p JOIN rentals.rental r ON r.tenant_id = p.tenant_id AND r.id = p.rental_id
ORDER BY p.created_at DESC, p.rental_id DESC
"""
    for is_unseen, of in ((False, _SEEN_OR_NOT), (True, _UNSEEN))
}
_COUNT = {
    is_unseen: f"SELECT count(*) AS total {of}"
    for is_unseen, of in ((False, _SEEN_OR_NOT), (True, _UNSEEN))
}


# Whose permission is for some cities sees the rides that began there: fewer, so one statement does.
_OF_PART = f"""
FROM rentals.end_photo p JOIN rentals.rental r ON r.tenant_id = p.tenant_id AND r.id = p.rental_id
WHERE ($1::text IS NULL OR p.verdict = $1) AND (NOT $2::boolean OR p.verdict IS NULL)
  AND {begun_within(3, "r.")}
"""
_PAGE_OF_PART = f"""
SELECT {COLUMNS} {_OF_PART} ORDER BY p.created_at DESC, p.rental_id DESC LIMIT $7 OFFSET $8
"""
_COUNT_OF_PART = f"SELECT count(*) AS total {_OF_PART}"


async def end_photos(
    call: Call, verdict: str | None, is_unseen: bool, limit: int, offset: int
) -> EndPhotoPage:
    call.require(REVIEW)
    if call.scope is not None:
        part = (verdict, is_unseen, *await part_of_rides(call))
        rows = await db.run("rentals", call, _PAGE_OF_PART, *part, limit, offset)
        counted = await db.run("rentals", call, _COUNT_OF_PART, *part)
    else:
        rows = await db.run("rentals", call, _PAGE[is_unseen], verdict, limit, offset)
        counted = await db.run("rentals", call, _COUNT[is_unseen], verdict)
    return EndPhotoPage(db.shaped(EndPhoto, rows), counted[0]["total"])
