"""What the link to the vehicles works with, for all operators at once: no tenant is set here.

``fleet.vehicle_key`` is the directory of vehicles that speak our own protocol: it says whose a
vehicle is that speaks to us, and gives each command the next counter of its vehicle.
``fleet.device`` is the same for devices that connect by TCP and say their IMEI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog

from fahrwerk.fleet.actions.sealing import opened
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.protocols.fahrwerk_mqtt import PlatformKey
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

log = structlog.get_logger()


class Device(msgspec.Struct, frozen=True):
    """Whose a paired vehicle is, and the key it is spoken to with."""

    tenant: UUID
    vehicle_id: UUID
    key: PlatformKey


class Outgoing(msgspec.Struct, frozen=True):
    """A command to be signed and published now."""

    device: Device
    id: UUID
    vehicle_type: str
    operation: str
    counter: int
    queued_at: datetime
    expires_at: datetime
    rental_id: UUID | None
    user_id: UUID | None
    args: dict[str, bool | int]

    @property
    def public_vehicle_id(self) -> str:
        """As in the topic: ``sco_...``."""
        return ids.public(PREFIX[self.vehicle_type], self.device.vehicle_id)


_CLAIM = """
WITH due AS (
    SELECT tenant_id, id, vehicle_id, queued_at FROM fleet.command
    WHERE state = 'queued' AND expires_at > kernel.now()
      AND EXISTS (SELECT 1 FROM fleet.vehicle_key k WHERE k.vehicle_id = command.vehicle_id)
      AND NOT EXISTS (SELECT 1 FROM fleet.device d
                      WHERE d.vehicle_id = command.vehicle_id AND d.takes_commands)
    ORDER BY queued_at LIMIT $1 FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY vehicle_id ORDER BY queued_at, id) AS nth,
           count(*) OVER (PARTITION BY vehicle_id) AS of_all FROM due
), counted AS (
    UPDATE fleet.vehicle_key k SET counter = k.counter + n.of_all
    FROM (SELECT DISTINCT vehicle_id, of_all FROM numbered) n WHERE k.vehicle_id = n.vehicle_id
    RETURNING k.vehicle_id, k.counter - n.of_all AS counter, k.vehicle_type, k.kind, k.signs_with,
              k.checks_with
), sent AS (
    UPDATE fleet.command c SET state = 'sent', sent_at = kernel.now(), counter = k.counter + n.nth
    FROM numbered n JOIN counted k USING (vehicle_id)
    WHERE c.tenant_id = n.tenant_id AND c.id = n.id
    RETURNING c.*, k.vehicle_type, k.kind, k.signs_with, k.checks_with
)
SELECT tenant_id, vehicle_id, kind, signs_with, checks_with, id, vehicle_type, operation, counter,
       queued_at, expires_at, rental_id, user_id, args
