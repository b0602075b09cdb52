"""Range, thresholds and tours, decided from arguments alone (FLT-31, FLT-32)."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fahrwerk.fleet.contract.battery import BatteryThreshold
from fahrwerk.fleet.rules import battery
from fahrwerk.fleet.rules.battery import Candidate, Leg
from fahrwerk.kernel import geo, ids
from fahrwerk.kernel.errors import Invalid

levels = st.integers(0, 100)
temperatures = st.none() | st.floats(-40, 80)
metres = st.floats(0, 1e7)
points = st.floats(0, 2e4)
full = st.floats(5_000, 500_000)


@given(history_m=metres, history_pct=points, full_m=full, temperature=temperatures)
def test_range_is_bounded_and_grows_with_the_level(
    history_m: float, history_pct: float, full_m: float, temperature: float | None
) -> None:
    """FLT-32: whatever a vehicle's history says; an empty battery goes nowhere."""
    reach = battery.learned(history_m, history_pct, full_m, 1.0, battery.PRIOR_PCT)
    assert battery.LEAST_REACH <= reach <= battery.MOST_REACH
    reach *= battery.warmth(temperature)
    ranges = [battery.range_km(level, full_m / 1_000, reach) for level in range(101)]
    assert ranges == sorted(ranges)
    assert ranges[0] == 0
    assert ranges[100] <= full_m / 1_000 * battery.MOST_REACH


@given(one=st.floats(-40, 80), other=st.floats(-40, 80))
def test_cold_never_makes_a_battery_better(one: float, other: float) -> None:
    """FLT-31"""
    cold, warm = sorted((one, other))
    assert battery.COLDEST_FACTOR <= battery.warmth(cold) <= battery.warmth(warm) <= 1


@given(
    history_m=metres, pct=points, more=st.floats(0, 1_000), full_m=full, known=st.floats(0.3, 1.5)
)
def test_who_needs_more_goes_less_far(
    history_m: float, pct: float, more: float, full_m: float, known: float
) -> None:
    """FLT-31: history moves the figure in the right direction, and leans on what was known."""
    thrifty = battery.learned(history_m, pct, full_m, known, battery.PRIOR_PCT)
    thirsty = battery.learned(history_m, pct + more, full_m, known, battery.PRIOR_PCT)
    assert thirsty <= thrifty
    assert battery.learned(0, 0, full_m, known, battery.PRIOR_PCT) == pytest.approx(known)


def test_a_long_history_outweighs_the_makers_figure() -> None:
    """FLT-31: 20 km took the whole battery, twenty times; the maker says 40."""
    assert battery.learned(400_000, 2_000, 40_000, 1.0, battery.PRIOR_PCT) == pytest.approx(
        0.5, abs=0.02
    )


@given(level=levels, critical=levels, lowest=levels, back=levels)
def test_hysteresis_has_no_flutter(level: int, critical: int, lowest: int, back: int) -> None:
    """FLT-31: one more look at the same level never changes the answer."""
    limits = BatteryThreshold(
        vehicle_type="scooter", lowest_level=lowest, back_level=back, critical_level=critical
    )
    if not critical <= lowest <= back:
        with pytest.raises(Invalid):
            battery.check_threshold(limits)
        return
    battery.check_threshold(limits)
    out = battery.is_too_low(level, False, limits)
    assert battery.is_too_low(level, out, limits) == out
    if level >= back:
        assert not battery.is_too_low(level, True, limits)
    if level < lowest:
        assert battery.is_too_low(level, False, limits)
    assert battery.is_too_low(None, out, limits) == out


def _candidate(
    level: int = 20, demand: int = 0, away_m: float = 0, critical: bool = False
) -> Candidate:
    return Candidate(ids.new(), 52.5, 13.4, level, demand, away_m, critical)


@given(level=st.integers(0, 99), demand=st.integers(0, 500), away_m=st.floats(0, 50_000))
def test_priority_follows_need_demand_and_distance(level: int, demand: int, away_m: float) -> None:
    """FLT-31"""
    here = battery.priority(_candidate(level, demand, away_m))
    assert 0 <= here <= 100
    assert battery.priority(_candidate(level + 1, demand, away_m)) <= here
    assert battery.priority(_candidate(level, demand + 1, away_m)) >= here
    assert battery.priority(_candidate(level, demand, away_m + 100)) <= here


