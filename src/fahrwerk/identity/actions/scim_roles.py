"""Roles that a directory's groups give (IDN-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.actions.roles import in_line
from fahrwerk.identity.actions.sso_people import give_roles
from fahrwerk.identity.contract.sso import RoleRule
from fahrwerk.identity.rules.sso import roles_for
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from fahrwerk.kernel.call import Call

AT_ONCE = 100
_SOURCE = "SELECT role_rules, default_roles FROM identity.scim_source WHERE id = $1"
_GROUPS = """
SELECT u.person_id, ARRAY(
    SELECT unnest(ARRAY[g.display_name::text, g.external_id::text])
    FROM identity.scim_member m
    JOIN identity.scim_group g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
    WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id) AS groups
FROM identity.scim_user u
WHERE u.source_id = $1 AND u.deleted_at IS NULL AND u.id = ANY($2)
ORDER BY u.person_id
"""


async def give(tx: db.Tx, call: Call, source_id: UUID, users: Collection[UUID]) -> None:
    """Give these users of a directory the roles of their groups now."""
    source = await tx.one(_SOURCE, source_id)
    if source is None or not users:
        return
    rules = msgspec.convert(source["role_rules"], list[RoleRule])
    for row in await tx.run(_GROUPS, source_id, list(users)):
        groups = [group for group in row["groups"] if group]
        roles = roles_for(groups, rules, source["default_roles"])
        await give_roles(tx, call, row["person_id"], source_id, roles)


_ALL = """
SELECT id FROM identity.scim_user
WHERE source_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT 100
"""


async def give_all(call: Call, source_id: UUID) -> None:
    """The same for all of a directory's users, when its rules have changed."""
    last = None
    while rows := await db.run("identity", call, _ALL, source_id, last):
        last = rows[-1]["id"]
        async with db.tx("identity", call) as tx:
            await in_line(tx, call)
            await give(tx, call, source_id, [row["id"] for row in rows])


async def give_some(call: Call, source_id: UUID, users: Collection[UUID]) -> None:
    """The same for users whose groups have changed, in parts: a group may have thousands."""
    chosen = sorted(users)
    for start in range(0, len(chosen), AT_ONCE):
        async with db.tx("identity", call) as tx:
            await in_line(tx, call)
            await give(tx, call, source_id, chosen[start : start + AT_ONCE])
