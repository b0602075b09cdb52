"""Digests of critical alerts: what waits becomes one letter to each of the staff concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.notifications.rules import DIGEST_EVERY_S

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

OPERATORS_AT_ONCE = 100

_WAITING = f"""
SELECT DISTINCT n.tenant_id FROM notifications.alert_news n
LEFT JOIN notifications.alert_pace p ON p.tenant_id = n.tenant_id
WHERE n.digest_id IS NULL
  AND (p.last_at IS NULL OR p.last_at <= kernel.now() - interval '{DIGEST_EVERY_S} seconds')
LIMIT $1
"""


async def operators_with_alert_news() -> list[UUID]:
    """Whose staff is to be told of critical alerts now."""
    rows = await db.run("notifications", system(None, "notifications"), _WAITING, OPERATORS_AT_ONCE)
    return [row["tenant_id"] for row in rows]


_ROLES = """
SELECT DISTINCT unnest(roles) AS role FROM notifications.alert_news
WHERE tenant_id = kernel.tenant() AND digest_id IS NULL
"""
# Of two workers, one is in time.
_TURN = f"""
INSERT INTO notifications.alert_pace AS p (last_at) VALUES (kernel.now())
ON CONFLICT (tenant_id) DO UPDATE SET last_at = kernel.now()
WHERE p.last_at <= kernel.now() - interval '{DIGEST_EVERY_S} seconds'
RETURNING 1
"""
_GATHER = """
UPDATE notifications.alert_news SET digest_id = $1
WHERE tenant_id = kernel.tenant() AND digest_id IS NULL RETURNING alert_id
"""
_WRITE = """
INSERT INTO notifications.notice (id, user_id, template, channel, reference, trace)
SELECT id, person, 'AlertDigest', 'email', $3, $4
FROM unnest($1::uuid[], $2::uuid[]) AS s (id, person)
ON CONFLICT DO NOTHING
"""
_FORGET_OLD = """
DELETE FROM notifications.alert_news
WHERE tenant_id = kernel.tenant() AND heard_at < kernel.now() - interval '30 days'
"""


async def write_digest(call: Call) -> None:
    """One notice to each person that any of the waiting alerts concerns; at most one in 15 minutes.

    What the letter says is asked when it is sent: what is over by then is not in it.
    """
    rows = await db.run("notifications", call, _ROLES)
    people = await identity.holders(call, [row["role"] for row in rows])
    digest = ids.new()
    notices = [ids.derived("notice", call.tenant, "AlertDigest", digest, each) for each in people]
    async with db.tx("notifications", call) as tx:
        if not await tx.run(_TURN):
            return
        await tx.run(_GATHER, digest)
        await tx.run(_WRITE, notices, people, digest, call.trace)
        await tx.run(_FORGET_OLD)
        tx.signal("notifications.notice")
