"""The rhythm of the simulated city: commuters, weekends, nights, rain and the length of rides."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from fahrwerk.sim.demand import (
    BERLIN,
    CONDITIONS,
    Condition,
    Weather,
    demand_factor,
    is_working_day,
    ride_length_m,
    riders_wanted,
    weather_at,
)

FAIR = Weather(condition="clear", temp_c=20, humidity_pct=50, wind_kmh=10)
TUESDAY = datetime(2026, 6, 9, tzinfo=BERLIN)
SUNDAY = datetime(2026, 6, 14, tzinfo=BERLIN)


def hours_of_year(year: int) -> list[datetime]:
    first = datetime(year, 1, 1)  # noqa: DTZ001 - the wall clock, which has no gap in March
    return [first + timedelta(hours=hour) for hour in range(365 * 24)]


def day_curve(day: datetime, weather: Weather = FAIR) -> list[float]:
    return [demand_factor(day.replace(hour=hour, minute=30), weather) for hour in range(24)]


def sky(condition: Condition, temp_c: int = 20) -> Weather:
    return Weather(condition=condition, temp_c=temp_c, humidity_pct=60, wind_kmh=10)


def test_working_days_have_two_peaks() -> None:
    curve = day_curve(TUESDAY)
    assert max(range(13), key=curve.__getitem__) == 8
    assert max(range(24), key=curve.__getitem__) in (17, 18)
    assert min(curve[8], curve[17]) > 1.8 * max(curve[10:15])


def test_days_off_have_one_long_afternoon() -> None:
    curve = day_curve(SUNDAY)
    assert max(range(24), key=curve.__getitem__) in range(11, 18)
    assert curve[8] < 0.5 * day_curve(TUESDAY)[8]
    assert curve[13] > day_curve(TUESDAY)[13]


def test_a_public_holiday_is_a_day_off() -> None:
    unity_day = datetime(2025, 10, 3, tzinfo=BERLIN)  # a Friday
    assert day_curve(unity_day) == day_curve(unity_day + timedelta(days=1))
    assert day_curve(unity_day)[8] < 0.5 * day_curve(unity_day + timedelta(days=4))[8]


@pytest.mark.parametrize(
    "holiday",
    # Good Friday, Easter Monday, Ascension and Whit Monday of several years, and fixed ones
    [(2024, 3, 29), (2025, 4, 21), (2026, 5, 14), (2026, 5, 25), (2026, 12, 25), (2027, 3, 8)],
)
def test_holidays_of_berlin(holiday: tuple[int, int, int]) -> None:
    day = date(*holiday)
    assert day.weekday() < 5
    assert not is_working_day(day)
    assert is_working_day(date(2026, 6, 9))
    assert not is_working_day(date(2026, 6, 13))


def test_nights_are_quiet_and_summer_is_busier_than_winter() -> None:
    assert day_curve(TUESDAY)[3] < 0.1 * day_curve(TUESDAY)[17]
    winter = datetime(2026, 1, 13, tzinfo=BERLIN)
    assert sum(day_curve(TUESDAY)) > 1.3 * sum(day_curve(winter))


def test_worse_weather_means_fewer_rides() -> None:
    noon = TUESDAY.replace(hour=12)
    factors = [demand_factor(noon, sky(condition)) for condition in CONDITIONS]
    assert factors == sorted(factors, reverse=True)
    assert 0.4 < factors[2] / factors[0] < 0.75  # rain
    assert factors[3] > 0


def test_frost_and_heat_mean_fewer_rides() -> None:
    noon = TUESDAY.replace(hour=12)
    by_temp = {temp: demand_factor(noon, sky("clear", temp)) for temp in range(-20, 50)}
    assert by_temp[0] < by_temp[10] < by_temp[20]
    assert by_temp[36] < by_temp[26]
    assert by_temp[-20] == by_temp[0]
    assert by_temp[49] == by_temp[35]
    assert by_temp[10] < by_temp[12] < by_temp[15]  # and gradually


def test_the_mean_of_the_year_is_one() -> None:
    factors = [demand_factor(at) for at in hours_of_year(2026)]
    assert statistics.mean(factors) == pytest.approx(1.0, abs=0.02)
    assert min(factors) > 0


def test_demand_moves_smoothly() -> None:
    start = TUESDAY.replace(hour=5)
    curve = [demand_factor(start + timedelta(minutes=minute), FAIR) for minute in range(300)]
    assert max(abs(b - a) for a, b in pairwise(curve)) < 0.05


def test_the_clock_is_berlins() -> None:
    at = datetime(2026, 7, 1, 8, 30, tzinfo=BERLIN)
    assert demand_factor(at) == demand_factor(at.astimezone(UTC))
    assert demand_factor(at) == demand_factor(at.replace(tzinfo=None))
    assert weather_at(at) == weather_at(at.astimezone(UTC))


def test_weather_left_out_is_the_weather_of_the_hour() -> None:
    for hour in range(24):
        at = TUESDAY.replace(hour=hour)
        assert demand_factor(at) == demand_factor(at, weather_at(at))


def test_the_weather_is_a_real_year() -> None:
    year = [weather_at(at) for at in hours_of_year(2026)]
    assert year == [weather_at(at) for at in hours_of_year(2027)]
    seen = Counter(weather.condition for weather in year)
    assert set(seen) == set(CONDITIONS)
    assert seen["clear"] > seen["mist"] > seen["rain"] > seen["heavy_rain"]
    for weather in year:
        assert -15 <= weather.temp_c <= 40
        assert 1 <= weather.humidity_pct <= 100
        assert 0 <= weather.wind_kmh <= 100
    january, july = year[: 31 * 24], year[181 * 24 : 212 * 24]
    assert statistics.mean(w.temp_c for w in january) < 4
    assert statistics.mean(w.temp_c for w in july) > 22
    afternoon, night = year[15::24], year[4::24]
    assert statistics.mean(w.temp_c for w in afternoon) > 3 + statistics.mean(
        w.temp_c for w in night
    )


def test_weather_of_known_hours() -> None:
    # From the source: 2011-01-01 00:00 temp 0.24, hum 0.81, still, clear; 2011-07-22 15:00 hottest.
    new_year = weather_at(datetime(2026, 1, 1, 0, 59, tzinfo=BERLIN))
    assert new_year.condition == "clear"
    assert new_year.temp_c == 3
    assert new_year.humidity_pct == pytest.approx(81, abs=1)
    assert new_year.wind_kmh == 0
    assert weather_at(datetime(2026, 7, 22, 15, tzinfo=BERLIN)).temp_c >= 35


def test_a_leap_day_has_weather() -> None:
    leap_day = datetime(2028, 2, 29, 12, tzinfo=BERLIN)
    assert weather_at(leap_day) == weather_at(leap_day - timedelta(days=1))
    assert weather_at(leap_day + timedelta(days=1)) == weather_at(
        datetime(2027, 3, 1, 12, tzinfo=BERLIN)
    )
    assert weather_at(datetime(2028, 12, 31, 23, tzinfo=BERLIN))


def test_about_two_dozen_riders_and_never_fewer_than_six() -> None:
    riders = [riders_wanted(at) for at in hours_of_year(2026)]
    assert min(riders) == 6
    assert statistics.mean(riders) == pytest.approx(24, abs=0.5)
    assert 40 < max(riders) < 100
    assert riders_wanted(TUESDAY.replace(hour=4)) <= 8
    assert riders_wanted(TUESDAY.replace(hour=17, minute=30)) > 40


def test_riders_scale_with_the_mean() -> None:
    at = TUESDAY.replace(hour=17, minute=30)
    assert riders_wanted(at, mean=240) > 8 * riders_wanted(at)
    assert riders_wanted(at, mean=6) == riders_wanted(at, mean=0) == 6


def test_rides_get_longer_with_the_vehicle() -> None:
    rng = random.Random(1)
    lengths = {
        vehicle_type: [ride_length_m(rng, vehicle_type) for _ in range(2000)]
        for vehicle_type in ("scooter", "ebike", "car", "van")
    }
    medians = [statistics.median(drawn) for drawn in lengths.values()]
    assert medians == sorted(medians)
    assert 1_300 < medians[0] < 1_900
    assert 9_000 < medians[3] < 13_000
    for drawn in lengths.values():
        assert min(drawn) >= 200
        assert max(drawn) <= 60_000
        assert statistics.mean(drawn) > statistics.median(drawn)  # few long ones
    with pytest.raises(KeyError):
        ride_length_m(rng, "boat")
