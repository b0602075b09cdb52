"""What keeps vehicles out of service, and brings them back: one reason at a time.

``vehicle.out_for`` holds the reasons. While somebody holds a vehicle its status stays, and giving
it back looks at them (``holds.FREED``); else this is where it goes to maintenance and returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.actions.holds import SILENT
from fahrwerk.fleet.events import VehicleChanged
from fahrwerk.kernel import db, events

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_STATUS = f"""CASE WHEN v.held_by IS NOT NULL OR v.status = 'retired' THEN v.status
         WHEN due.after <> '{{}}' THEN 'maintenance'
         WHEN v.status <> 'maintenance' THEN v.status
         WHEN {SILENT} THEN 'offline' ELSE 'available' END"""
TURN = f"""
turned AS (
    UPDATE fleet.vehicle v
    SET out_for = due.after, status = {_STATUS},
        version = version + CASE WHEN {_STATUS} <> due.before THEN 1 ELSE 0 END,
        updated_at = kernel.now()
    FROM due WHERE v.id = due.id
    RETURNING v.id, v.version, v.status, v.cell, due.before
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $1, $2, jsonb_build_object(
        'vehicle_id', id, 'status', status, 'reason', $5::text), $3, $4
    FROM turned WHERE status <> before
)
SELECT id, status, cell, status <> before AS is_turned FROM turned
"""
"""What follows ``WITH due (id, before, after)``: locked vehicles, status, the new reasons."""


def head(call: Call, reason: str) -> tuple[Any, ...]:
    """The first five arguments of a statement with ``TURN``."""
    return (*title(VehicleChanged), call.actor, call.trace, reason)


_ONE = f"""
WITH due AS (
    SELECT id, status AS before, array_remove(out_for, $5::text)
           || CASE WHEN $7::bool THEN ARRAY[$5::text] ELSE '{{}}' END AS after
    FROM fleet.vehicle WHERE id = $6 FOR UPDATE
), {TURN}
"""


async def set_reason(tx: db.Tx, call: Call, vehicle_id: UUID, reason: str, is_out: bool) -> None:
    """Let a reason hold for a vehicle, or not any more; its status follows if nobody has it."""
    row = await tx.one(_ONE, *head(call, reason), vehicle_id, is_out)
    if row is not None and row["is_turned"]:
        tell_caches(tx, call, row["cell"])
