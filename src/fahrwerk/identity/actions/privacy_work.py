"""What becomes of privacy requests, one at a time; and what is thrown away at night."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from fahrwerk.identity.actions import erasure, export
from fahrwerk.identity.queries.privacy import days_of, full
from fahrwerk.kernel import clock, db, ids, privacy
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from uuid import UUID

MOST_TURNS = 5
log = structlog.get_logger()

_TAKE = """
UPDATE identity.privacy_request r
SET turn = r.turn + 1, next_at = kernel.now() + interval '5 minutes',
    begun_at = coalesce(r.begun_at, kernel.now()),
    state = CASE WHEN r.kind = 'export' THEN 'running' ELSE r.state END
FROM (SELECT tenant_id, id FROM identity.privacy_request WHERE next_at <= kernel.now()
      ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS next
WHERE r.tenant_id = next.tenant_id AND r.id = next.id
RETURNING r.tenant_id, r.id, r.person_id, r.kind, r.state, r.locale, r.turn
"""
_AGAIN = f"""
UPDATE identity.privacy_request
SET state = CASE WHEN kind = 'export' AND turn >= {MOST_TURNS} THEN 'failed' ELSE state END,
    next_at = CASE WHEN kind = 'export' AND turn >= {MOST_TURNS} THEN NULL
              ELSE kernel.now() + make_interval(secs => least(600, 10 * turn)) END,
    ended_at = CASE WHEN kind = 'export' AND turn >= {MOST_TURNS} THEN kernel.now() END
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND next_at IS NOT NULL
"""


async def answer_next() -> bool:
    """Take up what is due next, of whatever operator; False: there was nothing."""
    row = await db.one("identity", system(None, "identity"), _TAKE)
    if row is None:
        return False
    taken = export.Taken(**row)
    call = system(taken.tenant_id, "identity")
    try:
        step = export.write_export if taken.kind == "export" else erasure.erase
        await step(call, taken)
    except export.LostTurn:
        pass
    except db.DatabaseDown:
        raise
    except Exception as error:
        log.error("a privacy request is tried again", request=str(taken.id), exc_info=error)
        await db.run("identity", call, _AGAIN, taken.id, taken.turn)
    return True


_OVER = """
UPDATE identity.privacy_request r SET state = 'expired'
FROM (SELECT tenant_id, id FROM identity.privacy_request
      WHERE state = 'ready' AND expires_at <= kernel.now()
      ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED) AS next
WHERE r.tenant_id = next.tenant_id AND r.id = next.id RETURNING r.tenant_id, r.id
"""
_NO_FILES = """
DELETE FROM identity.privacy_file WHERE tenant_id = kernel.tenant() AND request_id = $1
"""


async def expire_files() -> bool:
    """Delete exports whose days are over; True: there may be more."""
    rows = await db.run("identity", system(None, "identity"), _OVER)
    for row in rows:
        await db.run("identity", system(row["tenant_id"], "identity"), _NO_FILES, row["id"])
    return len(rows) == 100


_REAL_NOW = "SELECT now() AS now"
_NOTE = """
INSERT INTO identity.retention_run (id, rule, before, deleted, at)
SELECT $1, $2, $3, $4::bigint, $5 WHERE $4::bigint > 0
"""


async def keep_retention(tenant: UUID) -> int:
    """Throw away what one operator need not keep any longer, by rule; how many rows.

    By the server's real clock: a test or replay that moves time must not throw data away.
    """
    call, gone = system(tenant, "identity"), 0
    days = await days_of(call)
    [row] = await db.run("identity", call, _REAL_NOW)
    for rule in privacy.rules():
        before = row["now"] - timedelta(days=days[full(rule)])
        count = await privacy.sweep(call, rule, before)
        await db.run("identity", call, _NOTE, ids.new(), full(rule), before, count, clock.now())
        gone += count
    return gone
