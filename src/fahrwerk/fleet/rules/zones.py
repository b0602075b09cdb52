"""What zones decide, from arguments alone: where one is, may park, and how fast one may go.

Nobody is refused, fined or slowed on a doubt. A position is in a zone, out of it, or may be in it;
where several may be, a refusal counts only if it holds in the best case for the rider, a permission
only in the worst. What is between the two is *unsure*, and allowed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract.zones import (
    Fix,
    Hours,
    ParkingDecision,
    Zone,
    ZoneCheck,
    ZoneHit,
    ZoneRules,
    ZonesInForce,
)
from fahrwerk.fleet.rules.zone_index import Shape, ZoneIndex
from fahrwerk.kernel import geo
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

USUAL_ACCURACY_M = 15.0
"""Of a position that does not say how good it is: a common receiver in a street."""
LEAST_ACCURACY_M = 3.0
"""No receiver of ours is better, whatever it says."""
NOWHERE_M = 1e9
"""The accuracy of a position that is not to be believed."""
MOST_ZONES, MOST_VERTICES_IN_ALL = 5_000, 500_000
MOST_KMH = 130
_TOP_SPEED_MS = {"scooter": 25.0, "ebike": 25.0, "car": 70.0, "van": 70.0}
"""Twice what the small ones can: who seems faster has not been where the receiver says."""
_GAP_S, _GAP_M, _BEND = 60.0, 500.0, 0.1
"""Between two positions further apart than these nobody knows the way; and of a shorter one it may
have bent aside by a tenth of it."""

_STRICT = (
    "no_go", "no_parking", "slow", "parking", "preferred_parking", "deployment", "operating_area",
)  # fmt: skip
_WEEK = 7 * 24 * 60

# --- what a zone may be


def check_rules(rules: ZoneRules, field: str = "properties") -> None:
    """Raise ``Invalid`` for the first flaw."""
    for name, issue in _flaws(rules):
        raise Invalid(field=f"{field}.{name}", issue=issue)


def _flaws(rules: ZoneRules) -> Iterator[tuple[str, str]]:
    if not 1 <= len(rules.name) <= 100 or rules.name != rules.name.strip():
        yield "name", "must have 1 to 100 characters, no space at its ends"
    elif not rules.name.isprintable():
        yield "name", "must not have control characters or unusual spaces"
    if unknown := set(rules.vehicle_types) - PREFIX.keys():
        yield "vehicle_types", f"there is no type {sorted(unknown)[0]!r}"[:100]
    if len(set(rules.vehicle_types)) != len(rules.vehicle_types):
        yield "vehicle_types", "must not name a type twice"
    if not -1000 <= rules.priority <= 1000:
        yield "priority", "must be -1000 to 1000"
    if (rules.speed_limit_kmh is None) == (rules.kind == "slow"):
        yield "speed_limit_kmh", "belongs to slow zones, and each of them must have one"
    elif rules.speed_limit_kmh is not None and not 1 <= rules.speed_limit_kmh <= MOST_KMH:
        yield "speed_limit_kmh", f"must be 1 to {MOST_KMH}"
    if rules.bonus_minor is not None:
        if rules.kind != "preferred_parking":
            yield "bonus_amount", "belongs to preferred parking"
        elif not 0 <= rules.bonus_minor <= 100_000:
            yield "bonus_amount", "must be 0 to 1000"
    if len(rules.schedule) > 50:
        yield "schedule", "must have at most 50 entries"
    for at in (rules.valid_from, rules.valid_until):
        if at is not None and (at.tzinfo is None or not 2000 <= at.year < 2200):
            yield "valid_from", "must be between the years 2000 and 2200, with an offset from UTC"
    if rules.valid_from and rules.valid_until and rules.valid_from >= rules.valid_until:
        yield "valid_until", "must be after valid_from"


# --- zones made ready


def _minutes(hours: Hours) -> Iterator[tuple[int, int]]:
    """Spans of the week, in minutes since Monday 00:00; what reaches beyond Sunday is in two."""
    (sh, sm), (eh, em) = (map(int, each.split(":")) for each in (hours.start, hours.end))
    length = (eh * 60 + em - sh * 60 - sm - 1) % (24 * 60) + 1
    for day in hours.days:
        start = (day - 1) * 24 * 60 + sh * 60 + sm
        yield start, min(start + length, _WEEK)
        if start + length > _WEEK:
            yield 0, start + length - _WEEK


class Ready:
    """One zone, ready to be asked whether it applies."""

    __slots__ = ("number", "rank", "shape", "spans", "types", "zone")

    def __init__(self, number: int, zone: Zone) -> None:
        rules = zone.rules
        self.number, self.zone = number, zone
        self.rank = (-rules.priority, _STRICT.index(rules.kind))
        self.shape = Shape(zone.polygons)
        self.types = frozenset(rules.vehicle_types)
        self.spans = [span for hours in rules.schedule for span in _minutes(hours)]

    def applies(self, vehicle_type: str, at: datetime, minute: int) -> bool:
        """Whether the zone holds for this type at this time."""
        if self.types and vehicle_type not in self.types:
            return False
        rules = self.zone.rules
        if rules.valid_from is not None and at < rules.valid_from:
            return False
        if rules.valid_until is not None and at >= rules.valid_until:
            return False
        return not self.spans or any(since <= minute < until for since, until in self.spans)

    def hit(self, is_sure: bool) -> ZoneHit:
        """As an answer."""
        zone, rules = self.zone, self.zone.rules
        decision: Literal["inside", "unsure"] = "inside" if is_sure else "unsure"
        return ZoneHit(
            zone.id, rules.name, rules.kind, decision, rules.speed_limit_kmh, rules.bonus_minor
        )


class Book:
    """All zones of an operator at one stamp, compiled; see ``zone_index``. Not to be changed."""

    def __init__(self, stamp: int, time_zone: str, zones: Sequence[Zone]) -> None:
        ordered = sorted(zones, key=lambda z: (-z.rules.priority, _STRICT.index(z.rules.kind),
                                               z.rules.name, z.id.int))  # fmt: skip
        self.in_force = ZonesInForce(stamp, time_zone, ordered)
        self.zones = [Ready(n, zone) for n, zone in enumerate(ordered)]
        self.index = ZoneIndex([each.shape for each in self.zones])
        self.kinds: dict[str, list[Ready]] = {kind: [] for kind in _STRICT}
        for each in self.zones:
            self.kinds[each.zone.rules.kind].append(each)
        self._clock = ZoneInfo(time_zone)
        self.parking_in = {area.number: self._parking_within(area)
                           for area in self.kinds["operating_area"]}  # fmt: skip

    def _parking_within(self, area: Ready) -> list[Ready]:
        return [
            each for each in self.kinds["parking"] if area.shape.holds(*each.zone.polygons[0][0][0])
        ]

    def minute(self, at: datetime) -> int:
        """Of the week, by the operator's clocks."""
        local = at.astimezone(self._clock)
        return local.weekday() * 24 * 60 + local.hour * 60 + local.minute

    def hits(
        self, vehicle_type: str, x: float, y: float, accuracy_m: float, at: datetime
    ) -> list[tuple[Ready, bool]]:
        """The zones that apply and hold the position for sure (True) or perhaps, first one first.

        This is the decision that has to be quick.
        """
        found = self.index.at(x, y, accuracy_m)
        if not found:
            return []
        minute = self.minute(at)
        zones = self.zones
        kept = [
            (zones[n], is_sure)
            for n, is_sure in found
            if zones[n].applies(vehicle_type, at, minute)
        ]
        if len(kept) > 1:
            kept.sort(key=lambda each: each[0].number)
        return kept


