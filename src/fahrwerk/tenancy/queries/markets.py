"""Areas and market rules. Every booking asks, so an operator's are remembered for a few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy.contract.markets import Area, Market, MinimumAge, Places, QuietHours
from fahrwerk.tenancy.rules import markets as rules

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

KEEP_S = 3.0
MOST_KEPT = 20_000


class Kept(msgspec.Struct, frozen=True):
    """What is remembered of an operator."""

    until: float
    areas: list[Area]
    markets: list[Market]


_kept: dict[UUID | None, Kept] = {}
_changes = 0


def changed(tenant: UUID | None) -> str:
    """The signal that areas or rules of this operator have changed."""
    return f"tenancy.market:{tenant}"


def _forget(signal: str) -> None:
    global _changes
    _changes += 1
    for tenant in [t for t in _kept if changed(t) == signal]:
        del _kept[tenant]


hub.hear("tenancy.market", _forget)

AREA_COLUMNS = "id, name, country, south, west, north, east"
MARKET_COLUMNS = """id, area_id, valid_from, valid_until, tax_rate_bp, minimum_age, helmet,
quiet_from, quiet_until, languages"""
_AREAS = f"SELECT {AREA_COLUMNS} FROM tenancy.area WHERE tenant_id = kernel.tenant() ORDER BY name"
_MARKETS = f"""
SELECT {MARKET_COLUMNS} FROM tenancy.market WHERE tenant_id = kernel.tenant()
ORDER BY valid_from DESC, id DESC
"""


async def _known(call: Call) -> Kept:
    kept = _kept.get(call.tenant)
    if kept is not None and time.monotonic() < kept.until:
        return kept
    before = _changes
    there = [Area(**row) for row in await db.run("tenancy", call, _AREAS)]
    rows = await db.run("tenancy", call, _MARKETS)
    found = Kept(time.monotonic() + KEEP_S, there, [Market(**row) for row in rows])
    if before == _changes:  # else it may have been read before the change
        if len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[call.tenant] = found
    return found


async def areas(call: Call) -> list[Area]:
    return (await _known(call)).areas


async def places_of(call: Call, area_ids: list[UUID]) -> Places:
    wanted = set(area_ids)
    found = [area for area in (await _known(call)).areas if area.id in wanted]
    return Places(
        [area.south for area in found], [area.west for area in found],
        [area.north for area in found], [area.east for area in found],
    )  # fmt: skip


async def markets(call: Call) -> list[Market]:
    call.require("tenancy.operator.change")
    return [Market(**row) for row in await db.run("tenancy", call, _MARKETS)]


async def market_at(call: Call, latitude: float | None, longitude: float | None) -> Market | None:
    known = await _known(call)
    if not known.markets:
        return None
    place = (latitude, longitude) if latitude is not None and longitude is not None else None
    return rules.in_force(known.markets, known.areas, place, clock.now())


async def minimum_ages(call: Call) -> list[MinimumAge]:
    known = await _known(call)
    return rules.minimum_ages(known.markets, known.areas, clock.now())


async def check_quiet(call: Call, market: Market, starts_at: datetime) -> None:
    from fahrwerk.tenancy.queries import operator

    zone = (await operator(call)).time_zone
    until = rules.quiet_until(market, starts_at, zone)
    if until is not None:
        raise QuietHours(until=clock.stamp(until), time_zone=zone)
