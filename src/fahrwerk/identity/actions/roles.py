"""Roles are made and given (IDN-26). Nobody gives, or takes, what he may not himself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import rules
from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.identity.contract.roles import Grant, LastAdmin, Role, RoleInUse, UnknownRole
from fahrwerk.identity.events import RoleChanged, UserRolesChanged
from fahrwerk.identity.queries import rights as queries
from fahrwerk.identity.rules import roles as rights
from fahrwerk.kernel import audit, clock, db, events
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid
from fahrwerk.kernel.permissions import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_ABOVE = "Nobody can give or take what he may not himself."
# One at a time in an operator: what is the last administrator, or a role nobody has, stays so.
_IN_LINE = "SELECT pg_advisory_xact_lock(hashtextextended('identity.rights:' || $1, 0))"
_ONE = "SELECT name, title, permissions, version FROM identity.role WHERE name = $1 FOR UPDATE"
_COUNT = "SELECT count(*) AS there FROM identity.role"
_ADD = """
INSERT INTO identity.role (name, title, permissions, created_at, updated_at)
VALUES ($1, $2, $3, $4, $4)
"""
_CHANGE = """
UPDATE identity.role SET title = $2, permissions = $3, updated_at = $4, version = version + 1
WHERE name = $1
"""
_VERSIONS = """
SELECT coalesce(max(version), 0) AS last FROM kernel.event WHERE stream = 'role:' || $1
"""


async def save_role(
    call: Call, name: str, title: str, permissions: list[str], version: int | None
) -> Role:
    call.require("identity.role.write")
    wanted = sorted(set(permissions))
    rights.check_role(name, title, wanted, catalogue().keys() | rights.BEYOND.keys())
    _check_has(call, wanted)
    async with db.tx("identity", call) as tx:
        await tx.run(_IN_LINE, str(call.tenant))
        row = await tx.one(_ONE, name)
        if row is None:
            if version is not None:
                raise UnknownRole
            if (await tx.run(_COUNT))[0]["there"] >= rights.MOST_ROLES:
                raise Conflict(f"There can be {rights.MOST_ROLES} roles.", code="TOO_MANY_ROLES")
            await tx.run(_ADD, name, title.strip(), wanted, clock.now())
        else:
            _check_has(call, row["permissions"])
            if version != row["version"]:
                raise Conflict("The role is there, or was changed since.", code="ROLE_CHANGED")
            await tx.run(_CHANGE, name, title.strip(), wanted, clock.now())
        # Of a role that was removed and made again, the stream goes on.
        told = (await tx.run(_VERSIONS, name))[0]["last"] + 1
        await events.emit(tx, call, f"role:{name}", told, RoleChanged(name, wanted))
        tx.signal(queries.changed(call.tenant))
    before = None if row is None else _audited(row["title"], row["permissions"])
    audit.changed(f"role:{name}", before, _audited(title.strip(), wanted))
    return Role(
        name=name, title=title.strip(), permissions=wanted, is_built_in=False,
        holders=0 if row is None else await _holders(call, name),
        version=1 if row is None else row["version"] + 1,
    )  # fmt: skip


def _audited(title: str, permissions: list[str]) -> dict[str, object]:
    return {"title": title, "permissions": sorted(permissions)}


def _check_has(call: Call, permissions: Iterable[str]) -> None:
    if not rights.has_all(call, list(permissions)):
        missing = next((p for p in permissions if not call.may(p)), "")
        raise Forbidden(_ABOVE, permission=missing)


_HELD = """
SELECT count(DISTINCT person_id) AS people FROM (
    SELECT person_id FROM identity.person_role WHERE role = $1 UNION ALL
    SELECT person_id FROM identity.scoped_grant WHERE role = $1) held
