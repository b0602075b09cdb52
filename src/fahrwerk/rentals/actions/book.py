"""Reserve a vehicle (RNT-11..18, RNT-26). Its payment is named here and opened by ``confirm``.

Ask, decide, record: the rider, the hold, the price, then one statement. The rental's id is
made from the caller's key, and the keys of hold and payment from the rental's id: whoever repeats a
request that died on the way takes up what it left.

About C-17: an HTTP repeat with the same key is answered by ``kernel.keyed`` and never comes here,
unless the first answer was lost or a 503. Then the key leads to the first try; one that was
cancelled because payment failed or the vehicle was silent makes room for the next try under the
same key, which holds the vehicle again if it is still free. A declined booking itself stays
cancelled: events about it may still be on their way, and they name it by its id.

Crash points: ``rentals.book.after_hold``, ``.after_quote``, ``.after_insert``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.fleet import contract as fleet
from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import MayNotRide, birth
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Conflict, Forbidden, Unavailable
from fahrwerk.payments.contract import debts
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.cancel import expire_of_vehicle
from fahrwerk.rentals.contract import Point, Rental, TooManyRentals
from fahrwerk.rentals.events import RentalReserved
from fahrwerk.rentals.queries import COLUMNS, FIND, read
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import markets

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.fleet.contract import Held
    from fahrwerk.kernel.call import Call
    from fahrwerk.pricing.contract import Quote
    from fahrwerk.tenancy.contract import Operator

_TRIES_PER_KEY = 50
_WRITES = 4


class Wish(msgspec.Struct, frozen=True):
    """What the rider asked for, checked."""

    id: UUID
    rider: UUID
    planned_start_at: datetime
    is_business: bool
    start: Point | None


async def book(
    call: Call,
    vehicle: str,
    planned_start_at: datetime | None,
    minutes: int | None,
    promo_code: str | None,
    is_business: bool,
    start: Point | None,
) -> Rental:
    if call.user is None:
        raise Forbidden("Only a rider can book.")
    operator = await tenancy.operator(call)
    if not operator.is_open:
        raise tenancy.OperatorSuspended
    planned = rules.planned_start(planned_start_at, clock.now())
    rules.check_minutes(minutes, operator.max_ride_h)
    rental_id, found = await _by_key(call, call.user)
    if found is not None:
        return found
    wish = Wish(rental_id, call.user, planned, is_business, start)
    held, standing = await _hold(call, vehicle, wish, operator)
    try:
        point("rentals.book.after_hold")
        if held.vehicle.vehicle_type in standing.barred_types:
            raise MayNotRide(reason="id_check_missing")
        await _check_market(call, wish, held)
        quote = await pricing.quote(call, held.vehicle.vehicle_type, minutes, promo_code, call.user)
        point("rentals.book.after_quote")
        rental = await _write(call, wish, held, quote, operator)
    except Exception as error:
        # With the database gone the outcome is unknown: then the lease ends by itself.
        if not isinstance(error, db.DatabaseDown):
            await _give_back(call, held)
        raise
    point("rentals.book.after_insert")
    return rental


async def _by_key(call: Call, rider: UUID) -> tuple[UUID, Rental | None]:
    """The id of this try, and the rental an earlier request with this key made."""
    rental_id, found = ids.new(), None
    for number in range(_TRIES_PER_KEY if call.key is not None else 0):
        rental_id = ids.derived(call.tenant, rider, "rental", call.key, number)
        row = await db.one("rentals", call, FIND, rental_id)
        if row is None:
            return rental_id, None
        found = read(row)
        if found.state != "cancelled" or found.reason not in rules.RETRIED:
            break
    return rental_id, found


async def _hold(
    call: Call, vehicle: str, wish: Wish, operator: Operator
) -> tuple[Held, identity.Standing]:
    """The vehicle for this rider, and how he stands: which type it is, is only known now.

    Raises ``MayNotRide``, ``DebtOpen`` of payments, ``UnknownVehicle``, ``VehicleTaken``.
    """
    # One after the other: two tasks cost more than the question, and nothing is to be given back.
    standing = await identity.rider_standing(call, wish.rider)
    if not standing.may_ride:
        raise MayNotRide(reason=standing.reason)
    await debts.check_debts(call, wish.rider)
    try:
        held = await fleet.hold_vehicle(call, vehicle, wish.id, wish.rider, operator.payment_hold_s)
    except Conflict as taken:
        if taken.error_code == fleet.VehicleTaken.code:
            raise fleet.VehicleTaken(
                taken.text, **(taken.details | {"hint": rules.TAKEN_HINT})
            ) from None
        raise
    return held, standing


async def _check_market(call: Call, wish: Wish, held: Held) -> None:
    """The rules of the market where the vehicle stands: quiet hours, minimum age (TEN-25).

    Of rides that are recorded later nothing is asked: they have been.
    """
    if clock.is_moved() and clock.lease_time() is None:
        return
    vehicle = held.vehicle
    market = await markets.market_at(call, vehicle.latitude, vehicle.longitude)
    if market is None:
        return
    await markets.check_quiet(call, market, wish.planned_start_at)
    if market.minimum_age:
        age = await birth.age(call, wish.rider)
        if age is None or age < market.minimum_age:
            reason = "age_unknown" if age is None else "too_young"
            raise markets.TooYoung(minimum_age=market.minimum_age, reason=reason)


async def _give_back(call: Call, held: Held) -> None:
    """A known failure frees the vehicle at once; when even that fails, the lease will."""
    house = system(call.tenant, "rentals", trace=call.trace)
    with suppress(Unavailable):
        await fleet.release_hold(house, held.vehicle.id, held.holder, "not_booked")


# The rider's lowest free place is taken; that it is taken once is for the unique index to see, so
# two bookings in the same instant cannot both be the last one allowed.
_BOOK = f"""
WITH place AS (
    SELECT min(n)::smallint AS seat FROM generate_series(1, $6::int) AS n
    WHERE NOT EXISTS (
        SELECT FROM rentals.rental r
        WHERE r.rider_id = $8 AND r.seat = n AND r.state IN ('pending', 'confirmed', 'in_progress'))
), changed AS (
    INSERT INTO rentals.rental (
        seat, id, rider_id, vehicle_id, vehicle_type, terms, estimated_minutes, estimated_minor,
        hold_minor, payment_id, reservation_token, unlock_window_s, max_ride_h, max_ride_km,
        planned_start_at, created_at, expires_at, start_latitude, start_longitude, start_address,
        is_business, is_recorded)
    SELECT seat, $7, $8, $9, $10, $11, $12, $13,
           $14, $15, $16, $17, $18, $19,
           $20, $21, $22, $23, $24, $25,
           $26, $27
    FROM place WHERE seat IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING {COLUMNS}
), due AS (
    INSERT INTO rentals.deadline (rental_id, due_at) SELECT id, expires_at FROM changed
), told AS (
    {events.INSERT}
    SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
)
SELECT place.seat, changed.* FROM place LEFT JOIN changed ON true
"""


async def _write(call: Call, wish: Wish, held: Held, quote: Quote, operator: Operator) -> Rental:
    """One statement: the rental, within the rider's limit, and its event.

    Raises ``TooManyRentals``; ``VehicleTaken`` when a live rental has this vehicle after all.
    """
    vehicle, start = held.vehicle, wish.start
    payment_id = ids.derived(wish.id, "payment")
    # Of a recorded ride only domain time is moved; tests move the leases with it.
    is_recorded = clock.is_moved() and clock.lease_time() is None
    latitude, longitude = vehicle.latitude, vehicle.longitude
    if start is None and not is_recorded and latitude is not None and longitude is not None:
        start = Point(latitude, longitude, vehicle.address)  # where it stands
    place = (start.latitude, start.longitude, start.address) if start else (None, None, None)
    fact = RentalReserved(
        wish.id, wish.rider, vehicle.id, payment_id, quote.hold_minor, quote.terms.currency
    )
    for _ in range(_WRITES):
        row = await db.one(
            "rentals", call, _BOOK, *events.columns(call, fact),
            operator.max_active_rentals, wish.id, wish.rider, vehicle.id, vehicle.vehicle_type,
            quote.terms, quote.minutes, quote.estimated_minor, quote.hold_minor, payment_id,
            held.token, operator.unlock_window_s, operator.max_ride_h, operator.max_ride_km,
            wish.planned_start_at, clock.now(), held.expires_at,
            *place, wish.is_business, is_recorded,
        )  # fmt: skip
        if row is None or row["seat"] is None:
            raise TooManyRentals(limit=operator.max_active_rentals)
        if row["id"] is not None:
            return read(row)
        # Something was faster: this very request sent twice, another booking of the same rider,
        # or a rental of this vehicle that has run out and not been cleared away yet.
        if (own := await db.one("rentals", call, FIND, wish.id)) is not None:
            return read(own)
        await expire_of_vehicle(call, vehicle.id)
    raise fleet.VehicleTaken(hint=rules.TAKEN_HINT, alternatives=[])
