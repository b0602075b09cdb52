"""Operators over HTTP. Opening one together with its administrator is identity's, one step up."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import get, patch
from litestar.params import JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.kernel import ids, money, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.http import brands, life, market

Count = Annotated[int, Meta(ge=1)]


class OwnOperator(msgspec.Struct, frozen=True):
    """What everybody may know of the operator a request is for."""

    name: str
    slug: str
    currency: str
    time_zone: str
    locale: str
    tax_included: bool
    tax_rate_pct: float


class Settings(msgspec.Struct, frozen=True):
    """The rules of an operator's market (TEN-25)."""

    tax_included: bool
    tax_rate_pct: float
    payment_hold_s: int
    unlock_window_s: int
    max_active_rentals: int
    max_ride_h: int
    max_ride_km: int
    refund_limit: float | None
    """Refunds above it need a second person; null: none does."""
    web_origins: list[str]
    """Whose web pages may call the API from a browser (CORS)."""


class Tenant(msgspec.Struct, frozen=True):
    """An operator as the platform's administrator sees it (TEN-05, TEN-09)."""

    id: str
    slug: str
    name: str
    plan: str
    custom_domain: str | None
    currency: str
    time_zone: str
    locale: str
    status: str
    settings: Settings


class Tenants(msgspec.Struct, frozen=True):
    """One page of operators."""

    tenants: list[Tenant]
    pagination: web.Pagination


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. ``tax_rate_pct``: at most two decimals."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    locale: Annotated[str, Meta(max_length=10)] | UnsetType = UNSET
    tax_included: bool | UnsetType = UNSET
    tax_rate_pct: Annotated[float, Meta(ge=0, le=50)] | UnsetType = UNSET
    payment_hold_s: Count | UnsetType = UNSET
    unlock_window_s: Count | UnsetType = UNSET
    max_active_rentals: Count | UnsetType = UNSET
    max_ride_h: Count | UnsetType = UNSET
    max_ride_km: Count | UnsetType = UNSET
    refund_limit: Decimal | UnsetType | None = UNSET
    web_origins: (
        Annotated[
            list[Annotated[str, Meta(max_length=300, examples=["https://shop.example.org"])]],
            Meta(max_length=20),
        ]
        | UnsetType
    ) = UNSET


def _own(operator: tenancy.Operator) -> OwnOperator:
    return OwnOperator(
        name=operator.name,
        slug=operator.slug,
        currency=operator.currency,
        time_zone=operator.time_zone,
        locale=operator.locale,
        tax_included=operator.tax_included,
        tax_rate_pct=operator.tax_rate_bp / 100,
    )


def _tenant(operator: tenancy.Operator) -> Tenant:
    return Tenant(
        id=ids.public("ten", operator.id),
        slug=operator.slug,
        name=operator.name,
        plan=operator.plan,
        custom_domain=operator.domain,
        currency=operator.currency,
        time_zone=operator.time_zone,
        locale=operator.locale,
        status=operator.status,
        settings=_settings(operator),
    )


def _settings(operator: tenancy.Operator) -> Settings:
    limit = operator.refund_limit_minor
    return Settings(
        tax_included=operator.tax_included,
        tax_rate_pct=operator.tax_rate_bp / 100,
        payment_hold_s=operator.payment_hold_s,
        unlock_window_s=operator.unlock_window_s,
        max_active_rentals=operator.max_active_rentals,
        max_ride_h=operator.max_ride_h,
        max_ride_km=operator.max_ride_km,
        refund_limit=None if limit is None else money.to_major(limit, operator.currency),
        web_origins=list(operator.web_origins),
    )


def _minor(amount: Decimal | None, currency: str) -> int | None:
    if amount is None:
        return None
    minor = amount.scaleb(money.decimals(currency))
    if not 0 <= minor <= 10**9 or minor != minor.to_integral_value():
        raise Invalid(field="refund_limit", issue="must be an amount of 0 to 10 million")
    return int(minor)


@get("/api/v1/tenants", permission="tenancy.operator.read", tags=["tenancy"])
async def list_tenants(call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0) -> Tenants:
    """All operators of this installation, by short name. For the platform's administrators."""
    found = await tenancy.operators(call)
    page = found[offset : offset + limit]
    return Tenants(
        [_tenant(operator) for operator in page],
        web.pagination(len(found), limit, offset, len(page)),
    )


@get("/api/v1/tenant", permission=None, public=True, conditional=True, tags=["tenancy"])
async def own_tenant(call: web.Caller) -> OwnOperator:
    """The operator this request is for, by ``X-Tenant-ID`` or the host's name (TEN-02, TEN-23).

    404 ``UNKNOWN_TENANT`` when it is for none.
    """
    return _own(await tenancy.operator(call))


@get("/api/v1/tenant/settings", permission="tenancy.operator.change", tags=["tenancy"])
async def own_settings(call: web.Caller) -> Tenant:
    """Your operator with the rules of its market: what ``PATCH /api/v1/tenant`` changes."""
    return _tenant(await tenancy.operator(call))


@patch("/api/v1/tenant", permission="tenancy.operator.change", tags=["tenancy"])
async def change_tenant(call: web.Caller, data: JSONBody[Change]) -> Tenant:
    """Change the rules of your own market: tax, holds, limits, name and language (TEN-25).

    Rides under way keep the terms they began with.
    """
    wished: dict[str, Any] = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not UNSET and name not in ("tax_rate_pct", "refund_limit")
    }
    if data.refund_limit is not UNSET:
        wished["refund_limit_minor"] = _minor(data.refund_limit, call.currency)
    if data.web_origins is not UNSET:
        wished["web_origins"] = tuple(data.web_origins)
    if data.tax_rate_pct is not UNSET:
        wished["tax_rate_bp"] = round(data.tax_rate_pct * 100)
    return _tenant(await tenancy.change_operator(call, tenancy.OperatorChange(**wished)))


handlers = [
    list_tenants,
    own_tenant,
    own_settings,
    change_tenant,
    *brands.handlers,
    *life.handlers,
    *market.handlers,
]
