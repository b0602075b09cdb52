"""Permissions, roles, who has which, and what waits for a second person (IDN-26..29)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.identity.contract import approvals as waiting
from fahrwerk.identity.contract import birth
from fahrwerk.identity.contract import roles as contract
from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.identity.rules.roles import BEYOND
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.kernel.permissions import catalogue
from fahrwerk.tenancy.contract import markets

RoleName = Annotated[str, Meta(min_length=1, max_length=50)]
PREFIXES = {"area": "area", "group": "grp"}


class PermissionView(msgspec.Struct, frozen=True):
    """One permission of the catalogue; ``endpoints`` is empty when it only widens others."""

    name: str
    about: list[str]
    endpoints: list[str]
    can_be_scoped: bool
    is_held: bool


class Catalogue(msgspec.Struct, frozen=True):
    """All permissions there are, by name."""

    permissions: list[PermissionView]


class Somewhere(msgspec.Struct, frozen=True):
    """A permission that is held for a part of the operator only."""

    permission: str
    scopes: list[str]


class Mine(msgspec.Struct, frozen=True):
    """What the caller may do."""

    roles: list[str]
    permissions: list[str]
    """Everywhere within the operator; every one by name."""
    scoped: list[Somewhere]


class RoleView(msgspec.Struct, frozen=True):
    """A role. Built-in ones may hold ``room.*``."""

    name: str
    title: str
    permissions: list[str]
    is_built_in: bool
    holders: int
    version: int


class RoleList(msgspec.Struct, frozen=True):
    """Built-in roles, then the operator's own."""

    roles: list[RoleView]


class RoleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role to make (without ``version``) or to change (with the version it was read with)."""

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    permissions: Annotated[
        list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=500)
    ]
    version: Annotated[int, Meta(ge=1)] | None = None


class GrantBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role, everywhere or in ``area:area_...``, ``group:grp_...`` or ``department:Sales``."""

    role: RoleName
    scope: Annotated[str, Meta(min_length=3, max_length=120)] | None = None


class Grants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All roles of a person: what is not among them is taken away."""

    grants: Annotated[list[GrantBody], Meta(min_length=1, max_length=50)]


class Department(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where somebody works; null: nowhere in particular."""

    department: Annotated[str, Meta(max_length=100)] | None


@get("/api/v1/permissions", permission="identity.role.read", tags=["identity"])
async def list_permissions(call: web.Caller) -> Catalogue:
    """Every permission there is, which endpoints need it, and whether you hold it."""
    known = [
        PermissionView(each.name, each.says, each.endpoints, each.is_scoped, call.may(each.name))
        for each in catalogue().values()
    ]
    known += [
        PermissionView(name, [about], [], False, call.may(name))
        for name, about in BEYOND.items()
        if name not in catalogue()
    ]
    return Catalogue(sorted(known, key=lambda each: each.name))


@get("/api/v1/me/permissions", permission="identity.self", tags=["identity"])
async def my_permissions(call: web.Caller) -> Mine:
    """What you may do: every permission by name, and where only."""
    known = sorted({*catalogue(), *BEYOND})
    somewhere = {
        name: call.narrowed(name, is_scoped=True).scope for name in known if not call.may(name)
    }
    return Mine(
        sorted(call.roles),
        [name for name in known if call.may(name)],
        [
            Somewhere(name, sorted(_scope_view(each) or "" for each in where))
            for name, where in somewhere.items()
            if where
        ],
    )


@get("/api/v1/roles", permission="identity.role.read", tags=["identity"])
async def list_roles(call: web.Caller) -> RoleList:
    """The roles people can have: the built-in ones, which cannot be changed, and your own."""
    return RoleList([_role(each) for each in await contract.roles(call)])


@put("/api/v1/roles/{name:str}", permission="identity.role.write", tags=["identity"])
async def put_role(call: web.Caller, name: FromPath[str], data: JSONBody[RoleBody]) -> RoleView:
    """Make a role of your own, or change one. In force within seconds.

    403 when it holds, or held, something you may not do yourself; 409 ``ROLE_CHANGED`` when
    somebody else changed it since you read it.
    """
    saved = await contract.save_role(call, name, data.title, data.permissions, data.version)
    return _role(saved)


@delete(
    "/api/v1/roles/{name:str}", permission="identity.role.write", status_code=204, tags=["identity"]
)
async def delete_role(call: web.Caller, name: FromPath[str]) -> None:
    """Forget a role of your own; 409 ``ROLE_IN_USE`` while somebody has it."""
    await contract.remove_role(call, name)


@get(
    "/api/v1/users/{user:str}/roles",
    permission="identity.role.read",
    scoped=True,
    personal=True,
    tags=["identity"],
)
async def get_grants(call: web.Caller, user: FromPath[str]) -> Grants:
    """Which roles somebody has, and where."""
    return _grants(await contract.grants_of(call, ids.parse(user, "usr")))


@put("/api/v1/users/{user:str}/roles", permission="identity.role.grant", tags=["identity"])
async def put_grants(call: web.Caller, user: FromPath[str], data: JSONBody[Grants]) -> Grants:
    """Replace somebody's roles. In force within seconds, whatever his tokens say.

    403 when you may not yourself what is given or taken; 409 ``LAST_ADMIN``.
    """
    wanted = [contract.Grant(each.role, _scope_of(each.scope)) for each in data.grants]
    return _grants(await contract.set_grants(call, ids.parse(user, "usr"), wanted))


@put(
    "/api/v1/users/{user:str}/department",
    permission="identity.role.grant",
    status_code=204,
    tags=["identity"],
)
async def put_department(call: web.Caller, user: FromPath[str], data: JSONBody[Department]) -> None:
    """Say in which department somebody works: a scope that roles can be limited to."""
    await contract.set_department(call, ids.parse(user, "usr"), data.department)