FROM sent ORDER BY queued_at, counter
"""


async def claim_commands(limit: int = 100) -> list[Outgoing]:
    """Take queued commands to be sent, each with the next counter of its vehicle: now ``sent``.

    Two links may claim at the same time. A command whose claimer dies before publishing it is not
    sent again: it expires, and its sender decides (a doubled unlock is worse than a missing one).
    Commands to vehicles without a key wait until one is paired, or they expire.
    """
    rows = await db.run("fleet", system(None, "fleet"), _CLAIM, limit)
    for row in rows:
        hub.signal(f"fleet.command:{row['id']}")
    found = [(_device(row), tuple(row)[5:]) for row in rows]
    return [Outgoing(device, *rest) for device, rest in found if device is not None]


def _device(row: db.Row) -> Device | None:
    """None for one whose key was sealed with a secret nobody has any more: it is to be paired."""
    tenant, vehicle_id, kind, signs_with, checks_with = tuple(row)[:5]
    try:
        halves = opened(vehicle_id, signs_with), opened(vehicle_id, checks_with)
    except ValueError:
        log.error("a vehicle's key cannot be opened", vehicle=str(vehicle_id))
        return None
    return Device(tenant, vehicle_id, PlatformKey(kind, *halves))


_DEVICES = """
SELECT tenant_id, vehicle_id, kind, signs_with, checks_with FROM fleet.vehicle_key
WHERE vehicle_id = ANY($1)
"""


async def devices(vehicle_ids: Iterable[UUID]) -> dict[UUID, Device]:
    """The paired ones of these vehicles, whoever they belong to."""
    rows = await db.run("fleet", system(None, "fleet"), _DEVICES, list(vehicle_ids))
    found = {row["vehicle_id"]: _device(row) for row in rows}
    return {each: device for each, device in found.items() if device is not None}


class Paired(msgspec.Struct, frozen=True):
    """Whose a device is that is connected by TCP."""

    tenant: UUID
    vehicle_id: UUID
    protocol: str
    imei: str


class Waiting(msgspec.Struct, frozen=True):
    """A command for a vehicle whose connection this process holds: now ``sent``."""

    tenant: UUID
    id: UUID
    vehicle_id: UUID
    operation: str
    args: dict[str, str | int | bool | None]
    expires_at: datetime


_PAIRED = """
SELECT tenant_id, vehicle_id, protocol, imei FROM fleet.device
WHERE takes_commands AND imei = ANY($1)
"""


async def paired_devices(imeis: Iterable[str]) -> dict[str, Paired]:
    """The paired ones of these devices, whoever they belong to."""
    rows = await db.run("fleet", system(None, "fleet"), _PAIRED, list(imeis))
    return {each.imei: each for each in db.shaped(Paired, rows)}


# The oldest one of each vehicle: its connection carries one at a time.
_CLAIM_HELD = """
WITH due AS (
    SELECT c.tenant_id, c.id FROM fleet.command c
    JOIN unnest($1::uuid[], $2::text[]) AS held (vehicle_id, imei) USING (vehicle_id)
    JOIN fleet.device d ON d.vehicle_id = c.vehicle_id AND d.imei = held.imei AND d.takes_commands
    WHERE c.state = 'queued' AND c.expires_at > kernel.now()
      AND NOT EXISTS (
        SELECT 1 FROM fleet.command earlier
        WHERE earlier.state = 'queued' AND earlier.expires_at > kernel.now()
          AND earlier.vehicle_id = c.vehicle_id
          AND (earlier.queued_at, earlier.id) < (c.queued_at, c.id))
    FOR UPDATE OF c SKIP LOCKED
), sent AS (
    UPDATE fleet.command c SET state = 'sent', sent_at = kernel.now()
    FROM due WHERE c.tenant_id = due.tenant_id AND c.id = due.id RETURNING c.*
)
SELECT tenant_id, id, vehicle_id, operation, args, expires_at FROM sent
"""


async def claim_held(held: dict[UUID, str]) -> list[Waiting]:
    """Take one queued command for each of these vehicles (id -> IMEI), whose line is free.

    As with ``claim_commands``, one whose claimer dies before sending it is not sent again.
    """
    if not held:
        return []
    rows = await db.run(
        "fleet", system(None, "fleet"), _CLAIM_HELD, list(held), list(held.values())
    )
    for row in rows:
        hub.signal(f"fleet.command:{row['id']}")
    return db.shaped(Waiting, rows)


_tenants: dict[UUID, UUID] = {}
_MOST_REMEMBERED = 500_000


_OWNERS = """
SELECT tenant_id, vehicle_id FROM fleet.vehicle_key WHERE vehicle_id = ANY($1)
UNION SELECT tenant_id, vehicle_id FROM fleet.device WHERE vehicle_id = ANY($1) AND takes_commands
"""


async def tenants_of(vehicle_ids: set[UUID]) -> dict[UUID, UUID]:
    """Vehicle -> operator, of those that are paired. A vehicle never changes its operator."""
    if unknown := vehicle_ids - _tenants.keys():
        if len(_tenants) > _MOST_REMEMBERED:
            _tenants.clear()
            unknown = vehicle_ids
        for row in await db.run("fleet", system(None, "fleet"), _OWNERS, list(unknown)):
            _tenants[row["vehicle_id"]] = row["tenant_id"]
    return {v: _tenants[v] for v in vehicle_ids if v in _tenants}


_TENANTS_TO_EXPIRE = """
SELECT DISTINCT tenant_id FROM fleet.command
WHERE state IN ('queued', 'sent') AND expires_at <= kernel.now()
"""


async def tenants_with_silent_commands() -> list[UUID]:
    """Operators with commands that nobody answered in time."""
    rows = await db.run("fleet", system(None, "fleet"), _TENANTS_TO_EXPIRE)
    return [row["tenant_id"] for row in rows]
