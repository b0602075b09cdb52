"""How old somebody is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_BORN = "SELECT birth_date FROM identity.person WHERE id = $1 AND status <> 'deleted'"


async def birth_date(call: Call) -> date | None:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    row = await db.one("identity", call, _BORN, call.user)
    return row["birth_date"] if row is not None else None


async def age(call: Call, person_id: UUID) -> int | None:
    row = await db.one("identity", call, _BORN, person_id)
    if row is None or row["birth_date"] is None:
        return None
    born = row["birth_date"]
    today = clock.now().astimezone(ZoneInfo((await tenancy.operator(call)).time_zone)).date()
    # Born on 29 February: a year older on 1 March.
    return int(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
