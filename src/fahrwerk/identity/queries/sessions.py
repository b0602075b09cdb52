"""Who is logged in where, and who tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.identity.contract.sessions import Attempt, AttemptPage, Session
from fahrwerk.identity.queries.reach import own_or
from fahrwerk.identity.rules import devices
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_SESSIONS = """
SELECT id, device, address, methods, kind, key_thumbprint IS NOT NULL AS is_bound,
    coalesce(id = $2, false) AS is_current, created_at, last_accessed_at AS last_used_at, expires_at
FROM identity.session
WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > kernel.now()
ORDER BY last_accessed_at DESC, id LIMIT 200
"""


def _named(row: db.Row) -> dict[str, Any]:
    return {**row, "device": devices.name_of(row["device"])}


async def sessions(call: Call, person_id: UUID) -> list[Session]:
    await own_or(call, person_id, "identity.session.read")
    rows = await db.run("identity", call, _SESSIONS, person_id, call.session)
    return [Session(**_named(row)) for row in rows]


_ATTEMPTS = """
SELECT id, outcome, address, device, is_known AS is_known_device, at FROM identity.attempt
WHERE person_id = $1 ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3
"""
_HOW_MANY = "SELECT count(*) AS total FROM identity.attempt WHERE person_id = $1"


async def attempts(call: Call, person_id: UUID, limit: int, offset: int) -> AttemptPage:
    await own_or(call, person_id, "identity.session.read")
    [counted] = await db.run("identity", call, _HOW_MANY, person_id)
    rows = await db.run("identity", call, _ATTEMPTS, person_id, limit, offset)
    return AttemptPage([Attempt(**_named(row)) for row in rows], counted["total"])
