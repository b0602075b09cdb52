"""Who is told of alerts, and what is kept of them: events, timelines, hints to open streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fahrwerk.fleet.events import AlertEscalated
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.contract.alerts import AlertRule
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx


class Scene(NamedTuple):
    """One look: what is the same for all of its vehicles."""

    tx: Tx
    call: Call
    now: datetime
    rules: dict[str, AlertRule]
    silences: frozenset[rules.Silence]
    quiet: frozenset[str]
    """Rules that have quiet hours now."""

    def may_tell(self, vehicle_id: UUID | None, rule: str) -> bool:
        """Whether anybody is to be disturbed."""
        return rule not in self.quiet and not rules.is_silenced(self.silences, vehicle_id, rule)


# --- what is due

_DUE = """
SELECT id, rule, kind, vehicle_id, severity, vehicles, escalations, escalate_at,
       told_at IS NOT NULL AS is_told
FROM fleet.alert
WHERE tenant_id = kernel.tenant() AND state = 'open' AND (escalate_at <= $1 OR told_at IS NULL)
  AND rule = ANY($2) AND NOT EXISTS (
    SELECT FROM fleet.alert_silence s WHERE s.tenant_id = kernel.tenant() AND s.until > $1
      AND (s.rule IS NULL OR s.rule = alert.rule)
      AND (s.vehicle_id IS NULL OR s.vehicle_id = alert.vehicle_id))
ORDER BY id LIMIT 500 FOR UPDATE
"""
_TOLD = """
UPDATE fleet.alert a
SET severity = s.severity, escalations = s.escalations, escalate_at = s.escalate_at, told_at = $5,
    version = version + 1, xid = pg_current_xact_id()
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::timestamptz[])
    AS s (id, severity, escalations, escalate_at)
WHERE a.tenant_id = kernel.tenant() AND a.id = s.id RETURNING a.id, a.version
"""


async def tell_what_is_due(scene: Scene) -> None:
    """Escalate what nobody acknowledged, and tell what had to wait."""
    speaking = [name for name in scene.rules if name not in scene.quiet]
    due = []
    for row in await scene.tx.run(_DUE, scene.now, speaking):
        told = rules.telling(
            scene.rules[row["rule"]], row["severity"], row["escalations"], row["escalate_at"],
            row["is_told"], scene.now,
        )  # fmt: skip
        if told is not None:
            due.append((row, told))
    if not due:
        return
    done = await scene.tx.run(
        _TOLD, [row["id"] for row, _ in due], [t.severity for _, t in due],
        [t.escalations for _, t in due], [t.escalate_at for _, t in due], scene.now,
    )  # fmt: skip
    versions = {row["id"]: row["version"] for row in done}
    facts, lines = [], []
    for row, told in due:
        rule = scene.rules[row["rule"]]
        news = AlertEscalated(
            row["id"], row["rule"], row["kind"], told.severity, row["vehicle_id"], row["vehicles"],
            told.is_escalated, told.escalations, list(rule.tell),
        )  # fmt: skip
        facts.append((row["id"], versions[row["id"]], news))
        lines.append(Line(row["id"], "escalated" if told.is_escalated else "told", told.severity))
    await tell(scene, facts)
    await write(scene, lines)
    changed(scene)


# --- timeline and events


class Line(NamedTuple):
    """A line of a timeline."""

    alert_id: UUID
    what: str
    severity: str | None = None
    value: float | None = None


_WRITE = """
INSERT INTO fleet.alert_entry (alert_id, at, what, actor, severity, value)
SELECT a, $1::timestamptz, w, $2::text, s, v
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::float8[]) WITH ORDINALITY AS t (a, w, s, v, n)
ORDER BY n
"""


async def write(scene: Scene, lines: Sequence[Line]) -> None:
    """Put lines on timelines."""
    if lines:
        columns = [list(each) for each in zip(*lines, strict=True)]
        await scene.tx.run(_WRITE, scene.now, scene.call.actor, *columns)


_TELL = f"""
{events.INSERT}
SELECT 'alert:' || a, v, n, t, d::jsonb, $6, $7
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[]) AS s (a, v, n, t, d)
"""


async def tell(scene: Scene, facts: Sequence[tuple[UUID, int, Any]]) -> None:
    """Write events: (alert, its new version, the event)."""
    if facts:
        told = [events.columns(scene.call, fact)[:3] for _, _, fact in facts]
        await scene.tx.run(
            _TELL, [a for a, _, _ in facts], [v for _, v, _ in facts], [t[0] for t in told],
            [t[1] for t in told], [t[2] for t in told], scene.call.actor, scene.call.trace,
        )  # fmt: skip


def changed(scene: Scene) -> None:
    """Hint to whoever streams this operator's alerts."""
    if (name := f"fleet.alert:{scene.call.tenant}") not in scene.tx.signals:
        scene.tx.signal(name)
