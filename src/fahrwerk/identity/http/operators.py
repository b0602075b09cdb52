"""An operator is opened together with its first administrator.

Here and not in tenancy, because the administrator is a person, and tenancy is below people.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from fahrwerk.identity import contract as identity
from fahrwerk.identity.http.accounts import Email, Locale, Name, Password, Roles, User, user_of
from fahrwerk.kernel import ids, web
from fahrwerk.tenancy import contract as tenancy


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


handlers = [open_tenant]
