"""Looking at a fleet with its rules: every few seconds, one look at a time, nothing in the way of
readings.

A look reads the live state: one statement finds where something changes (50,000 vehicles are sieved
by the database, what comes back is little), ``rules.alerts`` decides, and ``alert_steps`` writes.
What cannot be told from the live state alone, where a vehicle stood and how full it was, is kept in
``alert_trace`` by the statement before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from fahrwerk.fleet.actions import alert_areas, alert_steps
from fahrwerk.fleet.actions.alert_telling import Scene, tell_what_is_due
from fahrwerk.fleet.queries.alerts import in_force
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.contract.alerts import AlertRule
    from fahrwerk.kernel.call import Call

log = structlog.get_logger()
EVERY_S = 5
MOST_OF_THE_TIME = 0.05
"""A look at a large fleet takes long; it is looked at less often then, so that it never takes more
than this share of a core."""
AT_ONCE = 5_000
"""Conditions that change in one look, and vehicles whose trace does; the next one goes on."""
OPERATORS_AT_ONCE = 20

# A look that a moved clock has put off for long is due as well.
_CLAIM = f"""
UPDATE fleet.alert_watch w SET due_at = kernel.now() + interval '{EVERY_S} seconds'
FROM (SELECT tenant_id FROM fleet.alert_watch
      WHERE due_at <= kernel.now() OR due_at > kernel.now() + interval '1 minute'
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE w.tenant_id = next.tenant_id RETURNING w.tenant_id
"""


async def look_at_due_fleets(limit: int = OPERATORS_AT_ONCE) -> bool:
    """Each operator's fleet is looked at by one worker, every few seconds; True = there is more.

    What goes wrong with one operator is logged, and the others are looked at all the same.
    """
    rows = await db.run("fleet", system(None, "fleet"), _CLAIM, limit)
    has_more = len(rows) == limit
    for row in rows:
        try:
            has_more |= await look(system(row["tenant_id"], "fleet"))
        except db.DatabaseDown:
            raise
        except Exception as error:
            log.error("look failed", tenant=str(row["tenant_id"]), exc_info=error)
    return has_more


_ENTER = """
INSERT INTO fleet.alert_watch (tenant_id)
SELECT t FROM fleet.tenants_with_vehicles() AS t
WHERE NOT EXISTS (SELECT FROM fleet.alert_watch w WHERE w.tenant_id = t)
ON CONFLICT DO NOTHING
"""


async def watch_new_operators() -> None:
    """Whoever has got vehicles is watched from now on, with the default rules."""
    await db.run("fleet", system(None, "fleet"), _ENTER)


_WATCH = "INSERT INTO fleet.alert_watch DEFAULT VALUES ON CONFLICT DO NOTHING"
# Until the transaction ends: room to join the whole fleet without going to the disk; and plans made
# for the numbers at hand (one made for any took minutes for 25,000 conditions, now it is 0.1 s).
_LOCK = """
SELECT kernel.now() AS now, version, tidied_version, rules, set_config('work_mem', '64MB', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
FROM fleet.alert_watch WHERE tenant_id = kernel.tenant() FOR UPDATE SKIP LOCKED
"""
# A fleet is joined with what is remembered of it: whole with whole. The planner, who may have known
# the tables when they were empty, would else look through all of one for each row of the other.
_WHOLE = "SELECT set_config('enable_nestloop', $1, true)"
_AGAIN = "UPDATE fleet.alert_watch SET due_at = kernel.now() WHERE tenant_id = kernel.tenant()"
_LATER = """
UPDATE fleet.alert_watch SET due_at = greatest(due_at, kernel.now() + make_interval(secs => $1))
WHERE tenant_id = kernel.tenant()
"""
_SILENCES = "SELECT vehicle_id, rule FROM fleet.alert_silence WHERE until > kernel.now()"


async def look(call: Call, limit: int = AT_ONCE) -> bool:
    """Look at this operator's fleet; True = there is more to do at once.

    Does nothing while another worker is looking.
    """
    began = time.monotonic()
    operator = await tenancy.operator(call)
    zones = await alert_areas.compiled_zones(call)
    async with db.tx("fleet", call) as tx:
        watch = await tx.one(_LOCK)
        if watch is None:
            await tx.run(_WATCH)
            watch = await tx.one(_LOCK)
        if watch is None:
            return False
        now = watch["now"]
        wanted = [each for each in in_force(watch["rules"]) if each.is_enabled]
        silences = frozenset(rules.Silence(*row) for row in await tx.run(_SILENCES))
        zone = ZoneInfo(operator.time_zone)
        quiet = frozenset(r.name for r in wanted if rules.is_quiet(r.quiet_hours, now, zone))
        scene = Scene(tx, call, now, {r.name: r for r in wanted}, silences, quiet)
        await tx.run(_WHOLE, "off")
        is_full = await _remember(tx, wanted, now, limit)
        if any(each.kind == "outside_area" for each in wanted) and zones.in_force.stamp:
            is_full |= await alert_areas.look_at_areas(tx, zones, now)
        found = await _found(tx, wanted, now, limit)
        await tx.run(_WHOLE, "on")
        await alert_steps.follow(scene, found)
        is_full |= len(found) >= limit
        if watch["tidied_version"] != watch["version"]:
            is_full |= await _tidy(scene, watch["version"], limit)
        await tell_what_is_due(scene)
        if is_full:
            await tx.run(_AGAIN)
        elif (rest_s := min(50.0, (time.monotonic() - began) / MOST_OF_THE_TIME)) > EVERY_S:
            await tx.run(_LATER, rest_s)
    return is_full


# --- what the looks remember

_STANDS = """(v.held_by IS NULL AND v.status NOT IN ('maintenance', 'retired')
    AND v.latitude IS NOT NULL)"""
_SETTLING = (
    f"(anchored_at IS NULL OR anchored_at > $1::timestamptz - interval '{rules.SETTLE_S} seconds')"
)
_ANCHOR = "CASE WHEN stands THEN CASE WHEN settles THEN {now} ELSE {then} END END"
_REMEMBER = f"""
WITH due AS (
    SELECT v.id, v.latitude, v.longitude, v.accuracy_m, nullif(v.odometer_m, 0) AS odometer_m,
           v.battery_level AS level, {_STANDS} AS stands, {_SETTLING} AS settles,
           v.battery_level IS NOT NULL AND v.battery_level IS DISTINCT FROM t.battery_level AS fell,
           anchored_at, anchor_latitude, anchor_longitude, anchor_accuracy_m, anchor_odometer_m,
           t.battery_level, t.battery_peak, coalesce(battery_levels, '{{}}') AS levels,
           coalesce(battery_ats, '{{}}') AS ats
    FROM fleet.vehicle v
    LEFT JOIN fleet.alert_trace t ON t.tenant_id = v.tenant_id AND t.vehicle_id = v.id
    WHERE v.tenant_id = kernel.tenant() AND (
        t.vehicle_id IS NULL
        OR (v.battery_level IS NOT NULL AND v.battery_level IS DISTINCT FROM t.battery_level)
        OR {_STANDS} <> (anchored_at IS NOT NULL)
        OR (anchored_at > $1::timestamptz - interval '{rules.SETTLE_S} seconds'
            AND (v.latitude, v.longitude) IS DISTINCT FROM (anchor_latitude, anchor_longitude)))
    LIMIT $2
), kept AS (
    SELECT id, levels[first:] AS levels, ats[first:] AS ats FROM due CROSS JOIN LATERAL (
        SELECT greatest(cardinality(ats) - 30, 1 + count(*)::int) AS first
        FROM unnest(ats[2:]) AS a WHERE a <= $1::timestamptz - make_interval(secs => $3)) AS l
)
INSERT INTO fleet.alert_trace AS t (vehicle_id, anchored_at, anchor_latitude, anchor_longitude,
    anchor_accuracy_m, anchor_odometer_m, battery_level, battery_peak, battery_levels, battery_ats)
SELECT id, CASE WHEN stands THEN coalesce(anchored_at, $1::timestamptz) END,
       {_ANCHOR.format(now="latitude", then="anchor_latitude")},
       {_ANCHOR.format(now="longitude", then="anchor_longitude")},
       {_ANCHOR.format(now="accuracy_m", then="anchor_accuracy_m")},
       {_ANCHOR.format(now="odometer_m", then="anchor_odometer_m")},
       CASE WHEN fell THEN level ELSE battery_level END,
       CASE WHEN fell THEN (SELECT max(l) FROM unnest(kept.levels || level) l)
            ELSE battery_peak END,
       CASE WHEN fell THEN kept.levels || level ELSE due.levels END,
       CASE WHEN fell THEN kept.ats || $1::timestamptz ELSE due.ats END
FROM due JOIN kept USING (id)
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE SET
    anchored_at = excluded.anchored_at, anchor_latitude = excluded.anchor_latitude,
    anchor_longitude = excluded.anchor_longitude, anchor_accuracy_m = excluded.anchor_accuracy_m,
    anchor_odometer_m = excluded.anchor_odometer_m, battery_level = excluded.battery_level,
    battery_peak = excluded.battery_peak, battery_levels = excluded.battery_levels,
    battery_ats = excluded.battery_ats
RETURNING 1
"""


async def _remember(tx: db.Tx, wanted: Sequence[AlertRule], now: datetime, limit: int) -> bool:
    """Where each vehicle should stand and how its battery fell; True = more have changed."""
    longest_s = float(max((each.window_s or 0 for each in wanted), default=0))
    return len(await tx.run(_REMEMBER, now, limit, longest_s)) >= limit


# --- what is the case


class Found(NamedTuple):
    """A vehicle and a rule where something may change."""

    vehicle_id: UUID
    rule: str
    value: float | None
    measured_at: datetime | None
    standing: rules.Standing
    alert_id: UUID | None


# Flat enough for some hundred metres. Shifted, because PostgreSQL answers what is very near to zero
# with an error (underflow) when it is squared: one such place would blind a look.
_MOVED_M = f"""greatest(
    6371008.8 * sqrt(radians((v.latitude + 90) - (anchor_latitude + 90)) ^ 2
        + (cos(radians(anchor_latitude)) * radians(least(
            abs((v.longitude + 180) - (anchor_longitude + 180)),
            360 - abs((v.longitude + 180) - (anchor_longitude + 180))))) ^ 2)
    - coalesce(v.accuracy_m, {rules.ASSUMED_ACCURACY_M})
    - coalesce(anchor_accuracy_m, {rules.ASSUMED_ACCURACY_M}),
    v.odometer_m - anchor_odometer_m)"""
_SILENT_S = """CASE WHEN v.is_connected AND v.status <> 'maintenance'
    THEN extract(epoch FROM $2::timestamptz - coalesce(v.last_seen_at, v.created_at))::float8
    ELSE 0 END"""
# The last change before the window began is what it began with.
_FALLEN = """(SELECT max(s.level) FROM unnest(v.battery_levels, v.battery_ats)
        WITH ORDINALITY AS s (level, at, n)
    WHERE n > (SELECT count(*) FROM unnest(v.battery_ats[2:]) AS a
               WHERE a <= $2::timestamptz - make_interval(secs => r.window_s))) - v.level"""
# What is retired is nobody's concern: as good as its rule wants it.
_VALUE = f"""CASE WHEN v.is_retired THEN r.clear_at ELSE CASE r.kind
    WHEN 'moved_without_ride' THEN coalesce(v.moved_m, 0)
    WHEN 'outside_area' THEN coalesce(v.area_looks, 0)
    WHEN 'tipped_over' THEN v.is_tipped::int
    WHEN 'silent' THEN v.silent_s
    WHEN 'battery_falling_fast' THEN coalesce({_FALLEN}, 0)
    WHEN 'battery_low' THEN v.level
    ELSE v.temperature END::float8 END"""
_MAY_BE_BAD = """CASE r.kind
    WHEN 'moved_without_ride' THEN v.moved_m >= r.raise_at
    WHEN 'outside_area' THEN v.area_looks >= r.raise_at
    WHEN 'tipped_over' THEN v.is_tipped
    WHEN 'silent' THEN v.silent_s >= r.raise_at
    WHEN 'battery_falling_fast' THEN v.fallen >= r.raise_at
    WHEN 'battery_low' THEN v.level <= r.raise_at
    WHEN 'temperature_high' THEN v.temperature >= r.raise_at
    ELSE v.temperature <= r.raise_at END"""
_IS_BAD = "CASE WHEN r.falls THEN value <= r.raise_at ELSE value >= r.raise_at END"
_IS_GOOD = "CASE WHEN r.falls THEN value >= r.clear_at ELSE value <= r.clear_at END"
_FOR_TYPE = "(cardinality(r.types) = 0 OR v.vehicle_type = ANY(r.types))"
# OFFSET 0: what is measured is worked out once, not wherever it is named.
_MEASURED = f"CROSS JOIN LATERAL (SELECT {_VALUE} AS value OFFSET 0) AS measured"
_SEEN = f"""SELECT v.id, v.vehicle_type, v.measured_at, v.battery_level AS level, v.temperature,
        v.is_tipped, {_SILENT_S} AS silent_s, {_MOVED_M} AS moved_m,
        battery_peak - v.battery_level AS fallen, battery_levels, battery_ats, area_looks,
        v.status = 'retired' AS is_retired
    FROM fleet.vehicle v
    LEFT JOIN fleet.alert_trace t ON t.tenant_id = v.tenant_id AND t.vehicle_id = v.id
    WHERE v.tenant_id = kernel.tenant()"""
# What begins to be the case, of those few that a sieve over the whole fleet lets through; and what
# is the case already. The second part joins by keys: nothing else may be, however wrong the
# planner's idea of a table is that was empty a minute ago.
_FOUND = f"""
WITH r AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (name text, kind text, types text[],
        raise_at float8, clear_at float8, readings int, hold_s int, window_s float8, falls bool,
        is_measured bool)
), v AS MATERIALIZED (
    SELECT * FROM ({_SEEN}) AS v
    WHERE NOT is_retired AND (
          level <= $4::float8 OR temperature >= $5 OR temperature <= $6 OR silent_s >= $7
       OR moved_m >= $8 OR fallen >= $9::float8 OR area_looks >= $10::float8 OR is_tipped)
)
(SELECT v.id, r.name, value, v.measured_at, 'none' AS phase, NULL::timestamptz AS since,
       0 AS readings, NULL::timestamptz AS counted_at, 0::float8 AS worst,
       NULL::timestamptz AS touched_at, NULL::uuid AS alert_id
FROM v JOIN r ON {_FOR_TYPE} AND {_MAY_BE_BAD} {_MEASURED}
WHERE {_IS_BAD} AND NOT EXISTS (
    SELECT FROM fleet.alert_condition c
    WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = v.id AND c.rule = r.name)
LIMIT $3)
UNION ALL
(SELECT v.id, r.name, value, v.measured_at, c.phase, c.since, c.readings, c.measured_at, c.worst,
       c.touched_at, c.alert_id
FROM fleet.alert_condition c JOIN ({_SEEN}) AS v ON v.id = c.vehicle_id
JOIN r ON r.name = c.rule AND {_FOR_TYPE} {_MEASURED}
WHERE c.tenant_id = kernel.tenant() AND value IS NOT NULL AND CASE c.phase
    WHEN 'pending' THEN NOT ({_IS_BAD})
        OR (c.readings < r.readings AND r.is_measured
            AND c.measured_at IS DISTINCT FROM v.measured_at)
        OR ((c.readings >= r.readings OR NOT r.is_measured)
            AND c.since <= $2::timestamptz - make_interval(secs => r.hold_s))
    WHEN 'raised' THEN {_IS_GOOD}
        OR c.touched_at <= $2::timestamptz - interval '{rules.TOUCH_S} seconds'
        OR (r.is_measured AND CASE WHEN r.falls THEN value < c.worst ELSE value > c.worst END)
    ELSE {_IS_GOOD} END
LIMIT $3)
"""
_SIEVES: tuple[tuple[str, float], ...] = (
    ("battery_low", -1), ("temperature_high", 1e9), ("temperature_low", -1e9), ("silent", 1e9),
    ("moved_without_ride", 1e9), ("battery_falling_fast", 1e9), ("outside_area", 1e9),
)  # fmt: skip
"""The arguments from $4 on, each with what lets nothing through."""


async def _found(tx: db.Tx, wanted: Sequence[AlertRule], now: datetime, limit: int) -> list[Found]:
    """Where something may change: never less than ``rules.next_step`` would have."""
    if not wanted:
        return []
    table = [
        {
            "name": each.name, "kind": each.kind, "types": each.vehicle_types,
            "raise_at": each.raise_at, "clear_at": each.clear_at, "readings": each.readings,
            "hold_s": each.hold_s, "window_s": each.window_s,
            "falls": each.kind in rules.FALLING_IS_BAD,
            "is_measured": each.kind not in rules.NOT_MEASURED,
        }
        for each in wanted
    ]  # fmt: skip
    sieves = [_sieve(kind, nothing, wanted) for kind, nothing in _SIEVES]
    rows = await tx.run(_FOUND, table, now, limit, *sieves)
    return [
        Found(
            row["id"], row["name"], row["value"], row["measured_at"],
            rules.Standing(
                row["phase"], row["since"], row["readings"], row["counted_at"], row["worst"],
                row["touched_at"],
            ),
            row["alert_id"],
        )
        for row in rows
    ]  # fmt: skip


def _sieve(kind: str, nothing: float, wanted: Sequence[AlertRule]) -> float:
    marks = [each.raise_at for each in wanted if each.kind == kind]
    if not marks:
        return nothing
    return max(marks) if kind in rules.FALLING_IS_BAD else min(marks)


# --- rules that are gone

_GONE = """
SELECT c.vehicle_id, c.rule, c.phase, c.alert_id
FROM fleet.alert_condition c
JOIN fleet.vehicle v ON v.tenant_id = c.tenant_id AND v.id = c.vehicle_id
WHERE c.tenant_id = kernel.tenant() AND NOT EXISTS (
    SELECT FROM jsonb_to_recordset($1::jsonb) AS r (name text, types text[])
    WHERE r.name = c.rule AND (cardinality(r.types) = 0 OR v.vehicle_type = ANY(r.types)))
LIMIT $2
"""
_TIDIED = "UPDATE fleet.alert_watch SET tidied_version = $1 WHERE tenant_id = kernel.tenant()"


async def _tidy(scene: Scene, version: int, limit: int) -> bool:
    """End what rules had found that are gone, off, or for other vehicles now; True = more."""
    table = [{"name": r.name, "types": r.vehicle_types} for r in scene.rules.values()]
    rows = await scene.tx.run(_GONE, table, limit)
    gone = [
        Found(vehicle_id, rule, None, None, rules.Standing(phase), alert_id)
        for vehicle_id, rule, phase, alert_id in rows
    ]
    await alert_steps.clear(scene, gone, "rule_changed")
    if len(rows) < limit:
        await scene.tx.run(_TIDIED, version)
    return len(rows) >= limit
