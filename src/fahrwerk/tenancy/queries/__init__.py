"""Looking operators up. Every request asks, so answers are remembered for a few seconds."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fahrwerk.kernel import db, settings
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import rules
from fahrwerk.tenancy.contract import Operator, UnknownOperator
from fahrwerk.tenancy.queries.brands import brand_at as brand_at
from fahrwerk.tenancy.queries.brands import brands as brands
from fahrwerk.tenancy.queries.brands import domains as domains
from fahrwerk.tenancy.queries.brands import logo as logo
from fahrwerk.tenancy.queries.markets import areas as areas
from fahrwerk.tenancy.queries.markets import check_quiet as check_quiet
from fahrwerk.tenancy.queries.markets import market_at as market_at
from fahrwerk.tenancy.queries.markets import markets as markets
from fahrwerk.tenancy.queries.markets import minimum_ages as minimum_ages
from fahrwerk.tenancy.queries.markets import places_of as places_of
from fahrwerk.tenancy.queries.setup import life as life
from fahrwerk.tenancy.queries.setup import setup as setup

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

CHANGED = "tenancy.operator"
"""Signalled after every change, so that no process answers with what was."""
KEEP_S = 3.0
MOST_KEPT = 4096

_kept: dict[tuple[str, object], tuple[float, Operator | None]] = {}
_changes = 0


def forget(_: str = CHANGED) -> None:
    """Drop everything remembered in this process."""
    global _changes
    _changes += 1
    _kept.clear()


hub.hear(CHANGED, forget)


def operator_in(row: db.Row) -> Operator:
    """The operator in a row of ``COLUMNS``."""
    return Operator(**{**row, "web_origins": tuple(row["web_origins"])})


async def _known(call: Call, sql: str, value: object) -> Operator | None:
    """The operator a statement finds for ``value``, remembered for ``KEEP_S``; absence too."""
    kept = _kept.get((sql, value))
    if kept is not None and kept[0] > time.monotonic():
        return kept[1]
    before = _changes
    row = await db.one("tenancy", call, sql, value)
    found = operator_in(row) if row else None
    if before == _changes:  # else the row may have been read before the change
        while len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[sql, value] = (time.monotonic() + KEEP_S, found)
    return found


COLUMNS = """id, slug, name, plan, currency, time_zone, locale, tax_rate_bp, tax_included, domain,
payment_hold_s, unlock_window_s, max_active_rentals, max_ride_h, max_ride_km, max_vehicles,
max_users, max_requests_per_minute, refund_limit_minor, status, web_origins"""
# The rate of the day: a market rule's while one holds for the whole operator, else its own.
TODAY = COLUMNS.replace(
    " tax_rate_bp,",
    """ coalesce((SELECT m.tax_rate_bp FROM tenancy.market m
    WHERE m.tenant_id = o.id AND m.area_id IS NULL AND m.tax_rate_bp IS NOT NULL
      AND m.valid_from <= kernel.now() AND (m.valid_until IS NULL OR m.valid_until > kernel.now())
    ORDER BY m.valid_from DESC, m.id DESC LIMIT 1), o.tax_rate_bp) AS tax_rate_bp,""",
)

_BY_ID = f"SELECT {TODAY} FROM tenancy.operator o WHERE id = $1"


async def operator(call: Call) -> Operator:
    if call.tenant is None:
        raise UnknownOperator
    found = await _known(call, _BY_ID, call.tenant)
    if found is None:
        raise UnknownOperator
    return found


async def operator_by_id(call: Call, tenant: UUID) -> Operator | None:
    return await _known(call, _BY_ID, tenant)


_BY_SLUG = f"SELECT {TODAY} FROM tenancy.operator o WHERE slug = $1"


async def operator_by_slug(call: Call, slug: str) -> Operator | None:
    slug = slug.strip().lower()
    # What cannot be a name is not asked for: headers are written by strangers.
    return await _known(call, _BY_SLUG, slug) if rules.is_slug(slug) else None


# Given by the platform itself, or claimed by an operator and proven by the DNS.
_BY_DOMAIN = f"""
SELECT {TODAY} FROM tenancy.operator o WHERE domain = $1
UNION ALL
SELECT {TODAY} FROM tenancy.operator o
WHERE id = (SELECT tenant_id FROM tenancy.domain WHERE domain = $1 AND proven_at IS NOT NULL)
LIMIT 1
"""


async def operator_by_host(call: Call, host: str) -> Operator | None:
    host = host.rstrip(".").lower()
    # Sub-domains first: nobody can take another's by entering it as an own domain.
    if slug := rules.slug_of_host(host, platform_hosts()):
        return await operator_by_slug(call, slug)
    return await _known(call, _BY_DOMAIN, host) if rules.is_host(host) else None


@lru_cache(maxsize=1)
def platform_hosts() -> frozenset[str]:
    """Hosts whose sub-domains are operators: ours, and ``localhost`` on a laptop (TEN-06)."""
    own = urlsplit(settings.load().address).hostname
    return frozenset(filter(None, (own, "localhost")))


def platform_host() -> str:
    """The platform's own host: operators are sub-domains of it."""
    return urlsplit(settings.load().address).hostname or "localhost"


_BY_ORIGIN = f"""
SELECT {TODAY} FROM tenancy.operator o WHERE web_origins @> ARRAY[$1::text] AND status <> 'closed'
LIMIT 1
"""


async def is_web_origin(call: Call, origin: str) -> bool:
    if not rules.is_web_origin(origin):
        return False
    return await _known(call, _BY_ORIGIN, origin) is not None


_ALL = f"SELECT {TODAY} FROM tenancy.operator o ORDER BY slug LIMIT $1"


async def operators(call: Call, at_most: int | None = None) -> list[Operator]:
    return [operator_in(row) for row in await db.run("tenancy", call, _ALL, at_most)]
