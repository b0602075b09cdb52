"""Who may log in to the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract.accounts import BrokerLogin
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_LOGINS = "SELECT vehicle_id, vehicle_type, secret FROM fleet.broker_accounts($1, $2)"


async def broker_logins(call: Call, after: UUID | None, limit: int) -> list[BrokerLogin]:
    if call.tenant is not None or call.user is not None:
        raise Forbidden
    return db.shaped(BrokerLogin, await db.run("fleet", call, _LOGINS, after, limit))
