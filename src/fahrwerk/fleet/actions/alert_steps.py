"""What follows from a look: conditions, alerts, timelines and events, in the look's transaction.

Everything here is set-based: a step is a few statements, however many vehicles take it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from fahrwerk.fleet.actions.alert_telling import Line, Scene, changed, tell, write
from fahrwerk.fleet.events import AlertRaised, AlertResolved
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from fahrwerk.fleet.actions.alert_looks import Found
    from fahrwerk.fleet.contract.alerts import AlertRule
    from fahrwerk.kernel.db import Row


async def follow(scene: Scene, found: Sequence[Found]) -> None:
    """Take every step that the rules decide on."""
    steps: dict[str, list[Found]] = defaultdict(list)
    for each in found:
        step = rules.next_step(
            scene.rules[each.rule], each.standing, each.value, each.measured_at, scene.now
        )
        steps[step].append(each)
    await _begin(scene, steps["begin"])
    await _count(scene, steps["count"])
    await _drop(scene, steps["drop"])
    await clear(scene, steps["clear"], "cleared")
    await _touch(scene, steps["touch"])
    await _raise(scene, steps["raise"])


# --- conditions

_BEGIN = """
INSERT INTO fleet.alert_condition (vehicle_id, rule, phase, since, measured_at, worst, touched_at)
SELECT v, r, 'pending', $5::timestamptz, m, w, $5
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::float8[]) AS s (v, r, m, w)
ON CONFLICT DO NOTHING
"""
_COUNT = """
UPDATE fleet.alert_condition c
SET readings = c.readings + 1, measured_at = s.m
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS s (v, r, m)
WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = s.v AND c.rule = s.r
"""
_DROP = """
DELETE FROM fleet.alert_condition c USING unnest($1::uuid[], $2::text[]) AS s (v, r)
WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = s.v AND c.rule = s.r
"""
_TOUCH = """
WITH touched AS (
    UPDATE fleet.alert_condition c SET worst = s.w, touched_at = $4::timestamptz
    FROM unnest($1::uuid[], $2::text[], $3::float8[]) AS s (v, r, w)
    WHERE c.tenant_id = kernel.tenant() AND c.vehicle_id = s.v AND c.rule = s.r
    RETURNING c.alert_id, s.w
)
UPDATE fleet.alert a SET worst = touched.w, last_at = $4, xid = pg_current_xact_id()
FROM touched WHERE a.tenant_id = kernel.tenant() AND a.id = touched.alert_id
  AND a.state <> 'resolved'
"""


def _keys(found: Iterable[Found]) -> tuple[list[UUID], list[str]]:
    pairs = [(each.vehicle_id, each.rule) for each in found]
    return [v for v, _ in pairs], [r for _, r in pairs]


async def _begin(scene: Scene, found: Sequence[Found]) -> None:
    if found:
        measured = [each.measured_at for each in found]
        values = [each.value for each in found]
        await scene.tx.run(_BEGIN, *_keys(found), measured, values, scene.now)


async def _count(scene: Scene, found: Sequence[Found]) -> None:
    if found:
        await scene.tx.run(_COUNT, *_keys(found), [each.measured_at for each in found])


async def _drop(scene: Scene, found: Sequence[Found]) -> None:
    if found:
        await scene.tx.run(_DROP, *_keys(found))


async def _touch(scene: Scene, found: Sequence[Found]) -> None:
    if found:
        await _lock(scene, [each.alert_id for each in found])
        worst = [
            rules.worse(scene.rules[each.rule], each.value or 0.0, each.standing.worst)
            for each in found
        ]
        await scene.tx.run(_TOUCH, *_keys(found), worst, scene.now)
        changed(scene)


_LOCKED = """
SELECT id FROM fleet.alert WHERE tenant_id = kernel.tenant() AND id = ANY($1) ORDER BY id FOR UPDATE
"""


async def _lock(scene: Scene, alert_ids: Iterable[UUID | None]) -> None:
    """In the order of their ids, as people's bulk actions do: nobody waits for each other."""
    await scene.tx.run(_LOCKED, list({each for each in alert_ids if each is not None}))


# --- raising

_LATELY = f"""
SELECT rule, count(*) AS raised FROM fleet.alert_condition
WHERE tenant_id = kernel.tenant() AND rule = ANY($1)
  AND raised_at > $2::timestamptz - interval '{rules.BURST_S} seconds'
GROUP BY rule
"""


