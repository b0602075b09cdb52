"""What is left of a ride: its receipt, as JSON and as a page, its history, its photo."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, QueryParameter

from fahrwerk.kernel import clock, ids, web
from fahrwerk.rentals import contract
from fahrwerk.rentals.http.rides import EndedRide, ended_ride, started_ride
from fahrwerk.rentals.http.shapes import Pricing, RiddenVehicle, address_of, rental_id_in
from fahrwerk.rentals.templates import receipt_page


class Receipt(EndedRide, frozen=True, kw_only=True):
    """What a rider paid for (RNT-42)."""

    operator: str
    vehicle: RiddenVehicle
    start_time: str | None
    pricing: Pricing
    tax_rate: float


@get(
    "/api/v1/rentals/{rental_id:str}/receipt",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def receipt(
    call: web.Caller, request: Request[Any, Any, Any], state: State, rental_id: FromPath[str]
) -> Receipt:
    """The receipt of an ended ride, 409 ``RENTAL_STATE`` before; as a page at ``receipt_url``."""
    found = await contract.receipt(call, rental_id_in(rental_id), None)
    ended = msgspec.structs.asdict(ended_ride(found, address_of(request, state)))
    ride = started_ride(found)
    return Receipt(
        **ended,
        operator=found.operator.name,
        vehicle=ride.vehicle,
        start_time=ride.start_time,
        pricing=ride.pricing,
        tax_rate=found.rental.terms.tax_rate_bp / 100,
    )


@get(
    "/receipts/{rental_id:str}",
    permission=None,
    public=True,
    media_type=MediaType.HTML,
    tags=["rentals"],
)
async def receipt_as_page(
    call: web.Caller,
    rental_id: FromPath[str],
    key: Annotated[str, QueryParameter(max_length=120)] = "",
) -> Response[str]:
    """The receipt as a page, for who has its link: riders find it as ``receipt_url``.

    German or English, by ``Accept-Language``. 404 for any key but the right one.
    """
    found = await contract.receipt(call, rental_id_in(rental_id), key)
    return Response(
        receipt_page(found, call.locale),
        headers={
            "content-security-policy": (
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
            # The link is all it takes to see it, so it is not to be found elsewhere.
            "cache-control": "private, no-store",
            "referrer-policy": "no-referrer",
            "x-robots-tag": "noindex",
        },
    )


class RideEvent(msgspec.Struct, frozen=True):
    """One row of the ride's history (RNT-44)."""

    id: str
    rental_id: str
    event_type: str
    event_data: dict[str, str | int | float | bool | None]
    created_at: str
    version: int
    actor: str


class RideEvents(msgspec.Struct, frozen=True):
    """All of them, oldest first."""

    events: list[RideEvent]


@get(
    "/api/v1/rentals/{rental_id:str}/events",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def history(call: web.Caller, rental_id: FromPath[str]) -> RideEvents:
    """Every change of state of a rental, as it was told to the rest of the house (RNT-44)."""
    found = rental_id_in(rental_id)
    return RideEvents(
        [
            RideEvent(
                id=str(happening.id),
                rental_id=ids.public("rent", found),
                event_type=happening.event_type,
                event_data=happening.event_data,
                created_at=clock.stamp(happening.created_at),
                version=happening.version,
                actor=happening.actor,
            )
            for happening in await contract.history(call, found)
        ]
    )


@get(
    "/api/v1/rentals/{rental_id:str}/photo",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    media_type="image/jpeg",
    tags=["rentals"],
)
async def photo(call: web.Caller, rental_id: FromPath[str]) -> Response[bytes]:
    """The photo of the parking place (RNT-48), as JPEG; 404 ``NO_PHOTO`` when none was sent."""
    body = await contract.photo(call, rental_id_in(rental_id))
    return Response(body, media_type="image/jpeg", headers={"cache-control": "private"})
