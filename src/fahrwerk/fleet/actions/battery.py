"""Batteries: what keeps their thresholds, their range, and what staff swap and charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.actions.outages import TURN, head, set_reason
from fahrwerk.fleet.contract import PREFIX, UnknownVehicle
from fahrwerk.fleet.contract.battery import BatteryChange, BatteryThreshold
from fahrwerk.fleet.events import VehicleBatteryChanged, VehicleBatteryCritical
from fahrwerk.fleet.queries.battery import threshold_of
from fahrwerk.fleet.rules import battery
from fahrwerk.kernel import db, events
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_SET = """
INSERT INTO fleet.battery_threshold (vehicle_type, lowest_level, back_level, critical_level)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, vehicle_type) DO UPDATE
SET lowest_level = excluded.lowest_level, back_level = excluded.back_level,
    critical_level = excluded.critical_level, updated_at = kernel.now()
RETURNING vehicle_type, lowest_level, back_level, critical_level
"""


async def set_battery_threshold(call: Call, wanted: BatteryThreshold) -> BatteryThreshold:
    """See the contract."""
    call.require("fleet.maintenance.write")
    if wanted.vehicle_type not in PREFIX:
        raise Invalid(field="vehicle_type", issue=f"must be one of {', '.join(PREFIX)}")
    battery.check_threshold(wanted)
    [row] = await db.run(
        "fleet", call, _SET, wanted.vehicle_type, wanted.lowest_level, wanted.back_level,
        wanted.critical_level,
    )  # fmt: skip
    hub.signal("fleet.battery")
    return BatteryThreshold(**row)


_WITH_NEWS = f"""
SELECT fleet.tenants_with_battery_news({battery.LOWEST}, {battery.BACK}, {battery.CRITICAL})
       AS tenant_id
"""


async def tenants_with_battery_news(call: Call) -> list[UUID]:
    """Operators with vehicles whose battery has crossed a threshold."""
    return [row["tenant_id"] for row in await db.run("fleet", call, _WITH_NEWS)]


# ``rules.battery.is_too_low`` for all vehicles of an operator at once.
_TURN_LOW = f"""
WITH due AS (
    SELECT v.id, v.status AS before, array_remove(v.out_for, 'battery')
           || CASE WHEN 'battery' = ANY (v.out_for) THEN '{{}}' ELSE ARRAY['battery'] END AS after
    FROM fleet.vehicle v
    LEFT JOIN fleet.battery_threshold t
           ON t.tenant_id = v.tenant_id AND t.vehicle_type = v.vehicle_type
    WHERE v.tenant_id = kernel.tenant() AND v.battery_level IS NOT NULL
      AND v.battery_level < CASE WHEN 'battery' = ANY (v.out_for)
              THEN coalesce(t.back_level, {battery.BACK})
              ELSE coalesce(t.lowest_level, {battery.LOWEST}) END
          IS DISTINCT FROM ('battery' = ANY (v.out_for))
    LIMIT $6 FOR UPDATE OF v SKIP LOCKED
), {TURN}
"""
_TURN_CRITICAL = f"""
WITH due AS (
    SELECT v.id, NOT v.is_critical AS is_critical
    FROM fleet.vehicle v
    LEFT JOIN fleet.battery_threshold t
           ON t.tenant_id = v.tenant_id AND t.vehicle_type = v.vehicle_type
    WHERE v.tenant_id = kernel.tenant() AND v.battery_level IS NOT NULL
      AND v.battery_level < CASE WHEN v.is_critical
              THEN coalesce(t.lowest_level, {battery.LOWEST})
              ELSE coalesce(t.critical_level, {battery.CRITICAL}) END
          IS DISTINCT FROM v.is_critical
    LIMIT $5 FOR UPDATE OF v SKIP LOCKED
), turned AS (
    UPDATE fleet.vehicle v
    SET is_critical = due.is_critical,
        version = version + (due.is_critical AND v.status <> 'retired')::int
    FROM due WHERE v.id = due.id
    RETURNING v.id, v.version, v.is_critical AND v.status <> 'retired' AS is_news, v.battery_level
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $1, $2, jsonb_build_object(
        'vehicle_id', id, 'battery_level', battery_level), $3, $4 FROM turned WHERE is_news
)
SELECT id FROM turned
"""


async def turn_by_battery(call: Call, limit: int) -> int:
    """Vehicles too empty leave the search, charged ones come back; how many were looked after.

    One that somebody holds keeps its status until it is given back.
    """
    rows = await db.run("fleet", call, _TURN_LOW, *head(call, "battery"), limit)
    tell_caches(hub, call, *(row["cell"] for row in rows if row["is_turned"]))
    told = (*title(VehicleBatteryCritical), call.actor, call.trace)
    critical = await db.run("fleet", call, _TURN_CRITICAL, *told, limit)
    return max(len(rows), len(critical))


# ``rules.battery.learned`` and ``warmth`` for all vehicles of an operator at once.
_WARMTH = f"""CASE WHEN v.temperature IS NULL THEN 1 ELSE
    least(1, greatest({battery.COLDEST_FACTOR},
          1 - {battery.LOSS_PER_C} * ({battery.FULL_POWER_C} - v.temperature))) END"""
_LEARNED = f"""least({battery.MOST_REACH}, greatest({battery.LEAST_REACH},
    ({{ridden}} + {{weight}} * {{known}}) / ({{used}} + {{weight}})))"""
_OF_MODEL = _LEARNED.format(
    ridden="sum(history_m / (full_range_km * 10))", used="sum(history_pct)", known="1",
    weight=battery.MODEL_PRIOR_PCT,
)  # fmt: skip
_OF_VEHICLE = _LEARNED.format(
    ridden="v.history_m / (v.full_range_km * 10)", used="v.history_pct", known="model.reach",
    weight=battery.PRIOR_PCT,
)  # fmt: skip
_LEARN = f"""
WITH model AS (
    SELECT vehicle_type, model, {_OF_MODEL} AS reach FROM fleet.vehicle
    WHERE tenant_id = kernel.tenant() GROUP BY vehicle_type, model
), judged AS (
    SELECT v.id, {_OF_VEHICLE} * {_WARMTH} AS reach
    FROM fleet.vehicle v JOIN model USING (vehicle_type, model)
    WHERE v.tenant_id = kernel.tenant() AND abs(v.reach - {_OF_VEHICLE} * {_WARMTH}) > $1
    LIMIT $2 FOR UPDATE OF v SKIP LOCKED
)
UPDATE fleet.vehicle v SET reach = judged.reach FROM judged WHERE v.id = judged.id RETURNING v.id
"""
_WORTH_A_CHANGE = 0.005
"""A range that differs by less is left as it is: rows are not written for nothing."""


async def learn_ranges(call: Call, limit: int) -> int:
    """How far this operator's vehicles really go: from rides and temperature; how many changed."""
    return len(await db.run("fleet", call, _LEARN, _WORTH_A_CHANGE, limit))