async def _raise(scene: Scene, found: Sequence[Found]) -> None:
    """An alert each, or a fleet-wide one for those that are too many at once."""
    if not found:
        return
    by_rule: dict[str, list[Found]] = defaultdict(list)
    for each in found:
        by_rule[each.rule].append(each)
    rows = await scene.tx.run(_LATELY, list(by_rule), scene.now)
    lately = {row["rule"]: row["raised"] for row in rows}
    alone: list[Found] = []
    for name, some in by_rule.items():
        if rules.is_burst(scene.rules[name], lately.get(name, 0), len(some)):
            await _raise_together(scene, scene.rules[name], some)
        else:
            alone += some
    await _raise_alone(scene, alone)


_LATEST = f"""
SELECT DISTINCT ON (a.rule, a.vehicle_id) a.id, a.rule, a.vehicle_id, a.severity, a.resolution,
       a.acknowledged_at IS NOT NULL AS was_acknowledged, a.escalate_at
FROM fleet.alert a JOIN unnest($1::uuid[], $2::text[]) AS s (v, r)
    ON a.rule = s.r AND a.vehicle_id IS NOT DISTINCT FROM s.v
WHERE a.tenant_id = kernel.tenant() AND a.state = 'resolved'
  AND a.resolution IN ('cleared', 'person')
  AND a.resolved_at > $3::timestamptz - interval '{rules.REOPEN_S} seconds'
ORDER BY a.rule, a.vehicle_id, a.resolved_at DESC
"""
_REOPEN = """
UPDATE fleet.alert a
SET state = s.state, resolved_at = NULL, resolved_by = NULL, resolution = NULL, last_at = $4,
    times = times + 1, worst = s.worst, vehicles = s.vehicles, version = version + 1,
    escalate_at = CASE WHEN s.state = 'open' THEN s.escalate_at END,
    acknowledged_at = CASE WHEN s.state = 'acknowledged' THEN acknowledged_at END,
    acknowledged_by = CASE WHEN s.state = 'acknowledged' THEN acknowledged_by END,
    xid = pg_current_xact_id()
FROM unnest($1::uuid[], $2::text[], $3::float8[], $5::timestamptz[], $6::int[])
    AS s (id, state, worst, escalate_at, vehicles)
WHERE a.tenant_id = kernel.tenant() AND a.id = s.id AND a.state = 'resolved'
RETURNING a.id, a.version
"""
_OPEN = """
INSERT INTO fleet.alert (id, rule, kind, vehicle_id, severity, raised_at, last_at, value, worst,
                         vehicles, escalate_at, told_at)
SELECT id, rule, kind, v, severity, $9::timestamptz, $9, value, value, vehicles, escalate_at,
       CASE WHEN is_told THEN $9 END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::float8[], $7::int[],
            $8::timestamptz[], $10::bool[])
    AS s (id, rule, kind, v, severity, value, vehicles, escalate_at, is_told)
ON CONFLICT DO NOTHING
RETURNING id, version
"""


class _Wanted(NamedTuple):
    """An alert that is to be open."""

    rule: AlertRule
    vehicle_id: UUID | None
    value: float
    vehicles: int


async def _open(scene: Scene, wanted: Sequence[_Wanted]) -> dict[tuple[UUID | None, str], UUID]:
    """Reopen what was resolved a moment ago, open the rest; ids by vehicle and rule."""
    keys = ([w.vehicle_id for w in wanted], [w.rule.name for w in wanted])
    before = {
        (row["vehicle_id"], row["rule"]): row
        for row in await scene.tx.run(_LATEST, *keys, scene.now)
    }
    again = [w for w in wanted if (w.vehicle_id, w.rule.name) in before]
    fresh = [w for w in wanted if (w.vehicle_id, w.rule.name) not in before]
    made = await _reopen(scene, again, before) if again else {}
    return made | (await _open_new(scene, fresh) if fresh else {})


