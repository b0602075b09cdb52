"""Roles and rights. The front door asks for every request, so an operator's are remembered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fahrwerk.identity import rules
from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.identity.contract.roles import Grant, Role
from fahrwerk.identity.queries.reach import check_person
from fahrwerk.identity.rules import roles as rights
from fahrwerk.identity.rules.roles import Directory
from fahrwerk.kernel import crypto, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from fahrwerk.kernel.call import Call

KEEP_S = 3.0
MOST_KEPT = 20_000
_kept: dict[UUID | None, tuple[float, Directory]] = {}
_changes = 0


def changed(tenant: UUID | None) -> str:
    """The signal that roles or grants of this operator have changed."""
    return f"identity.rights:{tenant}"


def _forget(signal: str) -> None:
    global _changes
    _changes += 1
    for tenant in [t for t in _kept if changed(t) == signal]:
        _kept[tenant] = (0.0, _kept[tenant][1])


hub.hear("identity.rights", _forget)

_DIRECTORY = f"""
SELECT NULL::uuid AS person, name AS role, permissions AS what FROM identity.role
WHERE tenant_id = kernel.tenant()
UNION ALL
SELECT person_id, role, ARRAY[scope]::text[] FROM identity.scoped_grant
WHERE tenant_id = kernel.tenant()
UNION ALL
SELECT p.id, NULL, ARRAY(SELECT r.role::text FROM identity.person_role r
                         WHERE r.tenant_id = p.tenant_id AND r.person_id = p.id)
FROM identity.person p WHERE p.tenant_id = kernel.tenant()
  AND p.rights_changed_at > kernel.now() - interval '{crypto.ACCESS_TOKEN_S + 60} seconds'
"""


def fresh(tenant: UUID) -> Directory | None:
    """What is remembered of an operator, if it was asked for within the last seconds."""
    kept = _kept.get(tenant)
    return kept[1] if kept is not None and time.monotonic() < kept[0] else None


async def directory(call: Call) -> Directory:
    """The operator's roles, scoped grants and recent changes. What was known last when the
    database is away: those whose rights were taken within that time still act, like their
    sessions."""
    kept = _kept.get(call.tenant)
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    before = _changes
    try:
        rows = await db.run("identity", call, _DIRECTORY)
    except db.DatabaseDown:
        if kept is None:
            raise
        return kept[1]
    found = _directory(rows)
    if before == _changes:  # else it may have been read before the change
        if len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[call.tenant] = (time.monotonic() + KEEP_S, found)
    return found


_EMPTY = Directory()


def _directory(rows: list[db.Row]) -> Directory:
    if not rows:
        return _EMPTY
    own: dict[str, frozenset[str]] = {}
    turned: dict[UUID, frozenset[str]] = {}
    scoped: dict[UUID, list[tuple[str, str]]] = {}
    for person, role, what in rows:
        if person is None:
            own[role] = frozenset(what)
        elif role is None:
            turned[person] = frozenset(what)
        else:
            scoped.setdefault(person, []).append((role, what[0]))
    return Directory(own, turned, {person: tuple(sorted(all_)) for person, all_ in scoped.items()})


_OWN = "SELECT name, permissions FROM identity.role WHERE tenant_id = kernel.tenant()"


async def may(call: Call, names: Iterable[str]) -> frozenset[str]:
    """All that roles may together, the operator's own among them; from the rows, not memory."""
    names = frozenset(names)
    if names <= rules.PERMISSIONS.keys():
        return rules.permissions_of(names)
    rows = await db.run("identity", call, _OWN)
    return rights.may({row["name"]: frozenset(row["permissions"]) for row in rows}, names)


async def check_roles(call: Call, names: frozenset[str]) -> frozenset[str]:
    """All that these roles may. Raises ``Invalid`` for none, or one that does not exist."""
    if not names:
        raise Invalid(field="roles", issue="at least one is needed")
    rows = [] if names <= rules.PERMISSIONS.keys() else await db.run("identity", call, _OWN)
    own = {row["name"]: frozenset(row["permissions"]) for row in rows}
    if unknown := sorted(names - rules.PERMISSIONS.keys() - own.keys()):
        raise Invalid(field="roles", issue=f"there is no role {unknown[0]}")
    return rights.may(own, names)


async def may_of(call: Call, person_id: UUID) -> frozenset[str]:
    """All that a person may, everywhere or somewhere: what whoever bars him must hold."""
    rows = await db.run("identity", call, GRANTS, person_id)
    return await may(call, {row["role"] for row in rows})


_HOLDERS = """
SELECT role, count(DISTINCT person_id) AS people FROM (
    SELECT role, person_id FROM identity.person_role
    WHERE tenant_id = kernel.tenant() AND role <> 'customer'
    UNION ALL
    SELECT role, person_id FROM identity.scoped_grant WHERE tenant_id = kernel.tenant()) held
GROUP BY role
"""
_ROLES = "SELECT name, title, permissions, version FROM identity.role ORDER BY name"
_TITLES = {
    "admin": "Administrator", "business_user": "Company rider", "customer": "Rider",
    "platform": "Platform administrator", "provider": "Fleet provider",
    "recorder": "Recorder of past rides", "support": "Customer service",
}  # fmt: skip


async def roles(call: Call) -> list[Role]:
    call.require("identity.role.read")
    counted = {r["role"]: r["people"] for r in await db.run("identity", call, _HOLDERS)}
    own = await db.run("identity", call, _ROLES)
    built_in = [
        Role(
            name=name, title=_TITLES.get(name, name), permissions=sorted(permissions),
            is_built_in=True, holders=counted.get(name, 0),
        )
        for name, permissions in sorted(rules.PERMISSIONS.items())
        if name != "platform" or call.may("tenancy.operator.create")
    ]  # fmt: skip
    return built_in + [
        Role(
            name=row["name"], title=row["title"], permissions=sorted(row["permissions"]),
            is_built_in=False, holders=counted.get(row["name"], 0), version=row["version"],
        )
        for row in own
    ]  # fmt: skip


GRANTS = """
SELECT r.role, NULL::text AS scope FROM identity.person_role r WHERE r.person_id = $1
UNION ALL
SELECT g.role, g.scope FROM identity.scoped_grant g WHERE g.person_id = $1
ORDER BY 1, 2 NULLS FIRST
"""
_IS_THERE = "SELECT id FROM identity.person WHERE id = $1 AND status <> 'deleted'"


async def grants_of(call: Call, person_id: UUID) -> list[Grant]:
    call.require("identity.role.read")
    if await db.one("identity", call, _IS_THERE, person_id) is None:
        raise UnknownPerson
    await check_person(call, person_id)
    return db.shaped(Grant, await db.run("identity", call, GRANTS, person_id))
