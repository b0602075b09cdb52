"""Whose cookie it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import NotFound

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

PAGE_PREFIX = "pgs"

# Use is written down once a minute: a page that is read must not cost a write each time.
_PAGE_SESSION = """
WITH used AS (
    UPDATE identity.session
    SET last_accessed_at = kernel.now(),
        expires_at = least(ends_at, kernel.now() + make_interval(secs => idle_s))
    WHERE token_hash = $1 AND kind = 'page' AND revoked_at IS NULL AND expires_at > kernel.now()
      AND last_accessed_at < kernel.now() - interval '1 minute'
)
SELECT s.id, s.person_id, s.tenant_id, extract(epoch FROM s.ends_at)::bigint AS ends,
    ARRAY(SELECT r.role FROM identity.person_role r
          WHERE r.tenant_id = s.tenant_id AND r.person_id = s.person_id) AS roles
FROM identity.session s
JOIN identity.person p ON p.tenant_id = s.tenant_id AND p.id = s.person_id
WHERE s.token_hash = $1 AND s.kind = 'page' AND s.revoked_at IS NULL
  AND s.expires_at > kernel.now() AND s.ends_at > kernel.now() AND p.status = 'active'
"""


async def page_session(call: Call, token: str) -> crypto.Claims | None:
    try:
        tenant = ids.parse(token.partition(".")[0], PAGE_PREFIX)
    except NotFound:
        return None
    there = msgspec.structs.replace(call, tenant=tenant)
    row = await db.one("identity", there, _PAGE_SESSION, crypto.digest_of(token))
    if row is None:
        return None
    return crypto.Claims(
        user=row["person_id"],
        tenant=row["tenant_id"],
        roles=frozenset(row["roles"]),
        session=row["id"],
        expires=row["ends"],
    )
