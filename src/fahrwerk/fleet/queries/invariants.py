"""What must always hold of fleet's own rows (RELIABILITY.md, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_STREAM = """SELECT 'I6', format('{name}:%s: version %s, the newest event has %s', t.id, t.version,
                    e.newest)
FROM fleet.{table} t CROSS JOIN LATERAL (
    SELECT coalesce(max(version), 0) AS newest FROM kernel.event
    WHERE tenant_id = kernel.tenant() AND stream = '{name}:' || t.id) e
WHERE t.tenant_id = kernel.tenant() AND {which} AND t.version <> e.newest"""
_LATELY = "kernel.now() - interval '1 hour'"
# What has ended is looked at for an hour more: it does not change again, and there may be years of
# it.
_STREAMS = "\nUNION ALL\n".join(
    _STREAM.format(table=table, name=name, which=which)
    for table, name, which in (
        ("ticket", "ticket", f"coalesce(t.closed_at, 'infinity') > {_LATELY}"),
        ("battery_plan", "battery_plan", f"(t.state = 'open' OR t.expires_at > {_LATELY})"),
        ("alert", "alert", f"coalesce(t.resolved_at, 'infinity') > {_LATELY}"),
        ("zone", "zone", "true"),
        ("vehicle_group", "vehicle_group", "true"),
    )
)  # fmt: skip
_INVARIANTS = f"""
SELECT 'I3' AS invariant, format('%s: held by %s until %s', id, held_by, hold_expires_at) AS detail
FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND status = 'reserved'
  AND hold_expires_at NOT BETWEEN kernel.now() - interval '60 seconds'
                              AND kernel.now() + interval '24 hours'
UNION ALL
SELECT 'I3', format('%s: %s for %s, which is over', v.id, v.status, v.held_by)
FROM fleet.vehicle v
WHERE v.tenant_id = kernel.tenant() AND v.held_by IS NOT NULL AND EXISTS (
    SELECT FROM kernel.event e
    WHERE e.tenant_id = kernel.tenant() AND e.stream = 'rental:' || v.held_by
      AND e.name IN ('rental.cancelled', 'rental.ended') AND e.at > v.reserved_at
      AND e.at < kernel.now() - interval '120 seconds')
UNION ALL
SELECT 'I4', format('%s holds %s vehicles', held_by, count(*))
FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND held_by IS NOT NULL
GROUP BY held_by HAVING count(*) > 1
UNION ALL
SELECT 'I6', format('%s: version %s, the newest event has %s', v.id, v.version, e.newest)
FROM fleet.vehicle v CROSS JOIN LATERAL (
    SELECT coalesce(max(version), 0) AS newest FROM kernel.event
    WHERE tenant_id = kernel.tenant() AND stream = 'vehicle:' || v.id) e
WHERE v.tenant_id = kernel.tenant() AND v.version <> e.newest
UNION ALL
SELECT 'I8', format('command %s (%s): %s since %s', id, operation, state, expires_at)
FROM fleet.command
WHERE tenant_id = kernel.tenant() AND state IN ('queued', 'sent')
  AND expires_at < kernel.now() - interval '120 seconds'
UNION ALL
{_STREAMS}
UNION ALL
SELECT 'I6', format('%s is in a group that is not there', v.id)
FROM fleet.vehicle v
WHERE v.tenant_id = kernel.tenant() AND v.group_ids <> '{{}}' AND EXISTS (
    SELECT FROM unnest(v.group_ids) AS g (id) WHERE NOT EXISTS (
        SELECT FROM fleet.vehicle_group k WHERE k.tenant_id = kernel.tenant() AND k.id = g.id))
ORDER BY 1, 2
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What is against I3, I4, I6 or I8 for this operator: ``(id, detail)``; empty when all is well.

    Asked by ``fahrwerk doctor`` and the fault tests.
    """
    rows = await db.run("fleet", call, _INVARIANTS)
    return [(row["invariant"], row["detail"]) for row in rows]
