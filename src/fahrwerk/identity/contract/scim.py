"""SCIM 2.0: directories keep people and groups here (IDN-29, IDN-30; RFC 7643, 7644)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fahrwerk.identity.contract.sso import RoleRule
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound, Unauthenticated


class NewSource(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that may keep people here by SCIM."""

    name: str
    provider_id: UUID | None = None
    """The identity provider at which its people log in."""
    role_rules: list[RoleRule] = []
    """Its groups, by display name or external id, and the roles they give here."""
    default_roles: list[str] = msgspec.field(default_factory=lambda: ["customer"])


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A directory as it may be shown: never its token."""

    id: UUID
    name: str
    provider_id: UUID | None
    role_rules: list[RoleRule]
    default_roles: list[str]
    created_at: datetime
    rotated_at: datetime
    last_used_at: datetime | None
    users: int
    groups: int


class SourceToken(msgspec.Struct, frozen=True):
    """A directory's bearer token, shown this once."""

    source: Source
    token: str

    def __repr__(self) -> str:
        return f"SourceToken({self.source.name})"


class ScimAccess(msgspec.Struct, frozen=True):
    """Which directory of which operator a token is."""

    tenant: UUID
    tenant_slug: str
    source_id: UUID


class ScimSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What a directory looks for."""

    filter: str = ""
    start: int = 1
    """Of the first one, from 1."""
    count: int = 100


class ScimPage(msgspec.Struct, frozen=True):
    """Resources as RFC 7643 describes them, and how many there are in all."""

    resources: list[dict[str, Any]]
    total: int


class UnknownSource(NotFound):
    """No such directory with this operator."""

    code = "UNKNOWN_SCIM_SOURCE"
    message = "There is no such directory."


class NoResource(NotFound):
    """The directory has no such user or group here."""

    message = "There is no such resource."


class WrongToken(Unauthenticated):
    """Not the token of a directory, or not any more."""

    message = "The bearer token is not known."


class NotUnique(Conflict):
    """Somebody has this user name or e-mail address already."""

    code = "SCIM_NOT_UNIQUE"
    message = "There is already an account with this user name or e-mail address."


class Stale(Conflict):
    """The resource has changed since it was read (``If-Match``)."""

    code = "SCIM_STALE"
    message = "The resource has changed meanwhile."


class NotTheirs(Forbidden):
    """The account may more than the directory could give, so it cannot bar it."""

    message = "This account cannot be changed by the directory."


@query
async def scim_sources(call: Call) -> list[Source]:
    """The operator's directories, at most 20 (permission ``identity.scim.read``)."""
    raise AssertionError


@action
async def save_scim_source(
    call: Call, wanted: NewSource, source_id: UUID | None
) -> SourceToken | None:
    """Add a directory (its token is answered), or change one (None).

    Permission ``identity.scim.write``. Nobody gives roles that may more than he may: ``Forbidden``.
    Raises ``Invalid``, ``UnknownSource``, ``UnknownProvider``, ``Conflict``.
    """
    raise AssertionError


@action
async def rotate_scim_token(call: Call, source_id: UUID, grace_s: int) -> SourceToken:
    """A new token; the old one is good for ``grace_s`` (at most 7 days) more. ``UnknownSource``."""
    raise AssertionError


@action
async def remove_scim_source(call: Call, source_id: UUID) -> None:
    """Forget a directory; accounts stay as they are. Raises ``UnknownSource``."""
    raise AssertionError


@action
async def admit_scim(call: Call, token: str) -> ScimAccess:
    """Whose token this is. Raises ``WrongToken``. The token names its operator itself."""
    raise AssertionError


@query
async def scim_found(call: Call, source_id: UUID, kind: str, search: ScimSearch) -> ScimPage:
    """Users or groups (``kind``: User | Group) of a directory, oldest first.

    Raises ``Invalid`` with ``scim_type`` ``invalidFilter``.
    """
    raise AssertionError


@query
async def scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID
) -> dict[str, Any]:
    """One user or group. Raises ``NoResource``."""
    raise AssertionError


@action
async def save_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID | None, data: dict[str, Any],
    version: str,
) -> dict[str, Any]:  # fmt: skip
    """Make a user or group, or replace one; as it is now.

    A user is an account: e-mail, names and roles follow; inactive ends its sessions within a
    second. ``version``: an ``If-Match``, or empty. Raises ``Invalid``, ``NotUnique``,
    ``NoResource``, ``Stale``.
    """
    raise AssertionError


@action
async def patch_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID, body: dict[str, Any], version: str
) -> dict[str, Any]:
    """Change parts of a user or group (RFC 7644, 3.5.2). Errors as ``save_scim_resource``."""
    raise AssertionError


@action
async def remove_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID, version: str
) -> None:
    """Delete a user or group for the directory. The account is barred, its sessions end; its rides
    and bills stay. Raises ``NoResource``, ``Stale``."""
    raise AssertionError
