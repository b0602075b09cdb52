"""Reading recorded trips, and finding those that cannot have happened. Pure: texts in, values out.

Bike-share records have starts and ends to the minute in local time, and durations to the second.
So a ride lasts exactly its duration and begins somewhere within its first minute: the end is start
plus duration, and ``end_date`` is only compared with it.
"""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MINUTE = timedelta(minutes=1)
LONGEST_NAME = 50
"""What the platform takes as the identifier of a vehicle."""

TRIP_COLUMNS = (
    *("trip_id", "duration", "start_date", "start_terminal", "end_date", "end_terminal"),
    "bike_id",
)
STATION_COLUMNS = ("station_id", "name", "lat", "long")

RULES = {
    "malformed_row": "the row cannot be read",
    "duplicate_trip": "the trip's number was used before",
    "no_duration": "the ride ends when it begins, or earlier",
    "unknown_station": "it begins or ends at a station that is not in the list",
    "bike_in_two_rides": "the bike is in another ride at that time",
    "over_limit": "it is longer than the operator allows",
    "end_disagrees": "the recorded end is more than a minute away from start plus duration",
    "starts_later_in_its_minute": "it begins in the minute in which the bike's last ride ended",
}
"""What can be said about a record."""

NOT_RIDDEN = ("malformed_row", "duplicate_trip", "no_duration", "unknown_station")
"""Records no request can be made of."""
POSSIBLE = ("end_disagrees", "starts_later_in_its_minute")
"""Oddities of a record that may well have happened."""


class Unreadable(Exception):
    """A whole file that cannot be used; the text says which and why."""


class Station(msgspec.Struct, frozen=True):
    """Where rides begin and end."""

    id: str
    name: str
    latitude: float
    longitude: float


class Trip(msgspec.Struct, frozen=True):
    """One record that can be ridden. ``line`` is its line in the file, 1 being the header."""

    line: int
    trip_id: str
    bike: str
    start: Station
    end: Station
    starts_at: datetime
    """UTC, the beginning of the recorded minute."""
    duration_s: int


class Finding(msgspec.Struct, frozen=True):
    """Something to tell about one record."""

    line: int
    trip_id: str
    rule: str
    detail: str


class Recorded(msgspec.Struct, frozen=True):
    """A file of trips: what can be ridden, in the file's order, and what is to be told."""

    rows: int
    trips: list[Trip]
    findings: list[Finding]


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Line number and fields of each row, or what is wrong with it; blank lines are no rows.

    A row is a line here: a stray quotation mark spoils its own row and not all that follow.
    """
    for number, line in enumerate(lines, start=1):
        try:
            if fields := next(csv.reader([line.rstrip("\r\n")], strict=True), []):
                yield number, fields
        except csv.Error as error:
            yield number, str(error)


def _header(
    rows: Iterator[tuple[int, list[str] | str]], wanted: Iterable[str], name: str
) -> list[str]:
    _, header = next(rows, (1, "it is empty"))
    if isinstance(header, str):
        raise Unreadable(f"{name}: {header}")
    columns = [field.strip().lstrip("\ufeff") for field in header]
    if missing := [column for column in wanted if column not in columns]:
        raise Unreadable(f"{name} has no column {', '.join(missing)}")
    return columns


def read_stations(lines: Iterable[str], name: str = "stations") -> dict[str, Station]:
    """Stations by id. Raises ``Unreadable``, also when one row of them is wrong."""
    rows = _rows(lines)
    columns = _header(rows, STATION_COLUMNS, name)
    stations: dict[str, Station] = {}
    for line, fields in rows:
        try:
            if isinstance(fields, str) or len(fields) != len(columns):
                raise ValueError(fields)
            row = dict(zip(columns, (field.strip() for field in fields), strict=True))
            latitude, longitude = float(row["lat"]), float(row["long"])
            if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and row["station_id"]):
                raise ValueError(fields)
        except ValueError:
            raise Unreadable(f"{name}, line {line}: not a station") from None
        station = Station(row["station_id"], row["name"], latitude, longitude)
        stations[station.id] = station
    return stations


def read_trips(
    lines: Iterable[str], stations: Mapping[str, Station], zone: ZoneInfo, name: str = "trips"
) -> Recorded:
    """Every row becomes a trip or a finding that says why not; some trips have findings too."""
    rows = _rows(lines)
    columns = _header(rows, TRIP_COLUMNS, name)
    seen: set[str] = set()
    trips: list[Trip] = []
    findings: list[Finding] = []
    count = 0
    for line, fields in rows:
        count += 1
        if isinstance(fields, str):
            findings.append(Finding(line, "", "malformed_row", fields))
            continue
        row = dict(zip(columns, (field.strip() for field in fields), strict=False))
        trip_id = row.get("trip_id", "")
        if len(fields) != len(columns):
            detail = f"{len(fields)} fields instead of {len(columns)}"
            findings.append(Finding(line, trip_id, "malformed_row", detail))
        elif trip_id and trip_id in seen:
            findings.append(Finding(line, trip_id, "duplicate_trip", f"trip {trip_id}"))
        else:
            seen.add(trip_id)
            trip, finding = _trip(line, row, stations, zone)
            trips += [trip] if trip else []
            findings += [finding] if finding else []
    return Recorded(count, trips, findings)


def _trip(
    line: int, row: Mapping[str, str], stations: Mapping[str, Station], zone: ZoneInfo
) -> tuple[Trip | None, Finding | None]:
    """One row as a trip, a finding, or both (a trip whose recorded end disagrees)."""
    trip_id = row["trip_id"]

    def wrong(rule: str, detail: str) -> tuple[None, Finding]:
        return None, Finding(line, trip_id, rule, detail)

    for field in ("trip_id", "bike_id"):
        if not row[field] or len(row[field]) > LONGEST_NAME or not row[field].isprintable():
            return wrong("malformed_row", f"{field} {row[field][:40]!r} names nothing")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", row["duration"]):
        return wrong("malformed_row", f"duration {row['duration'][:40]!r} is no whole number")
    starts_at, ends_at = _utc(row["start_date"], zone), _utc(row["end_date"], zone)
    if starts_at is None or ends_at is None:
        field = "start_date" if starts_at is None else "end_date"
        return wrong("malformed_row", f"{field} {row[field][:40]!r} is no time of that place")
    duration_s = int(row["duration"])
    if duration_s <= 0:
        return wrong("no_duration", f"{duration_s} s")
    if unknown := [row[f] for f in ("start_terminal", "end_terminal") if row[f] not in stations]:
        return wrong("unknown_station", ", ".join(f"station {each[:40]!r}" for each in unknown))
    start, end = stations[row["start_terminal"]], stations[row["end_terminal"]]
    trip = Trip(line, trip_id, row["bike_id"], start, end, starts_at, duration_s)
    apart = abs(ends_at - (starts_at + timedelta(seconds=duration_s)))
    if apart <= MINUTE:
        return trip, None
    detail = f"end_date {row['end_date']} is {apart} away from start_date + {duration_s} s"
    return trip, Finding(line, trip_id, "end_disagrees", detail)


def _utc(text: str, zone: ZoneInfo) -> datetime | None:
    """A local time as UTC; None when it is none, or one that the clocks of that place skipped."""
    try:
        local = datetime.fromisoformat(text)
        if local.tzinfo is not None:
            return local.astimezone(UTC)
        at = local.replace(tzinfo=zone).astimezone(UTC)
        return at if at.astimezone(zone).replace(tzinfo=None) == local else None
    except (ValueError, OverflowError):
        return None
