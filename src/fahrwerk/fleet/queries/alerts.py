"""What can be read of alerts: pages, one with its timeline, what changed since, rules, silences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract.alerts import (
    Affected,
    Alert,
    AlertChanges,
    AlertCounts,
    AlertDetails,
    AlertEntry,
    AlertPage,
    AlertRule,
    AlertRules,
    AlertSilence,
    UnknownAlert,
)
from fahrwerk.fleet.queries.scope import about, part_of
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from fahrwerk.kernel.call import Call

READ = "fleet.alert.read"
MOST_CHANGES = 500
_MOST_LINES, _MOST_AFFECTED = 500, 100

_COLUMNS = """a.id, a.rule, a.kind, a.vehicle_id, v.vehicle_type, v.identifier, a.severity, a.state,
a.raised_at, a.last_at, a.times, a.value, a.worst, a.vehicles, a.escalations, a.acknowledged_at,
a.acknowledged_by, a.resolved_at, a.resolved_by, a.resolution,
(SELECT max(s.until) FROM fleet.alert_silence s
 WHERE s.tenant_id = a.tenant_id AND s.until > kernel.now()
   AND (s.rule IS NULL OR s.rule = a.rule)
   AND (s.vehicle_id IS NULL OR s.vehicle_id = a.vehicle_id)) AS silenced_until, a.version"""
_FROM = """fleet.alert a
LEFT JOIN fleet.vehicle v ON v.tenant_id = a.tenant_id AND v.id = a.vehicle_id"""
_OWN = "a.tenant_id = kernel.tenant()"


def _shown(row: db.Row) -> Alert:
    return Alert(**{name: row[name] for name in Alert.__struct_fields__})


_COUNTS = f"""
SELECT count(*) FILTER (WHERE state = 'open')::int AS open,
       count(*) FILTER (WHERE state = 'acknowledged')::int AS acknowledged,
       count(*) FILTER (WHERE state = 'resolved')::int AS resolved,
       count(*) FILTER (WHERE state <> 'resolved' AND severity = 'info')::int AS info,
       count(*) FILTER (WHERE state <> 'resolved' AND severity = 'warning')::int AS warning,
       count(*) FILTER (WHERE state <> 'resolved' AND severity = 'critical')::int AS critical
FROM (SELECT state, severity FROM fleet.alert
      WHERE tenant_id = kernel.tenant() AND state <> 'resolved' AND {about(1, "vehicle_id")}
      UNION ALL
      SELECT state, severity FROM fleet.alert
      WHERE tenant_id = kernel.tenant() AND state = 'resolved' AND {about(1, "vehicle_id")}
        AND resolved_at > kernel.now() - interval '24 hours') lately
"""


async def _counts(call: Call) -> AlertCounts:
    [row] = await db.run("fleet", call, _COUNTS, *await part_of(call))
    return AlertCounts(**row)


_WANTED = f"""{_OWN}
  AND ($1::text IS NULL OR a.state = $1 OR ($1 = 'active' AND a.state <> 'resolved'))
  AND ($2::text IS NULL OR a.severity = $2) AND ($3::text IS NULL OR a.rule = $3)
  AND ($4::uuid IS NULL OR a.vehicle_id = $4)
  AND ($5::timestamptz IS NULL OR a.last_at >= $5) AND {about(6, "a.vehicle_id")}"""
_PAGE = f"""
SELECT {_COLUMNS} FROM {_FROM} WHERE {_WANTED} ORDER BY a.raised_at DESC, a.id DESC
LIMIT $11 OFFSET $12
"""
_TOTAL = f"SELECT count(*) AS total FROM fleet.alert a WHERE {_WANTED}"


async def alert_page(
    call: Call,
    state: str | None,
    severity: str | None,
    rule: str | None,
    vehicle_id: UUID | None,
    since: datetime | None,
    limit: int,
    offset: int,
) -> AlertPage:
    call.require(READ)
    wanted = (state, severity, rule, vehicle_id, since, *await part_of(call))
    rows = await db.run("fleet", call, _PAGE, *wanted, limit, offset)
    [counted] = await db.run("fleet", call, _TOTAL, *wanted)
    return AlertPage([_shown(row) for row in rows], counted["total"], await _counts(call))


_ONE = f"""
SELECT {_COLUMNS} FROM {_FROM} WHERE {_OWN} AND a.id = $1 AND {about(2, "a.vehicle_id")}
"""


async def one_alert(call: Call, alert_id: UUID) -> Alert:
    """An alert by its id. Raises ``UnknownAlert``."""
    row = await db.one("fleet", call, _ONE, alert_id, *await part_of(call))
    if row is None:
        raise UnknownAlert
    return _shown(row)


_TIMELINE = f"""
SELECT * FROM (
    SELECT at, what, actor, severity, value, until, note, id FROM fleet.alert_entry
    WHERE tenant_id = kernel.tenant() AND alert_id = $1 ORDER BY id DESC LIMIT {_MOST_LINES}) newest
