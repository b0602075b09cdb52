"""Swap and charge plans: made, worked off stop by stop, given up (FLT-31)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions.battery import CHANGE_COLUMNS, fill_within
from fahrwerk.fleet.actions.edges import refused_by, title
from fahrwerk.fleet.contract import PREFIX, Place
from fahrwerk.fleet.contract.battery import (
    BatteryChange,
    BatteryPlan,
    NothingToDo,
    PlanClosed,
    PlanWanted,
    UnknownPlan,
)
from fahrwerk.fleet.events import BatteryPlanClosed, BatteryPlanMade
from fahrwerk.fleet.queries import MOST_RADIUS_M
from fahrwerk.fleet.queries.battery import battery_plan, candidates
from fahrwerk.fleet.rules import battery
from fahrwerk.fleet.rules.maintenance import check_text
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Conflict, Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LASTS = timedelta(hours=24)
_TRIES = 4
_KNOWN = "SELECT id FROM fleet.battery_plan WHERE id = $1"
_MAKE = """
INSERT INTO fleet.battery_plan (id, kind, state, vehicle_types, latitude, longitude, capacity,
                                is_round_trip, distance_m, estimated_s, created_by, created_at,
                                expires_at)
VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_ADD_STOPS = """
INSERT INTO fleet.battery_stop (plan_id, position, vehicle_id, latitude, longitude, battery_level,
                                priority, leg_m, leg_s, state)
SELECT $1, *, 'open' FROM unnest($2::int4[], $3::uuid[], $4::float8[], $5::float8[], $6::int2[],
                                 $7::float8[], $8::int4[], $9::int4[])
"""


class _Taken(Conflict):
    """Another plan has just taken one of the vehicles."""


async def make_battery_plan(call: Call, wanted: PlanWanted) -> BatteryPlan:
    """See the contract."""
    call.require("fleet.maintenance.write")
    _check(wanted)
    plan_id = ids.derived("plan", call.tenant, call.actor, call.key) if call.key else ids.new()
    if call.key and await db.one("fleet", call, _KNOWN, plan_id):
        return await battery_plan(call, plan_id)
    for left in reversed(range(_TRIES)):
        try:
            await _make(call, plan_id, wanted)
            break
        except _Taken:
            if not left:
                raise
    return await battery_plan(call, plan_id)


async def _make(call: Call, plan_id: UUID, wanted: PlanWanted) -> None:
    found = battery.chosen(await candidates(call, wanted), min(wanted.capacity, wanted.most_stops))
    if not found:
        raise NothingToDo
    start = (wanted.latitude, wanted.longitude)
    order = battery.tour(start, [(c.latitude, c.longitude) for c in found], wanted.is_round_trip)
    stops = [found[at] for at in order]
    legs = battery.legs(
        start, [(c.latitude, c.longitude) for c in stops], wanted.kind, wanted.is_round_trip
    )
    now = clock.now()
    with refused_by(battery_stop_open=_Taken):
        async with db.tx("fleet", call) as tx:
            await tx.run(
                _MAKE, plan_id, wanted.kind, wanted.vehicle_types, *start, wanted.capacity,
                wanted.is_round_trip, sum(leg.distance_m for leg in legs),
                sum(leg.seconds for leg in legs), call.actor, now, now + LASTS,
            )  # fmt: skip
            at_stops = legs[: len(stops)]
            await tx.run(
                _ADD_STOPS, plan_id, list(range(1, len(stops) + 1)), [c.vehicle_id for c in stops],
                [c.latitude for c in stops], [c.longitude for c in stops],
                [c.level for c in stops], [battery.priority(c) for c in stops],
                [leg.distance_m for leg in at_stops], [leg.seconds for leg in at_stops],
            )  # fmt: skip
            news = BatteryPlanMade(plan_id, wanted.kind, len(stops))
            await events.emit(tx, call, f"battery_plan:{plan_id}", 1, news)


def _check(wanted: PlanWanted) -> None:
    rules.check_place(Place(wanted.latitude, wanted.longitude))
    if not wanted.vehicle_types or set(wanted.vehicle_types) - set(PREFIX):
        raise Invalid(field="vehicle_types", issue=f"must be of {', '.join(PREFIX)}")
    for field, value, most in (
        ("capacity", wanted.capacity, battery.MOST_STOPS),
        ("most_stops", wanted.most_stops, battery.MOST_STOPS),
        ("below_level", wanted.below_level, 101),
        ("radius_m", wanted.radius_m, MOST_RADIUS_M),
    ):
        if not 1 <= value <= most:
            raise Invalid(field=field, issue=f"must be 1 to {most}")
    if wanted.area:
        battery.check_area(wanted.area)


# --- working it off

_STOP = "SELECT vehicle_id, state FROM fleet.battery_stop WHERE plan_id = $1 AND position = $2"
_LOCK_VEHICLE = "SELECT id FROM fleet.vehicle WHERE id = $1 FOR UPDATE"
_LOCK_PLAN = "SELECT kind, state FROM fleet.battery_plan WHERE id = $1 FOR UPDATE"
_CLOSE_STOP = """
UPDATE fleet.battery_stop SET state = $3, reason = $4, closed_at = $5
WHERE plan_id = $1 AND position = $2
"""


_KNOWN_CHANGE = f"SELECT {CHANGE_COLUMNS} FROM fleet.battery_change WHERE id = $1"
_OPEN_STOP = """
SELECT plan_id, position FROM fleet.battery_stop WHERE vehicle_id = $1 AND state = 'open'
"""


