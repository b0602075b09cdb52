"""Taking in what vehicles say: thousands of readings in one statement an operator (FLT-05, FLT-17).

Readings are kept, and the newest of each vehicle become its live state. What was measured before
the live state does not overwrite it, but shows that the vehicle is alive.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions.commands import verify_commands
from fahrwerk.fleet.actions.dispatch import tenants_of
from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.contract import Measured, Recorded
from fahrwerk.fleet.events import VehicleOnline
from fahrwerk.kernel import clock, db, events, geo
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID


_NEWER = "heard.time > coalesce(v.measured_at, '-infinity')"
_LIVE = (
    "latitude", "longitude", "cell", "accuracy_m", "speed_kmh", "battery_level", "voltage",
    "temperature", "signal_strength", "is_locked", "odometer_m",
)  # fmt: skip
_SET = ",\n        ".join(
    f"{name} = CASE WHEN {_NEWER} THEN coalesce(heard.{name}, v.{name}) ELSE v.{name} END"
    for name in _LIVE
)
_RECORD = f"""
WITH stored AS (
    INSERT INTO fleet.telemetry (vehicle_id, time, latitude, longitude, speed_kmh, battery_level,
                                 temperature, signal_strength, odometer_m)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::float8[], $4::float8[], $5::float4[],
                         $6::int2[], $7::float4[], $8::int2[], $9::int8[])
    ON CONFLICT DO NOTHING RETURNING 1
), live AS (
    UPDATE fleet.vehicle v
    SET last_seen_at = kernel.now(), measured_at = greatest(v.measured_at, heard.time),
        address = CASE WHEN {_NEWER} AND heard.cell <> v.cell THEN NULL ELSE v.address END,
        discharged_pct = v.discharged_pct + CASE
            WHEN {_NEWER} AND heard.battery_level < v.battery_low
            THEN v.battery_low - heard.battery_level ELSE 0 END,
        battery_low = CASE
            WHEN NOT ({_NEWER}) OR heard.battery_level IS NULL THEN v.battery_low
            WHEN v.battery_low IS NULL OR heard.battery_level > v.battery_low + 5
            THEN heard.battery_level -- charged, and more than the gauge wavers
            ELSE least(v.battery_low, heard.battery_level) END,
        {_SET}
    FROM unnest($10::uuid[], $11::timestamptz[], $12::float8[], $13::float8[], $14::bigint[],
                $15::float8[], $16::float8[], $17::int2[], $18::float8[], $19::float8[],
                $20::int2[], $21::bool[], $22::int8[])
         AS heard (vehicle_id, time, {", ".join(_LIVE)})
    WHERE v.id = heard.vehicle_id
    RETURNING v.id, v.status
)
SELECT (SELECT count(*) FROM stored) AS stored,
       (SELECT array_agg(id) FROM live WHERE status = 'offline') AS offline
"""
_STORED = (
    "vehicle_id", "time", "latitude", "longitude", "speed_kmh", "battery_level", "temperature",
    "signal_strength", "odometer_m",
)  # fmt: skip


async def record_readings(readings: Sequence[Measured]) -> Recorded:
    """Keep readings of any vehicles of any operators; those of unpaired vehicles are only counted.

    A reading is known by (vehicle, time): one that comes again is not stored twice. Each operator's
    part is one statement; when one fails, the whole batch may simply be given again. A vehicle that
    was offline is back at once.
    """
    owners = await tenants_of({reading.vehicle_id for reading in readings})
    parts: dict[UUID, list[Measured]] = defaultdict(list)
    for reading in readings:
        if (tenant := owners.get(reading.vehicle_id)) is not None:
            parts[tenant].append(_as_received(reading))
    await _open_days({r.time.astimezone(UTC).date() for part in parts.values() for r in part})
    stored = 0
    for tenant, part in parts.items():
        stored += await _record(system(tenant, "fleet"), part)
    return Recorded(stored, len(readings) - sum(map(len, parts.values())))


MOST_REPORTED = 5_000
_OURS = "SELECT id FROM fleet.vehicle WHERE id = ANY($1)"


async def report_readings(call: Call, readings: list[Measured]) -> Recorded:
    """See the contract. Not by ``tenants_of``: a caller writes within its own operator only."""
    call.require("fleet.telemetry.write")
    if not 1 <= len(readings) <= MOST_REPORTED:
        raise Invalid(field="readings", issue=f"must be 1 to {MOST_REPORTED}")
    rows = await db.run("fleet", call, _OURS, list({each.vehicle_id for each in readings}))
    known = {row["id"] for row in rows}
    ours = [_as_received(each) for each in readings if each.vehicle_id in known]
    if not ours:
        return Recorded(0, len(readings))
    await _open_days({each.time.astimezone(UTC).date() for each in ours})
    stored = await _record(system(call.tenant, "fleet"), ours)
    return Recorded(stored, len(readings) - len(ours))


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
    if not readings:
        return Recorded(0, unknown)
    recorded = await report_readings(call, readings)
    return Recorded(recorded.stored, recorded.unknown + unknown)


async def _record(call: Call, readings: list[Measured]) -> int:
    live = rules.latest(readings)
    [row] = await db.run(
        "fleet", call, _RECORD, *_columns(readings, _STORED),
        *_columns(live, ("vehicle_id", "time", *_LIVE)),
    )  # fmt: skip
    await verify_commands(
        call, {each.vehicle_id: each.is_locked for each in live if each.is_locked is not None}
    )
    if row["offline"]:
        await _back_online(call, row["offline"])
    return int(row["stored"])


def _columns(readings: list[Measured], names: tuple[str, ...]) -> list[list[Any]]:
    return [
        [_cell(r) for r in readings] if name == "cell" else [getattr(r, name) for r in readings]
        for name in names
    ]


def _cell(reading: Measured) -> int | None:
    if reading.latitude is None or reading.longitude is None:
        return None
    return geo.cell(reading.latitude, reading.longitude)


_open: set[date] = set()
_OPEN_DAYS = "SELECT fleet.open_telemetry_days($1, $1)"


async def _open_days(days: set[date]) -> None:
    """See to it that these days have a partition: asked once per day and process."""
    for day in days - _open:
        await db.run("fleet", system(None, "fleet"), _OPEN_DAYS, day)
        _open.add(day)


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


def _as_received(reading: Measured) -> Measured:
    """A reading as just heard: its time believed within reason (F14)."""
    at = rules.plausible_time(reading.time, clock.now())
    return reading if at is reading.time else msgspec.structs.replace(reading, time=at)
