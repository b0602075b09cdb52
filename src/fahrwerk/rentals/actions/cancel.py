"""Cancel a booking before the ride, or let it expire: vehicle free, money back (RNT-18, C-84).

What is authorised, now or late, is voided by payments when it hears ``rental.cancelled`` (I12).

Crash points: ``rentals.cancel.after_cancel``, ``.after_release``.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Unavailable
from fahrwerk.rentals import rules
from fahrwerk.rentals.events import RentalCancelled
from fahrwerk.rentals.queries import COLUMNS, END_ANY, check_may, find, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental

    Run = Callable[..., Awaitable[list[db.Row]]]


async def cancel(call: Call, rental_id: UUID, reason: str) -> Rental:
    rental = await find(call, rental_id)
    check_may(call, rental, END_ANY)
    while rules.move("cancel", rental.state) is not None:
        cancelled = await cancel_now(call, rental, reason)
        rental = cancelled or await find(call, rental_id)
    return rental


async def cancel_now(
    call: Call, rental: Rental, reason: str, *, only_overdue: bool = False
) -> Rental | None:
    """Cancel and free the vehicle; None when the rental was not in a state for it any more."""
    run = partial(db.run, "rentals", call)
    cancelled = await record_cancelled(run, call, rental, reason, only_overdue=only_overdue)
    point("rentals.cancel.after_cancel")
    if cancelled is not None:
        # fleet hears of it too: this only spares the next rider the wait.
        house = system(call.tenant, "rentals", trace=call.trace)
        with suppress(Unavailable):
            await fleet.release_hold(house, rental.vehicle_id, rental.id, reason)
    point("rentals.cancel.after_release")
    return cancelled


_CANCEL = f"""
WITH changed AS (
    UPDATE rentals.rental
    SET state = 'cancelled', reason = $7, cancelled_at = $8, expires_at = NULL,
        version = version + 1
    WHERE id = $6 AND state = ANY($9) AND (NOT $10::bool OR expires_at <= kernel.now())
    RETURNING {COLUMNS}
), told AS (
    {events.INSERT}
    SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
)
SELECT * FROM changed
"""


async def record_cancelled(
    run: Run, call: Call, rental: Rental, reason: str, *, only_overdue: bool = False
) -> Rental | None:
    """One statement: the state and its event; None when another was faster."""
    fact = RentalCancelled(
        rental.id, rental.rider_id, rental.vehicle_id, rental.payment_id, reason,
        rental.hold_minor, rental.terms.currency,
    )  # fmt: skip
    rows = await run(
        _CANCEL, *events.columns(call, fact),
        rental.id, reason, clock.now(), rules.before("cancel"), only_overdue,
    )  # fmt: skip
    return read(rows[0]) if rows else None


_OVERDUE = f"""
SELECT {COLUMNS} FROM rentals.rental
WHERE vehicle_id = $1 AND state IN ('pending', 'confirmed') AND expires_at <= kernel.now()
"""


async def expire_of_vehicle(call: Call, vehicle_id: UUID) -> None:
    """Clear away a booking of this vehicle that has run out, without waiting for the worker."""
    house = system(call.tenant, "rentals", trace=call.trace)
    run = partial(db.run, "rentals", house)
    for row in await run(_OVERDUE, vehicle_id):
        await record_cancelled(run, house, read(row), "expired", only_overdue=True)
