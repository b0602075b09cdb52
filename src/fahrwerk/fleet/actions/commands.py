"""Commands to vehicles: queued here, sent by the link, believed when acknowledged (FLT-21..26).

Whoever changes a vehicle and its commands locks the vehicle's row first. The states of a command go
forwards only, so an acknowledgement that comes twice, late or out of order changes nothing twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.contract import Command, UnknownVehicle
from fahrwerk.fleet.events import CommandFailed, VehicleLocked, VehicleUnlocked
from fahrwerk.fleet.queries import COMMAND_COLUMNS, ONE_COMMAND
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Conflict
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call


class _Held(msgspec.Struct, frozen=True):
    """A vehicle whose row is locked, as far as commands care."""

    id: UUID
    status: str
    is_connected: bool
    held_by: UUID | None
    holds: bool
    """In use, or held by a hold that has not run out by the database's clock."""
    cell: int | None
    capabilities: list[str]
    is_unsafe: bool
    """Reserved, and a safety-critical ticket was opened since."""


STANDS_OPEN = """
status = 'available' AND is_connected AND NOT is_locked
AND last_seen_at > kernel.now() - interval '60 seconds'
"""
_LOCK = """
SELECT id, status, is_connected, held_by, status = 'in_use' OR hold_expires_at > kernel.now(), cell,
       capabilities, status = 'reserved' AND 'ticket' = ANY (out_for)
FROM fleet.vehicle WHERE id = $1 FOR UPDATE
"""
_QUEUE = f"""
INSERT INTO fleet.command (id, vehicle_id, operation, state, rental_id, user_id, expires_at,
                           args)
VALUES ($1, $2, $3, 'queued', $4, $5, kernel.now() + interval '{rules.COMMAND_S} seconds',
        coalesce($6::jsonb, '{{}}'))
ON CONFLICT (tenant_id, id) DO NOTHING
RETURNING {COMMAND_COLUMNS}
"""
_DONE_BY_HAND = f"""
INSERT INTO fleet.command (id, vehicle_id, operation, state, rental_id, user_id, expires_at,
                           acknowledged_at, verified_at)
VALUES ($1, $2, $3, 'verified', $4, $5, kernel.now(), kernel.now(), kernel.now())
RETURNING {COMMAND_COLUMNS}
"""


async def send_command(
    call: Call,
    vehicle_id: UUID,
    operation: str,
    rental_id: UUID | None,
    command_id: UUID,
    args: dict[str, bool | int] | None = None,
) -> Command:
    """See the contract. Without a rental it is staff's: permission ``fleet.command.create``."""
    if rental_id is None:
        call.require("fleet.command.create")
    async with db.tx("fleet", call) as tx:
        vehicle = await _locked(tx, vehicle_id)
        if vehicle is None:
            raise UnknownVehicle
        known = await tx.one(ONE_COMMAND, command_id)
        if known is not None:
            return _same(Command(*known), vehicle_id, operation)
        rules.may_send(
            operation, rental_id, is_connected=vehicle.is_connected, held_by=vehicle.held_by,
            holds=vehicle.holds, capabilities=vehicle.capabilities, is_unsafe=vehicle.is_unsafe,
        )  # fmt: skip
        rules.check_args(operation, args or {})
        wanted = (command_id, vehicle_id, operation, rental_id, call.user)
        if vehicle.is_connected:
            [row] = await tx.run(_QUEUE, *wanted, args)
            tx.signal("fleet.command")
        else:
            [row] = await tx.run(_DONE_BY_HAND, *wanted)
            await _carried_out(tx, call, vehicle, Command(*row), "queued", clock.now())
        tx.signal(f"fleet.command:{command_id}")
        return Command(*row)


def _same(known: Command, vehicle_id: UUID, operation: str) -> Command:
    if (known.vehicle_id, known.operation) != (vehicle_id, operation):
        raise Conflict("This command id was used for another command.", code="COMMAND_ID_REUSED")
    return known


async def _locked(tx: db.Tx, vehicle_id: UUID) -> _Held | None:
    row = await tx.one(_LOCK, vehicle_id)
    return None if row is None else _Held(*row)


async def queue_lock(tx: db.Tx, vehicle_id: UUID, rental_id: UUID | None, reason: object) -> None:
    """Have a vehicle locked at once. ``reason`` makes the command's id: the same reason, once."""
    await tx.run(_QUEUE, ids.derived("lock", reason), vehicle_id, "lock", rental_id, None, None)
    tx.signal("fleet.command")


