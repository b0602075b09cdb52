"""Reads of rentals: rows, lists, a ride's live figures, its history.

``find`` is for this room's own verbs: it asks nobody's permission. What other rooms and riders see
goes through ``rental``: their own, unless they may see any; and not theirs looks like not there.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.kernel.live import hub, rung
from fahrwerk.payments import contract as payments
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import rules
from fahrwerk.rentals.contract import (
    BookingNeeded,
    Details,
    Happening,
    NoPhoto,
    Point,
    Rental,
    RentalPage,
    Ride,
    UnknownRental,
    WrongState,
)
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import markets
from fahrwerk.wallet import contract as wallet

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from fahrwerk.tenancy.contract.markets import Places

READ_ANY = "rentals.rental.read_any"
END_ANY = "rentals.rental.end_any"

COLUMNS = """id, rider_id, vehicle_id, vehicle_type, state, reason, terms, estimated_minutes,
estimated_minor, hold_minor, payment_id, planned_start_at, created_at, expires_at, confirmed_at,
started_at, ended_at, start_latitude, start_longitude, start_address, end_latitude, end_longitude,
end_address, distance_m, battery_used_pct, rating, is_business, is_recorded, stars, feedback,
version, reservation_token, cancelled_at, max_ride_h, max_ride_km,
secured_by"""
"""Of ``rentals.rental``, for ``read``."""


def read(row: db.Row) -> Rental:
    """A row of ``COLUMNS`` (more are left out) as a ``Rental``."""
    fields = dict(row)
    for end in ("start", "end"):
        place = [fields.pop(f"{end}_{part}") for part in ("latitude", "longitude", "address")]
        fields[end] = Point(*place) if place[0] is not None else None
    return msgspec.convert(fields, Rental)


FIND = f"SELECT {COLUMNS} FROM rentals.rental WHERE id = $1"


async def find(call: Call, rental_id: UUID) -> Rental:
    """A rental, whoever asks. Raises ``UnknownRental``."""
    row = await db.one("rentals", call, FIND, rental_id)
    if row is None:
        raise UnknownRental
    return read(row)


def check_may(call: Call, rental: Rental, permission: str) -> None:
    """Raise ``UnknownRental`` unless the rental is the caller's or ``permission`` covers any."""
    if rental.rider_id != call.user and not call.may(permission):
        raise UnknownRental


def check_own(call: Call, rental: Rental) -> None:
    """Raise ``UnknownRental`` unless the rental is the caller's: for what only its rider may do."""
    if rental.rider_id != call.user:
        raise UnknownRental


async def rental(call: Call, rental_id: UUID) -> Rental:
    found = await find(call, rental_id)
    check_may(call, found, READ_ANY)
    await check_reach(call, found)
    return found


async def check_reach(call: Call, rental: Rental) -> None:
    """Raise ``UnknownRental`` for another's that began beyond the caller's areas.

    A grant for a group of vehicles or a department reaches no rides.
    """
    if call.scope is not None and rental.rider_id != call.user:
        places, begun = await _places(call), rental.start
        if begun is None or not places.have(begun.latitude, begun.longitude):
            raise UnknownRental


def anywhere(call: Call) -> Call:
    """For the vehicle of a ride that may be seen: it may stand in another city by now."""
    return call if call.scope is None else msgspec.structs.replace(call, scope=None)


async def _places(call: Call) -> Places:
    areas = [UUID(each[5:]) for each in call.scope or () if each.startswith("area:")]
    return await markets.places_of(call, areas)


def begun_within(first: int, of: str = "") -> str:
    """The condition for rides that began in the boxes whose four arguments begin at ``$first``;
    with those of :func:`part_of_rides`: any, for calls that are not limited."""
    s, w, n, e = (f"${first + i}::float8[]" for i in range(4))
    return f"""({s} IS NULL OR EXISTS (
    SELECT FROM unnest({s}, {w}, {n}, {e}) AS b (s, w, n, e)
    WHERE {of}start_latitude BETWEEN b.s AND b.n AND {of}start_longitude BETWEEN b.w AND b.e))"""


