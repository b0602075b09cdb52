"""What rentals does when fleet and payments have news. Any of it may come twice, or late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.events import VehicleReleased, VehicleUnlocked
from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel.events import Fact, on
from fahrwerk.payments.events import PaymentAuthorized, PaymentFailed
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.begin import begin
from fahrwerk.rentals.actions.cancel import record_cancelled
from fahrwerk.rentals.actions.confirm import record_confirmed
from fahrwerk.rentals.queries import FIND, read

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.rentals.contract import Rental


async def _waiting(tx: Tx, rental_id: UUID, states: list[str]) -> Rental | None:
    """The rental, if it is in one of these states: a statement decides again when it writes."""
    row = await tx.one(FIND, rental_id)
    rental = read(row) if row is not None else None
    return rental if rental is not None and rental.state in states else None


@on(VehicleUnlocked)
async def on_vehicle_unlocked(tx: Tx, call: Call, event: VehicleUnlocked, fact: Fact) -> None:
    """The ride begins when the vehicle says it is open (C-10, RNT-20, FLT-25)."""
    if event.booking_id is not None:
        await begin(tx, call, event.booking_id, event.vehicle_id, event.at)


_WRITTEN_BEFORE = "SELECT id FROM rentals.rental WHERE id = $1 AND written_at < $2"


@on(VehicleReleased)
async def on_vehicle_released(tx: Tx, call: Call, event: VehicleReleased, fact: Fact) -> None:
    """A booking whose vehicle was taken from it (hold expired, maintenance) is over.

    News from before the booking was written speaks of an earlier try with the same key.
    """
    rental = await _waiting(tx, event.booking_id, rules.before("cancel"))
    if rental is None or rental.vehicle_id != event.vehicle_id:
        return
    if await tx.one(_WRITTEN_BEFORE, rental.id, fact.at):
        await record_cancelled(tx.run, call, rental, event.reason)
        tx.signal(f"rentals.rental:{rental.id}")


@on(PaymentAuthorized)
async def on_payment_authorized(tx: Tx, call: Call, event: PaymentAuthorized, fact: Fact) -> None:
    """Confirms a booking whose rider got no answer from the gateway in time (PAY-12, TST-40).

    Usually ``confirm`` has done it already. A booking that is gone stays gone: payments, which
    hears ``rental.cancelled``, gives the money back.
    """
    rental = await _waiting(tx, event.booking_id, rules.before("authorize"))
    if rental is not None and rental.payment_id == event.payment_id:
        await record_confirmed(tx.run, call, rental)
        tx.signal(f"rentals.rental:{rental.id}")


@on(PaymentFailed)
async def on_payment_failed(tx: Tx, call: Call, event: PaymentFailed, fact: Fact) -> None:
    """Cancels a booking whose payment turned out to be refused (RNT-23)."""
    rental = await _waiting(tx, event.booking_id, rules.before("authorize"))
    if event.step == "authorize" and rental and rental.payment_id == event.payment_id:
        await record_cancelled(tx.run, call, rental, "payment_failed")
        tx.signal(f"rentals.rental:{rental.id}")


_FORGET = (
    """DELETE FROM rentals.end_photo p USING rentals.rental r
    WHERE p.tenant_id = kernel.tenant() AND r.tenant_id = p.tenant_id AND r.id = p.rental_id
      AND r.rider_id = $1""",
    """UPDATE rentals.rental
    SET start_latitude = NULL, start_longitude = NULL, start_address = NULL, end_latitude = NULL,
        end_longitude = NULL, end_address = NULL, feedback = NULL, receipt_key = NULL
    WHERE tenant_id = kernel.tenant() AND rider_id = $1""",
)


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """When and for how much was ridden stays, as a number's rides; where, and pictures, go."""
    for sql in _FORGET:
        await tx.run(sql, event.user_id)
