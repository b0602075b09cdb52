"""Which vehicles keep zones on board, and which lack the newest; see ``rules.zone_bundle``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.queries.zones import book
from fahrwerk.fleet.rules.zone_bundle import bundle
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.kernel.call import Call

TAKES_ZONES = "zones"
"""What such a vehicle says among its capabilities. No command of this name is ever sent."""
DUE = "fleet.zone_bundle"
"""Signalled when a vehicle has come online that wants its zones."""
AT_ONCE = 50

_ASK = """
INSERT INTO fleet.zone_bundle (vehicle_id) VALUES ($1)
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE SET sent_stamp = -1, sent_at = kernel.now()
"""


async def vehicle_wants_zones(
    call: Call, vehicle_id: UUID, capabilities: Collection[str] | None
) -> None:
    """A vehicle came online. If it keeps zones on board it gets them anew: it may lack some."""
    if capabilities is not None and TAKES_ZONES in capabilities:
        await db.run("fleet", call, _ASK, vehicle_id)
        hub.signal(DUE)


# A word that comes late must not take back a newer one; and nobody has what was never sent.
_TAKEN = """
UPDATE fleet.zone_bundle SET taken_stamp = $2, taken_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND $2 <= (
    SELECT stamp FROM fleet.zone_stamp WHERE tenant_id = kernel.tenant())
  AND $2 >= coalesce(taken_stamp, 0)
"""


async def zones_taken(call: Call, vehicle_id: UUID, version: int) -> None:
    """A vehicle says which zones it has on board now."""
    await db.run("fleet", call, _TAKEN, vehicle_id, version)


class Bundle(msgspec.Struct, frozen=True):
    """What is to be published to one vehicle."""

    public_vehicle_id: str
    payload: bytes


class _Due(msgspec.Struct, frozen=True):
    tenant: UUID
    vehicle_id: UUID
    vehicle_type: str
    stamp: int


_CLAIM = """
WITH due AS (
    SELECT b.tenant_id, b.vehicle_id, s.stamp, k.vehicle_type
    FROM fleet.zone_bundle b
    JOIN fleet.zone_stamp s ON s.tenant_id = b.tenant_id AND s.stamp > b.sent_stamp
    JOIN fleet.vehicle_key k ON k.tenant_id = b.tenant_id AND k.vehicle_id = b.vehicle_id
    ORDER BY b.sent_at LIMIT $1 FOR UPDATE OF b SKIP LOCKED
)
UPDATE fleet.zone_bundle b SET sent_stamp = due.stamp, sent_at = kernel.now() FROM due
WHERE b.tenant_id = due.tenant_id AND b.vehicle_id = due.vehicle_id
RETURNING b.tenant_id, b.vehicle_id, due.vehicle_type, due.stamp
"""


async def claim_bundles(limit: int = AT_ONCE) -> list[Bundle]:
    """Take vehicles that lack their operator's newest zones, each with what it is to be sent.

    One whose claimer dies before publishing gets them when it comes online again, or with the next
    change. Two links may claim at the same time.
    """
    rows = await db.run("fleet", system(None, "fleet"), _CLAIM, limit)
    made: dict[tuple[UUID, str], bytes] = {}
    found = []
    for due in db.shaped(_Due, rows):
        key = (due.tenant, due.vehicle_type)
        if key not in made:
            zones = (await book(system(due.tenant, "fleet"), due.stamp)).in_force
            made[key] = bundle(zones, due.vehicle_type, clock.now())
        found.append(Bundle(ids.public(PREFIX[due.vehicle_type], due.vehicle_id), made[key]))
    return found