class Birth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A date of birth."""

    birth_date: date


class MinimumAgeView(msgspec.Struct, frozen=True):
    """``area`` null: wherever no other is named. ``minimum_age`` null: there is none."""

    area: str | None
    minimum_age: int | None


class OwnBirth(msgspec.Struct, frozen=True):
    """Null: never said. What it is for: the ages from which one may ride."""

    birth_date: date | None
    minimum_ages: list[MinimumAgeView]


@get("/api/v1/users/me/birth-date", permission="identity.self", tags=["identity"])
async def own_birth_date(call: web.Caller) -> OwnBirth:
    """Your own date of birth, and from which age one may ride where."""
    ages = [MinimumAgeView(each.area, each.years) for each in await markets.minimum_ages(call)]
    return OwnBirth(await birth.birth_date(call), ages)


@put("/api/v1/users/me/birth-date", permission="identity.self", status_code=204, tags=["identity"])
async def put_own_birth_date(call: web.Caller, data: JSONBody[Birth]) -> None:
    """Say when you were born, once: some cities have a minimum age. 409 ``BIRTH_DATE_SET``."""
    await birth.declare_birth_date(call, data.birth_date)


@put(
    "/api/v1/users/{user:str}/birth-date",
    permission="identity.person.correct",
    status_code=204,
    tags=["identity"],
)
async def put_birth_date(call: web.Caller, user: FromPath[str], data: JSONBody[Birth]) -> None:
    """Correct somebody's date of birth. That it was corrected stands in the audit log."""
    await birth.correct_birth_date(call, ids.parse(user, "usr"), data.birth_date)


def _role(role: contract.Role) -> RoleView:
    return RoleView(
        role.name, role.title, role.permissions, role.is_built_in, role.holders, role.version
    )


def _grants(grants: list[contract.Grant]) -> Grants:
    return Grants([GrantBody(each.role, _scope_view(each.scope)) for each in grants])


def _scope_of(scope: str | None) -> str | None:
    if scope is None:
        return None
    kind, _, what = scope.partition(":")
    if kind not in PREFIXES:
        return scope
    try:
        return f"{kind}:{ids.parse(what, PREFIXES[kind])}"
    except NotFound:
        raise Invalid(field="grants", issue=f"{scope!r} names nothing") from None


def _scope_view(scope: str | None) -> str | None:
    kind, _, what = (scope or "").partition(":")
    return f"{kind}:{ids.public(PREFIXES[kind], UUID(what))}" if kind in PREFIXES else scope


# --- what waits for a second person


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that needs a second person: pending, approved, done, declined or expired."""

    id: str
    kind: str
    subject: str
    details: dict[str, Any]
    reason: str
    asked_by: str
    asked_at: str
    expires_at: str
    status: str
    decided_by: str | None
    decided_at: str | None
    note: str | None
    problem: str | None
    can_decide: bool
    """By you: you hold the permission and did not ask for it yourself."""


class ApprovalList(msgspec.Struct, frozen=True):
    """One page, newest first."""

    approvals: list[ApprovalView]
    pagination: web.Pagination


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to say about a decision; it is kept with it."""

    note: Annotated[str, Meta(max_length=200)] | None = None


@get("/api/v1/approvals", permission="identity.self", tags=["identity"])
async def list_approvals(
    call: web.Caller,
    status: Annotated[
        Literal["pending", "approved", "done", "failed", "declined", "expired"] | None,
        QueryParameter(),
    ] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> ApprovalList:
    """What you asked a second person for; with ``identity.approval.read`` all there is."""
    page = await waiting.approvals(call, status, limit, offset)
    shown = [approval_view(call, each) for each in page.approvals]
    return ApprovalList(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/approvals/{approval_id:str}", permission="identity.self", tags=["identity"])
async def get_approval(call: web.Caller, approval_id: FromPath[str]) -> ApprovalView:
    """One of them; 404 unless you asked for it or may decide."""
    return approval_view(call, await waiting.approval(call, ids.parse(approval_id, "apr")))


@post(
    "/api/v1/approvals/{approval_id:str}/decline",
    permission="identity.self",
    status_code=200,
    tags=["identity"],
)
async def decline(
    call: web.Caller, approval_id: FromPath[str], data: JSONBody[Verdict]
) -> ApprovalView:
    """Say no. Needs the permission the wish names; 403 ``SECOND_PERSON_NEEDED`` for your own."""
    wish = ids.parse(approval_id, "apr")
    return approval_view(call, await waiting.decide_approval(call, wish, False, data.note))


def approval_view(call: Call, approval: Approval) -> ApprovalView:
    """An approval for an answer."""
    decided = approval.decided_at
    return ApprovalView(
        id=ids.public("apr", approval.id),
        kind=approval.kind,
        subject=str(approval.subject),
        details=approval.details,
        reason=approval.reason,
        asked_by=ids.public("usr", approval.asked_by),
        asked_at=clock.stamp(approval.asked_at),
        expires_at=clock.stamp(approval.expires_at),
        status=approval.state,
        decided_by=ids.public("usr", approval.decided_by) if approval.decided_by else None,
        decided_at=clock.stamp(decided) if decided else None,
        note=approval.note,
        problem=approval.problem,
        can_decide=approval.state == "pending"
        and call.may(approval.permission)
        and approval.asked_by != call.user,
    )


handlers = [
    list_permissions,
    my_permissions,
    list_roles,
    put_role,
    delete_role,
    get_grants,
    put_grants,
    put_department,
    own_birth_date,
    put_own_birth_date,
    put_birth_date,
    list_approvals,
    get_approval,
    decline,
]