_BEGIN_RIDE = """
UPDATE fleet.vehicle
SET status = 'in_use', current_rental_id = held_by, trip_started_at = $2, is_locked = false,
    version = version + 1, updated_at = kernel.now()
WHERE id = $1 RETURNING version
"""
_TURN = """
UPDATE fleet.vehicle SET is_locked = $2, version = version + 1, updated_at = kernel.now()
WHERE id = $1 RETURNING version
"""


async def _carried_out(
    tx: db.Tx, call: Call, vehicle: _Held, done: Command, state_before: str, at: datetime
) -> None:
    """The vehicle did it: what that means for the vehicle, and who is told."""
    stream = f"vehicle:{vehicle.id}"
    if done.operation == "lock":
        [row] = await tx.run(_TURN, vehicle.id, True)
        news: Any = VehicleLocked(vehicle.id, done.id, done.rental_id, at)
    elif done.operation == "unlock":
        follows = rules.after_unlock(
            state_before, done.rental_id, vehicle.status, vehicle.held_by, vehicle.holds
        )
        if follows == "lock":
            # Unless the rider has already tried again: then the answer to that decides.
            if not await tx.run(_RETRIED, vehicle.id, done.rental_id):
                await queue_lock(tx, vehicle.id, None, done.id)
            return
        if follows == "begin":
            [row] = await tx.run(_BEGIN_RIDE, vehicle.id, at)
            tell_caches(tx, call, vehicle.cell)
        else:
            [row] = await tx.run(_TURN, vehicle.id, False)
        news = VehicleUnlocked(vehicle.id, done.id, done.rental_id, at)
    else:
        return
    await events.emit(tx, call, stream, row["version"], news)


_FOR_ACK = f"""
SELECT {COMMAND_COLUMNS}, state IN ('queued', 'sent') AND expires_at <= kernel.now() AS is_over
FROM fleet.command
WHERE tenant_id = kernel.tenant() AND id = $1 AND vehicle_id = $2 FOR UPDATE
"""
_RETRIED = """
SELECT 1 FROM fleet.command
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND rental_id = $2 AND operation = 'unlock'
  AND state IN ('queued', 'sent')
"""
_ACKNOWLEDGE = """
UPDATE fleet.command
SET state = CASE WHEN state IN ('queued', 'sent') THEN $2 ELSE state END,
    reason = CASE WHEN state IN ('queued', 'sent') THEN $3 ELSE reason END,
    acknowledged_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_TELL_FAILURE = """
UPDATE fleet.vehicle SET version = version + 1 WHERE id = $1 RETURNING version
"""


async def command_acknowledged(
    call: Call, vehicle_id: UUID, command_id: UUID, result: str, reason: str | None, at: datetime
) -> None:
    """Take in a vehicle's answer: ``done``, ``refused`` or ``failed``, heard ``at``.

    The caller vouches for it: over MQTT by its signature, over TCP by the connection on which the
    command went out (docs/devices.md says what that is worth).

    May come any number of times, in any order, for any command: what is unknown or already
    answered is passed over. A ride begins only by an unlock that is done while its rental holds
    the vehicle; a vehicle that opened for a rental without a hold is locked again at once. So is
    one that answers after the command has run out: its rider has been told that it failed.
    """
    async with db.tx("fleet", call) as tx:
        vehicle = await _locked(tx, vehicle_id)
        row = await tx.one(_FOR_ACK, command_id, vehicle_id)
        if vehicle is None or row is None:
            return
        command = Command(*row[:-1])
        # One that we had given up may still open a vehicle: the first such answer counts.
        if command.acknowledged_at is not None or command.state in ("acknowledged", "verified"):
            return
        if row["is_over"]:  # and nobody has had the time to say so
            await _give_up(tx, call, command)
            command = msgspec.structs.replace(command, state="expired", reason="silent")
        if result == "done":
            await tx.run(_ACKNOWLEDGE, command_id, "acknowledged", None)
            await _carried_out(tx, call, vehicle, command, command.state, at)
        else:
            await tx.run(_ACKNOWLEDGE, command_id, "failed", (reason or result)[:50])
            if command.state in ("queued", "sent"):
                await _tell_failure(tx, call, command, reason or result)
        tx.signal(f"fleet.command:{command_id}")


_OVER = """
UPDATE fleet.command SET state = 'expired', reason = 'silent'
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def _give_up(tx: db.Tx, call: Call, command: Command) -> None:
    await tx.run(_OVER, command.id)
    await _tell_failure(tx, call, command, "silent")