async def _reopen(
    scene: Scene, wanted: Sequence[_Wanted], before: dict[tuple[UUID | None, str], Row]
) -> dict[tuple[UUID | None, str], UUID]:
    rows = [before[w.vehicle_id, w.rule.name] for w in wanted]
    await _lock(scene, [row["id"] for row in rows])
    states = [rules.state_when_reopened(r["was_acknowledged"], r["resolution"]) for r in rows]
    due = [row["escalate_at"] or rules.first_escalation(w.rule, scene.now) for w, row in
           zip(wanted, rows, strict=True)]  # fmt: skip
    done = await scene.tx.run(
        _REOPEN, [row["id"] for row in rows], states, [w.value for w in wanted], scene.now, due,
        [w.vehicles for w in wanted],
    )  # fmt: skip
    versions = {row["id"]: row["version"] for row in done}
    made, facts, lines = {}, [], []
    for w, row in zip(wanted, rows, strict=True):
        if (alert_id := row["id"]) in versions:
            made[w.vehicle_id, w.rule.name] = alert_id
            facts.append(
                (alert_id, versions[alert_id], _raised(alert_id, w, row["severity"], True))
            )
            lines.append(Line(alert_id, "reopened", row["severity"], w.value))
    await tell(scene, facts)
    await write(scene, lines)
    return made


async def _open_new(scene: Scene, wanted: Sequence[_Wanted]) -> dict[tuple[UUID | None, str], UUID]:
    new = {ids.new(): w for w in wanted}
    told = [scene.may_tell(w.vehicle_id, w.rule.name) for w in wanted]
    rows = await scene.tx.run(
        _OPEN, list(new), [w.rule.name for w in wanted], [w.rule.kind for w in wanted],
        [w.vehicle_id for w in wanted], [w.rule.severity for w in wanted],
        [w.value for w in wanted], [w.vehicles for w in wanted],
        [rules.first_escalation(w.rule, scene.now) for w in wanted], scene.now, told,
    )  # fmt: skip
    is_told = dict(zip(new, told, strict=True))
    made, facts, lines = {}, [], []
    for row in rows:
        w = new[row["id"]]
        made[w.vehicle_id, w.rule.name] = row["id"]
        news = _raised(row["id"], w, w.rule.severity, False, is_told[row["id"]])
        facts.append((row["id"], row["version"], news))
        lines.append(Line(row["id"], "raised", w.rule.severity, w.value))
    await tell(scene, facts)
    await write(scene, lines)
    return made


def _raised(
    alert_id: UUID, w: _Wanted, severity: str, is_reopened: bool, is_told: bool = False
) -> AlertRaised:
    return AlertRaised(
        alert_id, w.rule.name, w.rule.kind, severity, w.vehicle_id, w.vehicles, w.value,
        is_reopened, is_told, list(w.rule.tell),
    )  # fmt: skip


_RAISED = """
INSERT INTO fleet.alert_condition AS c (vehicle_id, rule, phase, since, measured_at, worst,
                                        touched_at, raised_at, alert_id)
SELECT v, r, $6::text, $7::timestamptz, m, w, $7, $7, a
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::float8[], $5::uuid[])
    AS s (v, r, m, w, a)
ON CONFLICT (tenant_id, vehicle_id, rule) DO UPDATE
SET phase = excluded.phase, worst = excluded.worst, touched_at = excluded.touched_at,
    raised_at = excluded.raised_at, alert_id = excluded.alert_id
WHERE c.phase = 'pending'
"""


async def _raise_alone(scene: Scene, found: Sequence[Found]) -> None:
    if not found:
        return
    wanted = [_Wanted(scene.rules[f.rule], f.vehicle_id, f.value or 0.0, 1) for f in found]
    made = await _open(scene, wanted)
    have = [f for f in found if (f.vehicle_id, f.rule) in made]
    await _set_raised(scene, have, [made[f.vehicle_id, f.rule] for f in have], "raised")
    changed(scene)


async def _set_raised(
    scene: Scene, found: Sequence[Found], alert_ids: Sequence[UUID], phase: str
) -> None:
    await scene.tx.run(
        _RAISED, *_keys(found), [f.measured_at for f in found], [f.value for f in found],
        alert_ids, phase, scene.now,
    )  # fmt: skip


# --- fleet-wide

_FLEET_WIDE = """
SELECT id FROM fleet.alert WHERE tenant_id = kernel.tenant() AND rule = $1 AND vehicle_id IS NULL
  AND state <> 'resolved' FOR UPDATE
"""
_FOLD_IN = f"""
WITH single AS (
    SELECT a.id FROM fleet.alert a
    JOIN fleet.alert_condition c ON c.tenant_id = a.tenant_id AND c.alert_id = a.id
    WHERE a.tenant_id = kernel.tenant() AND c.rule = $1 AND c.phase = 'raised'
      AND c.raised_at > $2::timestamptz - interval '{rules.BURST_S} seconds' AND a.state = 'open'
    ORDER BY a.id FOR UPDATE OF a
), moved AS (
    UPDATE fleet.alert_condition c SET phase = 'grouped', alert_id = $3
    FROM single WHERE c.tenant_id = kernel.tenant() AND c.alert_id = single.id
)
UPDATE fleet.alert a
SET state = 'resolved', resolution = 'grouped', resolved_at = $2, escalate_at = NULL,
    vehicles = 0, version = version + 1, xid = pg_current_xact_id()
FROM single WHERE a.tenant_id = kernel.tenant() AND a.id = single.id
RETURNING a.id, a.rule, a.kind, a.vehicle_id, a.version
"""


