"""ID checks of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.checks import IdCheck
from fahrwerk.identity.queries.reach import own_or
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

# Whoever reads in the second in which it runs out must not read that it is good.
CHECK_COLUMNS = """id, person_id, kind, provider,
    CASE WHEN state = 'verified' AND good_until <= kernel.now() THEN 'expired' ELSE state END
        AS state,
    reason, classes, good_until, created_at, decided_at"""
_CHECKS = f"""
SELECT {CHECK_COLUMNS} FROM identity.id_check WHERE person_id = $1
ORDER BY created_at DESC, id DESC LIMIT 50
"""


async def checks(call: Call, person_id: UUID) -> list[IdCheck]:
    await own_or(call, person_id, "identity.check.read")
    return [IdCheck(**row) for row in await db.run("identity", call, _CHECKS, person_id)]
