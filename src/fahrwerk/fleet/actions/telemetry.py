"""Taking in what vehicles say: thousands of readings in one statement an operator (FLT-05, FLT-17).

Readings are kept, and the newest of each vehicle become its live state. What was measured before
the live state does not overwrite it, but shows that the vehicle is alive. Each reading is stored
once, however often it comes; what is odd about it is counted, and a place that cannot be right
reaches neither live state nor track (``rules.intake``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.actions.commands import verify_commands
from fahrwerk.fleet.actions.dispatch import tenants_of
from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.actions.intake import Batch, keep, measured
from fahrwerk.fleet.actions.knocks import knocked
from fahrwerk.fleet.contract import Measured, Recorded
from fahrwerk.fleet.events import VehicleOnline
from fahrwerk.kernel import db, events
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


async def record_readings(readings: Sequence[Measured]) -> Recorded:
    """Keep readings of any vehicles of any operators; those of unpaired vehicles are only counted.

    When it fails, the whole batch may simply be given again: what has been stored is known by
    (vehicle, boot, sequence), or without these by (vehicle, time). A vehicle that was offline is
    back at once.
    """
    return await record(measured(readings))


async def record(batch: Batch) -> Recorded:
    """As ``record_readings``, which see."""
    owners = await tenants_of(set(batch.by_vehicle))
    parts: dict[UUID, dict[UUID, list[int]]] = defaultdict(dict)
    unknown = 0
    for vehicle_id, own in batch.by_vehicle.items():
        if (tenant := owners.get(vehicle_id)) is None:
            unknown += len(own)
        else:
            parts[tenant][vehicle_id] = own
    stored = 0
    for tenant, part in parts.items():
        done = await _keep(system(tenant, "fleet"), Batch(part, batch.columns))
        stored, unknown = stored + done.stored, unknown + done.unknown
    return Recorded(stored, unknown)


MOST_REPORTED = 5_000
MOST_KNOCKS = 20
"""Unknown devices remembered of one batch; the others knock again."""
_OURS = "SELECT id FROM fleet.vehicle WHERE id = ANY($1)"


async def report_readings(call: Call, readings: list[Measured]) -> Recorded:
    """See the contract. Not by ``tenants_of``: a caller writes within its own operator only."""
    call.require("fleet.telemetry.write")
    if not 1 <= len(readings) <= MOST_REPORTED:
        raise Invalid(field="readings", issue=f"must be 1 to {MOST_REPORTED}")
    batch = measured(readings)
    rows = await db.run("fleet", call, _OURS, list(batch.by_vehicle))
    ours = {row["id"]: batch.by_vehicle[row["id"]] for row in rows}
    unknown = len(readings) - sum(map(len, ours.values()))
    if not ours:
        return Recorded(0, unknown)
    done = await _keep(system(call.tenant, "fleet"), Batch(ours, batch.columns))
    return Recorded(done.stored, unknown + done.unknown)


_BY_IMEI = "SELECT imei, vehicle_id FROM fleet.device WHERE imei = ANY($1)"


async def report_devices(call: Call, reports: list[tuple[str, Measured]]) -> Recorded:
    """See the contract."""
    call.require("fleet.telemetry.write")
    rows = await db.run("fleet", call, _BY_IMEI, list({imei for imei, _ in reports}))
    vehicles = {row["imei"]: row["vehicle_id"] for row in rows}
    readings = [
        msgspec.structs.replace(reading, vehicle_id=vehicles[imei])
        for imei, reading in reports
        if imei in vehicles
    ]
    unknown = len(reports) - len(readings)
    for name in sorted({imei for imei, _ in reports} - vehicles.keys())[:MOST_KNOCKS]:
        await knocked(call.tenant, "traccar", name)
    if not readings:
        return Recorded(0, unknown)
    recorded = await report_readings(call, readings)
    return Recorded(recorded.stored, recorded.unknown + unknown)


async def _keep(call: Call, batch: Batch) -> Recorded:
    kept = await keep(call, batch)
    await verify_commands(call, kept.locks)
    if kept.offline:
        await _back_online(call, kept.offline)
    return Recorded(kept.stored, kept.gone)


_BACK = f"""
WITH back AS (
    UPDATE fleet.vehicle SET status = 'available', version = version + 1, updated_at = kernel.now()
    WHERE id = ANY($1) AND status = 'offline' RETURNING id, version, cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $2, $3, jsonb_build_object('vehicle_id', id), $4, $5 FROM back
)
SELECT cell FROM back
"""


async def _back_online(call: Call, vehicle_ids: list[UUID]) -> None:
    """Heard again: nobody holds an offline vehicle, so it is available (FLT-19)."""
    rows = await db.run(
        "fleet", call, _BACK, vehicle_ids, *title(VehicleOnline), call.actor, call.trace
    )
    tell_caches(hub, call, *(row["cell"] for row in rows))


_HEARD = """
UPDATE fleet.vehicle SET last_seen_at = kernel.now(), is_locked = coalesce($2, is_locked)
WHERE id = $1 RETURNING status
"""


async def vehicle_heard(call: Call, vehicle_id: UUID, is_locked: bool | None = None) -> None:
    """Take in a status message: the vehicle is there (FLT-44), and its lock is as it says.

    Nothing is unlocked or charged on its word: it only verifies what had been acknowledged.
    """
    row = await db.one("fleet", call, _HEARD, vehicle_id, is_locked)
    if row is None:
        return
    if is_locked is not None:
        await verify_commands(call, {vehicle_id: is_locked})
    if row["status"] == "offline":
        await _back_online(call, [vehicle_id])
