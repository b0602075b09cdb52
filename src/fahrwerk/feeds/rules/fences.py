"""From an operator's zones to what GBFS says of them: where rides may start, end, pass, how fast.

In GBFS the first polygon that holds a place decides, and each rule says all of it. So what is about
parking stands first, by priority; then the operating areas; then the slow zones, which say of
parking only what holds everywhere: they decide nothing but the speed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from fahrwerk.feeds.rules import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fahrwerk.fleet.contract.zones import Hours, Zone, ZonesInForce

_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_PARKING = frozenset(("no_go", "no_parking", "parking", "preferred_parking"))


class Leave(msgspec.Struct, frozen=True):
    """What rides of some types of vehicle may do."""

    kinds: list[str]
    may_start: bool
    may_end: bool
    may_pass: bool
    speed_kmh: int | None = None


class Fence(msgspec.Struct, frozen=True):
    """A zone as the public may see it."""

    name: dict[str, str]
    start: datetime | None
    end: datetime | None
    rules: list[Leave]
    polygons: places.Polygons


def is_on(schedule: Sequence[Hours], minute: int) -> bool:
    """Whether a weekly schedule holds in this minute of the week; Monday 00:00 is 0."""
    for hours in schedule:
        (sh, sm), (eh, em) = (map(int, each.split(":")) for each in (hours.start, hours.end))
        start = sh * 60 + sm
        length = (eh * 60 + em - start - 1) % _DAY + 1
        if any((minute - (day - 1) * _DAY - start) % _WEEK < length for day in hours.days):
            return True
    return not schedule


def fences(
    found: ZonesInForce, kinds: Sequence[str], now: datetime, languages: Iterable[str]
) -> tuple[list[Fence], list[Leave]]:
    """The zones that hold now, first one first, and what holds everywhere else.

    ``kinds`` are the types of vehicle that the operator has.
    """
    local = now.astimezone(ZoneInfo(found.time_zone))
    minute = local.weekday() * _DAY + local.hour * 60 + local.minute
    zones = [z for z in found.zones if is_on(z.rules.schedule, minute) and _kinds(z, kinds)]
    areas = [z for z in zones if z.rules.kind == "operating_area"]
    parks = [z for z in zones if z.rules.kind == "parking"]
    first = [z for z in zones if z.rules.kind in _PARKING]
    slow = [z for z in zones if z.rules.kind == "slow"]
    everywhere = _together(
        [(kind, True, not _of(areas, kind) and not _of(parks, kind), True) for kind in kinds]
    )
    made = [
        _fence(z, _said(z, kinds, parks, everywhere), languages) for z in (*first, *areas, *slow)
    ]
    return made, everywhere


def _kinds(zone: Zone, kinds: Sequence[str]) -> list[str]:
    return [k for k in kinds if not zone.rules.vehicle_types or k in zone.rules.vehicle_types]


def _of(zones: Sequence[Zone], kind: str) -> list[Zone]:
    return [z for z in zones if not z.rules.vehicle_types or kind in z.rules.vehicle_types]


def _together(said: Sequence[tuple[str, bool, bool, bool]]) -> list[Leave]:
    """One rule for all types of which the same holds."""
    grouped: dict[tuple[bool, bool, bool], list[str]] = {}
    for kind, *may in said:
        grouped.setdefault((may[0], may[1], may[2]), []).append(kind)
    return [Leave(names, *may) for may, names in grouped.items()]


def _said(
    zone: Zone, kinds: Sequence[str], parks: Sequence[Zone], everywhere: Sequence[Leave]
) -> list[Leave]:
    concerned, kind = _kinds(zone, kinds), zone.rules.kind
    if kind == "no_go":
        return [Leave(concerned, False, False, False)]
    if kind == "no_parking":
        return [Leave(concerned, True, False, True)]
    if kind == "operating_area":
        # With parking zones in it, rides end in those only.
        area = places.area(zone.polygons)
        within = [z for z in parks if _holds(area, z)]
        return _together([(k, True, not _of(within, k), True) for k in concerned])
    if kind == "slow":
        speed = zone.rules.speed_limit_kmh
        return [
            Leave(names, each.may_start, each.may_end, each.may_pass, speed)
            for each in everywhere
            if (names := [k for k in each.kinds if k in concerned])
        ]
    return [Leave(concerned, True, True, True)]


def _holds(area: places.Area, zone: Zone) -> bool:
    longitude, latitude = zone.polygons[0][0][0]
    return places.within(area, latitude, longitude)


def _fence(zone: Zone, rules: list[Leave], languages: Iterable[str]) -> Fence:
    name = "".join(c for c in zone.rules.name if c not in "<>")
    return Fence(
        dict.fromkeys(languages, name), zone.rules.valid_from, zone.rules.valid_until, rules,
        zone.polygons,
    )  # fmt: skip


def operating_area(found: ZonesInForce) -> places.Polygons:
    """All operating areas together."""
    areas = (z.polygons for z in found.zones if z.rules.kind == "operating_area")
    return [polygon for each in areas for polygon in each]
