"""Accounts, log-in and people over HTTP.

Nothing here may be keyed that carries a password or answers with a token: what is kept for an
``Idempotency-Key`` would be a copy of it. These endpoints say ``unkeyed=True``.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
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

"""For everybody, whatever stands in ``Authorization``: an access token that has expired must not
keep anybody from logging in, and a refresh token is not one."""


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


class Users(msgspec.Struct, frozen=True):
    """One page of people."""

    users: list[Profile]
    pagination: web.Pagination


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


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account made by staff."""

    email: Email
    password: Password
    roles: Roles
    first_name: Name = ""
    last_name: Name = ""


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
    """The client, with the key that the DPoP header proves, if there is one."""
    if not proof:
        return client
    shown = shown_key(proof, path)
    return msgspec.structs.replace(client, thumbprint=shown.thumbprint, proof_id=shown.id)


def shown_key(proof: str, path: str) -> binding.Proof:
    """The key in the DPoP header of a POST. Raises ``BadProof``."""
    return binding.read(proof, "POST", path, clock.now().timestamp())


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

    409 ``ALREADY_REGISTERED`` when the address or number has an account there.
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
    key = shown_key(proof, "/api/v1/auth/refresh") if proof else binding.Proof(None, "")
    done = await identity.refresh(call, token.strip(), key.thumbprint, key.id)
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


@post("/api/v1/users", permission="identity.person.create", unkeyed=True, tags=["identity"])
async def add_user(call: web.Caller, data: JSONBody[NewUser]) -> Profile:
    """Create an account with roles (IDN-27, IDN-29). Nobody gives a role above his own: 403."""
    person = await identity.add_person(
        call, data.email, data.password, data.roles, data.first_name, data.last_name
    )
    return profile_of(call, person)


@get("/api/v1/users", permission="identity.person.read", personal=True, tags=["identity"])
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
    "/api/v1/users/{user:str}", permission="identity.person.read", personal=True, tags=["identity"]
)
async def one_user(call: web.Caller, user: FromPath[str]) -> Profile:
    """One of the operator's people."""
    return profile_of(call, await identity.person(call, ids.parse(user, "usr")))


@post(
    "/api/v1/users/{user:str}/block",
    permission="identity.person.block",
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


class AdminUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who will administer a new operator (TEN-04)."""

    email: Email
    password: Password
    first_name: Name | None = None
    last_name: Name | None = None
    roles: Roles = frozenset({"admin"})


class NewTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new operator (TEN-03, TEN-05, TEN-25)."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    slug: Annotated[str, Meta(min_length=2, max_length=63, pattern="^[a-z0-9-]*$")]
    domain: Annotated[str, Meta(max_length=253)] | None = None
    plan: Annotated[str, Meta(min_length=1, max_length=50)] = "Enterprise"
    currency: Annotated[str, Meta(min_length=3, max_length=3)] = "EUR"
    time_zone: Annotated[str, Meta(max_length=64)] = "Europe/Berlin"
    locale: Locale = "de"
    tax_rate_pct: Annotated[float, Meta(ge=0, le=50)] = 19.0
    tax_included: bool = True
    admin_user: AdminUser | None = None


class OpenedTenant(msgspec.Struct, frozen=True):
    """What was made."""

    id: str
    slug: str
    name: str
    domain: str | None
    plan: str
    currency: str
    time_zone: str
    locale: str
    tax_rate_pct: float
    tax_included: bool
    admin_user: User | None


# Here and not in tenancy, because the administrator is a person, and tenancy is below people.
@post("/api/v1/tenants", permission="tenancy.operator.create", unkeyed=True, tags=["tenancy"])
async def open_tenant(call: web.Caller, data: JSONBody[NewTenant]) -> OpenedTenant:
    """Create an operator and, if named, its administrator (TEN-03, TEN-04).

    It is reached at once by ``X-Tenant-ID``, as a sub-domain of the platform, and by its own domain
    if it has one. Repeating the request is harmless. 409 ``SLUG_TAKEN``, ``DOMAIN_TAKEN``.
    """
    wanted = tenancy.Operator(
        id=ids.new(),
        slug=data.slug,
        name=data.name.strip(),
        plan=data.plan.strip(),
        currency=data.currency,
        time_zone=data.time_zone,
        locale=data.locale,
        tax_rate_bp=round(data.tax_rate_pct * 100),
        tax_included=data.tax_included,
        domain=data.domain,
    )
    named = data.admin_user
    admin = identity.FirstAdmin(**msgspec.structs.asdict(named)) if named else None
    opened = await identity.open_operator(call, wanted, admin)
    made = opened.operator
    there = msgspec.structs.replace(call, tenant=made.id, tenant_slug=made.slug)
    return OpenedTenant(
        id=ids.public("ten", made.id),
        slug=made.slug,
        name=made.name,
        domain=made.domain,
        plan=made.plan,
        currency=made.currency,
        time_zone=made.time_zone,
        locale=made.locale,
        tax_rate_pct=made.tax_rate_bp / 100,
        tax_included=made.tax_included,
        admin_user=user_of(there, opened.admin) if opened.admin else None,
    )


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
    add_user,
    list_users,
    one_user,
    block,
    unblock,
    open_tenant,
]
