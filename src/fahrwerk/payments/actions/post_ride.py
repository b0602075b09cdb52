"""Bring the books of a ride (or a top-up) up to date with what was told about its money.

The work row is written with the facts (a capture's or refund's result, ``rental.ended`` when it is
heard), the journals are a function of the facts, and their keys are the facts' ids: run twice, at
the same time or after a crash, it posts each of them once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.crash import point
from fahrwerk.payments.actions import _books
from fahrwerk.payments.queries.rides import all_rides, rides
from fahrwerk.payments.rules import ledger as rules
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.ledger import NewJournal
    from fahrwerk.payments.queries.rides import Ride

# A fact that came in meanwhile has moved the row: then it stays, and is looked at again.
_DONE = """
DELETE FROM payments.work
WHERE tenant_id = kernel.tenant() AND kind = 'books' AND subject = $1 AND at = $2
"""


async def post_ride(call: Call, reference: UUID, claimed: datetime) -> None:
    """Post what is missing of one ride, then take its row off the queue."""
    usual = (await tenancy.operator(call)).tax_rate_bp
    for ride in await rides(call, usual, [reference]):
        await _complete(call, ride)
    await db.run("payments", call, _DONE, reference, claimed)


async def catch_up(call: Call) -> int:
    """See the contract."""
    posted = 0
    async for page in all_rides(call, (await tenancy.operator(call)).tax_rate_bp):
        for ride in page:
            posted += await _complete(call, ride)
    return posted


async def _complete(call: Call, ride: Ride) -> int:
    """Post what a ride's facts say and the books do not; how many journals."""
    booked = {each.key for each in ride.booked}
    missing = [each for each in rules.journals_of(ride.money) if each.key not in booked]
    for journal in missing:
        await _posted(call, journal)
        point("payments.books.after_post")
    return len(missing)


@_books.making_accounts
async def _posted(call: Call, journal: NewJournal) -> None:
    await _books.write(partial(db.run, "payments", call), call, journal)