def believed(track: Sequence[Fix], vehicle_type: str) -> tuple[float, float, float]:
    """Where the last of these positions is: longitude, latitude, and the accuracy to reckon with.

    One that could not have been reached from the one before is a receiver's mistake: anywhere.
    """
    last = track[-1]
    accuracy_m = accuracy_of(last)
    for before in reversed(track[:-1]):
        if last.at is None or before.at is None:
            break
        seconds = (last.at - before.at).total_seconds()
        if not 0 <= seconds <= _GAP_S:
            break
        away_m = geo.distance_m(before.latitude, before.longitude, last.latitude, last.longitude)
        least_m = away_m - accuracy_m - accuracy_of(before)
        if least_m > _TOP_SPEED_MS.get(vehicle_type, 70.0) * max(1.0, seconds):
            accuracy_m = NOWHERE_M
        break
    return last.longitude, last.latitude, accuracy_m


def accuracy_of(fix: Fix) -> float:
    """What a position is to be trusted to, in metres."""
    given = fix.accuracy_m
    if given is None or not given >= 0:
        return USUAL_ACCURACY_M
    return max(LEAST_ACCURACY_M, given)


# --- the way, and the speed


def crossed(
    book: Book, vehicle_type: str, track: Sequence[Fix], at: datetime
) -> list[tuple[Ready, bool]]:
    """No-go zones that the way led through, for sure (True) or perhaps (FLT-29)."""
    minute = book.minute(at)
    found: dict[int, bool] = {}
    zones = [each for each in book.kinds["no_go"] if each.applies(vehicle_type, at, minute)]
    for before, after in pairwise(track) if zones else ():
        a, b = (before.longitude, before.latitude), (after.longitude, after.latitude)
        way_m = geo.distance_m(a[1], a[0], b[1], b[0])
        care_m = max(accuracy_of(before), accuracy_of(after)) + _BEND * way_m
        knows_way = way_m <= _GAP_M and (
            before.at is None
            or after.at is None
            or 0 <= (after.at - before.at).total_seconds() <= _GAP_S
        )
        for each in zones:
            answer = each.shape.along(a, b, care_m)
            if answer != "outside":
                is_sure = answer == "inside" and knows_way
                found[each.number] = found.get(each.number, False) or is_sure
    return [(book.zones[n], is_sure) for n, is_sure in sorted(found.items())]


