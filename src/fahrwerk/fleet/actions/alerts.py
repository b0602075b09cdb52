"""What people do about alerts: rules, acknowledging, resolving, silencing, notes (WEB-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract import OutOfReach
from fahrwerk.fleet.contract.alerts import (
    MOST_AT_ONCE,
    Alert,
    AlertEntry,
    AlertOver,
    AlertRule,
    AlertRules,
    RulesChanged,
    Scope,
    UnknownAlert,
)
from fahrwerk.fleet.events import AlertAcknowledged, AlertResolved
from fahrwerk.fleet.queries.alerts import in_force, one_alert
from fahrwerk.fleet.queries.scope import about, part_of
from fahrwerk.fleet.rules.alerts import LONGEST_SILENCE, check_rules
from fahrwerk.kernel import db, events
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WRITE = "fleet.alert.write"
LONGEST_NOTE = 2_000
KEPT_DAYS = 400
"""So long a resolved alert can be looked up."""

# --- rules

_WATCH = "INSERT INTO fleet.alert_watch DEFAULT VALUES ON CONFLICT DO NOTHING"
_LOCK = """
SELECT version, rules FROM fleet.alert_watch WHERE tenant_id = kernel.tenant() FOR UPDATE
"""
_SET = """
UPDATE fleet.alert_watch SET rules = $1, version = version + 1, due_at = kernel.now()
WHERE tenant_id = kernel.tenant() RETURNING version
"""


async def set_alert_rules(call: Call, rules: list[AlertRule], version: int | None) -> AlertRules:
    call.require(WRITE)
    check_rules(rules)
    async with db.tx("fleet", call) as tx:
        await tx.run(_WATCH)
        [before] = await tx.run(_LOCK)
        if version is not None and version != before["version"]:
            raise RulesChanged(version=before["version"])
        kinds = {each.name: each.kind for each in in_force(before["rules"])}
        for number, each in enumerate(rules):
            if kinds.get(each.name, each.kind) != each.kind:
                # What is open under this name was measured in another unit.
                raise Invalid(field=f"rules.{number}.kind", issue="a rule keeps its kind")
        [after] = await tx.run(_SET, rules)
    return AlertRules(after["version"], rules)


# --- acknowledging

_LOCK_ALERTS = """
SELECT id FROM fleet.alert
WHERE tenant_id = kernel.tenant() AND id = ANY($1) AND state = ANY($2) ORDER BY id FOR UPDATE
"""
_KNOWN = f"""
SELECT count(*) FROM fleet.alert
WHERE tenant_id = kernel.tenant() AND id = ANY($1) AND {about(2, "vehicle_id")}
"""
_ACKNOWLEDGE = """
UPDATE fleet.alert
SET state = 'acknowledged', acknowledged_at = kernel.now(), acknowledged_by = $2,
    escalate_at = NULL, version = version + 1, xid = pg_current_xact_id()
WHERE tenant_id = kernel.tenant() AND id = ANY($1) AND state = 'open'
RETURNING id, rule, vehicle_id, version
"""


async def acknowledge_alerts(call: Call, alert_ids: list[UUID], note: str | None) -> list[UUID]:
    call.require(WRITE)
    if not 1 <= len(alert_ids) <= MOST_AT_ONCE:
        raise Invalid(field="ids", issue=f"must be 1 to {MOST_AT_ONCE}")
    note, part = _readable(note), await part_of(call)
    async with db.tx("fleet", call) as tx:
        [known] = await tx.run(_KNOWN, alert_ids, *part)
        if known["count"] < len(set(alert_ids)):
            raise UnknownAlert
        await tx.run(_LOCK_ALERTS, alert_ids, ["open"])
        rows = await tx.run(_ACKNOWLEDGE, alert_ids, call.user)
        for row in rows:
            news = AlertAcknowledged(row["id"], row["rule"], row["vehicle_id"], call.user)
            await events.emit(tx, call, f"alert:{row['id']}", row["version"], news)
        done = [row["id"] for row in rows]
        await _write(tx, call, done, "acknowledged", note=note)
        _hint(tx, call)
    return done


# --- resolving

_RESOLVE = """
UPDATE fleet.alert
SET state = 'resolved', resolution = 'person', resolved_at = kernel.now(), resolved_by = $2,
    escalate_at = NULL, vehicles = 0, version = version + 1, xid = pg_current_xact_id()
