"""Roles, grants and what somebody may (IDN-26, IDN-27)."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role: built-in, or the operator's own."""

    name: str
    title: str
    permissions: list[str]
    """Built-in roles may hold ``room.*``; an operator's own never do."""
    is_built_in: bool
    holders: int
    """People who have it, everywhere or somewhere."""
    version: int = 0


class Grant(msgspec.Struct, frozen=True):
    """A role of a person; ``scope`` None: everywhere."""

    role: str
    scope: str | None = None
    """``area:<uuid>``, ``group:<uuid>`` or ``department:<name>``."""


class UnknownRole(NotFound):
    """No such role with this operator."""

    code = "UNKNOWN_ROLE"
    message = "There is no such role."


class RoleInUse(Conflict):
    """Somebody has it."""

    code = "ROLE_IN_USE"
    message = "Somebody has this role. Take it from them first."


class LastAdmin(Conflict):
    """Without an administrator an operator could not be helped by anybody of its own."""

    code = "LAST_ADMIN"
    message = "This is the last administrator. Make somebody else one first."


@query
async def roles(call: Call) -> list[Role]:
    """Built-in roles and the operator's own, by name (permission ``identity.role.read``)."""
    raise AssertionError


@query
async def check_person(call: Call, person_id: UUID) -> None:
    """Raise ``UnknownPerson`` for somebody beyond the departments that a call is limited to."""
    raise AssertionError


@query
async def grants_of(call: Call, person_id: UUID) -> list[Grant]:
    """The roles of a person (permission ``identity.role.read``). Raises ``UnknownPerson``."""
    raise AssertionError


@action
async def save_role(
    call: Call, name: str, title: str, permissions: list[str], version: int | None
) -> Role:
    """Make a role, or change one of the operator's own (permission ``identity.role.write``).

    Who holds it may what it says now within seconds. Nobody puts into a role, or takes out of one,
    what he may not himself: ``Forbidden``. ``version`` None makes a new one; else it must be the
    role's, so that two who edit do not undo each other. Raises ``Invalid``, ``Conflict``,
    ``UnknownRole``.
    """
    raise AssertionError


@action
async def remove_role(call: Call, name: str) -> None:
    """Forget one of the operator's own roles (permission ``identity.role.write``).

    Raises ``RoleInUse``, ``UnknownRole``, ``Forbidden`` (it may more than the caller).
    """
    raise AssertionError


@action
async def set_grants(call: Call, person_id: UUID, grants: list[Grant]) -> list[Grant]:
    """Replace all roles of a person (permission ``identity.role.grant``).

    In force within seconds, whatever tokens say. Nobody gives or takes what he may not himself:
    ``Forbidden``. Raises ``UnknownPerson``, ``Invalid``, ``LastAdmin``.
    """
    raise AssertionError


@action
async def set_department(call: Call, person_id: UUID, department: str | None) -> None:
    """Say in which department a person works (permission ``identity.role.grant``).

    Departments are scopes of grants, so this needs all that the person's roles may.
    """
    raise AssertionError