async def part_of_rides(call: Call) -> tuple[list[float] | None, ...]:
    """The four arguments of :func:`begun_within`; nothing but None: no limit."""
    if call.scope is None:
        return (None, None, None, None)
    boxes = await _places(call)
    return (boxes.south, boxes.west, boxes.north, boxes.east)


_SOME = """
FROM rentals.rental WHERE {whose} AND ($2::text[] IS NULL OR state = ANY($2))
"""
# Two statements, since one plan for both would read an operator's rentals to find a rider's few.
_OF_RIDER, _OF_ALL = _SOME.format(whose="rider_id = $1"), _SOME.format(whose="$1::uuid IS NULL")
_PAGE = {
    of: f"SELECT {COLUMNS} {of} ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
    for of in (_OF_RIDER, _OF_ALL)
}
_COUNT = {of: f"SELECT count(*) AS total {of}" for of in (_OF_RIDER, _OF_ALL)}


_OF_PART = f"""
FROM rentals.rental
WHERE ($1::uuid IS NULL OR rider_id = $1) AND ($2::text[] IS NULL OR state = ANY($2))
  AND {begun_within(3)}
"""
_PAGE_OF_PART = f"""
SELECT {COLUMNS} {_OF_PART} ORDER BY created_at DESC, id DESC LIMIT $7 OFFSET $8
"""
_COUNT_OF_PART = f"SELECT count(*) AS total {_OF_PART}"


async def _page_of_part(
    call: Call, rider_id: UUID | None, states: list[str] | None, limit: int, offset: int
) -> RentalPage:
    """For whom the rides of some areas are all there are."""
    part = (rider_id, states, *await part_of_rides(call))
    rows = await db.run("rentals", call, _PAGE_OF_PART, *part, limit, offset)
    counted = await db.run("rentals", call, _COUNT_OF_PART, *part)
    return RentalPage([read(row) for row in rows], counted[0]["total"])


async def rentals(call: Call, rider_id: UUID | None, limit: int, offset: int) -> list[Rental]:
    of = _whose(call, rider_id)
    if call.scope is not None and rider_id != call.user:
        return (await _page_of_part(call, rider_id, None, limit, offset)).rentals
    rows = await db.run("rentals", call, _PAGE[of], rider_id, None, limit, offset)
    return [read(row) for row in rows]


async def rental_page(
    call: Call, rider_id: UUID | None, states: list[str] | None, limit: int, offset: int
) -> RentalPage:
    of = _whose(call, rider_id)
    if call.scope is not None and rider_id != call.user:
        return await _page_of_part(call, rider_id, states, limit, offset)
    rows, counted = await asyncio.gather(
        db.run("rentals", call, _PAGE[of], rider_id, states, limit, offset),
        db.run("rentals", call, _COUNT[of], rider_id, states),
    )
    return RentalPage([read(row) for row in rows], counted[0]["total"])


_WITH_VEHICLE = f"""
FROM rentals.rental WHERE vehicle_id = $1 AND state = ANY($2) AND {begun_within(3)}
"""
_PAGE_WITH_VEHICLE = f"""
SELECT {COLUMNS} {_WITH_VEHICLE} ORDER BY planned_start_at DESC, id DESC LIMIT $7 OFFSET $8
"""
_COUNT_WITH_VEHICLE = f"SELECT count(*) AS total {_WITH_VEHICLE}"


async def rides_of_vehicle(
    call: Call, vehicle: str, states: list[str], limit: int, offset: int
) -> RentalPage:
    call.require(READ_ANY)
    found = await fleet.find_vehicle(anywhere(call), vehicle)
    within = await part_of_rides(call)
    rows = await db.run(
        "rentals", call, _PAGE_WITH_VEHICLE, found.id, states, *within, limit, offset
    )
    counted = await db.run("rentals", call, _COUNT_WITH_VEHICLE, found.id, states, *within)
    return RentalPage([read(row) for row in rows], counted[0]["total"])


def _whose(call: Call, rider_id: UUID | None) -> str:
    """Which rentals a list is of. Raises ``Forbidden`` unless they are one's own."""
    if rider_id is None or rider_id != call.user:
        call.require(READ_ANY)
    return _OF_RIDER if rider_id is not None else _OF_ALL


