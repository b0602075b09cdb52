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


# Whoever adds stands in line here until the one before has committed, and then counts.
_IN_LINE = "SELECT pg_advisory_xact_lock(hashtextextended('vehicles:' || kernel.tenant()::text, 0))"


async def allowed(call: Call) -> int | None:
    """How many vehicles the plan allows; None: any number. To be asked before a transaction."""
    return (await tenancy.operator(call)).max_vehicles


async def in_line(tx: db.Tx) -> None:
    """Wait for whoever adds vehicles: before any row is locked, since they lock rows later."""
    await tx.run(_IN_LINE)


async def room(tx: db.Tx, most: int) -> int:
    """How many more there may be, as long as this transaction lasts."""
    await in_line(tx)
    return most - int((await tx.run(_USED))[0]["used"])


async def check_within(tx: db.Tx, most: int | None, more: int) -> None:
    """Raise ``LimitReached`` unless there is room for so many more than this transaction sees.

    However many add at once, none goes over. Where there is no limit nobody waits.
    """
    if most is None:
        return
    await in_line(tx)
    used = (await tx.run(_USED))[0]["used"]
    if used + more > most:
        raise tenancy.LimitReached(limit="vehicles", allowed=most, used=min(used, most))


async def check_room(call: Call, more: int) -> None:
    """Raise ``LimitReached`` when so many more vehicles are too many; those retired do not count.

    For whoever wants to say it before anything is written; :func:`check_within` decides.
    """
    most = await allowed(call)
    if most is None or not more:
        return
    used = (await db.run("fleet", call, _USED))[0]["used"]
    if used + more > most:
        raise tenancy.LimitReached(limit="vehicles", allowed=most, used=used)
