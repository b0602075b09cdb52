"""Giving vehicles their keys, and other makers' devices their vehicles (FLT-15, FLT-16, FLT-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions.edges import refused_by, tell_caches, title
from fahrwerk.fleet.actions.sealing import sealed
from fahrwerk.fleet.contract import Device, DevicePaired, Pairing, UnknownDevice, UnknownVehicle
from fahrwerk.fleet.events import VehiclePaired, VehicleUnpaired
from fahrwerk.fleet.protocols import omni, teltonika
from fahrwerk.fleet.protocols.fahrwerk_mqtt import Algorithm, new_keys
from fahrwerk.fleet.queries import DEVICE_COLUMNS
from fahrwerk.kernel import db, events
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_AT_ONCE = 500
KINDS = ("HS256", "EdDSA")

_PAIR = f"""
WITH paired AS (
    UPDATE fleet.vehicle SET is_connected = true, said_capabilities = NULL,
        version = version + 1, updated_at = kernel.now()
    WHERE id = ANY($1) RETURNING id, vehicle_type, identifier, version, cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $2, $3, jsonb_build_object(
        'vehicle_id', id, 'kind', $4::text), $5, $6 FROM paired
)
SELECT id, vehicle_type, identifier, cell FROM paired
"""
_KEYS = """
INSERT INTO fleet.vehicle_key (vehicle_id, vehicle_type, kind, signs_with, checks_with)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE
SET kind = excluded.kind, signs_with = excluded.signs_with, checks_with = excluded.checks_with,
    paired_at = kernel.now()
"""
_HAVE_DEVICES = "SELECT 1 FROM fleet.device WHERE vehicle_id = ANY($1) AND takes_commands LIMIT 1"


async def pair_vehicles(call: Call, vehicle_ids: list[UUID], kind: str) -> list[Pairing]:
    """See the contract. The counter goes on where it was: a copy of an old command stays old."""
    call.require("fleet.vehicle.pair")
    wanted = list(dict.fromkeys(vehicle_ids))
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Invalid(field="ids", issue=f"must be 1 to {MOST_AT_ONCE} vehicles")
    if kind not in KINDS:
        raise Invalid(field="kind", issue=f"must be one of {', '.join(KINDS)}")
    keys = {each: new_keys(cast("Algorithm", kind)) for each in wanted}
    async with db.tx("fleet", call) as tx:
        if await tx.run(_HAVE_DEVICES, wanted):
            raise DevicePaired
        rows = await tx.run(_PAIR, wanted, *title(VehiclePaired), kind, call.actor, call.trace)
        found = {row["id"]: row for row in rows}
        if missing := [each for each in wanted if each not in found]:
            raise UnknownVehicle(ids=[str(each) for each in missing[:20]])
        await tx.run(
            _KEYS, wanted, [found[each]["vehicle_type"] for each in wanted], [kind] * len(wanted),
            [sealed(each, keys[each][0].signs_with) for each in wanted],
            [sealed(each, keys[each][0].checks_with) for each in wanted],
        )  # fmt: skip
        tell_caches(tx, call, *(row["cell"] for row in rows))
    return [
        Pairing(
            each, found[each]["vehicle_type"], found[each]["identifier"], kind,
            keys[each][1].signs_with, keys[each][1].checks_with,
        )
        for each in wanted
    ]  # fmt: skip


COMMANDED = {
    "omni": omni.Conversation.capabilities,
    "teltonika": teltonika.TWO_OUTPUTS,
}
"""Protocols over which commands go, and what their usual device can be told."""

_FIND = """
SELECT v.id, v.cell, d.imei IS NOT NULL AS is_paired
FROM fleet.vehicle v
LEFT JOIN fleet.device d ON d.vehicle_id = v.id AND d.imei = $2 AND d.protocol = $3
WHERE v.id = $1 FOR UPDATE OF v
"""
_ADD_DEVICE = f"""
INSERT INTO fleet.device (imei, protocol, vehicle_id, takes_commands) VALUES ($1, $2, $3, $4)
RETURNING {DEVICE_COLUMNS}
"""
_KNOWN_DEVICE = f"SELECT {DEVICE_COLUMNS} FROM fleet.device WHERE imei = $1 AND vehicle_id = $2"
# A tracker alone does not make a vehicle one that is unlocked by command.
_CONNECT = """
UPDATE fleet.vehicle
SET is_connected = is_connected OR $2::text[] IS NOT NULL,
    capabilities = coalesce($2, capabilities),
    said_capabilities = CASE WHEN $2::text[] IS NULL THEN said_capabilities END,
    version = version + 1, updated_at = kernel.now()
WHERE id = $1 RETURNING version
"""


async def add_device(call: Call, vehicle_id: UUID, protocol: str, imei: str) -> Device:
    """See the contract. Two operators that claim the same device: the first one has it."""
    call.require("fleet.vehicle.pair")
    rules.check_device(protocol, imei)
    said = COMMANDED.get(protocol)
    taken = dict.fromkeys(("device_pkey", "device_line", "device_commanded"), DevicePaired)
    with refused_by(**taken):
        async with db.tx("fleet", call) as tx:
            found = await tx.one(_FIND, vehicle_id, imei, protocol)
            if found is None:
                raise UnknownVehicle
            if found["is_paired"]:
                return Device(*(await tx.run(_KNOWN_DEVICE, imei, vehicle_id))[0])
            [device] = await tx.run(_ADD_DEVICE, imei, protocol, vehicle_id, said is not None)
            [row] = await tx.run(_CONNECT, vehicle_id, sorted(said) if said else None)
            news = VehiclePaired(vehicle_id, protocol)
            await events.emit(tx, call, f"vehicle:{vehicle_id}", row["version"], news)
            tx.signal(f"fleet.device:{imei}")
            tell_caches(tx, call, found["cell"])
            return Device(*device)


_REMOVE = """
DELETE FROM fleet.device WHERE imei = $1 AND vehicle_id = $2 RETURNING takes_commands
"""
_LOCK = "SELECT id FROM fleet.vehicle WHERE id = $1 FOR UPDATE"


async def remove_device(call: Call, vehicle_id: UUID, imei: str) -> None:
    """See the contract. What our own protocol promises holds again, should there be a key."""
    call.require("fleet.vehicle.pair")
    async with db.tx("fleet", call) as tx:
        await tx.run(_LOCK, vehicle_id)
        gone = await tx.one(_REMOVE, imei, vehicle_id)
        if gone is None:
            raise UnknownDevice
        own = list(rules.OWN_CAPABILITIES) if gone["takes_commands"] else None
        [row] = await tx.run(_CONNECT, vehicle_id, own)
        news = VehicleUnpaired(vehicle_id)
        await events.emit(tx, call, f"vehicle:{vehicle_id}", row["version"], news)
        tx.signal(f"fleet.device:{imei}")
