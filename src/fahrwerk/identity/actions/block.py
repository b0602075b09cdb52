"""An operator bars somebody from riding, or lets him ride again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import queries
from fahrwerk.identity.actions import roles
from fahrwerk.identity.actions.log_out import BY_PERSON, end_sessions
from fahrwerk.identity.contract import Person, UnknownPerson
from fahrwerk.identity.events import UserBlocked, UserUnblocked
from fahrwerk.identity.queries.rights import may_of
from fahrwerk.identity.rules import roles as rights
from fahrwerk.kernel import audit, clock, db, events
from fahrwerk.kernel.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_TURN = """
UPDATE identity.person SET status = $3, version = version + 1, updated_at = $4
WHERE id = $1 AND status = $2
RETURNING version
"""


async def block_person(call: Call, person_id: UUID) -> Person:
    found = await _within_reach(call, person_id)
    async with db.tx("identity", call) as tx:
        await roles.in_line(tx, call)
        if "admin" in found.roles:
            await roles.check_not_last_admin(tx, person_id)
        turned = await tx.one(_TURN, person_id, "active", "blocked", clock.now())
        if turned is not None:
            stream = f"person:{person_id}"
            await events.emit(tx, call, stream, turned["version"], UserBlocked(person_id))
            await end_sessions(tx, call, BY_PERSON, person_id, reason="blocked")
    audit.changed(f"person:{person_id}", {"status": found.status}, {"status": "blocked"})
    return msgspec.structs.replace(found, status="blocked")


async def unblock_person(call: Call, person_id: UUID) -> Person:
    found = await _within_reach(call, person_id)
    async with db.tx("identity", call) as tx:
        turned = await tx.one(_TURN, person_id, "blocked", "active", clock.now())
        if turned is not None:
            stream = f"person:{person_id}"
            await events.emit(tx, call, stream, turned["version"], UserUnblocked(person_id))
    audit.changed(f"person:{person_id}", {"status": found.status}, {"status": "active"})
    return msgspec.structs.replace(found, status="active")


async def _within_reach(call: Call, person_id: UUID) -> Person:
    """The person, when the caller may block or unblock him."""
    call.require("identity.person.block")
    found = await queries.person(call, person_id)
    if found.status == "deleted":
        raise UnknownPerson
    if found.id == call.user:
        raise Forbidden("You cannot block or unblock yourself.")
    if not rights.has_all(call, await may_of(call, person_id)):
        raise Forbidden("You cannot block somebody who may more than you may.")
    return found
