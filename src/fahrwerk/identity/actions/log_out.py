"""Sessions end: by the person's wish, because a token was stolen, or with the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.identity.events import SessionRevoked
from fahrwerk.identity.queries import ended
from fahrwerk.kernel import crypto, db, events
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_END = """
UPDATE identity.session SET revoked_at = kernel.now(), revoked_reason = $1
WHERE revoked_at IS NULL AND {which}
RETURNING id, person_id
"""
BY_ID = _END.format(which="id = $2")
BY_PERSON = _END.format(which="person_id = $2")
BY_OTHERS = _END.format(which="person_id = $2 AND id <> $3")
BY_OWN = _END.format(which="id = $2 AND person_id = $3")
# A replaced token names its session as well: whoever logs out with it means this session.
_BY_TOKEN = _END.format(
    which="""id IN (
    SELECT id FROM identity.session WHERE token_hash = $2
    UNION ALL SELECT session_id FROM identity.refresh_token WHERE token_hash = $2)"""
)


async def log_out(call: Call, refresh_token: str | None) -> None:
    if refresh_token is None and call.user is None:
        raise Unauthenticated(token_expired=False)
    async with db.tx("identity", call) as tx:
        if refresh_token is None:
            await end_sessions(tx, call, BY_PERSON, call.user, reason="logout")
        else:
            digest = crypto.digest_of(refresh_token)
            await end_sessions(tx, call, _BY_TOKEN, digest, reason="logout")


async def end_sessions(tx: db.Tx, call: Call, sql: str, *which: Any, reason: str) -> int:
    """End the open sessions that ``sql`` (one of the above) names, each with its event."""
    ended_now = await tx.run(sql, reason, *which)
    for row in ended_now:
        fact = SessionRevoked(row["person_id"], row["id"], reason)
        # A session ends once, so this is the first and last fact of its stream.
        await events.emit(tx, call, f"session:{row['id']}", 1, fact)
        tx.signal(ended(call.tenant))  # tokens of it that are about are refused from now on
    return len(ended_now)
