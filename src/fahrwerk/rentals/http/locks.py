"""The vehicle's lock: open it for the ride, and close and open it on the way (FLT-24..27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import web
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import Rental
from fahrwerk.rentals.http.shapes import public_rental, public_vehicle, rental_id_in, stamp

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


class UnlockWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rider's app knows besides the vehicle; it must agree (FLT-24, FLT-27)."""

    booking_id: Annotated[str, Meta(max_length=60)] | None = None
    qr_code: Annotated[str, Meta(max_length=300)] | None = None


class LockAnswer(msgspec.Struct, frozen=True):
    """The vehicle has done it."""

    message: str
    booking_id: str
    vehicle_id: str
    status: str
    start_time: str | None


async def _of_vehicle(call: Call, vehicle: str, wish: UnlockWish | None) -> UUID:
    booking = rental_id_in(wish.booking_id) if wish and wish.booking_id else None
    qr_code = wish.qr_code if wish else None
    return (await contract.rental_of(call, vehicle, booking, qr_code)).id


def _lock_answer(message: str, rental: Rental) -> LockAnswer:
    vehicle = public_vehicle(rental)
    return LockAnswer(
        message, public_rental(rental), vehicle, rental.state, stamp(rental.started_at)
    )


@post(
    ["/api/v1/vehicles/{vehicle_id:str}/unlock", "/vehicles/{vehicle_id:str}/unlock"],
    permission="fleet.vehicle.unlock",
    limit="rental",
    status_code=200,
    tags=["rentals"],
)
async def unlock(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[UnlockWish | None] = None
) -> LockAnswer:
    """Unlock the vehicle of your confirmed booking and start the ride; or open it during the ride.

    Answers when the vehicle has confirmed, at most 10 s later (FLT-24, FLT-25). 409
    ``BOOKING_REQUIRED``; 503 ``VEHICLE_OFFLINE``: nothing is charged, try again in a minute
    (RNT-27).
    """
    rental_id = await _of_vehicle(call, vehicle_id, data)
    return _lock_answer("Vehicle unlocked", await contract.unlock(call, rental_id))


@post(
    ["/api/v1/vehicles/{vehicle_id:str}/lock", "/vehicles/{vehicle_id:str}/lock"],
    permission="fleet.vehicle.unlock",
    while_suspended=True,
    limit="rental",
    status_code=200,
    tags=["rentals"],
)
async def lock(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[UnlockWish | None] = None
) -> LockAnswer:
    """Lock the vehicle for a pause; the ride and its meter go on (FLT-26).

    409 ``VEHICLE_MOVING``: stop first.
    """
    rental_id = await _of_vehicle(call, vehicle_id, data)
    return _lock_answer("Vehicle locked", await contract.lock(call, rental_id))