def test_critical_ones_come_first_and_capacity_holds() -> None:
    """FLT-31"""
    calm = [_candidate(level, demand=200) for level in range(6, 16)]
    urgent = _candidate(5, away_m=4_900, critical=True)
    picked = battery.chosen([*calm, urgent], 4)
    assert picked[0] == urgent
    assert [c.level for c in picked[1:]] == [6, 7, 8]
    assert len(battery.chosen([_candidate() for _ in range(300)], 300)) == battery.MOST_STOPS


places = st.lists(st.tuples(st.floats(52.4, 52.6), st.floats(13.2, 13.6)), max_size=12)


def _length(legs: list[Leg]) -> int:
    return sum(leg.distance_m for leg in legs)


@settings(deadline=None)
@given(stops=places, is_round_trip=st.booleans())
def test_a_tour_visits_each_stop_once(
    stops: list[tuple[float, float]], is_round_trip: bool
) -> None:
    """FLT-31: and is never longer than going always to the nearest."""
    start = (52.5, 13.4)
    order = battery.tour(start, stops, is_round_trip)
    assert sorted(order) == list(range(len(stops)))
    legs = battery.legs(start, [stops[at] for at in order], "swap", is_round_trip)
    assert len(legs) == len(stops) + (is_round_trip and bool(stops))
    left, here, greedy = list(stops), start, []
    while left:
        here = min(left, key=lambda at: geo.distance_m(*here, *at))
        left.remove(here)
        greedy.append(here)
    naive = battery.legs(start, greedy, "swap", is_round_trip)
    assert _length(legs) <= _length(naive) + len(stops) + 1  # each leg is rounded


def test_a_tour_of_a_ring_goes_round_it() -> None:
    """FLT-31: crossings are undone; the shortest way round a ring is known."""
    ring = [
        (52.5 + 0.02 * math.sin(n * math.tau / 24), 13.4 + 0.03 * math.cos(n * math.tau / 24))
        for n in range(24)
    ]
    shuffled = [ring[n * 7 % 24] for n in range(24)]
    order = battery.tour(ring[0], shuffled, True)
    legs = battery.legs(ring[0], [shuffled[at] for at in order], "swap", True)
    best = battery.legs(ring[0], ring[1:], "swap", True)
    assert _length(legs) == pytest.approx(_length(best), rel=0.01)


def test_two_hundred_stops_are_a_matter_of_milliseconds() -> None:
    """FLT-31: bounded work; generous, because tests share their machine."""
    stops = [(52.4 + n * 7 % 200 / 1_000, 13.2 + n * 13 % 199 / 500) for n in range(200)]
    began = time.process_time()
    battery.tour((52.5, 13.4), stops, True)
    assert time.process_time() - began < 0.5


def test_legs_tell_way_and_work() -> None:
    """FLT-31: a kilometre as the crow flies, along streets at 18 km/h, and three minutes."""
    [there, back] = battery.legs((0, 0), [(0, 1_000 / 111_195)], "swap", True)
    assert there == Leg(1_300, 260 + 180)
    assert back == Leg(1_300, 260)


@pytest.mark.parametrize("shift", [0.0, 166.6, -193.4])
def test_an_area_may_lie_across_the_antimeridian(shift: float) -> None:
    """FLT-31"""

    def at(latitude: float, longitude: float) -> tuple[float, float]:
        return latitude, (longitude + shift + 180) % 360 - 180

    area = [at(52.0, 13.0), at(53.0, 13.0), at(53.0, 14.0), at(52.0, 14.0)]
    assert battery.is_within(at(52.5, 13.5), area)
    assert battery.is_within(at(52.5, 13.01), [*area, area[0]])
    assert not battery.is_within(at(52.5, 14.01), area)
    assert not battery.is_within(at(51.9, 13.5), area)
