"""How far a battery goes, when it is too low, and in which order a crew visits the empty ones."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract.battery import BatteryThreshold
from fahrwerk.kernel import geo
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

# --- range

FULL_POWER_C, LOSS_PER_C, COLDEST_FACTOR = 20.0, 0.01, 0.6
"""At 20 degrees a battery gives all it has; each degree less costs 1 %, down to 60 %."""
LEAST_REACH, MOST_REACH = 0.3, 1.5
"""What is learned stays within these parts of the maker's figure: a gauge may be broken."""
PRIOR_PCT, MODEL_PRIOR_PCT = 50.0, 100.0
"""So many battery points of its own history count as much as what is known of its model; and so
many of the model's as the maker's figure."""
FADE = 0.95
"""What each new ride leaves of a vehicle's history: after 45 rides, a tenth."""
SHORTEST_RIDE_M = 300
"""Of shorter rides the gauge says nothing."""


def warmth(temperature: float | None) -> float:
    """The part of its full range that a battery of this temperature (C) gives; 1 if unknown."""
    if temperature is None:
        return 1.0
    return min(1.0, max(COLDEST_FACTOR, 1.0 - LOSS_PER_C * (FULL_POWER_C - temperature)))


def learned(
    history_m: float, history_pct: float, full_m: float, known: float, weight: float
) -> float:
    """Parts of its maker's range that rides show, leaning on what was ``known`` before.

    ``history_m`` metres took ``history_pct`` battery points; ``known`` counts for ``weight``
    points. Never outside ``LEAST_REACH`` to ``MOST_REACH``.
    """
    ridden_pct = 100.0 * history_m / full_m
    return min(
        MOST_REACH,
        max(LEAST_REACH, (ridden_pct + weight * known) / (history_pct + weight)),
    )


def range_km(level: int, full_range_km: float, reach: float) -> int:
    """Whole kilometres still to go; ``reach`` is what was learned, times ``warmth``."""
    return int(full_range_km * reach * level / 100)


# --- thresholds

LOWEST, BACK, CRITICAL = 10, 20, 5
"""Where an operator has set nothing: percent."""


def check_threshold(wanted: BatteryThreshold) -> None:
    """Raise ``Invalid`` unless 0 <= critical <= lowest <= back <= 100."""
    named = (
        ("critical_level", 0, wanted.critical_level),
        ("lowest_level", wanted.critical_level, wanted.lowest_level),
        ("back_level", wanted.lowest_level, wanted.back_level),
    )
    for field, least, value in named:
        if not least <= value <= 100:
            raise Invalid(field=field, issue=f"must be {least} to 100")


def is_too_low(level: int | None, is_out: bool, threshold: BatteryThreshold) -> bool:
    """Not to be rented: with hysteresis, as one that is out needs more to come back."""
    if level is None:
        return is_out
    return level < (threshold.back_level if is_out else threshold.lowest_level)


# --- plans

MOST_STOPS = 200
MOST_PASSES = 12
"""Of 2-opt: later ones find next to nothing."""
DETOUR, SPEED_MS = 1.3, 5.0
"""Streets against the crow's way; 18 km/h through a city, parking included."""
AT_STOP_S = {"swap": 180, "charge": 240}
NEAR_M = 5_000
"""Distance counts up to here."""
BUSY_RIDES = 10
"""So many rides from around make half of the demand's weight."""
_NEED, _DEMAND, _DISTANCE = 60.0, 30.0, 10.0


class Candidate(msgspec.Struct, frozen=True):
    """A vehicle that could be visited."""

    vehicle_id: UUID
    latitude: float
    longitude: float
    level: int
    demand: int
    """Rides that began around it within the last days."""
    distance_m: float
    """From the start."""
    is_critical: bool


class Leg(msgspec.Struct, frozen=True):
    """The way to one stop (or back), as a crew drives it, and the work there."""

    distance_m: int
    seconds: int