_OF_VEHICLE = f"""
SELECT {COLUMNS} FROM rentals.rental
WHERE vehicle_id = $1 AND rider_id = $2 AND state IN ('pending', 'confirmed', 'in_progress')
"""


async def rental_of(
    call: Call, vehicle: str, booking: UUID | None = None, qr_code: str | None = None
) -> Rental:
    found = await fleet.find_vehicle(call, vehicle)
    if qr_code is not None and qr_code != found.qr_code:
        raise Invalid(field="qr_code", issue="is not this vehicle's")
    row = await db.one("rentals", call, _OF_VEHICLE, found.id, call.user)
    if row is None or booking not in (None, row["id"]):
        raise BookingNeeded
    return read(row)


_RECEIPT_KEY = "SELECT receipt_key FROM rentals.rental WHERE id = $1"


async def details(call: Call, rental_id: UUID, wait_s: float = 0.0) -> Details:
    found = await rental(call, rental_id)
    vehicle, payment, operator, path = await asyncio.gather(
        fleet.vehicle(anywhere(call), found.vehicle_id),
        _payment(call, found, wait_s)
        if found.secured_by != "wallet"
        else _from_wallet(call, found, wait_s),
        tenancy.operator(call),
        _receipt_path(call, found),
    )
    return Details(found, vehicle, payment, operator, path)


async def _receipt_path(call: Call, rental: Rental) -> str | None:
    if rental.rating is None or call.tenant is None:
        return None
    [row] = await db.run("rentals", call, _RECEIPT_KEY, rental.id)
    key = f"{ids.public('op', call.tenant)}.{row['receipt_key']}"
    return f"/receipts/{ids.public('rent', rental.id)}?key={key}"


async def _from_wallet(call: Call, rental: Rental, wait_s: float) -> Payment | None:
    """A ride that is paid from the balance, said like any payment."""
    until = time.monotonic() + wait_s
    with hub.listening(f"wallet.account:{rental.rider_id}") as bell:
        while True:
            bell.clear()
            money = await wallet.ride_money(call, rental.id)
            left = until - time.monotonic()
            if money is None or money.state in ("settled", "released") or left <= 0:
                break
            await rung(bell, min(left, 0.25))
    if money is None:
        return None
    paid, total = money.paid_minor or 0, money.total_minor or 0
    name = ids.public(wallet.TRANSACTION_PREFIX, money.transaction_id) if paid else None
    state = "authorized" if money.state != "settled" else "completed" if paid >= total else "due"
    return payments.Payment(
        id=rental.payment_id, reference=rental.id, rider_id=rental.rider_id, state=state,
        currency=money.currency, amount_minor=rental.hold_minor, authorized_minor=money.held_minor,
        captured_minor=paid, refunded_minor=0, method_label="Wallet", reason=None, next_action=None,
        transaction_id=name,
    )  # fmt: skip


async def _payment(call: Call, rental: Rental, wait_s: float) -> Payment | None:
    until = time.monotonic() + wait_s
    with hub.listening(f"payments.payment:{rental.id}") as bell:
        while True:
            bell.clear()
            payment = await payments.payment_for(call, rental.id)
            left = until - time.monotonic()
            is_open = payment is not None and rules.paid_word(payment.state) == "processing"
            # A bank account is debited for days: nobody waits for that.
            is_slow = payment is not None and payment.state == "processing"
            if not is_open or is_slow or left <= 0:
                return payment
            await rung(bell, min(left, 0.25))


async def receipt(call: Call, rental_id: UUID, key: str | None) -> Details:
    if key is not None:
        call = await _with_key(call, rental_id, key)
    found = await details(call, rental_id)
    if found.rental.rating is None:
        raise WrongState(state=found.rental.state, wanted=["completed"])
    return found