async def record_battery(
    call: Call, vehicle_id: UUID, kind: str, level: int, found_level: int | None = None
) -> BatteryChange:
    """See the contract."""
    call.require("fleet.maintenance.write")
    change_id = ids.derived("battery", call.tenant, call.actor, call.key) if call.key else ids.new()
    async with db.tx("fleet", call) as tx:
        if (known := await tx.one(_KNOWN_CHANGE, change_id)) is not None:
            return BatteryChange(*known)
        at = clock.now()
        done = await fill_within(
            tx, call, change_id, vehicle_id, kind, level, found_level, None, at
        )
        if (stop := await tx.one(_OPEN_STOP, vehicle_id)) is not None:
            plan_id = stop["plan_id"]
            [plan] = await tx.run(_LOCK_PLAN, plan_id)
            if plan["state"] == "open":
                await tx.run(_CLOSE_STOP, plan_id, stop["position"], "done", None, at)
                await finish_if_over(tx, call, plan_id)
        return done


async def close_battery_stop(
    call: Call,
    plan_id: UUID,
    position: int,
    level: int | None,
    found_level: int | None = None,
    reason: str | None = None,
) -> BatteryPlan:
    """See the contract."""
    call.require("fleet.maintenance.write")
    check_text("reason", reason or "", 200)
    if not 1 <= position <= battery.MOST_STOPS:
        raise UnknownPlan
    wanted, at = "skipped" if level is None else "done", clock.now()
    async with db.tx("fleet", call) as tx:
        stop = await tx.one(_STOP, plan_id, position)
        if stop is None:
            raise UnknownPlan
        await tx.one(_LOCK_VEHICLE, stop["vehicle_id"])
        [plan] = await tx.run(_LOCK_PLAN, plan_id)
        [stop] = await tx.run(_STOP, plan_id, position)  # as it is now that it is ours
        if stop["state"] == "open" and plan["state"] == "open":
            if level is not None:
                await fill_within(
                    tx, call, ids.derived("stop", plan_id, position), stop["vehicle_id"],
                    plan["kind"], level, found_level, plan_id, at,
                )  # fmt: skip
            await tx.run(_CLOSE_STOP, plan_id, position, wanted, reason, at)
            await finish_if_over(tx, call, plan_id)
        elif stop["state"] != wanted:
            raise PlanClosed(state=stop["state"], plan=plan["state"])
    return await battery_plan(call, plan_id)


_FINISH = """
UPDATE fleet.battery_plan p SET state = $2, closed_at = $3, version = version + 1
FROM (SELECT count(*) FILTER (WHERE state = 'open') AS left_over,
             count(*) FILTER (WHERE state = 'done') AS done,
             count(*) FILTER (WHERE state = 'skipped') AS skipped
      FROM fleet.battery_stop WHERE plan_id = $1) s
WHERE p.id = $1 AND p.state = 'open' AND s.left_over = 0
RETURNING p.version, s.done, s.skipped
"""


async def finish_if_over(tx: db.Tx, call: Call, plan_id: UUID, state: str = "done") -> bool:
    """Close a plan without open stops; False when there are some, or it is closed already."""
    row = await tx.one(_FINISH, plan_id, state, clock.now())
    if row is not None:
        news = BatteryPlanClosed(plan_id, state, row["done"], row["skipped"])
        await events.emit(tx, call, f"battery_plan:{plan_id}", row["version"], news)
    return row is not None


_SKIP_ALL = """
UPDATE fleet.battery_stop SET state = 'skipped', reason = $2, closed_at = $3
WHERE plan_id = $1 AND state = 'open'
"""


async def cancel_battery_plan(call: Call, plan_id: UUID) -> BatteryPlan:
    """See the contract."""
    call.require("fleet.maintenance.write")
    async with db.tx("fleet", call) as tx:
        plan = await tx.one(_LOCK_PLAN, plan_id)
        if plan is None:
            raise UnknownPlan
        if plan["state"] == "open":
            await tx.run(_SKIP_ALL, plan_id, "cancelled", clock.now())
            await finish_if_over(tx, call, plan_id, "cancelled")
        elif plan["state"] != "cancelled":
            raise PlanClosed(plan=plan["state"])
    return await battery_plan(call, plan_id)


_EXPIRE = f"""
WITH due AS (
    SELECT id FROM fleet.battery_plan
    WHERE tenant_id = kernel.tenant() AND state = 'open' AND expires_at <= kernel.now()
    LIMIT $5 FOR UPDATE SKIP LOCKED
), left_over AS (
    UPDATE fleet.battery_stop s SET state = 'skipped', reason = 'expired', closed_at = kernel.now()
    FROM due WHERE s.plan_id = due.id AND s.state = 'open' RETURNING s.plan_id
), closed AS (
    UPDATE fleet.battery_plan p
    SET state = 'expired', closed_at = kernel.now(), version = version + 1
    FROM due WHERE p.id = due.id RETURNING p.id, p.version
), told AS (
    {events.INSERT}
    SELECT 'battery_plan:' || id, version, $1, $2, jsonb_build_object(
        'plan_id', id, 'state', 'expired',
        'done', (SELECT count(*) FROM fleet.battery_stop s
                 WHERE s.plan_id = closed.id AND s.state = 'done'),
        'skipped', (SELECT count(*) FROM fleet.battery_stop s
                    WHERE s.plan_id = closed.id AND s.state IN ('open', 'skipped'))), $3, $4
    FROM closed
)
SELECT id FROM closed
"""


async def expire_battery_plans(call: Call, limit: int) -> int:
    """Plans nobody finished in time give their vehicles back; how many."""
    told = (*title(BatteryPlanClosed), call.actor, call.trace)
    return len(await db.run("fleet", call, _EXPIRE, *told, limit))
