"""Brands and domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.tenancy.contract.brands import Brand, Domain
from fahrwerk.tenancy.rules import is_host

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

BRAND_COLUMNS = "id, name, primary_color, secondary_color, is_default, logo_hash"
_BRANDS = f"SELECT {BRAND_COLUMNS} FROM tenancy.brand ORDER BY is_default DESC, lower(name)"


async def brands(call: Call) -> list[Brand]:
    return [Brand(**row) for row in await db.run("tenancy", call, _BRANDS)]


_AT = f"""
SELECT {BRAND_COLUMNS} FROM tenancy.brand b
WHERE b.tenant_id = kernel.tenant() AND (b.is_default OR b.id = (
    SELECT d.brand_id FROM tenancy.domain d
    WHERE d.tenant_id = kernel.tenant() AND d.domain = $1 AND d.proven_at IS NOT NULL))
ORDER BY b.is_default LIMIT 1
"""


async def brand_at(call: Call, host: str) -> Brand | None:
    row = await db.one("tenancy", call, _AT, host.rstrip(".").lower())
    return Brand(**row) if row else None


_LOGO = "SELECT logo FROM tenancy.brand WHERE logo_hash = $1 LIMIT 1"


async def logo(call: Call, logo_hash: str) -> bytes | None:
    row = await db.one("tenancy", call, _LOGO, logo_hash)
    return bytes(row["logo"]) if row else None


DOMAIN_COLUMNS = "domain, brand_id, token, proven_by, proven_at, checked_at, problem"
_DOMAINS = f"SELECT {DOMAIN_COLUMNS} FROM tenancy.domain ORDER BY domain"


async def domains(call: Call) -> list[Domain]:
    return [domain_of(call, row) for row in await db.run("tenancy", call, _DOMAINS)]


def domain_of(call: Call, row: db.Row) -> Domain:
    """A row of ``DOMAIN_COLUMNS`` as the contract shows it."""
    return Domain(
        domain=row["domain"], brand_id=row["brand_id"], token=row["token"],
        cname=target_of(call.tenant_slug), is_proven=row["proven_at"] is not None,
        proven_by=row["proven_by"], checked_at=row["checked_at"], problem=row["problem"],
    )  # fmt: skip


def target_of(slug: str) -> str | None:
    """Where an operator's CNAMEs must point: its sub-domain of the platform, if that has a name."""
    from fahrwerk.tenancy.queries import platform_host

    target = f"{slug}.{platform_host()}"
    return target if is_host(target) else None
