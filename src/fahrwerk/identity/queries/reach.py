"""Whose account it is: one's own, or anybody's for those who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_IS_THERE = "SELECT FROM identity.person WHERE id = $1"


async def own_or(call: Call, person_id: UUID, permission: str) -> None:
    """Raise ``Forbidden`` for somebody else's without the permission, ``UnknownPerson``."""
    if call.user == person_id:
        return
    call.require(permission)
    if not await db.run("identity", call, _IS_THERE, person_id):
        raise UnknownPerson
    await check_person(call, person_id)


def departments(call: Call) -> list[str] | None:
    """Whose people a call is limited to; None: everybody. Areas and groups have no people."""
    if call.scope is None:
        return None
    return [each.partition(":")[2] for each in call.scope if each.startswith("department:")]


_IN_DEPARTMENT = "SELECT id FROM identity.person WHERE id = $1 AND department = ANY($2)"


async def check_person(call: Call, person_id: UUID) -> None:
    limited = departments(call)
    if limited is None or person_id == call.user:
        return
    if not await db.run("identity", call, _IN_DEPARTMENT, person_id, limited):
        raise UnknownPerson
