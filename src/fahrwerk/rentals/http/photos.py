"""The photos of rides' ends, for who looks at them (RNT-48)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import clock, ids, web
from fahrwerk.rentals import contract
from fahrwerk.rentals.http.shapes import VehicleName, rental_id_in, stamp


class EndPhotoView(msgspec.Struct, frozen=True, kw_only=True):
    """A photo and what was said of it; the image is at ``/rentals/{rental_id}/photo``."""

    rental_id: str
    user_id: str
    vehicle: VehicleName
    taken_at: str
    verdict: str | None
    note: str
    reviewed_by: str | None
    reviewed_at: str | None


class EndPhotos(msgspec.Struct, frozen=True):
    """One page of photos, newest first."""

    photos: list[EndPhotoView]
    pagination: web.Pagination


class PhotoVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Was the vehicle left well? ``null`` takes the verdict back."""

    verdict: Literal["good", "bad"] | None
    note: Annotated[str, Meta(max_length=contract.LONGEST_NOTE)] = ""


def _view(photo: contract.EndPhoto) -> EndPhotoView:
    return EndPhotoView(
        rental_id=ids.public("rent", photo.rental_id),
        user_id=ids.public("usr", photo.rider_id),
        vehicle=VehicleName(
            ids.public(PREFIX[photo.vehicle_type], photo.vehicle_id), photo.vehicle_type
        ),
        taken_at=clock.stamp(photo.taken_at),
        verdict=photo.verdict,
        note=photo.note,
        reviewed_by=ids.public("usr", photo.reviewed_by) if photo.reviewed_by else None,
        reviewed_at=stamp(photo.reviewed_at),
    )


@get(
    "/api/v1/end-photos",
    permission="rentals.photo.review",
    scoped=True,
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def list_photos(
    call: web.Caller,
    verdict: FromQuery[Literal["good", "bad", "unseen"] | None] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> EndPhotos:
    """Photos of where rides ended; ``unseen``: those nobody has said anything of."""
    is_unseen = verdict == "unseen"
    page = await contract.end_photos(call, None if is_unseen else verdict, is_unseen, limit, offset)
    shown = [_view(photo) for photo in page.photos]
    return EndPhotos(shown, web.pagination(page.total, limit, offset, len(shown)))


@put(
    "/api/v1/rentals/{rental_id:str}/photo/review",
    permission="rentals.photo.review",
    scoped=True,
    limit="rental",
    tags=["rentals"],
)
async def review_photo(
    call: web.Caller, rental_id: FromPath[str], data: JSONBody[PhotoVerdict]
) -> EndPhotoView:
    """Say whether the vehicle was left well. Repeatable; the last one counts. 404 ``NO_PHOTO``."""
    wanted = rental_id_in(rental_id)
    return _view(await contract.review_photo(call, wanted, data.verdict, data.note))


handlers = [list_photos, review_photo]
