"""What becomes a notice: written in the handler's transaction, sent later by a job (NTF-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import ids
from fahrwerk.kernel.events import Fact, on
from fahrwerk.rentals.events import BookingConfirmed, RentalEnded

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

_WRITE = """
INSERT INTO notifications.notice (id, user_id, template, channel, reference, trace)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, reference, template, channel) DO NOTHING
"""


async def _write(
    tx: Tx, call: Call, template: str, user_id: UUID, reference: UUID, channel: str = "email"
) -> None:
    notice_id = ids.derived("notice", call.tenant, template, channel, reference)
    await tx.run(_WRITE, notice_id, user_id, template, channel, reference, call.trace)
    tx.signal("notifications.notice")


@on(BookingConfirmed)
async def on_booking_confirmed(tx: Tx, call: Call, event: BookingConfirmed, fact: Fact) -> None:
    """A confirmation for each booking (NTF-03); none for rides brought in from history."""
    if not event.is_recorded:
        await _write(tx, call, "BookingConfirmation", event.user_id, event.booking_id)


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """A receipt for each ended ride (NTF-05); none for rides brought in from history."""
    if not event.is_recorded:
        await _write(tx, call, "RideReceipt", event.user_id, event.booking_id)