def speed_limit(hits: Sequence[tuple[Ready, bool]]) -> tuple[Ready | None, bool]:
    """The slow zone that holds among these, and whether that is sure.

    Of equal priority the slower one holds. One that may hold, and would hold before the sure one,
    leaves it open.
    """
    slow = [(each, is_sure) for each, is_sure in hits if each.zone.rules.kind == "slow"]
    slow.sort(key=lambda e: (-e[0].zone.rules.priority, e[0].zone.rules.speed_limit_kmh or 0))
    if not slow:
        return None, True
    first, is_sure = slow[0]
    return (first, True) if is_sure else (None, False)


def check(
    book: Book, vehicle_type: str, track: Sequence[Fix], at: datetime, parking: ParkingDecision
) -> ZoneCheck:
    """All that zones say of the last of these positions."""
    x, y, accuracy_m = believed(track, vehicle_type)
    hits = book.hits(vehicle_type, x, y, accuracy_m, at)
    minute = book.minute(at)
    areas = [is_sure for each, is_sure in hits if each.zone.rules.kind == "operating_area"]
    has_areas = any(each.applies(vehicle_type, at, minute) for each in book.kinds["operating_area"])
    slow, _ = speed_limit(hits)
    return ZoneCheck(
        decision="inside" if any(areas) or not has_areas else "unsure" if areas else "outside",
        zones=[each.hit(is_sure) for each, is_sure in hits],
        crossed=[e.hit(is_sure) for e, is_sure in crossed(book, vehicle_type, track, at)],
        parking=parking,
        speed_limit_kmh=slow.zone.rules.speed_limit_kmh if slow else None,
    )


OWN_TOP_KMH = {"scooter": 20, "ebike": 25, "car": 130, "van": 130}
"""What a vehicle is told again after a slow zone; ``metadata.max_speed`` says it for one."""


def speed_to_tell(
    slow: Ready | None, vehicle_type: str, top_kmh: float | None, told_kmh: int | None
) -> int | None:
    """What a vehicle is to be told: the zone's limit, or its own top speed if it was slowed.

    None: nothing, it was never slowed. A limit above what it can do anyway changes nothing.
    """
    if slow is None and told_kmh is None:
        return None
    own = int(top_kmh) if top_kmh and 1 <= top_kmh <= MOST_KMH else OWN_TOP_KMH[vehicle_type]
    limit = slow.zone.rules.speed_limit_kmh if slow is not None else None
    return own if limit is None else min(own, limit)


# --- versions


def is_same(known: Zone, rules: ZoneRules, polygons: list[list[list[tuple[float, float]]]]) -> bool:
    """Whether writing this would change nothing."""
    return not known.is_deleted and known.rules == rules and known.polygons == polygons