WHERE tenant_id = kernel.tenant() AND id = $1 AND state <> 'resolved'
RETURNING id, rule, kind, vehicle_id, version
"""
_HANDLED = """
UPDATE fleet.alert_condition SET phase = 'handled'
WHERE tenant_id = kernel.tenant() AND alert_id = $1 AND phase IN ('raised', 'grouped')
RETURNING vehicle_id
"""
_MAY_STAND = """
UPDATE fleet.alert_trace SET anchored_at = NULL, anchor_latitude = NULL, anchor_longitude = NULL
WHERE tenant_id = kernel.tenant() AND vehicle_id = ANY($1)
"""


async def resolve_alert(call: Call, alert_id: UUID, note: str | None) -> Alert:
    call.require(WRITE)
    note = _readable(note)
    await one_alert(call, alert_id)
    async with db.tx("fleet", call) as tx:
        row = await tx.one(_RESOLVE, alert_id, call.user)
        if row is not None:
            handled = await tx.run(_HANDLED, alert_id)
            if row["kind"] == "moved_without_ride":
                await tx.run(_MAY_STAND, [each["vehicle_id"] for each in handled])
            news = AlertResolved(
                alert_id, row["rule"], row["kind"], row["vehicle_id"], "person", call.user
            )
            await events.emit(tx, call, f"alert:{alert_id}", row["version"], news)
            await _write(tx, call, [alert_id], "resolved", note=note)
            _hint(tx, call)
    return await one_alert(call, alert_id)


async def forget_place(tx: db.Tx, vehicle_id: UUID) -> None:
    """Somebody who may has put the vehicle where it is: from now on it should stand there."""
    await tx.run(_MAY_STAND, [vehicle_id])


# --- silencing

_NOW = """
SELECT kernel.now() AS now, state, rule, vehicle_id FROM fleet.alert
WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_SILENCE = """
INSERT INTO fleet.alert_silence (vehicle_id, rule, until, by_user) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, rule, vehicle_id) DO UPDATE
SET until = excluded.until, by_user = excluded.by_user
"""
_LIFT = """
DELETE FROM fleet.alert_silence
WHERE tenant_id = kernel.tenant() AND vehicle_id IS NOT DISTINCT FROM $1
  AND rule IS NOT DISTINCT FROM $2
"""
_FORGET_OLD = "DELETE FROM fleet.alert_silence WHERE until < kernel.now() - interval '1 day'"
_SHOW = """
UPDATE fleet.alert SET xid = pg_current_xact_id() WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def silence_alert(call: Call, alert_id: UUID, scope: Scope, until: datetime | None) -> Alert:
    call.require(WRITE)
    await one_alert(call, alert_id)
    if scope == "rule" and call.scope is not None:
        raise OutOfReach  # the same rule elsewhere is not this caller's business
    async with db.tx("fleet", call) as tx:
        found = await tx.one(_NOW, alert_id)
        if found is None:
            raise UnknownAlert
        if found["state"] == "resolved" and scope == "vehicle_and_rule" and until is not None:
            raise AlertOver
        if scope != "rule" and found["vehicle_id"] is None:
            raise Invalid(field="scope", issue="a fleet-wide alert is silenced by its rule")
        vehicle_id = found["vehicle_id"] if scope != "rule" else None
        rule = found["rule"] if scope != "vehicle" else None
        if until is None:
            await tx.run(_LIFT, vehicle_id, rule)
        else:
            if not found["now"] < until <= found["now"] + LONGEST_SILENCE:
                raise Invalid(field="until", issue="must be within the next 90 days")
            await tx.run(_FORGET_OLD)
            await tx.run(_SILENCE, vehicle_id, rule, until, call.user)
        await _write(tx, call, [alert_id], "silenced" if until else "unsilenced", until=until)
        await tx.run(_SHOW, alert_id)
        _hint(tx, call)
    return await one_alert(call, alert_id)


# --- notes and timelines

_WRITE = """
INSERT INTO fleet.alert_entry (alert_id, what, actor, until, note)
SELECT a, $2, $3, $4, $5 FROM unnest($1::uuid[]) AS a
RETURNING at, what, actor, severity, value, until, note
"""
_IS_THERE = "SELECT 1 FROM fleet.alert WHERE tenant_id = kernel.tenant() AND id = $1"


async def note_alert(call: Call, alert_id: UUID, note: str) -> AlertEntry:
    call.require(WRITE)
    text = _readable(note)
    if not text:
        raise Invalid(field="note", issue="must not be empty")
    await one_alert(call, alert_id)
    async with db.tx("fleet", call) as tx:
        if await tx.one(_IS_THERE, alert_id) is None:
            raise UnknownAlert
        [row] = await _write(tx, call, [alert_id], "note", note=text)
    return AlertEntry(**row)


async def _write(
    tx: db.Tx,
    call: Call,
    alert_ids: Sequence[UUID],
    what: str,
    *,
    until: datetime | None = None,
    note: str | None = None,
) -> list[db.Row]:
    return await tx.run(_WRITE, alert_ids, what, call.actor, until, note)


# By the server's real clock: a test that moves time must not throw data away.
_FORGET = f"""
DELETE FROM fleet.alert
WHERE tenant_id = kernel.tenant() AND state = 'resolved'
  AND resolved_at < now() - interval '{KEPT_DAYS} days'
"""
_WATCHED = "SELECT tenant_id FROM fleet.alert_watch"


async def forget_old_alerts() -> None:
    """Alerts that were resolved long ago go, with their timelines."""
    for row in await db.run("fleet", system(None, "fleet"), _WATCHED):
        await db.run("fleet", system(row["tenant_id"], "fleet"), _FORGET)


def _readable(note: str | None) -> str | None:
    if note is not None and (len(note) > LONGEST_NOTE or "\x00" in note):
        raise Invalid(field="note", issue=f"must be at most {LONGEST_NOTE} readable characters")
    return note.strip() if note and note.strip() else None


def _hint(tx: db.Tx, call: Call) -> None:
    tx.signal(f"fleet.alert:{call.tenant}")
