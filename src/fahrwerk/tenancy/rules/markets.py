"""Which market rules hold where and when, and whether a ride may begin. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy.contract.markets import MinimumAge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from fahrwerk.tenancy.contract.markets import Area, Market

_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}(?:-[A-Z]{2})?")
WIDEST_DEGREES = 10.0


def check_area(area: Area) -> None:
    """Raise ``Invalid`` for an area that is none."""
    if not 1 <= len(area.name.strip()) <= 100 or not area.name.isprintable():
        _refuse("name", "must have 1 to 100 printable characters")
    if not _COUNTRY.fullmatch(area.country):
        _refuse("country", "must be two capital letters (ISO 3166)")
    if not (-90 <= area.south < area.north <= 90):
        _refuse("south", "must be south of north")
    if not (-180 <= area.west < area.east <= 180):
        _refuse("west", "must be west of east")
    if area.north - area.south > WIDEST_DEGREES or area.east - area.west > WIDEST_DEGREES:
        _refuse("north", f"an area is at most {WIDEST_DEGREES:.0f} degrees wide")


def check_market(market: Market) -> None:
    """Raise ``Invalid`` for rules that contradict themselves."""
    if market.valid_from.tzinfo is None:
        _refuse("valid_from", "must name its offset from UTC")
    if market.valid_until is not None:
        if market.valid_until.tzinfo is None:
            _refuse("valid_until", "must name its offset from UTC")
        if market.valid_until <= market.valid_from:
            _refuse("valid_until", "must be after valid_from")
    if market.tax_rate_bp is not None and not 0 <= market.tax_rate_bp <= 5000:
        _refuse("tax_rate_pct", "must be 0 to 50")
    if market.tax_rate_bp is not None and market.area_id is not None:
        _refuse("tax_rate_pct", "is of the whole operator, not of an area")
    if market.minimum_age is not None and not 0 <= market.minimum_age <= 99:
        _refuse("minimum_age", "must be 0 to 99")
    if (market.quiet_from is None) != (market.quiet_until is None):
        _refuse("quiet_until", "goes with quiet_from")
    if market.quiet_from is not None and market.quiet_from == market.quiet_until:
        _refuse("quiet_until", "must differ from quiet_from")
    if not 1 <= len(market.languages) <= 10 or not all(
        _LANGUAGE.fullmatch(each) for each in market.languages
    ):
        _refuse("languages", "must be 1 to 10 of the kind de or de-AT")


def in_force(
    markets: Iterable[Market],
    areas: Iterable[Area],
    place: tuple[float, float] | None,
    at: datetime,
    here: frozenset[UUID] = frozenset(),
) -> Market | None:
    """The rules of the place's area, else of the whole operator; of several the latest begun.

    ``here``: areas that are meant anyway.
    """
    here |= {area.id for area in areas if place is not None and area.has(*place)}
    valid = [
        each
        for each in markets
        if each.valid_from <= at
        and (each.valid_until is None or at < each.valid_until)
        and (each.area_id is None or each.area_id in here)
    ]
    return max(
        valid, key=lambda each: (each.area_id is not None, each.valid_from, each.id), default=None
    )


def minimum_ages(
    markets: Iterable[Market], areas: Iterable[Area], at: datetime
) -> list[MinimumAge]:
    """What holds for the whole operator, and for the areas where something else does."""
    rules, names = list(markets), {area.id: area.name for area in areas}
    general = in_force(rules, (), None, at)
    years = general.minimum_age if general is not None else None
    found = [MinimumAge(None, years)] if years else []
    for area, name in names.items():
        theirs = [each for each in rules if each.area_id == area]
        own = in_force(theirs, (), None, at, frozenset({area}))
        if own is not None and own.minimum_age != years:
            found.append(MinimumAge(name, own.minimum_age))
    return found


def quiet_until(market: Market, at: datetime, time_zone: str) -> datetime | None:
    """When the quiet hours end within which ``at`` falls; None when a ride may begin."""
    if market.quiet_from is None or market.quiet_until is None:
        return None
    local = at.astimezone(ZoneInfo(time_zone))
    now, begins, ends = local.time().replace(tzinfo=None), market.quiet_from, market.quiet_until
    if begins < ends:
        is_quiet, day = begins <= now < ends, local.date()
    else:
        is_quiet = now >= begins or now < ends
        day = local.date() + timedelta(days=1 if now >= begins else 0)
    return datetime.combine(day, ends, local.tzinfo) if is_quiet else None


def _refuse(field: str, issue: str) -> None:
    raise Invalid(field=field, issue=issue)
