"""The operator's people, for its staff: added, looked up, blocked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import roles
from fahrwerk.identity.http.accounts import Email, Name, Password, Profile, Roles, profile_of
from fahrwerk.kernel import ids, web


class Users(msgspec.Struct, frozen=True):
    """One page of people."""

    users: list[Profile]
    pagination: web.Pagination


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account made by staff."""

    email: Email
    password: Password
    roles: Roles
    first_name: Name = ""
    last_name: Name = ""


@post("/api/v1/users", permission="identity.person.create", unkeyed=True, tags=["identity"])
async def add_user(call: web.Caller, data: JSONBody[NewUser]) -> Profile:
    """Create an account with roles (IDN-27, IDN-29). Nobody gives a role above his own: 403."""
    person = await identity.add_person(
        call, data.email, data.password, data.roles, data.first_name, data.last_name
    )
    return profile_of(call, person)


@get(
    "/api/v1/users",
    permission="identity.person.read",
    scoped=True,
    personal=True,
    tags=["identity"],
)
async def list_users(
    call: web.Caller,
    q: Annotated[
        str, QueryParameter(max_length=100, description="a part of name, e-mail or phone")
    ] = "",
    staff: Annotated[
        bool | None,
        QueryParameter(description="only with a role that riders do not have, or without"),
    ] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> Users:
    """The operator's people, newest first."""
    page = await identity.persons(call, q or None, limit, offset, staff)
    shown = [profile_of(call, person) for person in page.persons]
    return Users(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    "/api/v1/users/{user:str}",
    permission="identity.person.read",
    scoped=True,
    personal=True,
    tags=["identity"],
)
async def one_user(call: web.Caller, user: FromPath[str]) -> Profile:
    """One of the operator's people."""
    person_id = ids.parse(user, "usr")
    await roles.check_person(call, person_id)
    return profile_of(call, await identity.person(call, person_id))


@post(
    "/api/v1/users/{user:str}/block",
    permission="identity.person.block",
    while_suspended=True,
    status_code=200,
    tags=["identity"],
)
async def block(call: web.Caller, user: FromPath[str]) -> Profile:
    """Block an account: its sessions end, it cannot log in or book. Repeatable."""
    return profile_of(call, await identity.block_person(call, ids.parse(user, "usr")))


@post(
    "/api/v1/users/{user:str}/unblock",
    permission="identity.person.block",
    status_code=200,
    tags=["identity"],
)
async def unblock(call: web.Caller, user: FromPath[str]) -> Profile:
    """Let a blocked account log in and book again. Repeatable."""
    return profile_of(call, await identity.unblock_person(call, ids.parse(user, "usr")))


handlers = [add_user, list_users, one_user, block, unblock]
