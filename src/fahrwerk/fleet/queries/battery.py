"""What can be read of batteries: thresholds, plans and the vehicles they could visit."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract.battery import (
    BatteryPlan,
    BatteryPlanPage,
    BatteryStop,
    BatteryThreshold,
    PlanWanted,
    UnknownPlan,
)
from fahrwerk.fleet.rules import battery, latitude_band
from fahrwerk.kernel import clock, db, geo

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_THRESHOLD_COLUMNS = "vehicle_type, lowest_level, back_level, critical_level"
_THRESHOLDS = f"SELECT {_THRESHOLD_COLUMNS} FROM fleet.battery_threshold"
_THRESHOLD = f"{_THRESHOLDS} WHERE vehicle_type = $1"


async def battery_thresholds(call: Call) -> list[BatteryThreshold]:
    call.require("fleet.maintenance.read")
    given = {
        row["vehicle_type"]: BatteryThreshold(**row)
        for row in await db.run("fleet", call, _THRESHOLDS)
    }
    return [given.get(each) or _default(each) for each in PREFIX]


def _default(vehicle_type: str) -> BatteryThreshold:
    return BatteryThreshold(
        vehicle_type=vehicle_type, lowest_level=battery.LOWEST, back_level=battery.BACK,
        critical_level=battery.CRITICAL, is_default=True,
    )  # fmt: skip


async def threshold_of(tx: db.Tx, vehicle_type: str) -> BatteryThreshold:
    """What holds for one type, within a transaction."""
    row = await tx.one(_THRESHOLD, vehicle_type)
    return BatteryThreshold(**row) if row else _default(vehicle_type)


# --- plans

PLAN_COLUMNS = """p.id, p.kind, p.state, p.vehicle_types, p.latitude, p.longitude, p.capacity,
p.is_round_trip, p.distance_m, p.estimated_s, p.created_by, p.created_at, p.expires_at,
p.closed_at, s.total, s.done, s.skipped"""
"""A ``BatteryPlan`` but its stops, by name."""
_PLANS = f"""
SELECT {PLAN_COLUMNS}, p.total_plans FROM (
    SELECT *, count(*) OVER () AS total_plans FROM fleet.battery_plan
    WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
    ORDER BY created_at DESC, id LIMIT $2 OFFSET $3) p
CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done,
           count(*) FILTER (WHERE state = 'skipped') AS skipped
    FROM fleet.battery_stop WHERE plan_id = p.id) s
ORDER BY p.created_at DESC, p.id
"""
_PLANS_TOTAL = """
SELECT count(*) AS total FROM fleet.battery_plan
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
"""


async def battery_plans(call: Call, state: str | None, limit: int, offset: int) -> BatteryPlanPage:
    call.require("fleet.maintenance.read")
    rows = await db.run("fleet", call, _PLANS, state, limit, offset)
    if not rows and offset:
        [counted] = await db.run("fleet", call, _PLANS_TOTAL, state)
        return BatteryPlanPage([], counted["total"])
    return BatteryPlanPage([_plan(row, []) for row in rows], rows[0]["total_plans"] if rows else 0)


def _plan(row: db.Row, stops: list[BatteryStop]) -> BatteryPlan:
    known = {n: row[n] for n in BatteryPlan.__struct_fields__[:-1]}
    return BatteryPlan(**known, stops=stops)


_PLAN = f"""
SELECT {PLAN_COLUMNS} FROM fleet.battery_plan p CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done,
           count(*) FILTER (WHERE state = 'skipped') AS skipped
    FROM fleet.battery_stop WHERE plan_id = p.id) s
WHERE p.id = $1
"""
_STOPS = """
SELECT s.position, s.vehicle_id, v.vehicle_type, v.identifier, s.latitude, s.longitude,
       s.battery_level, s.priority, s.leg_m, s.leg_s, s.state, s.reason, s.closed_at
FROM fleet.battery_stop s JOIN fleet.vehicle v ON v.id = s.vehicle_id
WHERE s.plan_id = $1 ORDER BY s.position
"""


async def battery_plan(call: Call, plan_id: UUID) -> BatteryPlan:
    call.require("fleet.maintenance.read")
    row = await db.one("fleet", call, _PLAN, plan_id)
    if row is None:
        raise UnknownPlan
    stops = await db.run("fleet", call, _STOPS, plan_id)
    return _plan(row, [BatteryStop(**stop) for stop in stops])


_MOST_CANDIDATES = 2_000
DEMAND_DAYS = 7
_CANDIDATES = """
SELECT v.id, v.latitude, v.longitude, v.battery_level, v.cell,
       v.battery_level < coalesce(t.critical_level, $6) AS is_critical
FROM fleet.vehicle v
LEFT JOIN fleet.battery_threshold t
       ON t.tenant_id = v.tenant_id AND t.vehicle_type = v.vehicle_type
WHERE v.tenant_id = kernel.tenant() AND v.held_by IS NULL AND v.status <> 'retired'
  AND v.vehicle_type = ANY($1)
  AND v.battery_level < $2 AND v.latitude BETWEEN $3 AND $4
  AND NOT EXISTS (SELECT FROM fleet.battery_stop s
                  WHERE s.vehicle_id = v.id AND s.state = 'open')
ORDER BY v.battery_level, v.id LIMIT $5
"""
_DEMAND = """
SELECT start_cell, count(*) AS rides FROM fleet.ride
WHERE tenant_id = kernel.tenant() AND ended_at > $1 AND was_ridden AND start_cell IS NOT NULL
GROUP BY start_cell
"""


async def candidates(call: Call, wanted: PlanWanted) -> list[battery.Candidate]:
    """Vehicles that need power around a place, nobody holds and no open plan has.

    Of more than 2,000 the emptiest.
    """
    start = (wanted.latitude, wanted.longitude)
    rows = await db.run(
        "fleet", call, _CANDIDATES, wanted.vehicle_types, wanted.below_level,
        *latitude_band(wanted.latitude, wanted.radius_m), _MOST_CANDIDATES, battery.CRITICAL,
    )  # fmt: skip
    since = clock.now() - timedelta(days=DEMAND_DAYS)
    demand: Counter[int] = Counter()
    for row in await db.run("fleet", call, _DEMAND, since) if rows else []:
        demand[geo.area(row["start_cell"])] += row["rides"]
    found = []
    for row in rows:
        place = (row["latitude"], row["longitude"])
        away_m = geo.distance_m(*start, *place)
        if away_m > wanted.radius_m or (wanted.area and not battery.is_within(place, wanted.area)):
            continue
        found.append(
            battery.Candidate(
                row["id"], *place, row["battery_level"], demand[geo.area(row["cell"])], away_m,
                row["is_critical"],
            )
        )  # fmt: skip
    return found
