"""Reading what waits for a second person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.approvals import Approval, ApprovalPage, Owed, UnknownApproval
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

READ = "identity.approval.read"
# What has run out says so at once, whoever looks; nothing has to be awake for it.
COLUMNS = """id, kind, subject, permission, details, reason, asked_by, asked_at, expires_at,
CASE WHEN state = 'pending' AND expires_at < kernel.now() THEN 'expired' ELSE state END AS state,
decided_by, decided_at, note, problem"""
"""An ``Approval``, by name."""
_ONE = f"SELECT {COLUMNS} FROM identity.approval WHERE id = $1"


async def approval(call: Call, approval_id: UUID) -> Approval:
    row = await db.one("identity", call, _ONE, approval_id)
    if row is None:
        raise UnknownApproval
    found = Approval(**row)
    if call.user not in (None, found.asked_by) and not (
        call.may(READ) or call.may(found.permission)
    ):
        raise UnknownApproval
    return found


_PAGE = f"""
WITH kept AS (
    SELECT {COLUMNS} FROM identity.approval
    WHERE tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR asked_by = $1)
)
SELECT *, (SELECT count(*) FROM kept WHERE $2::text IS NULL OR state = $2) AS total
FROM kept WHERE $2::text IS NULL OR state = $2
ORDER BY asked_at DESC, id DESC LIMIT $3 OFFSET $4
"""


async def approvals(call: Call, state: str | None, limit: int, offset: int) -> ApprovalPage:
    whose = None if call.may(READ) else call.user
    rows = await db.run("identity", call, _PAGE, whose, state, limit, offset)
    shown = [Approval(**{n: row[n] for n in Approval.__struct_fields__}) for row in rows]
    if rows:
        return ApprovalPage(shown, rows[0]["total"])
    first = await db.run("identity", call, _PAGE, whose, state, 1, 0) if offset else []
    return ApprovalPage([], first[0]["total"] if first else 0)


# A minute is left to whoever decided, and now carries it out himself.
_OWED = """
SELECT tenant_id, id FROM identity.approval
WHERE kind = $1 AND state = 'approved' AND decided_at < now() - interval '60 seconds'
ORDER BY decided_at LIMIT 100
"""


async def owed(call: Call, kind: str) -> list[Owed]:
    return db.shaped(Owed, await db.run("identity", call, _OWED, kind))
