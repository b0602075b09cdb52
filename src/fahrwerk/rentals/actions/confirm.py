"""Open the payment, have it authorised and confirm the booking (RNT-19..25).

Payments may hear of the authorisation late, and then tells ``PaymentAuthorized``: the handler of it
and ``confirm`` write the same statement, and whoever comes second finds it done. The hold on the
vehicle is made longer afterwards; a confirmed booking is due again in seconds until that is known
to have happened, so a crash in between is healed by the worker.

Crash points: ``rentals.confirm.after_open``, ``.after_authorize``, ``.after_confirm``,
``.after_extend``.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Conflict, NotFound, Unavailable, Unpaid
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.cancel import cancel_now
from fahrwerk.rentals.contract import WrongState
from fahrwerk.rentals.events import BookingConfirmed
from fahrwerk.rentals.queries import COLUMNS, check_own, find, read
from fahrwerk.wallet import contract as wallet

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.actions.cancel import Run
    from fahrwerk.rentals.contract import Rental


WALLET = "wallet"
"""Instead of a payment method: the rider's prepaid balance."""
WALLET_SPARE_H = 14
"""A ride may be planned 12 hours ahead, and somebody has to settle it after its end."""


async def confirm(call: Call, rental_id: UUID, payment_method: str | None) -> Rental:
    rental = await find(call, rental_id)
    check_own(call, rental)
    if rules.move("authorize", rental.state) is None:
        return rental
    if payment_method == WALLET:
        await _keep_in_wallet(call, rental)
        return await _confirmed(call, rental, "wallet")
    method = await payments.find_method(call, payment_method) if payment_method else None
    try:
        await payments.open_payment(
            call, rental.payment_id, rental.id, rental.rider_id, rental.hold_minor,
            rental.terms.currency,
        )  # fmt: skip
        point("rentals.confirm.after_open")
        await payments.authorize(call, rental.payment_id, method)
    except Unpaid as problem:
        # Over the wire an error comes as its kind and code. After 3-D Secure the rider tries again.
        if problem.error_code != payments.AuthenticationRequired.code:
            await cancel_now(call, rental, "payment_failed")
        raise
    except Conflict as problem:
        if problem.error_code == payments.PaymentClosed.code:
            _refuse_if_gone(await find(call, rental_id))
        raise
    return await _confirmed(call, rental, "payment")


async def _keep_in_wallet(call: Call, rental: Rental) -> None:
    """Hold the estimate in the rider's balance, for as long as the ride can last.

    No more than that (C-19 is for cards): while it runs, the worker keeps more as it costs more,
    and ends it before the balance does. Not beside a card that is being tried: the ride would be
    paid twice.
    """
    tried = await payments.payment_for(call, rental.id)
    if tried is not None and tried.state not in ("failed", "voided"):
        raise Conflict("This booking has another payment under way.", code="PAYMENT_EXISTS")
    lease_s = (rental.max_ride_h + WALLET_SPARE_H) * 3600.0
    amount = max(rental.estimated_minor, 1)
    try:
        await wallet.hold_ride(call, rental.id, rental.rider_id, amount, lease_s)
    except Unpaid:
        await cancel_now(call, rental, "payment_failed")
        raise


async def _confirmed(call: Call, rental: Rental, secured_by: str) -> Rental:
    point("rentals.confirm.after_authorize")
    run = partial(db.run, "rentals", call)
    confirmed = await record_confirmed(run, call, rental, secured_by)
    point("rentals.confirm.after_confirm")
    if confirmed is None:
        confirmed = await _after_somebody_else(call, rental)
    if confirmed.state == "confirmed":
        await keep_hold(call, confirmed)
    point("rentals.confirm.after_extend")
    return confirmed


def _refuse_if_gone(rental: Rental) -> None:
    if rental.state == "cancelled":
        raise WrongState(state=rental.state, reason=rental.reason)


async def _after_somebody_else(call: Call, rental: Rental) -> Rental:
    """The handler confirmed it first; or the booking is gone, and the money goes back (I12)."""
    found = await find(call, rental.id)
    if found.secured_by == "payment":
        await wallet.release_ride(call, rental.id)
    if found.state == "pending":
        await cancel_now(call, rental, "expired", only_overdue=True)
        found = await find(call, rental.id)
    if found.state == "cancelled":
        house = system(call.tenant, "rentals", trace=call.trace)
        with suppress(Unavailable, NotFound):  # payments hears rental.cancelled as well
            await payments.void(house, rental.payment_id)
        _refuse_if_gone(found)
    return found


_CONFIRM = f"""
WITH changed AS (
    UPDATE rentals.rental
    SET state = 'confirmed', secured_by = $9, confirmed_at = $7, version = version + 1,
        expires_at = greatest(planned_start_at, kernel.now())
                     + make_interval(secs => unlock_window_s)
    WHERE id = $6 AND state = ANY($8) AND expires_at > kernel.now()
    RETURNING {COLUMNS}
), due AS (
    UPDATE rentals.deadline d SET due_at = kernel.now() + interval '5 seconds'
    FROM changed WHERE d.tenant_id = kernel.tenant() AND d.rental_id = changed.id
), told AS (
    {events.INSERT}
    SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
)
SELECT * FROM changed
"""


async def record_confirmed(
    run: Run, call: Call, rental: Rental, secured_by: str = "payment"
) -> Rental | None:
    """One statement: confirmed, the unlock window open, the event; None when another was faster.

    The window ends ``unlock_window_s`` after the planned start, and never sooner than that from
    now (RNT-22, C-09).
    """
    now = clock.now()
    fact = BookingConfirmed(
        rental.id, rental.rider_id, rental.vehicle_id,
        now, rental.planned_start_at, rental.estimated_minutes, rental.is_recorded,
    )  # fmt: skip
    rows = await run(
        _CONFIRM, *events.columns(call, fact), rental.id, now, rules.before("authorize"), secured_by
    )
    return read(rows[0]) if rows else None


_LEFT = """
SELECT ceil(extract(epoch FROM expires_at - kernel.now()))::int AS seconds
FROM rentals.rental WHERE id = $1 AND state = 'confirmed' AND expires_at > kernel.now()
"""
_KEPT = """
UPDATE rentals.deadline d SET due_at = r.expires_at FROM rentals.rental r
WHERE d.tenant_id = kernel.tenant() AND d.rental_id = $1
  AND r.tenant_id = d.tenant_id AND r.id = d.rental_id AND r.state = 'confirmed'
"""


async def keep_hold(call: Call, rental: Rental) -> None:
    """Make the vehicle's hold last as long as the unlock window.

    Lost meanwhile, the booking is cancelled. Raises ``WrongState`` then.
    """
    left = await db.one("rentals", call, _LEFT, rental.id)
    if left is None:
        return
    try:
        await fleet.extend_hold(call, rental.vehicle_id, rental.id, left["seconds"])
    except Conflict:
        cancelled = await cancel_now(call, rental, "hold_lost")
        _refuse_if_gone(cancelled or await find(call, rental.id))
        return
    await db.run("rentals", call, _KEPT, rental.id)