async def _with_key(call: Call, rental_id: UUID, key: str) -> Call:
    """A call that may see this receipt. Raises ``UnknownRental``."""
    operator, _, secret = key.partition(".")
    try:
        tenant = ids.parse(operator, "op")
    except NotFound:
        raise UnknownRental from None
    house = system(tenant, "rentals", trace=call.trace)
    row = await db.one("rentals", house, _RECEIPT_KEY, rental_id)
    if row is None or not row["receipt_key"] or not crypto.same(row["receipt_key"], secret):
        raise UnknownRental
    return house


async def ride(call: Call, rental_id: UUID) -> Ride:
    found = await rental(call, rental_id)
    now = clock.now()
    until = found.ended_at or now
    since = found.started_at or until
    seconds = rules.duration_s(since, until)
    vehicle, track, rating = await asyncio.gather(
        fleet.vehicle(anywhere(call), found.vehicle_id),
        fleet.track(call, found.vehicle_id, since, until),
        pricing.rate_ride(call, found.terms, seconds),
    )
    place: Point | fleet.Vehicle = vehicle
    if found.ended_at is not None:
        # What has been charged for is what is shown, whatever late telemetry adds to the track.
        track = msgspec.structs.replace(
            track, distance_m=found.distance_m, battery_used_pct=found.battery_used_pct
        )
        place = found.end or vehicle
    return Ride(found, seconds, found.rating or rating, track, place.latitude, place.longitude)


_HISTORY = """
SELECT id, event_type, event_data, created_at, version, actor FROM rentals.rental_event
WHERE stream = 'rental:' || $1::uuid ORDER BY version
"""


async def history(call: Call, rental_id: UUID) -> list[Happening]:
    await rental(call, rental_id)
    return db.shaped(Happening, await db.run("rentals", call, _HISTORY, rental_id))


_PHOTO = "SELECT image FROM rentals.end_photo WHERE rental_id = $1"


async def photo(call: Call, rental_id: UUID) -> bytes:
    await rental(call, rental_id)
    row = await db.one("rentals", call, _PHOTO, rental_id)
    if row is None:
        raise NoPhoto
    return bytes(row["image"])


_INVARIANTS = """
WITH recent AS (
    SELECT r.id, r.state, r.version, r.expires_at, r.unlocked_at, r.max_ride_h,
           e.events, e.newest, e.is_paid
    FROM rentals.rental r CROSS JOIN LATERAL (
        SELECT count(*) AS events, coalesce(max(version), 0) AS newest,
               coalesce(bool_or(name = 'BookingConfirmed'), false) AS is_paid
        FROM kernel.event WHERE stream = 'rental:' || r.id) e
    WHERE r.written_at > clock_timestamp() - interval '2 days'
       OR r.state IN ('pending', 'confirmed', 'in_progress')
)
SELECT 'I2' AS invariant, format('%s: %s, and never confirmed', id, state) AS detail
FROM recent WHERE state IN ('in_progress', 'completed') AND NOT is_paid
UNION ALL
SELECT 'I6', format('%s: version %s, %s events up to %s', id, version, events, newest)
FROM recent WHERE (events, newest) <> (version, version)
UNION ALL
SELECT 'I8', format('%s: %s, and its time was over at %s', id, state, expires_at)
FROM recent WHERE expires_at < kernel.now() - interval '120 seconds'
UNION ALL
SELECT 'I8', format('%s: rides since %s, longer than %s h', id, unlocked_at, max_ride_h)
FROM recent WHERE state = 'in_progress'
 AND unlocked_at < kernel.now() - make_interval(hours => max_ride_h, secs => 120)
UNION ALL
SELECT 'I8', format('%s: %s, and nobody will look at it', id, state)
FROM recent WHERE state IN ('pending', 'confirmed', 'in_progress') AND NOT EXISTS (
    SELECT FROM rentals.deadline d WHERE d.tenant_id = kernel.tenant() AND d.rental_id = recent.id)
ORDER BY 1, 2
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What is against I2, I6 or I8 for this operator: ``(id, detail)``; empty when all is well.

    Looks at what is live and at what was written in the last two days. Asked by ``fahrwerk
    doctor`` and the fault tests.
    """
    rows = await db.run("rentals", call, _INVARIANTS)
    return [(row["invariant"], row["detail"]) for row in rows]