# --- swapped and charged

CHANGE_COLUMNS = "id, vehicle_id, kind, level_before, level_after, plan_id, done_at"
"""A ``BatteryChange``, by position."""
_LOCKED = """
SELECT id, vehicle_type, battery_level, battery_low, out_for FROM fleet.vehicle
WHERE id = $1 FOR UPDATE
"""
# What was measured before is not newer than this, however late it comes in.
_FILL = """
UPDATE fleet.vehicle
SET battery_level = $2, battery_low = $2, discharged_pct = discharged_pct + $3,
    measured_at = greatest(measured_at, $4), is_critical = false,
    version = version + 1, updated_at = kernel.now()
WHERE id = $1 RETURNING version
"""
_KEEP = f"""
INSERT INTO fleet.battery_change ({CHANGE_COLUMNS}, done_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def fill_within(
    tx: db.Tx,
    call: Call,
    change_id: UUID,
    vehicle_id: UUID,
    kind: str,
    level: int,
    found_level: int | None,
    plan_id: UUID | None,
    at: datetime,
) -> BatteryChange:
    """A vehicle has a fuller battery now, and is back if that is all it was missing."""
    _check(kind, level, found_level)
    row = await tx.one(_LOCKED, vehicle_id)
    if row is None:
        raise UnknownVehicle
    before = found_level if found_level is not None else row["battery_level"]
    lowest = row["battery_low"] if row["battery_low"] is not None else row["battery_level"]
    unseen = max(0, lowest - found_level) if None not in (lowest, found_level) else 0
    [filled] = await tx.run(_FILL, vehicle_id, level, unseen, at)
    done = BatteryChange(change_id, vehicle_id, kind, before, level, plan_id, at)
    await tx.run(_KEEP, change_id, vehicle_id, kind, before, level, plan_id, at, call.actor)
    news = VehicleBatteryChanged(vehicle_id, kind, level)
    await events.emit(tx, call, f"vehicle:{vehicle_id}", filled["version"], news)
    threshold = await threshold_of(tx, row["vehicle_type"])
    is_out = "battery" in row["out_for"]
    if is_out and not battery.is_too_low(level, is_out, threshold):
        await set_reason(tx, call, vehicle_id, "battery", False)
    return done


def _check(kind: str, level: int, found_level: int | None) -> None:
    if kind not in battery.AT_STOP_S:
        raise Invalid(field="kind", issue="must be swap or charge")
    for field, value in (("level", level), ("found_level", found_level)):
        if value is not None and not 0 <= value <= 100:
            raise Invalid(field=field, issue="must be 0 to 100")
