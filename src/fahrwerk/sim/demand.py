"""How many people want to ride, in what weather, and how far: the rhythm of the simulated city.

Rhythm and weather are real: an hour-by-hour year of a bike-share system (Capital Bikeshare,
Washington, 2011; data/README.md cites it), moved to Berlin's clock and calendar. Pure functions of
the time they are given, so the city can be asked about any moment and run at any speed.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

BERLIN = ZoneInfo("Europe/Berlin")
CREDIT = "Demand and weather: Fanaee-T and Gama (2013), doi:10.1007/s13748-013-0040-3"
FEWEST_RIDERS = 6
"""Somebody is always awake, or the map would be dead at four in the morning."""

Condition = Literal["clear", "mist", "rain", "heavy_rain"]
CONDITIONS: tuple[Condition, ...] = ("clear", "mist", "rain", "heavy_rain")

_DATA = Path(__file__).parent / "data" / "demand.json"
_FIRST_CODE = 35  # how an hour is written: tools/make_sim_data.py, hours_as_text
_HALF_HOUR = timedelta(minutes=30)


class Weather(msgspec.Struct, frozen=True):
    """The weather of an hour. ``rain`` is light rain, a thunderstorm or, below zero, snow."""

    condition: Condition
    temp_c: int
    humidity_pct: int
    wind_kmh: int


@dataclass(frozen=True, slots=True)
class _Year:
    working_day: list[list[float]]  # by month, then hour
    day_off: list[list[float]]
    condition: dict[str, float]
    temp_c: list[int]
    temp: list[float]
    weather: list[list[str]]  # by day: condition, temperature, humidity, wind


@dataclass(frozen=True, slots=True)
class _Reach:
    median_m: int
    spread: float  # sigma of the logarithm: most rides are short, a few are very long
    least_m: int
    most_m: int


# Our own estimates, in the order of what operators publish: scooters replace a walk, bikes a bus
# ride, cars cross the city, vans go to the furniture shop and back.
_REACHES = {
    "scooter": _Reach(median_m=1_600, spread=0.55, least_m=300, most_m=8_000),
    "ebike": _Reach(median_m=2_600, spread=0.55, least_m=400, most_m=15_000),
    "car": _Reach(median_m=6_500, spread=0.60, least_m=1_000, most_m=40_000),
    "van": _Reach(median_m=11_000, spread=0.55, least_m=1_500, most_m=60_000),
}


def weather_at(at: datetime) -> Weather:
    """The weather of that hour, the same every year; 29 February is the 28th once more."""
    at = _in_berlin(at)
    day = 28 if (at.month, at.day) == (2, 29) else at.day
    of_year = date(2011, at.month, day).timetuple().tm_yday - 1
    condition, temp, humidity, wind = (
        ord(hours[at.hour]) - _FIRST_CODE for hours in _year().weather[of_year]
    )
    return Weather(CONDITIONS[condition - 1], temp - 10, humidity * 2, wind)


def demand_factor(at: datetime, weather: Weather | None = None) -> float:
    """Demand at a moment, 1.0 being the mean of the year.

    ``at`` is local time: without a zone it is taken as Berlin's, with one it is converted.
    ``weather`` is what the year has for that hour unless you say otherwise. Changes smoothly
    through the hour; a public holiday of Berlin counts as a day off.
    """
    at = _in_berlin(at)
    # The table speaks of whole hours: it is true in their middle, and in between half and half.
    share = ((at.minute + 30) % 60 + at.second / 60) / 60
    calendar = _calendar(at - _HALF_HOUR) * (1 - share) + _calendar(at + _HALF_HOUR) * share
    return calendar * _weather_factor(weather or weather_at(at))


def riders_wanted(at: datetime, mean: int = 24) -> int:
    """How many people should be riding now: ``mean`` over the year, never fewer than six.

    Four in the morning has six, a sunny working day at half past five about three times the mean.
    """
    return FEWEST_RIDERS + round(max(0, mean - FEWEST_RIDERS) * demand_factor(at))


def ride_length_m(rng: random.Random, vehicle_type: str) -> int:
    """The length of one ride, drawn for ``scooter``, ``ebike``, ``car`` or ``van``."""
    reach = _REACHES[vehicle_type]
    drawn_m = reach.median_m * rng.lognormvariate(0.0, reach.spread)
    return round(min(max(drawn_m, reach.least_m), reach.most_m))


def is_working_day(day: date) -> bool:
    """Monday to Friday, if it is no public holiday in Berlin."""
    return day.weekday() < 5 and day not in _holidays(day.year)


@lru_cache(maxsize=8)
def _holidays(year: int) -> frozenset[date]:
    fixed = ((1, 1), (3, 8), (5, 1), (10, 3), (12, 25), (12, 26))
    easter = _easter(year)
    # Good Friday, Easter Monday, Ascension, Whit Monday
    moving = (easter + timedelta(days) for days in (-2, 1, 39, 50))
    return frozenset([*(date(year, month, day) for month, day in fixed), *moving])


def _easter(year: int) -> date:
    """Easter Sunday by Gauss's rule, with the two exceptions for 1900 to 2099."""
    a, b, c = year % 19, year % 4, year % 7
    d = (19 * a + 24) % 30
    e = (2 * b + 4 * c + 6 * d + 5) % 7
    if (d == 29 and e == 6) or (d == 28 and e == 6 and a > 10):
        e -= 7
    return date(year, 3, 22) + timedelta(d + e)


def _calendar(at: datetime) -> float:
    year = _year()
    table = year.working_day if is_working_day(at.date()) else year.day_off
    return table[at.month - 1][at.hour]


def _weather_factor(weather: Weather) -> float:
    year = _year()
    temp_c = min(max(weather.temp_c, year.temp_c[0]), year.temp_c[-1])
    i = min(bisect_right(year.temp_c, temp_c), len(year.temp_c) - 1)
    low_c, high_c = year.temp_c[i - 1], year.temp_c[i]
    share = (temp_c - low_c) / (high_c - low_c)
    warmth = year.temp[i - 1] * (1 - share) + year.temp[i] * share
    return warmth * year.condition[weather.condition]


def _in_berlin(at: datetime) -> datetime:
    """Wall-clock time; the zone is dropped so that half an hour later means the clock's."""
    return at if at.tzinfo is None else at.astimezone(BERLIN).replace(tzinfo=None)


@lru_cache(maxsize=1)
def _year() -> _Year:
    document = json.loads(_DATA.read_text(encoding="utf-8"))
    return _Year(
        working_day=document["working_day"],
        day_off=document["day_off"],
        condition=document["condition"],
        temp_c=document["temp_c"],
        temp=document["temp"],
        weather=document["weather"],
    )
