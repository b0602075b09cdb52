"""What must always hold of the event log and the audit log (RELIABILITY.md, section 1).

The rooms tell the same of their own rows: ``broken_invariants`` in their ``queries``. Asked by
``fahrwerk doctor``, after every fault in tests/journeys, and by each worker about every minute,
which tells the metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from fahrwerk.kernel import audit, clock, db, observe
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call

    Ask = Callable[[Call], Awaitable[list[tuple[str, str]]]]
    Operators = Callable[[], Awaitable[Sequence[tuple[UUID, str]]]]

EVERY_S = 60.0
MOST_OF_THE_TIME = 0.05
"""Looking may take this share of a worker's time: with much history it looks less often."""
SHOWN = 10
log = structlog.get_logger()

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


async def examine(
    operators: Sequence[tuple[UUID, str]], asks: Sequence[Ask]
) -> list[tuple[str, str, str]]:
    """All that is against an invariant: ``(operator, id, detail)``."""
    return [
        (slug, name, detail)
        for tenant, slug in operators
        for ask in asks
        for name, detail in await ask(system(tenant, "invariants", slug=slug))
    ]


_NOTE = """
INSERT INTO kernel.examined (at, broken) VALUES (now(), $1)
ON CONFLICT (is_only) DO UPDATE SET at = excluded.at, broken = excluded.broken
"""


async def note(broken: int) -> None:
    """Leave word for the processes that do not look: how many rows, and that it was now."""
    await db.run("pump", system(None, "pump"), _NOTE, broken)


async def watch(operators: Operators, asks: Sequence[Ask]) -> None:
    """Look every minute, for ever; the metrics tell what was found, the log shows some of it."""
    while True:
        began = time.monotonic()
        try:
            broken = await examine(await operators(), asks)
            tell(broken)
            await note(len(broken))
        except db.DatabaseDown:
            await asyncio.sleep(EVERY_S)
            continue
        except Exception as error:  # one question that fails must not end the watch
            log.error("the invariants could not be examined", exc_info=error)
            await asyncio.sleep(EVERY_S)
            continue
        took = time.monotonic() - began
        await asyncio.sleep(max(EVERY_S - took, took / MOST_OF_THE_TIME))


def tell(broken: Sequence[tuple[str, str, str]]) -> None:
    """Show what was found: how much of each by metric, the first few in the log."""
    observe.broken_invariants.clear()
    for name, count in Counter(name for _, name, _ in broken).items():
        observe.broken_invariants.labels(name).set(count)
    observe.invariants_examined.set(clock.now().timestamp())
    for slug, name, detail in broken[:SHOWN]:
        log.error("invariant broken", operator=slug, invariant=name, detail=detail)
