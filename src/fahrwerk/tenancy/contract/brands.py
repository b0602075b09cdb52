"""How an operator looks, and the domains it is reached under (TEN-08, TEN-23, TEN-24)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

CHANGED = "tenancy.brand"
"""Signalled when a brand, its logo or what a domain shows has changed."""


class Brand(msgspec.Struct, frozen=True, kw_only=True):
    """A name, colours and a logo. Colours: ``#1a2b3c``."""

    id: UUID
    name: str
    primary_color: str
    secondary_color: str
    is_default: bool = False
    logo_hash: str | None = None
    """Changes with the logo, and is part of its address."""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain the operator says is its own. Not proven, it leads nowhere."""

    domain: str
    brand_id: UUID | None
    token: str
    """To stand in the TXT record of ``_fahrwerk.<domain>``."""
    cname: str | None
    """Or: where the domain's CNAME must point; None where the platform has no name itself."""
    is_proven: bool
    proven_by: str | None
    checked_at: datetime | None
    problem: str | None
    """What the last look at the DNS found missing."""


class UnknownBrand(NotFound):
    """No such brand of this operator."""

    code = "UNKNOWN_BRAND"
    message = "There is no such brand."


class UnknownDomain(NotFound):
    """Not a domain of this operator."""

    code = "UNKNOWN_DOMAIN"
    message = "This domain is not among yours."


class BrandInUse(Conflict):
    """The name is taken, or a domain shows it."""

    code = "BRAND_IN_USE"
    message = "Another brand has this name, or a domain shows it."


@query
async def brands(call: Call) -> list[Brand]:
    """The operator's brands, the default one first."""
    raise AssertionError


@query
async def brand_at(call: Call, host: str) -> Brand | None:
    """The brand to show under a host: that of the domain, else the default one."""
    raise AssertionError


@query
async def logo(call: Call, logo_hash: str) -> bytes | None:
    """The PNG with this hash; None when no brand of the operator has it."""
    raise AssertionError


@action
async def save_brand(call: Call, brand: Brand) -> Brand:
    """Make or change a brand (permission ``tenancy.brand.write``); its logo stays as it is."""
    raise AssertionError


@action
async def remove_brand(call: Call, brand_id: UUID) -> None:
    """Forget a brand. Raises ``BrandInUse`` while a domain shows it."""
    raise AssertionError


@action
async def set_logo(call: Call, brand_id: UUID, image: bytes) -> Brand:
    """Use a JPEG, PNG or WebP of at most 2 MB and 16 megapixels; it is decoded and made anew.

    At most 1024 pixels a side are kept. SVG is refused: it can carry programs. Raises ``Invalid``.
    """
    raise AssertionError


@query
async def domains(call: Call) -> list[Domain]:
    """The operator's domains, by name."""
    raise AssertionError


@action
async def claim_domain(call: Call, domain: str, brand_id: UUID | None) -> Domain:
    """Say that a domain is one's own (permission ``tenancy.domain.write``), or what it shows.

    It leads here once the DNS says so too: see :func:`prove_domain`. Raises ``Invalid`` (the
    platform's own hosts), ``DomainTaken`` (somebody has proven it).
    """
    raise AssertionError


@action
async def prove_domain(call: Call, domain: str) -> Domain:
    """Look at the DNS now: TXT of ``_fahrwerk.<domain>``, or CNAME. Raises ``DomainTaken``.

    A job looks again every day; a proof that was not found 14 days in a row lapses.
    """
    raise AssertionError


@action
async def drop_domain(call: Call, domain: str) -> None:
    """Give a domain up; it leads nowhere from now on. Harmless to repeat."""
    raise AssertionError
