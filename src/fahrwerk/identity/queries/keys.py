"""API keys, without their secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.keys import ApiKey, ApiKeyPage
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

KEY_COLUMNS = """id, person_id, name, hint, scopes, created_at, rotated_at,
    CASE WHEN previous_until > kernel.now() THEN previous_until END AS previous_until,
    expires_at, last_used_at, last_address, revoked_at"""
_WHOSE = "WHERE $1::uuid IS NULL OR person_id = $1"
_KEYS = f"""
SELECT {KEY_COLUMNS} FROM identity.api_key {_WHOSE}
ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3
"""
_HOW_MANY = f"SELECT count(*) AS total FROM identity.api_key {_WHOSE}"


async def keys(call: Call, limit: int, offset: int) -> ApiKeyPage:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    whose = None if call.may("identity.key.manage_any") else call.user
    [counted] = await db.run("identity", call, _HOW_MANY, whose)
    rows = await db.run("identity", call, _KEYS, whose, limit, offset)
    return ApiKeyPage([ApiKey(**row) for row in rows], counted["total"])
