"""Accounts, log-in and people over HTTP.

Nothing here may be keyed that carries a password or answers with a token: what is kept for an
``Idempotency-Key`` would be a copy of it. These endpoints say ``unkeyed=True``.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, patch, post
from litestar.params import HeaderParameter, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.identity import contract as identity
from fahrwerk.identity.rules import binding
from fahrwerk.kernel import clock, crypto, ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, Unauthenticated
from fahrwerk.tenancy import contract as tenancy

Email = Annotated[str, Meta(max_length=255, description="like ada@example.org")]
Phone = Annotated[str, Meta(max_length=40, description="E.164 or close to it: +49 151 2345678")]
Password = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(max_length=100)]
Locale = Annotated[str, Meta(max_length=10, description="de or en, with a region if you like")]
Slug = Annotated[str, Meta(max_length=63)]
Role = Annotated[str, Meta(max_length=50)]
Roles = Annotated[frozenset[Role], Meta(min_length=1, max_length=10)]
UserAgent = Annotated[str, HeaderParameter(name="User-Agent", required=False)]
BearerToken = Annotated[
    str, HeaderParameter(name="Authorization", required=False, description="Bearer <refresh_token>")
]
DeviceProof = Annotated[
    str, HeaderParameter(name="DPoP", required=False, description="proof of the device's key")
]
DeviceToken = Annotated[str, Meta(max_length=100)]
NOT_KEPT = {"cache-control": "no-store"}  # RFC 6749, 5.1


class User(msgspec.Struct, frozen=True):
    """The user object of the contract (IDN-06)."""

    id: str
    email: str | None
    tenant: str
    roles: list[str]


class Profile(User, frozen=True):
    """The user object with everything its owner, or staff, may see (IDN-08)."""

    phone: str | None
    first_name: str | None
    last_name: str | None
    locale: str | None
    status: str
    created_at: str


class Tokens(msgspec.Struct, frozen=True):
    """A new pair: the refresh token given before is used up (IDN-07)."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class LoggedIn(Tokens, frozen=True):
    """A new pair and whose it is (IDN-06)."""

    user: User
    device_token: str | UnsetType = UNSET
    """Keep it on the device and send it with the next log-in; only when asked for."""


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rider's own registration: e-mail or phone, or both (IDN-01)."""

    password: Password
    email: Email | None = None
    phone: Phone | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    locale: Locale | None = None
    tenant: Slug | None = None


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``email`` or ``phone``; ``tenant`` must agree with ``X-Tenant-ID`` (C-80)."""

    password: Password
    email: Email | None = None
    phone: Phone | None = None
    tenant: Slug | None = None


class LogoutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which session to end."""

    refresh_token: Annotated[str, Meta(max_length=200)] | None = None


class ProfilePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; null removes it."""

    first_name: Name | UnsetType | None = UNSET
    last_name: Name | UnsetType | None = UNSET
    locale: Locale | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an app may say of the device somebody logs in on."""

    device_token: DeviceToken | None = None
    remember_device: bool = False


class AppLogin(LoginBody, frozen=True, forbid_unknown_fields=True):
    """The same from an app, which may keep a ``device_token``."""

    device_token: DeviceToken | None = None
    remember_device: bool = False


def client_of(data: Device | AppLogin, agent: str, proof: str, path: str) -> identity.Client:
    """What the request says of its device. Raises ``BadProof`` for a DPoP header that is wrong."""
    client = identity.Client(name=agent, known=data.device_token, remember=data.remember_device)
    return bound(client, proof, path)


def bound(client: identity.Client, proof: str, path: str) -> identity.Client:
    """The client, with the key that the DPoP header of a POST proves, if there is one.

    Raises ``BadProof``.
    """
    if not proof:
        return client
    shown = binding.read(proof, "POST", path, clock.now().timestamp())
    return msgspec.structs.replace(client, thumbprint=shown.thumbprint, proof_id=shown.id)


async def logged_in(call: Call, done: identity.Login) -> Response[LoggedIn]:
    """The answer to every log-in. Links and challenges name their operator themselves."""
    operator = await tenancy.operator_by_id(call, crypto.read_token(done.access_token).tenant)
    there = msgspec.structs.replace(call, tenant_slug=operator.slug) if operator else call
    body = LoggedIn(
        done.access_token,
        done.refresh_token,
        "Bearer",
        done.expires_in,
        user_of(there, done.person),
        done.device_token or UNSET,
    )
    return Response(body, headers=NOT_KEPT)


def user_of(call: Call, person: identity.Person) -> User:
    return User(ids.public("usr", person.id), person.email, call.tenant_slug, sorted(person.roles))


