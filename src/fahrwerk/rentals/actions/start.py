"""Book, pay and unlock in one go (RNT-35..37, C-14): the three verbs, one after the other.

Each of them may be repeated, so a repeat with the same key goes on where the last request died.

Crash points: ``rentals.start.after_book``, ``rentals.start.after_confirm``, and those of the three.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import ids
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Problem, Unavailable
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.book import book
from fahrwerk.rentals.actions.cancel import cancel_now
from fahrwerk.rentals.actions.confirm import confirm
from fahrwerk.rentals.actions.unlock import unlock

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Point, Rental

_MAY_GO_ON = (payments.AuthenticationRequired.code, payments.PaymentUnknown.code)
"""The rider or the bank may still say yes: the booking waits until it expires, and the answer names
it, to be confirmed by ``confirm-payment``."""


async def start(
    call: Call,
    vehicle: str,
    place: Point | None,
    payment_method: str | None,
    promo_code: str | None,
    is_business: bool,
) -> Rental:
    rental = await book(call, vehicle, None, None, promo_code, is_business, place)
    point("rentals.start.after_book")
    try:
        if rules.move("authorize", rental.state) is not None:
            rental = await confirm(call, rental.id, payment_method)
        point("rentals.start.after_confirm")
        # A repeat finds the ride under way: its vehicle is not told to unlock again.
        return await unlock(call, rental.id) if rental.state == "confirmed" else rental
    except Problem as problem:
        problem.details["booking_id"] = ids.public("rent", rental.id)
        await _leave_nothing(call, rental, problem)
        raise


async def _leave_nothing(call: Call, rental: Rental, problem: Problem) -> None:
    """After a known failure the vehicle is free and nothing charged, without waiting for leases."""
    if problem.error_code in _MAY_GO_ON:
        return
    is_silent = problem.error_code == fleet.VehicleSilent.code
    if isinstance(problem, Unavailable) and not is_silent:
        return  # something of ours is down: what has happened is unknown, and leases end it
    in_time = msgspec.structs.replace(call, deadline=float("inf"))
    with suppress(Unavailable):
        await cancel_now(in_time, rental, "vehicle_silent" if is_silent else "not_started")