ORDER BY id
"""
_AFFECTED = f"""
SELECT v.id, v.vehicle_type, v.identifier FROM fleet.alert_condition c
JOIN fleet.vehicle v ON v.tenant_id = c.tenant_id AND v.id = c.vehicle_id
WHERE c.tenant_id = kernel.tenant() AND c.alert_id = $1 ORDER BY v.identifier LIMIT {_MOST_AFFECTED}
"""


async def alert_details(call: Call, alert_id: UUID) -> AlertDetails:
    call.require(READ)
    alert = await one_alert(call, alert_id)
    lines = await db.run("fleet", call, _TIMELINE, alert_id)
    timeline = [AlertEntry(**{n: row[n] for n in AlertEntry.__struct_fields__}) for row in lines]
    if alert.vehicle_id is not None:
        return AlertDetails(alert, timeline, [])
    affected = await db.run("fleet", call, _AFFECTED, alert_id)
    return AlertDetails(alert, timeline, db.shaped(Affected, affected))


_MARK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS mark"
_CHANGES = f"""
SELECT a.xid::text::bigint AS changed_by, {_COLUMNS}
FROM {_FROM} WHERE {_OWN} AND a.xid >= $1::bigint::text::xid8
  AND {about(2, "a.vehicle_id")}
ORDER BY a.xid FETCH FIRST {MOST_CHANGES} ROWS WITH TIES
"""


async def alert_changes(call: Call, mark: int | None) -> AlertChanges:
    """Transactions commit in another order than they begin: everything below the oldest that still
    runs has been seen, and what is above is shown again with the next question."""
    call.require(READ)
    [row] = await db.run("fleet", call, _MARK)
    newest = row["mark"]
    if mark is None or not 0 <= mark <= newest:
        return AlertChanges(newest, [], False, await _counts(call))
    rows = await db.run("fleet", call, _CHANGES, mark, *await part_of(call))
    found = [(min(each["changed_by"], newest), _shown(each)) for each in rows]
    is_full = len(found) >= MOST_CHANGES and found[-1][0] < newest
    following = found[-1][0] + 1 if is_full else newest
    return AlertChanges(following, found, is_full, await _counts(call))


_RULES = "SELECT version, rules FROM fleet.alert_watch WHERE tenant_id = kernel.tenant()"


async def alert_rules(call: Call) -> AlertRules:
    call.require(READ)
    row = await db.one("fleet", call, _RULES)
    return AlertRules(row["version"] if row else 0, in_force(row["rules"] if row else None))


def in_force(stored: list[Any] | None) -> list[AlertRule]:
    """An operator's rules as the table has them; the default ones where it has none."""
    return list(rules.DEFAULTS) if stored is None else msgspec.convert(stored, list[AlertRule])


_SILENCES = f"""
SELECT s.vehicle_id, v.vehicle_type, v.identifier, s.rule, s.until, s.by_user
FROM fleet.alert_silence s
LEFT JOIN fleet.vehicle v ON v.tenant_id = s.tenant_id AND v.id = s.vehicle_id
WHERE s.tenant_id = kernel.tenant() AND s.until > kernel.now() AND {about(1, "s.vehicle_id")}
ORDER BY s.until LIMIT 1000
"""


async def alert_silences(call: Call) -> list[AlertSilence]:
    call.require(READ)
    return db.shaped(AlertSilence, await db.run("fleet", call, _SILENCES, *await part_of(call)))