"""
_REMOVE = "DELETE FROM identity.role WHERE name = $1"


async def _holders(call: Call, name: str) -> int:
    return int((await db.run("identity", call, _HELD, name))[0]["people"])


async def remove_role(call: Call, name: str) -> None:
    call.require("identity.role.write")
    async with db.tx("identity", call) as tx:
        await tx.run(_IN_LINE, str(call.tenant))
        row = await tx.one(_ONE, name)
        if row is None:
            raise UnknownRole
        _check_has(call, row["permissions"])
        if (await tx.run(_HELD, name))[0]["people"]:
            raise RoleInUse
        await tx.run(_REMOVE, name)
        told = (await tx.run(_VERSIONS, name))[0]["last"] + 1
        await events.emit(tx, call, f"role:{name}", told, RoleChanged(name, []))
        tx.signal(queries.changed(call.tenant))
    audit.changed(f"role:{name}", _audited(row["title"], row["permissions"]), None)


_PERSON = """
SELECT id, department FROM identity.person WHERE id = $1 AND status <> 'deleted' FOR UPDATE
"""
_OWN = "SELECT name, permissions FROM identity.role"
_ADMINS = """
SELECT count(*) AS others FROM identity.person_role r
JOIN identity.person p ON p.tenant_id = r.tenant_id AND p.id = r.person_id
WHERE r.role = 'admin' AND p.status = 'active' AND p.id <> $1
"""
_CLEAR = """
WITH a AS (DELETE FROM identity.person_role WHERE person_id = $1 AND role <> ALL($2))
DELETE FROM identity.scoped_grant WHERE person_id = $1
"""
_EVERYWHERE = """
INSERT INTO identity.person_role (person_id, role, granted_at)
SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING
"""
_SOMEWHERE = """
INSERT INTO identity.scoped_grant (person_id, role, scope, granted_at)
SELECT $1, role, scope, $4 FROM unnest($2::text[], $3::text[]) AS g (role, scope)
"""
_TURNED = """
UPDATE identity.person SET rights_changed_at = kernel.now(), version = version + 1, updated_at = $2
WHERE id = $1 RETURNING version
"""


async def set_grants(call: Call, person_id: UUID, grants: list[Grant]) -> list[Grant]:
    call.require("identity.role.grant")
    wanted = sorted(set(grants), key=_order)
    if not 1 <= len(wanted) <= rights.MOST_GRANTS:
        raise Invalid(field="grants", issue=f"must be 1 to {rights.MOST_GRANTS}")
    for grant in wanted:
        if grant.scope is not None:
            rights.check_scope(grant.role, grant.scope)
    async with db.tx("identity", call) as tx:
        await tx.run(_IN_LINE, str(call.tenant))
        own = {row["name"]: frozenset(row["permissions"]) for row in await tx.run(_OWN)}
        _check_exist(wanted, own)
        if await tx.one(_PERSON, person_id) is None:
            raise UnknownPerson
        before = db.shaped(Grant, await tx.run(queries.GRANTS, person_id))
        before.sort(key=_order)
        if before == wanted:
            return wanted
        _check_has(call, rights.may(own, {each.role for each in [*before, *wanted]}))
        if Grant("admin") in before and Grant("admin") not in wanted:
            await check_not_last_admin(tx, person_id)
        everywhere = [each.role for each in wanted if each.scope is None]
        somewhere = [each for each in wanted if each.scope is not None]
        await tx.run(_CLEAR, person_id, everywhere)
        await tx.run(_EVERYWHERE, person_id, everywhere, clock.now())
        parts = [each.role for each in somewhere], [each.scope for each in somewhere]
        await tx.run(_SOMEWHERE, person_id, *parts, clock.now())
        await _turned(tx, call, person_id, everywhere)
    audit.changed(f"person:{person_id}", _named(before), _named(wanted))
    return wanted


def _order(grant: Grant) -> tuple[str, str]:
    return grant.role, grant.scope or ""


def _named(grants: list[Grant]) -> dict[str, object]:
    return {"roles": [f"{g.role} in {g.scope}" if g.scope else g.role for g in grants]}


def _check_exist(grants: list[Grant], own: dict[str, frozenset[str]]) -> None:
    for grant in grants:
        if grant.role not in rules.PERMISSIONS and grant.role not in own:
            raise Invalid(field="grants", issue=f"there is no role {grant.role[:50]!r}")


async def check_not_last_admin(tx: db.Tx, person_id: UUID) -> None:
    """Raise ``LastAdmin`` unless somebody else administers the operator too.

    The caller holds the line of the operator's rights (``in_line``), so that two administrators who
    take each other's role at once leave one.
    """
    if not (await tx.run(_ADMINS, person_id))[0]["others"]:
        raise LastAdmin


async def in_line(tx: db.Tx, call: Call) -> None:
    """Wait for whoever changes rights of this operator, until this transaction ends."""
    await tx.run(_IN_LINE, str(call.tenant))


async def _turned(tx: db.Tx, call: Call, person_id: UUID, everywhere: list[str]) -> None:
    [row] = await tx.run(_TURNED, person_id, clock.now())
    fact = UserRolesChanged(person_id, everywhere)
    await events.emit(tx, call, f"person:{person_id}", row["version"], fact)
    tx.signal(queries.changed(call.tenant))


_MOVE = "UPDATE identity.person SET department = $2 WHERE id = $1"


async def set_department(call: Call, person_id: UUID, department: str | None) -> None:
    call.require("identity.role.grant")
    name = rules.name_of("department", department)
    async with db.tx("identity", call) as tx:
        await tx.run(_IN_LINE, str(call.tenant))
        row = await tx.one(_PERSON, person_id)
        if row is None:
            raise UnknownPerson
        if row["department"] == name:
            return
        own = {each["name"]: frozenset(each["permissions"]) for each in await tx.run(_OWN)}
        held = {each["role"] for each in await tx.run(queries.GRANTS, person_id)}
        _check_has(call, rights.may(own, held))
        await tx.run(_MOVE, person_id, name)
    audit.changed(f"person:{person_id}", {"department": row["department"]}, {"department": name})
