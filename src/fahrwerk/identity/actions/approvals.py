"""Two people for one deed: one asks, another one decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.identity.contract.approvals import (
    AlreadyDecided,
    Approval,
    OwnWish,
    UnknownApproval,
)
from fahrwerk.identity.events import ApprovalDecided
from fahrwerk.identity.queries.approvals import COLUMNS
from fahrwerk.kernel import audit, clock, db, events
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

GOOD_FOR = "7 days"

_ASK = f"""
INSERT INTO identity.approval (id, kind, subject, permission, details, reason, asked_by, asked_at,
                               expires_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, kernel.now() + interval '{GOOD_FOR}')
ON CONFLICT DO NOTHING
"""
_ONE = f"SELECT {COLUMNS} FROM identity.approval WHERE id = $1"


async def ask_approval(
    call: Call,
    approval_id: UUID,
    kind: str,
    subject: UUID,
    permission: str,
    details: dict[str, Any],
    reason: str,
) -> Approval:
    if call.user is None:
        raise Forbidden("Only a person can ask another one.")
    if not 1 <= len(reason) <= 200:
        raise Invalid(field="reason", issue="must have 1 to 200 characters")
    wanted = (approval_id, kind, subject, permission, details, reason, call.user, clock.now())
    await db.run("identity", call, _ASK, *wanted)
    row = await db.one("identity", call, _ONE, approval_id)
    if row is None:
        raise UnknownApproval
    found = Approval(**row)
    if (found.kind, found.subject, found.details, found.asked_by) != (
        kind, subject, details, call.user,
    ):  # fmt: skip
        raise Conflict("This was asked for with other details.", code="APPROVAL_ID_REUSED")
    audit.changed(f"approval:{approval_id}", None, {"kind": kind, **details})
    return found


_LOCK = f"SELECT {COLUMNS}, version FROM identity.approval WHERE id = $1 FOR UPDATE"
_DECIDE = """
UPDATE identity.approval SET state = $2, decided_by = $3, decided_at = $4, note = $5,
       version = version + 1
WHERE id = $1
"""


async def decide_approval(
    call: Call, approval_id: UUID, is_approved: bool, note: str | None
) -> Approval:
    if note is not None and not (len(note) <= 200 and note.isprintable()):
        raise Invalid(field="note", issue="must be at most 200 printable characters")
    state = "approved" if is_approved else "declined"
    async with db.tx("identity", call) as tx:
        row = await tx.one(_LOCK, approval_id)
        if row is None or call.user is None:
            raise UnknownApproval
        found = Approval(**{name: row[name] for name in Approval.__struct_fields__})
        if found.asked_by == call.user:
            raise OwnWish
        call.require(found.permission)
        if found.state != "pending":
            same = ("approved", "done") if is_approved else ("declined",)
            if found.decided_by == call.user and found.state in same:
                return found
            raise AlreadyDecided(state=found.state)
        await tx.run(_DECIDE, approval_id, state, call.user, clock.now(), note)
        # The asking is the row itself; the decision is the first fact of its stream.
        fact = ApprovalDecided(approval_id, found.kind, found.subject, state)
        await events.emit(tx, call, f"approval:{approval_id}", 1, fact)
        decided = await tx.one(_ONE, approval_id)
    audit.changed(f"approval:{approval_id}", {"state": "pending"}, {"state": state})
    if decided is None:
        raise UnknownApproval
    return Approval(**decided)


_FINISH = """
UPDATE identity.approval SET state = CASE WHEN $2::text IS NULL THEN 'done' ELSE 'failed' END,
       problem = $2
WHERE id = $1 AND state = 'approved'
"""


async def finish_approval(call: Call, approval_id: UUID, problem: str | None) -> None:
    await db.run("identity", call, _FINISH, approval_id, problem)
