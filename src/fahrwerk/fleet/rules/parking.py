"""May a ride end here (RNT-47), why not, and where is the nearest place that it can?

Where several zones may hold, a refusal counts only if it holds in the best case for the rider, a
permission only in the worst. What is between the two is *unsure*, and allowed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fahrwerk.fleet.contract.zones import NearestPlace, ParkingDecision, ParkingReason
from fahrwerk.fleet.rules.zone_index import M_PER_DEGREE, Shape, nearest_on
from fahrwerk.fleet.rules.zones import Book, Ready, believed
from fahrwerk.kernel import geo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from fahrwerk.fleet.contract.zones import Fix

_FORBID: dict[str, ParkingReason] = {"no_go": "no_go", "no_parking": "no_parking"}
_PERMIT = frozenset(("parking", "preferred_parking"))
WORDS: dict[str, dict[ParkingReason, str]] = {
    "en": {
        "outside_operating_area": "Your ride cannot end here: this is outside the operating area.",
        "no_parking": "Your ride cannot end here: parking is not allowed in {zone}.",
        "no_go": "Your ride cannot end here: vehicles may not be in {zone}.",
        "parking_only": "Your ride cannot end here: please park in one of the parking zones.",
    },
    "de": {
        "outside_operating_area": "Die Fahrt kann hier nicht enden: Das ist außerhalb des "
        "Geschäftsgebiets.",
        "no_parking": "Die Fahrt kann hier nicht enden: Im Bereich „{zone}“ darf nicht "
        "geparkt werden.",
        "no_go": "Die Fahrt kann hier nicht enden: Im Bereich „{zone}“ sind "
        "Fahrzeuge nicht erlaubt.",
        "parking_only": "Die Fahrt kann hier nicht enden: Bitte auf einer Parkfläche abstellen.",
    },
}
_NEAREST_WORDS = {
    "en": " The nearest place where it can is {metres} m away.",
    "de": " Der nächste Ort, an dem das geht, ist {metres} m entfernt.",
}


Verdict = tuple[bool, ParkingReason | None, Ready | None]


def _verdict(
    book: Book, hits: Iterable[Ready], binding: list[Ready], has_areas: bool, must: list[Ready]
) -> Verdict:
    """Allowed or why not, for a set of zones that one is taken to be in.

    ``binding``: the operating areas whose parking zones bind; they ask more of a rider than the
    others, so the best case has fewer of them and the worst more. ``must``: parking zones that
    apply now.
    """
    if has_areas and not any(each.zone.rules.kind == "operating_area" for each in hits):
        return False, "outside_operating_area", None
    for each in sorted(hits, key=lambda r: r.rank):
        kind = each.zone.rules.kind
        if kind in _FORBID:
            return False, _FORBID[kind], each
        if kind in _PERMIT:
            return True, None, each
    wanted = {each.number for each in must}
    if has_areas:
        wanted &= {parking.number for area in binding for parking in book.parking_in[area.number]}
    return (False, "parking_only", None) if wanted else (True, None, None)


class Here:
    """All that parking at one time, with one type of vehicle, depends on."""

    def __init__(self, book: Book, vehicle_type: str, at: datetime) -> None:
        minute = book.minute(at)
        self.book, self.vehicle_type, self.at = book, vehicle_type, at
        self.applying = {
            kind: [each for each in zones if each.applies(vehicle_type, at, minute)]
            for kind, zones in book.kinds.items()
            if kind not in ("slow", "deployment")
        }
        self.is_free = not any(self.applying.values())

    def judged(self, x: float, y: float, accuracy_m: float) -> tuple[Verdict, bool]:
        """The verdict that is best for the rider, and whether the worst one is the same."""
        if self.is_free:
            return (True, None, None), True
        hits = self.book.hits(self.vehicle_type, x, y, accuracy_m, self.at)
        areas = [(e, s) for e, s in hits if e.zone.rules.kind == "operating_area"]
        has_areas, must = bool(self.applying["operating_area"]), self.applying["parking"]
        best = [each for each, s in hits if s or each.zone.rules.kind not in _FORBID]
        worst = [each for each, s in hits if s or each.zone.rules.kind in _FORBID]
        found = _verdict(self.book, best, [e for e, s in areas if s], has_areas, must)
        other = _verdict(self.book, worst, [e for e, _ in areas], has_areas, must)
        return found, found[0] == other[0]

    def allows(self, x: float, y: float) -> bool:
        """Whether one may park exactly there."""
        return self.judged(x, y, 0.0)[0][0]

    def surely_allows(self, x: float, y: float, accuracy_m: float) -> bool:
        """Whether one may park there wherever within the accuracy it really is."""
        (is_allowed, _, _), is_sure = self.judged(x, y, accuracy_m)
        return is_allowed and is_sure


def parking(
    book: Book, vehicle_type: str, track: Sequence[Fix], at: datetime, locale: str = "en"
) -> ParkingDecision:
    """May a ride end at the last of these positions (RNT-47)? No position: nobody can say."""
    here = Here(book, vehicle_type, at)
    if not track:
        return ParkingDecision(is_allowed=True, certainty="sure" if here.is_free else "unsure")
    x, y, accuracy_m = believed(track, vehicle_type)
    (is_allowed, reason, zone), is_sure = here.judged(x, y, accuracy_m)
    if is_allowed or reason is None:
        bonus = _bonus(book, vehicle_type, x, y, accuracy_m, at) if is_sure else None
        return ParkingDecision(
            is_allowed=True, certainty="sure" if is_sure else "unsure",
            bonus_minor=(bonus.zone.rules.bonus_minor or 0) if bonus else 0,
            bonus_zone_id=bonus.zone.id if bonus else None,
        )  # fmt: skip
    near = nearest(here, x, y)
    return ParkingDecision(
        is_allowed=False, certainty="sure", reason=reason,
        message=_words(reason, zone.zone.rules.name if zone else "", near, locale),
        zone_id=zone.zone.id if zone else None,
        zone_name=zone.zone.rules.name if zone else None, nearest=near,
    )  # fmt: skip


def _bonus(
    book: Book, vehicle_type: str, x: float, y: float, accuracy_m: float, at: datetime
) -> Ready | None:
    """The preferred parking with the highest bonus that one is surely in."""
    preferred = [
        each
        for each, is_sure in book.hits(vehicle_type, x, y, accuracy_m, at)
        if is_sure and each.zone.rules.kind == "preferred_parking" and each.zone.rules.bonus_minor
    ]
    return max(preferred, key=lambda r: r.zone.rules.bonus_minor or 0, default=None)


def _words(reason: ParkingReason, zone: str, near: NearestPlace | None, locale: str) -> str:
    language = "de" if locale.startswith("de") else "en"
    told = WORDS[language][reason].format(zone=zone)
    return told + (_NEAREST_WORDS[language].format(metres=near.distance_m) if near else "")


_PUSHES_M = (20.0, 10.0, 5.0, 2.0)
_EDGES_TRIED, _SHAPES_TRIED = 8, 200
_CLEAR_M = 3.0
"""As far from a border as a good receiver can tell."""
_FIRST_RING_M, _RING_FACTOR, _LAST_RING_M, _DIRECTIONS = 25.0, 1.35, 20_000.0, 16


def nearest(here: Here, x: float, y: float) -> NearestPlace | None:
    """A place near a refused one where a ride may end; None when there is none within 20 km.

    First just beyond the borders around, where the nearest such place must be; then in rings, for
    where borders overlap.
    """
    best: tuple[float, float, float] | None = None
    shapes = sorted(
        (_box_distance(each.shape, x, y), each.number, each)
        for zones in here.applying.values() for each in zones
    )[:_SHAPES_TRIED]  # fmt: skip
    for away_m, _, each in shapes:
        if best is not None and away_m > best[0]:
            break
        for metres, bx, by in sorted(nearest_on(each.shape.border, x, y))[:_EDGES_TRIED]:
            if best is not None and metres > best[0]:
                break
            for push_m in _PUSHES_M:
                px, py = _beyond(x, y, bx, by, metres, push_m)
                if here.allows(px, py):
                    if best is None or metres + push_m < best[0]:
                        best = (metres + push_m, px, py)
                    break
    ring_m = _FIRST_RING_M
    kx = M_PER_DEGREE * max(0.001, math.cos(math.radians(y)))
    while ring_m < (best[0] if best else _LAST_RING_M):
        for n in range(_DIRECTIONS):
            turn = 2 * math.pi * n / _DIRECTIONS
            px, py = x + ring_m * math.sin(turn) / kx, y + ring_m * math.cos(turn) / M_PER_DEGREE
            px, py = _shown(px, py)
            if geo.on_globe(py, px) and here.surely_allows(px, py, _CLEAR_M):
                return _place(here, x, y, px, py)
        ring_m *= _RING_FACTOR
    return _place(here, x, y, best[1], best[2]) if best else None


def _box_distance(shape: Shape, x: float, y: float) -> float:
    west, south, east, north = shape.box
    nx, ny = min(max(x, west), east), min(max(y, south), north)
    return geo.distance_m(y, x, ny, nx)


def _beyond(
    x: float, y: float, bx: float, by: float, metres: float, push_m: float
) -> tuple[float, float]:
    """The point so far beyond (bx, by), as seen from (x, y)."""
    further = (metres + push_m) / max(metres, 0.01)
    px, py = x + (bx - x) * further, y + (by - y) * further
    return _shown(min(180.0, max(-180.0, px)), min(90.0, max(-90.0, py)))


def _shown(x: float, y: float) -> tuple[float, float]:
    """As it is told to the rider: what holds there must hold for the rounded place."""
    return round(x, 6), round(y, 6)


def _place(here: Here, x: float, y: float, px: float, py: float) -> NearestPlace:
    _, _, zone = here.judged(px, py, 0.0)[0]
    return NearestPlace(
        py, px, round(geo.distance_m(y, x, py, px)),
        zone.zone.id if zone else None, zone.zone.rules.name if zone else None,
    )  # fmt: skip
