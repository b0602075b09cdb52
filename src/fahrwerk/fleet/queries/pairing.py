"""How far a pairing has come, and who knocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import vehicle as known_vehicle
from fahrwerk.fleet.contract.pairing import KeepsNoZones, OnBoard, PairingStatus, Stranger
from fahrwerk.fleet.rules import pairing
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_FACTS = """
SELECT CASE WHEN d.imei IS NOT NULL THEN d.protocol WHEN k.kind IS NOT NULL THEN 'fahrwerk' END,
       d.imei, coalesce(d.paired_at, k.paired_at), v.last_seen_at, v.measured_at,
       v.latitude IS NOT NULL, v.battery_level, v.is_locked, p.reason, p.seen_at, kernel.now()
FROM fleet.vehicle v
LEFT JOIN fleet.vehicle_key k ON k.vehicle_id = v.id
LEFT JOIN fleet.device d ON d.vehicle_id = v.id AND d.takes_commands
LEFT JOIN fleet.link_problem p ON p.vehicle_id = v.id
WHERE v.id = $1
"""
_SPEAKS_UNPAIRED = """
SELECT last_seen_at FROM fleet.stranger WHERE protocol = 'fahrwerk' AND name = $1
"""


async def pairing_status(call: Call, vehicle_id: UUID) -> PairingStatus:
    """See the contract."""
    call.require("fleet.vehicle.pair")
    vehicle = await known_vehicle(call, vehicle_id)
    [row] = await db.run("fleet", call, _FACTS, vehicle_id)
    facts = pairing.Facts(*row)
    if facts.paired_at is None:
        name = ids.public(PREFIX[vehicle.vehicle_type], vehicle_id)
        heard = await db.one("fleet", system(None, "fleet"), _SPEAKS_UNPAIRED, name)
        if heard is not None:
            facts = msgspec.structs.replace(
                facts, problem="no_key", problem_at=heard["last_seen_at"]
            )
    return PairingStatus(
        vehicle_id=vehicle_id,
        protocol=facts.protocol,
        imei=facts.imei,
        paired_at=facts.paired_at,
        last_seen_at=facts.last_seen_at,
        measured_at=facts.measured_at,
        firmware_version=vehicle.firmware_version,
        hardware_version=vehicle.hardware_version,
        capabilities=vehicle.capabilities,
        steps=pairing.steps(facts),
        problem=pairing.problem(facts),
    )


MOST_STRANGERS = 500
_STRANGERS = """
SELECT s.protocol, s.name, s.knocks, s.first_seen_at, s.last_seen_at FROM fleet.stranger s
WHERE s.tenant_id IS NOT DISTINCT FROM kernel.tenant() AND ($1::text IS NULL OR s.name = $1)
  AND NOT EXISTS (SELECT 1 FROM fleet.device d WHERE d.imei = s.name AND d.protocol = s.protocol)
ORDER BY s.last_seen_at DESC LIMIT $2
"""


async def unknown_devices(call: Call, name: str | None = None) -> list[Stranger]:
    """See the contract."""
    call.require("fleet.vehicle.pair")
    found = db.shaped(Stranger, await db.run("fleet", call, _STRANGERS, name, MOST_STRANGERS))
    operators = await tenancy.operators(system(None, "fleet"), 2)
    if name is not None or len(operators) == 1:
        nobodys = await db.run("fleet", system(None, "fleet"), _STRANGERS, name, MOST_STRANGERS)
        found += db.shaped(Stranger, nobodys)
    return sorted(found, key=lambda each: each.last_seen_at, reverse=True)[:MOST_STRANGERS]


_ON_BOARD = """
SELECT s.stamp AS newest_version, nullif(b.sent_stamp, -1) AS sent_version, b.sent_at,
       b.taken_stamp AS taken_version, b.taken_at
FROM fleet.zone_bundle b
LEFT JOIN LATERAL (
    SELECT coalesce(max(stamp), 0) AS stamp FROM fleet.zone_stamp
    WHERE tenant_id = kernel.tenant()) s ON true
WHERE b.tenant_id = kernel.tenant() AND b.vehicle_id = $1
"""


async def zones_on_board(call: Call, vehicle_id: UUID) -> OnBoard:
    call.require("fleet.live.read")
    row = await db.one("fleet", call, _ON_BOARD, vehicle_id)
    if row is None:
        raise KeepsNoZones
    return OnBoard(**row)
