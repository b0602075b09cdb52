"""What rentals does by itself: bookings run out, rides reach their limits (RNT-18, RNT-22, RNT-51).

A deadline is when somebody looks at a rental again; what is to be done, the rental says. Claiming
one moves it ahead, so a rental whose worker died, or whose turn failed, is looked at again soon.
All of it is measured by the database's clock (F14), for rides brought in from history too: their
domain time is long past, but how long they hold a vehicle is counted from when they were written.

Crash points: ``rentals.deadline.after_claim``, ``rentals.deadline.after_expiry``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, jobs
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Problem
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import rules
from fahrwerk.rentals.actions.cancel import cancel_now
from fahrwerk.rentals.actions.confirm import WALLET_SPARE_H, keep_hold
from fahrwerk.rentals.actions.end import finish
from fahrwerk.rentals.queries import COLUMNS, read
from fahrwerk.wallet import contract as wallet

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental

BATCH = 100
RETRY_S = 30
WALLET_EVERY_S = 60.0
"""A ride that is paid from a balance is looked at so often: it stops before the balance does."""
log = structlog.get_logger()


class Due(msgspec.Struct, frozen=True):
    """A claimed deadline."""

    tenant: UUID
    rental_id: UUID


_CLAIM = f"""
UPDATE rentals.deadline d SET due_at = kernel.now() + interval '{RETRY_S} seconds'
FROM (SELECT tenant_id, rental_id FROM rentals.deadline
      WHERE due_at <= kernel.now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE d.tenant_id = next.tenant_id AND d.rental_id = next.rental_id
RETURNING d.tenant_id, d.rental_id
"""


@jobs.every(1, wake="rentals.deadline")
async def look_at_due() -> bool:
    """Look at the rentals whose deadline has come; True when there may be more."""
    house = system(None, "rentals")
    claimed = db.shaped(Due, await db.run("rentals", house, _CLAIM, BATCH))
    point("rentals.deadline.after_claim")
    for due in claimed:
        try:
            await _look(system(due.tenant, "rentals"), due.rental_id)
        except db.DatabaseDown:
            raise
        except Problem as problem:
            # A neighbour is down, or somebody changed the rental meanwhile: soon again.
            log.info("deadline put off", rental=str(due.rental_id), code=problem.error_code)
        except Exception as error:
            log.error("deadline failed", rental=str(due.rental_id), exc_info=error)
    return len(claimed) == BATCH


_SEEN = f"""
SELECT {COLUMNS}, coalesce(expires_at <= kernel.now(), false) AS is_overdue,
       extract(epoch FROM kernel.now() - unlocked_at)::float8 AS elapsed_s
FROM rentals.rental WHERE id = $1
"""
_CLEAR = "DELETE FROM rentals.deadline WHERE tenant_id = kernel.tenant() AND rental_id = $1"
_AT_EXPIRY = """
UPDATE rentals.deadline SET due_at = $2 WHERE tenant_id = kernel.tenant() AND rental_id = $1
"""


async def _look(call: Call, rental_id: UUID) -> None:
    row = await db.one("rentals", call, _SEEN, rental_id)
    rental = read(row) if row is not None else None
    if row is None or rental is None or rental.state not in rules.LIVE:
        await db.run("rentals", call, _CLEAR, rental_id)
    elif rental.state == "in_progress":
        await _check_limits(call, rental, row["elapsed_s"])
    elif row["is_overdue"]:
        await cancel_now(call, rental, "expired", only_overdue=True)
        point("rentals.deadline.after_expiry")
        await db.run("rentals", call, _CLEAR, rental_id)
    elif rental.state == "confirmed":
        await keep_hold(call, rental)  # puts the deadline to the end of the unlock window
    else:
        await db.run("rentals", call, _AT_EXPIRY, rental_id, rental.expires_at)


_LATER = """
UPDATE rentals.deadline SET due_at = kernel.now() + make_interval(secs => $2)
WHERE tenant_id = kernel.tenant() AND rental_id = $1
"""


async def _is_balance_gone(call: Call, rental: Rental, elapsed_s: float) -> bool:
    """True when the rider's balance does not reach to the look after the next one."""
    if rental.secured_by != "wallet" or rental.is_recorded:
        return False
    cost, later = [
        (await pricing.rate_ride(call, rental.terms, int(seconds))).total_minor
        for seconds in (elapsed_s, elapsed_s + 2 * WALLET_EVERY_S)
    ]
    lease_s = (rental.max_ride_h + WALLET_SPARE_H) * 3600.0
    cover = await wallet.cover_ride(call, rental.id, cost, later - cost, lease_s)
    return cover.must_stop


async def _check_limits(call: Call, rental: Rental, elapsed_s: float) -> None:
    """End a ride that has lasted or gone too long; else come back before it can have."""
    limits = (rental.max_ride_h, rental.max_ride_km)
    now, started_at = clock.now(), rental.started_at or clock.now()
    distance_m = 0
    if not rental.is_recorded:  # history is as long as it was
        distance_m = (await fleet.track(call, rental.vehicle_id, started_at, now, 2)).distance_m
    if await _is_balance_gone(call, rental, elapsed_s):
        await finish(call, rental, now, reason="balance")
        await db.run("rentals", call, _CLEAR, rental.id)
        return
    if rules.is_over(elapsed_s, distance_m, *limits):
        ended_at = rules.limit_end(started_at, now, rental.max_ride_h)
        await finish(call, rental, ended_at, reason="limit")
        await db.run("rentals", call, _CLEAR, rental.id)
    else:
        seconds = rules.look_again_s(elapsed_s, distance_m, *limits, rental.vehicle_type)
        if rental.secured_by == "wallet":
            seconds = min(seconds, WALLET_EVERY_S)
        await db.run("rentals", call, _LATER, rental.id, float(max(seconds, 0.0)))