async def _tell_failure(tx: db.Tx, call: Call, command: Command, reason: str) -> None:
    [row] = await tx.run(_TELL_FAILURE, command.vehicle_id)
    news = CommandFailed(
        command.vehicle_id, command.id, command.operation, command.rental_id, reason
    )
    await events.emit(tx, call, f"vehicle:{command.vehicle_id}", row["version"], news)


_VERIFY = """
UPDATE fleet.command c SET state = 'verified', verified_at = kernel.now()
FROM unnest($1::uuid[], $2::bool[]) AS shown (vehicle_id, is_locked)
WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = shown.vehicle_id
  AND c.state = 'acknowledged'
  AND c.operation = CASE WHEN shown.is_locked THEN 'lock' ELSE 'unlock' END
RETURNING c.id
"""


async def verify_commands(call: Call, locks: dict[UUID, bool]) -> None:
    """Acknowledged commands whose effect the vehicle's lock now shows are ``verified``."""
    if not locks:
        return
    for row in await db.run("fleet", call, _VERIFY, list(locks), list(locks.values())):
        hub.signal(f"fleet.command:{row['id']}")


_OPEN = f"""
WITH open AS (
    SELECT v.id FROM fleet.vehicle v
    WHERE {STANDS_OPEN} AND NOT EXISTS (
        SELECT 1 FROM fleet.command c
        WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = v.id AND c.operation = 'lock'
          AND c.queued_at > kernel.now() - interval '60 seconds')
    LIMIT $1 FOR UPDATE SKIP LOCKED
)
INSERT INTO fleet.command (id, vehicle_id, operation, state, expires_at)
SELECT gen_random_uuid(), id, 'lock', 'queued',
       kernel.now() + interval '{rules.COMMAND_S} seconds' FROM open
RETURNING id
"""


async def lock_open_vehicles(call: Call, limit: int = 200) -> int:
    """Lock this operator's vehicles that nobody holds and that say they are open; how many.

    Again every minute until they are locked, or staff take them into maintenance.
    """
    rows = await db.run("fleet", call, _OPEN, limit)
    if rows:
        hub.signal("fleet.command")
    return len(rows)


_EXPIRE = f"""
WITH due AS (
    SELECT c.id FROM fleet.command c JOIN fleet.vehicle v ON v.id = c.vehicle_id
    WHERE c.tenant_id = kernel.tenant() AND c.state IN ('queued', 'sent')
      AND c.expires_at <= kernel.now()
    ORDER BY c.expires_at LIMIT $1 FOR UPDATE OF v SKIP LOCKED
), gone AS (
    UPDATE fleet.command c SET state = 'expired', reason = 'silent' FROM due
    WHERE c.tenant_id = kernel.tenant() AND c.id = due.id AND c.state IN ('queued', 'sent')
    RETURNING c.id, c.vehicle_id, c.operation, c.rental_id
), counted AS (
    SELECT *, row_number() OVER (PARTITION BY vehicle_id ORDER BY id) AS nth,
           count(*) OVER (PARTITION BY vehicle_id) AS of_all FROM gone
), moved AS (
    UPDATE fleet.vehicle v SET version = v.version + c.of_all
    FROM (SELECT DISTINCT vehicle_id, of_all FROM counted) c WHERE v.id = c.vehicle_id
    RETURNING v.id, v.version - c.of_all AS version
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || moved.id, moved.version + nth, $2, $3, jsonb_build_object(
        'vehicle_id', moved.id, 'command_id', counted.id, 'operation', operation,
        'booking_id', rental_id, 'reason', 'silent'), $4, $5
    FROM counted JOIN moved ON moved.id = counted.vehicle_id
)
SELECT id FROM gone
"""


async def expire_commands(call: Call, limit: int = 200) -> int:
    """Give up this operator's commands that nobody answered in time; how many (RNT-27)."""
    rows = await db.run(
        "fleet", call, _EXPIRE, limit, *title(CommandFailed), call.actor, call.trace
    )
    for row in rows:
        hub.signal(f"fleet.command:{row['id']}")
    return len(rows)