async def _raise_together(scene: Scene, rule: AlertRule, found: Sequence[Found]) -> None:
    """One alert for all of them, and for those that this burst began with."""
    row = await scene.tx.one(_FLEET_WIDE, rule.name)
    if row is None:
        worst = found[0].value or 0.0
        for each in found:
            worst = rules.worse(rule, worst, each.value or 0.0)
        made = await _open(scene, [_Wanted(rule, None, worst, len(found))])
        alert_id = made[None, rule.name]
    else:
        alert_id = row["id"]
    await _set_raised(scene, found, [alert_id] * len(found), "grouped")
    single = await scene.tx.run(_FOLD_IN, rule.name, scene.now, alert_id)
    await _tell_resolved(scene, single, "grouped", "grouped")
    await recount(scene, [alert_id])
    changed(scene)


_RECOUNT = """
WITH counted AS (
    SELECT a.id, (SELECT count(*) FROM fleet.alert_condition c
                  WHERE c.tenant_id = a.tenant_id AND c.alert_id = a.id)::int AS left_over
    FROM fleet.alert a WHERE a.tenant_id = kernel.tenant() AND a.id = ANY($1)
      AND a.vehicle_id IS NULL AND a.state <> 'resolved'
)
UPDATE fleet.alert a
SET vehicles = left_over, last_at = $2::timestamptz, xid = pg_current_xact_id(),
    state = CASE WHEN left_over = 0 THEN 'resolved' ELSE state END,
    resolution = CASE WHEN left_over = 0 THEN $3::text END,
    resolved_at = CASE WHEN left_over = 0 THEN $2 END,
    escalate_at = CASE WHEN left_over > 0 THEN escalate_at END,
    version = version + (left_over = 0)::int
FROM counted WHERE a.tenant_id = kernel.tenant() AND a.id = counted.id
RETURNING a.id, a.rule, a.kind, a.vehicle_id, a.version, a.state
"""


async def recount(scene: Scene, alert_ids: Sequence[UUID], resolution: str = "cleared") -> None:
    """How many vehicles fleet-wide alerts still speak of; those of none are over."""
    rows = await scene.tx.run(_RECOUNT, list(alert_ids), scene.now, resolution)
    over = [row for row in rows if row["state"] == "resolved"]
    await _tell_resolved(
        scene, over, resolution, "cleared" if resolution == "cleared" else "resolved"
    )


# --- clearing

_CLEAR = """
UPDATE fleet.alert SET state = 'resolved', resolution = $2, resolved_at = $3, escalate_at = NULL,
    last_at = $3, vehicles = 0, version = version + 1, xid = pg_current_xact_id()
WHERE tenant_id = kernel.tenant() AND id = ANY($1) AND vehicle_id IS NOT NULL
  AND state <> 'resolved'
RETURNING id, rule, kind, vehicle_id, version
"""


async def clear(scene: Scene, found: Sequence[Found], resolution: str) -> None:
    """What was the case is not any more; alerts that are left without a vehicle are over."""
    if not found:
        return
    single = {f.alert_id for f in found if f.standing.phase == "raised"} - {None}
    grouped = [f.alert_id for f in found if f.standing.phase == "grouped" and f.alert_id]
    await _lock(scene, {*single, *grouped})
    if single:
        rows = await scene.tx.run(_CLEAR, list(single), resolution, scene.now)
        what = "cleared" if resolution == "cleared" else "resolved"
        await _tell_resolved(scene, rows, resolution, what)
    await _drop(scene, found)
    if grouped:
        await recount(scene, list(set(grouped)), resolution)
    changed(scene)


async def _tell_resolved(scene: Scene, rows: Sequence[Row], resolution: str, what: str) -> None:
    await tell(
        scene,
        [
            (row["id"], row["version"], AlertResolved(
                row["id"], row["rule"], row["kind"], row["vehicle_id"], resolution, None))
            for row in rows
        ],
    )  # fmt: skip
    await write(scene, [Line(row["id"], what) for row in rows])