def priority(candidate: Candidate) -> float:
    """0 to 100: how much it needs power, how much it is missed, how near it is."""
    need = 1 - candidate.level / 100
    demand = candidate.demand / (candidate.demand + BUSY_RIDES)
    near = 1 - min(candidate.distance_m, NEAR_M) / NEAR_M
    return round(_NEED * need + _DEMAND * demand + _DISTANCE * near, 2)


def chosen(candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """Those to visit, most urgent first: critical ones before all others."""
    ranked = sorted(candidates, key=lambda c: (not c.is_critical, -priority(c), c.vehicle_id))
    return ranked[: max(0, min(most, MOST_STOPS))]


def tour(
    start: tuple[float, float], stops: Sequence[tuple[float, float]], is_round_trip: bool
) -> list[int]:
    """An order of visiting the stops (their indexes): nearest neighbour, then 2-opt.

    Distances are great circles. 200 stops take about 50 ms.
    """
    places = [start, *stops]
    apart = [[0.0] * len(places) for _ in places]
    for a, one in enumerate(places):
        for b in range(a):
            apart[a][b] = apart[b][a] = geo.distance_m(*one, *places[b])
    path = _nearest_first(apart)
    if is_round_trip:
        path.append(0)
    for _ in range(MOST_PASSES):
        if not _uncross(path, apart, is_round_trip):
            break
    return [at - 1 for at in path if at]


def _nearest_first(apart: list[list[float]]) -> list[int]:
    path, left = [0], set(range(1, len(apart)))
    while left:
        here = apart[path[-1]]
        nearest = min(left, key=lambda at: (here[at], at))
        left.remove(nearest)
        path.append(nearest)
    return path


def _uncross(path: list[int], apart: list[list[float]], is_round_trip: bool) -> bool:
    """One pass of 2-opt: turn round each stretch that is shorter so; True = some were."""
    last = len(path) - 1
    is_better = False
    for i in range(1, last):
        before = apart[path[i - 1]]
        for j in range(i + 1, last if is_round_trip else last + 1):
            begin, end = path[i], path[j]
            saved = before[begin] - before[end]
            if j < last:
                after = apart[path[j + 1]]
                saved += after[end] - after[begin]
            if saved > 0.01:
                path[i : j + 1] = path[i : j + 1][::-1]
                is_better = True
    return is_better


def legs(
    start: tuple[float, float],
    stops: Sequence[tuple[float, float]],
    kind: str,
    is_round_trip: bool,
) -> list[Leg]:
    """The ways between stops in their order; a round trip has one leg more than stops."""
    places = [start, *stops, *([start] if is_round_trip and stops else [])]
    found = []
    for n, (a, b) in enumerate(pairwise(places)):
        metres = geo.distance_m(*a, *b) * DETOUR
        work_s = AT_STOP_S[kind] if n < len(stops) else 0
        found.append(Leg(round(metres), round(metres / SPEED_MS) + work_s))
    return found


MOST_CORNERS = 200


def check_area(area: Sequence[tuple[float, float]]) -> None:
    """Raise ``Invalid`` unless these (latitude, longitude) can be the corners of an area."""
    if not 3 <= len(area) <= MOST_CORNERS:
        raise Invalid(field="area", issue=f"must have 3 to {MOST_CORNERS} corners")
    if not all(geo.on_globe(*corner) for corner in area):
        raise Invalid(field="area", issue="a corner is not on the globe")


def is_within(place: tuple[float, float], area: Sequence[tuple[float, float]]) -> bool:
    """Whether a place is inside a polygon (corners in order, closed or not).

    Longitudes are taken relative to the place, so an area may lie across the antimeridian.
    """
    latitude, longitude = place
    around = [(lat, (lon - longitude + 180) % 360 - 180) for lat, lon in area]
    is_inside = False
    for (lat_a, lon_a), (lat_b, lon_b) in pairwise([*around, around[0]]):
        if (lat_a > latitude) != (lat_b > latitude):
            crossing = lon_a + (latitude - lat_a) / (lat_b - lat_a) * (lon_b - lon_a)
            is_inside ^= crossing > 0
    return is_inside
