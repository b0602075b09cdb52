"""What a rider adds to an ended ride: a rating, and the photo that did not get through."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import put
from litestar.params import FromPath, JSONBody, RawBody
from msgspec import Meta

from fahrwerk.kernel import web
from fahrwerk.rentals import contract
from fahrwerk.rentals.http.shapes import public_rental, rental_id_in

_PHOTO_BYTES = 8 << 20


class RideRating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the ride was: 1 is worst, 5 is best."""

    rating: Annotated[int, Meta(ge=1, le=5)]
    feedback: Annotated[str, Meta(max_length=2_000)] | None = None


class RatedRide(msgspec.Struct, frozen=True):
    """The rating that counts: the first one."""

    id: str
    rating: int | None
    feedback: str | None


class PhotoKept(msgspec.Struct, frozen=True):
    """The ride has a photo now."""

    id: str
    message: str


@put(
    "/api/v1/rentals/{rental_id:str}/rating",
    permission="rentals.rental.end",
    limit="rental",
    tags=["rentals"],
)
async def rate(call: web.Caller, rental_id: FromPath[str], data: JSONBody[RideRating]) -> RatedRide:
    """Rate your ended ride, within a week (RNT-42). The first rating counts; repeatable."""
    rental = await contract.rate(call, rental_id_in(rental_id), data.rating, data.feedback)
    return RatedRide(public_rental(rental), rental.stars, rental.feedback)


@put(
    "/api/v1/rentals/{rental_id:str}/photo",
    permission="rentals.rental.end",
    while_suspended=True,
    limit="rental",
    request_max_body_size=_PHOTO_BYTES,
    body_bytes=_PHOTO_BYTES,
    tags=["rentals"],
)
async def add_photo(call: web.Caller, rental_id: FromPath[str], body: RawBody) -> PhotoKept:
    """Send the photo of the parking place after the end, within a week (RNT-48): the image itself.

    JPEG, PNG or WebP. The first photo counts; repeatable.
    """
    rental = await contract.add_photo(call, rental_id_in(rental_id), body)
    return PhotoKept(public_rental(rental), "Photo kept")


handlers = [rate, add_photo]
