"""How many vehicles an operator's plan allows (TEN-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_USED = """
SELECT count(*) AS used FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND status <> 'retired'
"""


async def check_room(call: Call, more: int) -> None:
    """Raise ``LimitReached`` when so many more vehicles are too many; those retired do not count.

    Looked at before anything is written: two who add at the same moment may go over it by what
    they add.
    """
    allowed = (await tenancy.operator(call)).max_vehicles
    if allowed is None or not more:
        return
    used = (await db.run("fleet", call, _USED))[0]["used"]
    if used + more > allowed:
        raise tenancy.LimitReached(limit="vehicles", allowed=allowed, used=used)
