"""What must always hold of the event log and the audit log (RELIABILITY.md, section 1).

The rooms tell the same of their own rows: ``broken_invariants`` in their ``queries``. Asked by
``fahrwerk doctor`` and after every fault in tests/journeys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import audit, db
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_RECENT = 200_000
_BROKEN = f"""
SELECT 'I6' AS invariant, format('%s: %s events up to version %s', stream, count(*), max(version))
       AS detail
FROM kernel.event WHERE tenant_id = $1 AND stream IN (
    SELECT stream FROM kernel.event
    WHERE tenant_id = $1 AND position > (SELECT max(position) FROM kernel.event) - {_RECENT})
GROUP BY stream HAVING count(*) <> max(version)
UNION ALL
SELECT 'I8', format('%s has not handled %s (%s) since %s', c.handler_group, e.name, e.stream, e.at)
FROM kernel.checkpoint c JOIN kernel.event e ON (e.xid, e.position) > (c.xid, c.position)
WHERE e.tenant_id = $1 AND e.at < kernel.now() - interval '120 seconds'
UNION ALL
SELECT 'I11', format('%s entries are in no chain yet, the oldest of %s', count(*), min(at))
FROM kernel.audit
WHERE tenant_id = $1 AND seq IS NULL AND at < kernel.now() - interval '120 seconds'
HAVING count(*) > 0
ORDER BY 1, 2 LIMIT 100
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What is against I6, I8 or I11 for this operator: ``(id, detail)``; empty when all is well.

    Of the event log it looks at the streams that were last added to, the audit log it reads whole.
    """
    if call.tenant is None:
        raise ValueError("asked of one operator at a time")
    rows = await db.run("pump", system(None, "pump"), _BROKEN, call.tenant)
    found = [(row["invariant"], row["detail"]) for row in rows]
    if (at := await audit.verify(call.tenant)) is not None:
        found.append(("I11", f"the audit chain is broken at {at}"))
    return found
