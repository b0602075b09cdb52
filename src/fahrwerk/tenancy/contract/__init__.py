"""What other rooms may ask of tenancy."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound, Refused


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator and the rules of its market (TEN-09, TEN-25)."""

    id: UUID
    slug: str
    name: str
    plan: str = "Enterprise"
    currency: str = "EUR"
    time_zone: str = "Europe/Berlin"
    locale: str = "de"
    tax_rate_bp: int = 1900
    """Basis points; 1900 = 19 % (C-21)."""
    tax_included: bool = True
    """True: prices contain the tax, as German consumer prices do."""
    domain: str | None = None
    payment_hold_s: int = 300
    """How long an unpaid reservation holds a vehicle (C-09, RNT-18)."""
    unlock_window_s: int = 600
    """How long a paid booking waits for its unlock (RNT-22)."""
    max_active_rentals: int = 3
    """Bookings and rides a rider may have at the same time."""
    max_ride_h: int = 24
    max_ride_km: int = 100
    max_vehicles: int | None = None
    """Of its plan, as the next two; None: no limit."""
    max_users: int | None = None
    max_requests_per_minute: int | None = None
    refund_limit_minor: int | None = None
    """A refund above it needs a second person; None: none does."""
    status: str = "active"
    """active | suspended | closing | closed"""
    web_origins: tuple[str, ...] = ()
    """Whose web pages may call the API: ``https://shop.example.org`` (``kernel.cors``)."""

    @property
    def is_open(self) -> bool:
        """True while business goes on: rides may begin, staff may change things."""
        return self.status == "active"


class UnknownOperator(NotFound):
    """No operator of this name or id."""

    code = "UNKNOWN_TENANT"
    message = "There is no operator of this name."


class SlugTaken(Conflict):
    """Another operator has this short name."""

    code = "SLUG_TAKEN"
    message = "Another operator already has this short name."


class DomainTaken(Conflict):
    """Another operator is reached under this domain."""

    code = "DOMAIN_TAKEN"
    message = "Another operator already has this domain."


class OperatorSuspended(Forbidden):
    """The operator does no business at the moment: nothing begins, rides under way may end."""

    code = "TENANT_SUSPENDED"
    message = "This operator is suspended at the moment."


class LimitReached(Refused):
    """The operator's plan allows no more; ``details``: ``limit``, ``allowed``, ``used``."""

    code = "PLAN_LIMIT_REACHED"
    message = "Your plan allows no more of these. Ask the platform for a larger one."


class OperatorChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may change about itself; what is left out stays as it is.

    Short name, currency and time zone are not among it: tokens, money and reports stand on them.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    locale: str | msgspec.UnsetType = msgspec.UNSET
    tax_rate_bp: int | msgspec.UnsetType = msgspec.UNSET
    tax_included: bool | msgspec.UnsetType = msgspec.UNSET
    payment_hold_s: int | msgspec.UnsetType = msgspec.UNSET
    unlock_window_s: int | msgspec.UnsetType = msgspec.UNSET
    max_active_rentals: int | msgspec.UnsetType = msgspec.UNSET
    max_ride_h: int | msgspec.UnsetType = msgspec.UNSET
    max_ride_km: int | msgspec.UnsetType = msgspec.UNSET
    refund_limit_minor: int | msgspec.UnsetType | None = msgspec.UNSET
    web_origins: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


@query
async def operator(call: Call) -> Operator:
    """The operator of this call. Cached in the process for a few seconds.

    Raises ``UnknownOperator``.
    """
    raise AssertionError


@query
async def operator_by_id(call: Call, tenant: UUID) -> Operator | None:
    """An operator by id, whatever the call's tenant."""
    raise AssertionError


@query
async def operator_by_slug(call: Call, slug: str) -> Operator | None:
    """An operator by its short name, as in ``X-Tenant-ID`` (TEN-02)."""
    raise AssertionError


@query
async def operator_by_host(call: Call, host: str) -> Operator | None:
    """An operator by the domain a request came to: its own (TEN-23), or ``<slug>.`` before the
    platform's (TEN-06; ``<slug>.localhost`` on a laptop)."""
    raise AssertionError


@query
async def is_web_origin(call: Call, origin: str) -> bool:
    """True when any operator has named this origin. Cached in the process for a few seconds."""
    raise AssertionError


@query
async def operators(call: Call, at_most: int | None = None) -> list[Operator]:
    """The operators of this installation by slug, all or the first ones."""
    raise AssertionError


@action
async def create_operator(call: Call, wanted: Operator) -> Operator:
    """Create an operator (permission ``tenancy.operator.create``).

    Repeating it with the same id is harmless: it answers what is there. Raises ``SlugTaken``,
    ``DomainTaken``, ``Invalid`` (slug, currency, time zone, tax rate, ...).
    """
    raise AssertionError


@action
async def change_operator(call: Call, change: OperatorChange) -> Operator:
    """Change the rules of the call's own operator (permission ``tenancy.operator.change``, TEN-25).

    A change without a difference is harmless and tells nothing. Raises ``UnknownOperator``,
    ``Invalid``.
    """
    raise AssertionError
