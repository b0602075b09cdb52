"""Directories that keep people here by SCIM, for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.identity.contract import scim as identity
from fahrwerk.identity.contract.sso import RoleRule
from fahrwerk.identity.http.accounts import NOT_KEPT
from fahrwerk.identity.http.sso import PREFIX as PROVIDER
from fahrwerk.identity.http.sso import RoleName
from fahrwerk.kernel import clock, ids, settings, web

PREFIX = "scs"


class ScimSourceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A directory: its groups, by display name or external id, give roles."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    provider: Annotated[str, Meta(max_length=50)] | None = None
    """The identity provider at which its people log in."""
    role_rules: Annotated[list[RoleRule], Meta(max_length=200)] = []
    default_roles: Annotated[list[RoleName], Meta(max_length=10)] = msgspec.field(
        default_factory=lambda: ["customer"]
    )


class ScimSource(msgspec.Struct, frozen=True, kw_only=True):
    """A directory, without its token."""

    id: str
    name: str
    provider: str | None
    role_rules: list[RoleRule]
    default_roles: list[str]
    base_url: str
    """To be entered at the directory, with the token."""
    users: int
    groups: int
    created_at: str
    rotated_at: str
    last_used_at: str | None


class ScimSources(msgspec.Struct, frozen=True):
    """All directories of the operator."""

    sources: list[ScimSource]


class ScimToken(msgspec.Struct, frozen=True):
    """A directory and its token, which is shown this once."""

    source: ScimSource
    token: str


class ScimRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old token is good beside the new one."""

    grace_s: Annotated[int, Meta(ge=0, le=604_800)] = 86_400


def _shown(each: identity.Source) -> ScimSource:
    used = each.last_used_at
    return ScimSource(
        id=ids.public(PREFIX, each.id), name=each.name,
        provider=ids.public(PROVIDER, each.provider_id) if each.provider_id else None,
        role_rules=each.role_rules, default_roles=each.default_roles,
        base_url=f"{settings.load().address}/scim/v2", users=each.users, groups=each.groups,
        created_at=clock.stamp(each.created_at), rotated_at=clock.stamp(each.rotated_at),
        last_used_at=clock.stamp(used) if used else None,
    )  # fmt: skip


def _wanted(data: ScimSourceBody) -> identity.NewSource:
    return identity.NewSource(
        name=data.name, provider_id=ids.parse(data.provider, PROVIDER) if data.provider else None,
        role_rules=data.role_rules, default_roles=data.default_roles,
    )  # fmt: skip


def _token(made: identity.SourceToken) -> Response[ScimToken]:
    return Response(ScimToken(_shown(made.source), made.token), headers=NOT_KEPT)


@get("/api/v1/scim/sources", permission="identity.scim.read", tags=["identity"])
async def list_scim_sources(call: web.Caller) -> ScimSources:
    """All directories of the operator (at most 20)."""
    return ScimSources([_shown(each) for each in await identity.scim_sources(call)])


@post(
    "/api/v1/scim/sources", permission="identity.scim.write", unkeyed=True, status_code=201,
    tags=["identity"],
)  # fmt: skip
async def add_scim_source(call: web.Caller, data: JSONBody[ScimSourceBody]) -> Response[ScimToken]:
    """Let a directory keep people here (IDN-29). The token is shown only now."""
    made = await identity.save_scim_source(call, _wanted(data), None)
    if made is None:
        raise identity.UnknownSource
    return _token(made)


@put(
    "/api/v1/scim/sources/{scim_source_id:str}", permission="identity.scim.write",
    status_code=200, tags=["identity"],
)  # fmt: skip
async def change_scim_source(
    call: web.Caller, scim_source_id: FromPath[str], data: JSONBody[ScimSourceBody]
) -> ScimSources:
    """Change its name, its provider or which roles its groups give: in force at once."""
    chosen = ids.parse(scim_source_id, PREFIX)
    await identity.save_scim_source(call, _wanted(data), chosen)
    return ScimSources([_shown(each) for each in await identity.scim_sources(call)])


@post(
    "/api/v1/scim/sources/{scim_source_id:str}/rotate", permission="identity.scim.write",
    unkeyed=True, status_code=200, tags=["identity"],
)  # fmt: skip
async def rotate_scim_token(
    call: web.Caller, scim_source_id: FromPath[str], data: JSONBody[ScimRotation]
) -> Response[ScimToken]:
    """A new token (IDN-36); the old one is good for ``grace_s`` more."""
    chosen = ids.parse(scim_source_id, PREFIX)
    return _token(await identity.rotate_scim_token(call, chosen, data.grace_s))


@delete(
    "/api/v1/scim/sources/{scim_source_id:str}", permission="identity.scim.write",
    tags=["identity"],
)  # fmt: skip
async def remove_scim_source(call: web.Caller, scim_source_id: FromPath[str]) -> None:
    """Forget a directory; accounts stay as they are."""
    await identity.remove_scim_source(call, ids.parse(scim_source_id, PREFIX))


handlers = [
    list_scim_sources, add_scim_source, change_scim_source, rotate_scim_token, remove_scim_source,
]  # fmt: skip