def profile_of(call: Call, person: identity.Person) -> Profile:
    return Profile(
        id=ids.public("usr", person.id),
        email=person.email,
        tenant=call.tenant_slug,
        roles=sorted(person.roles),
        phone=person.phone,
        first_name=person.first_name,
        last_name=person.last_name,
        locale=person.locale,
        status=person.status,
        created_at=clock.stamp(person.created_at),
    )


async def at_operator(call: Call, slug: str | None) -> Call:
    """The call, for the operator that header, host and body agree on (C-80)."""
    if slug is None:
        return call
    if call.tenant is None:
        operator = await tenancy.operator_by_slug(call, slug)
        if operator is None:
            raise tenancy.UnknownOperator
        return msgspec.structs.replace(
            call, tenant=operator.id, tenant_slug=operator.slug, currency=operator.currency
        )
    if slug.strip().lower() != call.tenant_slug:
        raise Invalid(
            "X-Tenant-ID and the body name different operators.",
            code="TENANT_MISMATCH",
            field="tenant",
            issue="does not match X-Tenant-ID",
        )
    return call


@post(
    "/api/v1/auth/register",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
)
async def register(call: web.Caller, data: JSONBody[Registration]) -> Profile:
    """Register with an operator, by e-mail or phone (IDN-01). Then log in.

    409 ``ALREADY_REGISTERED`` when the address or number has an account there; not where the
    operator wants ``quiet_registration``: then the answer is always this one, and a message goes
    to the address.
    """
    call = await at_operator(call, data.tenant)
    person = await identity.register(
        call,
        data.email,
        data.phone,
        data.password,
        data.first_name,
        data.last_name,
        data.locale or call.locale,
    )
    return profile_of(call, person)


@post(
    "/api/v1/auth/login",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def log_in(
    call: web.Caller, data: JSONBody[AppLogin], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Log in (IDN-06). 401 for an unknown account and a wrong password alike.

    401 ``SECOND_FACTOR_NEEDED`` with ``challenge`` and ``methods`` when the password is right and
    not enough; 429 ``TOO_MANY_TRIES``. A ``DPoP`` header (RFC 9449) binds the session to the
    device's key. 404 ``UNKNOWN_TENANT``, 403 ``ACCOUNT_BLOCKED``; at most 10 tries a minute
    (API-21).
    """
    if (data.email is None) == (data.phone is None):
        raise Invalid(field="email", issue="either email or phone is needed")
    call = await at_operator(call, data.tenant)
    login = data.email if data.email is not None else str(data.phone)
    client = client_of(data, agent, proof, "/api/v1/auth/login")
    return await logged_in(call, await identity.log_in(call, login, data.password, client=client))


@post(
    "/api/v1/auth/refresh",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def refresh(
    call: web.Caller, authorization: BearerToken = "", proof: DeviceProof = ""
) -> Response[Tokens]:
    """New tokens for the refresh token in ``Authorization: Bearer`` (IDN-07); it is used up by it.

    A session that is bound to a device's key needs its proof in the ``DPoP`` header each time.
    Within 10 s the same request gets the same answer again, so an answer lost on the way is no
    log-out. Later use of a used-up token ends the session for everybody who has it.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(token_expired=True)
    client = bound(identity.Client(), proof, "/api/v1/auth/refresh")
    done = await identity.refresh(call, token.strip(), client.thumbprint, client.proof_id)
    body = Tokens(done.access_token, done.refresh_token, "Bearer", done.expires_in)
    return Response(body, headers=NOT_KEPT)


@post(
    "/api/v1/auth/logout",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=204,
    tags=["identity"],
)
async def log_out(call: web.Caller, data: JSONBody[LogoutBody]) -> None:
    """End the session of ``refresh_token``; without one (``{}``), all your sessions everywhere."""
    await identity.log_out(call, data.refresh_token)


@get("/api/v1/users/me", permission="identity.self", tags=["identity"])
async def me(call: web.Caller) -> Profile:
    """Who you are (IDN-08, IDN-11: the token says so, never the body)."""
    return profile_of(call, await identity.person(call, _own(call)))


@patch("/api/v1/users/me", permission="identity.self", tags=["identity"])
async def change_me(call: web.Caller, data: JSONBody[ProfilePatch]) -> Profile:
    """Change your names, language or phone number (IDN-31)."""
    change = identity.ProfileChange(**msgspec.structs.asdict(data))
    return profile_of(call, await identity.change_profile(call, change))


def _own(call: Call) -> UUID:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    return call.user


handlers = [
    register,
    log_in,
    refresh,
    log_out,
    me,
    change_me,
]
