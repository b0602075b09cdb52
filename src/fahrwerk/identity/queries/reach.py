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
