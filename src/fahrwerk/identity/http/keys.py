"""API keys (IDN-36), what staff may see of other people's log-ins, and the operator's policy."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.identity.contract import keys, sessions
from fahrwerk.identity.contract import policy as policies
from fahrwerk.identity.http.accounts import NOT_KEPT
from fahrwerk.identity.http.own import (
    AttemptsShown,
    Ended,
    Label,
    SessionsShown,
    attempts_shown,
    session_shown,
)
from fahrwerk.kernel import clock, ids, web

Scope = Annotated[str, Meta(min_length=1, max_length=100, examples=["fleet.vehicle.read"])]
Kinds = Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(max_length=5)]
RideChecks = Annotated[dict[str, Kinds], Meta(max_length=10)]
RoleNames = Annotated[list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=50)]


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key and what it may do: permissions you have."""

    name: Label
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=100)]
    expires_in_days: Annotated[int, Meta(ge=1, le=366)] = 90


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the key of before is good beside the new one."""

    overlap_h: Annotated[int, Meta(ge=0, le=168)] = 24


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; ``hint`` are its first characters."""

    id: str
    user_id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: str
    rotated_at: str | None
    previous_until: str | None
    expires_at: str
    last_used_at: str | None
    last_address: str | None
    revoked_at: str | None


class KeyMade(msgspec.Struct, frozen=True):
    """``secret`` is shown this once: ``Authorization: Bearer fwk_...``."""

    api_key: KeyShown
    secret: str


class KeysShown(msgspec.Struct, frozen=True):
    """One page of keys, newest first."""

    api_keys: list[KeyShown]
    pagination: web.Pagination


class PolicyShown(msgspec.Struct, frozen=True):
    """What the operator asks of its people (docs/identity.md)."""

    second_factor_roles: list[str]
    bind_sessions: bool
    verify_at_register: bool
    quiet_registration: bool
    ride_needs_contact: bool
    ride_checks: dict[str, list[str]]
    id_provider: str


class PolicyPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays as it is."""

    second_factor_roles: RoleNames | UnsetType = UNSET
    bind_sessions: bool | UnsetType = UNSET
    verify_at_register: bool | UnsetType = UNSET
    quiet_registration: bool | UnsetType = UNSET
    ride_needs_contact: bool | UnsetType = UNSET
    ride_checks: RideChecks | UnsetType = UNSET
    id_provider: Annotated[str, Meta(max_length=40)] | UnsetType = UNSET


def _key(key: keys.ApiKey) -> KeyShown:
    return KeyShown(
        id=ids.public(keys.KEY_PREFIX, key.id),
        user_id=ids.public("usr", key.person_id),
        name=key.name,
        hint=key.hint,
        scopes=key.scopes,
        created_at=clock.stamp(key.created_at),
        rotated_at=clock.stamp(key.rotated_at) if key.rotated_at else None,
        previous_until=clock.stamp(key.previous_until) if key.previous_until else None,
        expires_at=clock.stamp(key.expires_at),
        last_used_at=clock.stamp(key.last_used_at) if key.last_used_at else None,
        last_address=key.last_address,
        revoked_at=clock.stamp(key.revoked_at) if key.revoked_at else None,
    )


@get("/api/v1/api-keys", permission="identity.key.manage", tags=["identity"])
async def list_keys(call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0) -> KeysShown:
    """Your API keys, newest first; all of the operator's for who may manage any."""
    page = await keys.keys(call, limit, offset)
    shown = [_key(each) for each in page.keys]
    return KeysShown(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/api-keys",
    permission="identity.key.manage",
    limit="auth",
    unkeyed=True,
    tags=["identity"],
)
async def make_key(call: web.Caller, data: JSONBody[KeyWish]) -> Response[KeyMade]:
    """Make an API key (IDN-36). It does no more than you may, also when that becomes less.

    403 ``CONFIRMATION_NEEDED``, ``PERMISSION_DENIED`` for a scope you have not.
    """
    made = await keys.make_key(call, data.name, data.scopes, data.expires_in_days)
    return Response(KeyMade(_key(made.key), made.secret), headers=NOT_KEPT)


@post(
    "/api/v1/api-keys/{key_id:str}/rotate",
    permission="identity.key.manage",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def rotate_key(
    call: web.Caller, key_id: FromPath[str], data: JSONBody[Rotation]
) -> Response[KeyMade]:
    """A new secret for a key; the one of before is good a while longer (IDN-36).

    A program may do it for itself, calling with the very key, if that has this permission.
    """
    made = await keys.rotate_key(call, ids.parse(key_id, keys.KEY_PREFIX), data.overlap_h)
    return Response(KeyMade(_key(made.key), made.secret), headers=NOT_KEPT)


@delete(
    "/api/v1/api-keys/{key_id:str}",
    permission="identity.key.manage",
    while_suspended=True,
    status_code=200,
    tags=["identity"],
)
async def revoke_key(call: web.Caller, key_id: FromPath[str]) -> KeyShown:
    """End a key: refused everywhere within seconds. Repeatable."""
    return _key(await keys.revoke_key(call, ids.parse(key_id, keys.KEY_PREFIX)))


@get(
    "/api/v1/users/{user:str}/sessions",
    permission="identity.session.read",
    scoped=True,
    tags=["identity"],
)
async def list_users_sessions(call: web.Caller, user: FromPath[str]) -> SessionsShown:
    """Where somebody is logged in."""
    found = await sessions.sessions(call, ids.parse(user, "usr"))
    return SessionsShown([session_shown(each) for each in found])


@post(
    "/api/v1/users/{user:str}/sessions/end",
    permission="identity.session.end",
    while_suspended=True,
    status_code=200,
    tags=["identity"],
)
async def end_users_sessions(call: web.Caller, user: FromPath[str]) -> Ended:
    """Log somebody out everywhere; not who may more than you: 403."""
    return Ended(await sessions.end_sessions_of(call, ids.parse(user, "usr")))


@get(
    "/api/v1/users/{user:str}/log-ins",
    permission="identity.session.read",
    scoped=True,
    tags=["identity"],
)
async def list_users_log_ins(
    call: web.Caller, user: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> AttemptsShown:
    """Who tried to log in to an account within 90 days, newest first."""
    page = await sessions.attempts(call, ids.parse(user, "usr"), limit, offset)
    return attempts_shown(page, limit, offset)


@get("/api/v1/identity/policy", permission="identity.policy.read", tags=["identity"])
async def read_policy(call: web.Caller) -> PolicyShown:
    """What the operator asks of its people: second factors, bound sessions, checks."""
    return PolicyShown(**msgspec.structs.asdict(await policies.policy(call)))


@patch("/api/v1/identity/policy", permission="identity.policy.write", tags=["identity"])
async def change_policy(call: web.Caller, data: JSONBody[PolicyPatch]) -> PolicyShown:
    """Change what the operator asks of its people."""
    change = policies.PolicyChange(**msgspec.structs.asdict(data))
    return PolicyShown(**msgspec.structs.asdict(await policies.change_policy(call, change)))


handlers = [
    list_keys,
    make_key,
    rotate_key,
    revoke_key,
    list_users_sessions,
    end_users_sessions,
    list_users_log_ins,
    read_policy,
    change_policy,
]
