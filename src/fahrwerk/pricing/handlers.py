"""What pricing does when others have news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel.events import on
from fahrwerk.pricing import actions
from fahrwerk.rentals.events import RentalEnded
from fahrwerk.tenancy.events import OperatorCreated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact


@on(OperatorCreated)
async def on_operator_created(tx: Tx, call: Call, event: OperatorCreated, fact: Fact) -> None:
    """A new operator can rent out at once: default prices and WELCOME10."""
    await actions.lay_out_prices(tx, call, event.currency)


_REDEEM = """
INSERT INTO pricing.redemption (promotion_id, rental_id, rider_id, at)
SELECT p.id, $2, $3, $4 FROM pricing.promotion p
WHERE p.tenant_id = kernel.tenant() AND p.code = $1
ON CONFLICT (tenant_id, rental_id) DO NOTHING
"""


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """The ride used its promotion: counted now, not when it was booked (PRC-05)."""
    if event.promo_code is not None:
        await tx.run(_REDEEM, event.promo_code, event.booking_id, event.user_id, event.ended_at)


_FORGET = """
UPDATE pricing.redemption SET rider_id = gen_random_uuid()
WHERE tenant_id = kernel.tenant() AND rider_id = $1
"""


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """How often a promotion was used stays; by whom does not."""
    await tx.run(_FORGET, event.user_id)
