"""How far a handler group has come: for whoever must know that nothing older is still missing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from datetime import datetime

LONGEST = timedelta(seconds=30)
"""No transaction holds its events back for as long."""

# By the real clock, as events are stamped. The next event in reading order is the oldest one left,
# but for what a transaction that still runs has written.
_PASSED = """
SELECT now() > $2::timestamptz + $3::interval AND coalesce((
    SELECT e.at >= $2 FROM kernel.event e
    WHERE (e.xid, e.position) > (c.xid, c.position) ORDER BY e.xid, e.position LIMIT 1), true)
    AS passed
FROM kernel.checkpoint c WHERE c.handler_group = $1
"""


async def has_passed(room: str, at: datetime) -> bool:
    """True when a room's handlers have seen every event written before ``at`` (one index probe)."""
    row = await db.one("pump", system(None, "pump"), _PASSED, room, at, LONGEST)
    return row is not None and bool(row["passed"])
