"""A person's passkeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.passkeys import Passkey
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

PASSKEY_COLUMNS = """id, name, rp_id, is_synced, suspected_at IS NOT NULL AS is_suspected,
    created_at, last_used_at"""
_PASSKEYS = f"""
SELECT {PASSKEY_COLUMNS} FROM identity.passkey WHERE person_id = $1 ORDER BY created_at, id
"""


async def passkeys(call: Call) -> list[Passkey]:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    return [Passkey(**row) for row in await db.run("identity", call, _PASSKEYS, call.user)]
