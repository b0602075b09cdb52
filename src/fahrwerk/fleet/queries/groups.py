"""Reading groups of vehicles."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fahrwerk.fleet.contract.groups import GROUP_PREFIX, Group, UnknownGroup
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import NotFound

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

# One walk over the vehicles, not one for each group.
GROUPS = """
WITH counted AS (
    SELECT group_id, count(*)::int AS vehicles
    FROM fleet.vehicle v CROSS JOIN unnest(v.group_ids) AS group_id
    WHERE v.tenant_id = kernel.tenant() AND v.status <> 'retired'
      AND ($1::uuid IS NULL OR $1 = ANY(v.group_ids))
    GROUP BY group_id
)
SELECT g.id, g.name, g.description, coalesce(c.vehicles, 0) AS vehicles, g.created_at
FROM fleet.vehicle_group g LEFT JOIN counted c ON c.group_id = g.id
WHERE g.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR g.id = $1) ORDER BY lower(g.name)
"""
"""All groups, or the one with id $1; each a ``Group``, by name."""


async def groups(call: Call) -> list[Group]:
    call.require("fleet.live.read")
    return [Group(**row) for row in await db.run("fleet", call, GROUPS, None)]


async def group(call: Call, group_id: UUID) -> Group:
    call.require("fleet.live.read")
    row = await db.one("fleet", call, GROUPS, group_id)
    if row is None:
        raise UnknownGroup
    return Group(**row)


_CALLED = """
SELECT id FROM fleet.vehicle_group
WHERE tenant_id = kernel.tenant() AND (id = $1 OR lower(name) = lower($2))
ORDER BY id = $1 DESC NULLS LAST LIMIT 1
"""


async def group_called(call: Call, reference: str) -> UUID:
    known: UUID | None = None
    try:
        known = ids.parse(reference, GROUP_PREFIX)
    except NotFound:
        known = None
    name = "" if "\x00" in reference else reference.strip()
    row = await db.one("fleet", call, _CALLED, known, name)
    if row is None:
        raise UnknownGroup
    found: UUID = row["id"]
    return found
