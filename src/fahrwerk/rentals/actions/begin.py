"""The vehicle has confirmed its unlock: the ride begins (FLT-25, C-10, G-12).

No verb of a rider's: only news of the vehicle starts a ride and its meter. Written inside the
handler's transaction; a second confirmation, or one for a booking cancelled meanwhile, changes
nothing (fleet locks such a vehicle again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import events
from fahrwerk.rentals import rules
from fahrwerk.rentals.events import RentalStarted
from fahrwerk.rentals.queries import FIND, read

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

_BEGIN = f"""
WITH changed AS (
    UPDATE rentals.rental
    SET state = 'in_progress', started_at = $7, unlocked_at = kernel.now(), expires_at = NULL,
        version = version + 1
    WHERE id = $6 AND state = ANY($8)
    RETURNING id, version
)
{events.INSERT}
SELECT 'rental:' || id, version, $1, $2, $3::jsonb, $4, $5 FROM changed
"""


async def begin(tx: Tx, call: Call, rental_id: UUID, vehicle_id: UUID, at: datetime) -> None:
    """Move a confirmed booking into its ride, begun ``at`` (domain time), and tell it."""
    row = await tx.one(FIND, rental_id)
    if row is None:
        return
    rental = read(row)
    if rental.vehicle_id != vehicle_id or rental.state not in rules.before("unlock"):
        return
    fact = RentalStarted(rental.id, rental.rider_id, vehicle_id, at)
    await tx.run(_BEGIN, *events.columns(call, fact), rental.id, at, rules.before("unlock"))
    tx.signal(f"rentals.rental:{rental.id}")
