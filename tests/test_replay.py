"""The replay of recorded trips: reading, planning, and riding some through the real API."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.replay import in_words
from fahrwerk.replay.plan import Plan, Ride, plan
from fahrwerk.replay.report import About, Count, Outcome, Paid, Ridden, report
from fahrwerk.replay.trips import (
    NOT_RIDDEN,
    RULES,
    TRIP_COLUMNS,
    Recorded,
    Station,
    Trip,
    Unreadable,
    read_stations,
    read_trips,
)

if TYPE_CHECKING:
    pass

RIDES = Path(__file__).parent / "data" / "rides"
ZONE = ZoneInfo("America/Los_Angeles")
STATIONS = {n: Station(n, f"Station {n}", 37.7, -122.4 + int(n) / 100) for n in ("1", "2", "3")}
HEADER = ",".join(TRIP_COLUMNS)
DAY_S = 86_400


def recorded(*rows: str) -> Recorded:
    return read_trips([f"{line}\n" for line in (HEADER, *rows)], STATIONS, ZONE)


def found(of: Recorded | Plan) -> list[tuple[int, str]]:
    return [(finding.line, finding.rule) for finding in of.findings]


def planned(*rows: str, longest_s: int = DAY_S) -> Plan:
    return plan(recorded(*rows).trips, longest_s)


# --- reading


def recorded_week() -> Recorded:
    with (RIDES / "stations.csv").open(encoding="utf-8") as stations:
        places = read_stations(stations)
    with (RIDES / "trips_2014-05-05_week.csv").open(encoding="utf-8") as trips:
        return read_trips(trips, places, ZONE)


def test_the_week_is_read_whole() -> None:
    """Every row counts; in this week none is impossible to read."""
    read = recorded_week()
    assert (read.rows, len(read.trips), read.findings) == (6355, 6355, [])
    first = read.trips[0]
    assert (first.line, first.trip_id, first.bike, first.duration_s) == (2, "271241", "44", 7442)
    # Summer time in California is seven hours behind UTC.
    assert first.starts_at == datetime(2014, 5, 5, 7, 2, tzinfo=UTC)
    assert (first.start.name, first.start.id) == ("Arena Green / SAP Center", "14")


@pytest.mark.parametrize(
    ("row", "rule", "says"),
    [
        ("7,188,2014-05-05T00:02,1,2014-05-05T00:06,2", "malformed_row", "6 fields instead of 7"),
        ("7,188,2014-05-05T00:02,1,2014-05-05T00:06,2,9,x", "malformed_row", "8 fields"),
        (
            ",188,2014-05-05T00:02,1,2014-05-05T00:06,2,9",
            "malformed_row",
            "trip_id '' names nothing",
        ),
        (
            "7,188,2014-05-05T00:02,1,2014-05-05T00:06,2,",
            "malformed_row",
            "bike_id '' names nothing",
        ),
        ("7,3.5,2014-05-05T00:02,1,2014-05-05T00:06,2,9", "malformed_row", "no whole number"),
        ("7,1_0,2014-05-05T00:02,1,2014-05-05T00:06,2,9", "malformed_row", "no whole number"),
        ("7,188,5/5/2014,1,2014-05-05T00:06,2,9", "malformed_row", "start_date '5/5/2014'"),
        ("7,188,2014-05-05T00:02,1,,2,9", "malformed_row", "end_date ''"),
        ('7,188,"2014-05-05T00:02,1,2014-05-05T00:06,2,9', "malformed_row", "unexpected end"),
        # The hour that summer time skips never happened.
        ("7,188,2014-03-09T02:30,1,2014-03-09T03:33,2,9", "malformed_row", "no time of that"),
        ("7,-60,2014-05-05T00:02,1,2014-05-05T00:01,2,9", "no_duration", "-60 s"),
        ("7,0,2014-05-05T00:02,1,2014-05-05T00:02,2,9", "no_duration", "0 s"),
        ("7,188,2014-05-05T00:02,8,2014-05-05T00:06,2,9", "unknown_station", "station '8'"),
        ("7,188,2014-05-05T00:02,1,2014-05-05T00:06,,9", "unknown_station", "station ''"),
        ("6,188,2014-05-05T00:02,1,2014-05-05T00:06,2,9", "duplicate_trip", "trip 6"),
    ],
)
def test_a_row_that_cannot_be_ridden_is_told_by_line_and_rule(
    row: str, rule: str, says: str
) -> None:
    good = "6,188,2014-05-05T00:02,1,2014-05-05T00:06,2,9"
    read = recorded(good, "", row)
    assert [trip.trip_id for trip in read.trips] == ["6"]
    assert found(read) == [(4, rule)]
    assert says in read.findings[0].detail


def test_one_bad_row_does_not_hide_the_next() -> None:
    good = "6,188,2014-05-05T00:02,1,2014-05-05T00:06,2,9"
    for bad in ("x", '"', '7,"188', '7,"1" 8"'):
        read = recorded(bad, good)
        assert found(read) == [(2, "malformed_row")]
        assert [trip.line for trip in read.trips] == [3]
        assert read.rows == 2


def test_an_end_far_from_start_plus_duration_is_told_and_ridden() -> None:
    """Seconds are exact, minutes are not: the duration decides; a minute apart is rounding."""
    read = recorded(
        "6,188,2014-05-05T00:02,1,2014-05-05T00:06,2,9",
        "7,188,2014-05-05T01:02,1,2014-05-05T01:07,2,9",
    )
    assert found(read) == [(3, "end_disagrees")]
    assert [trip.trip_id for trip in read.trips] == ["6", "7"]
    assert "0:01:52 away" in read.findings[0].detail


def test_a_ride_over_the_change_to_summer_time_is_as_long_as_it_was() -> None:
    read = recorded("6,3600,2014-03-09T01:30,1,2014-03-09T03:30,2,9")
    assert found(read) == []
    assert read.trips[0].starts_at == datetime(2014, 3, 9, 9, 30, tzinfo=UTC)


def test_files_that_are_something_else_are_refused() -> None:
    with pytest.raises(Unreadable, match="no column bike_id"):
        read_trips(["trip_id,duration,start_date,start_terminal,end_date,end_terminal"], {}, ZONE)
    with pytest.raises(Unreadable, match="it is empty"):
        read_trips([], {}, ZONE)
    with pytest.raises(Unreadable, match="line 3: not a station"):
        read_stations(["station_id,name,lat,long\n", "1,A,37.7,-122.4\n", "2,B,north,-122.4\n"])


ROWS = st.lists(st.lists(st.text(max_size=12), max_size=9), max_size=8)


@given(st.one_of(ROWS.map(lambda rows: [",".join(row) for row in rows]), st.lists(st.text())))
def test_whatever_a_file_holds_each_row_is_a_trip_or_a_finding(rows: list[str]) -> None:
    read = read_trips(io.StringIO("\n".join([HEADER, *rows])), STATIONS, ZONE)
    lost = [finding for finding in read.findings if finding.rule in NOT_RIDDEN]
    assert read.rows == len(read.trips) + len(lost)
    assert {finding.rule for finding in read.findings} <= RULES.keys()
    assert len({trip.trip_id for trip in read.trips}) == len(read.trips)


# --- planning

TIMES = st.integers(0, 1440).map(
    lambda minute: datetime(2014, 5, 5, tzinfo=UTC) + timedelta(minutes=minute)
)
TRIPS = st.lists(
    st.tuples(
        TIMES,
        st.sampled_from("ab"),
        st.sampled_from("123"),
        st.sampled_from("123"),
        st.integers(1, 3 * 3600),
    ),
    max_size=30,
).map(
    lambda rows: [
        Trip(line, str(line), bike, STATIONS[start], STATIONS[end], at, duration_s)
        for line, (at, bike, start, end, duration_s) in enumerate(rows, start=2)
    ]
)


@given(TRIPS, st.integers(1, 4))
def test_every_plan_can_be_ridden(trips: list[Trip], riders: int) -> None:
    """Steps need only earlier steps; bikes and riders are in one ride at a time; bikes stand where
    rides begin; and every trip is in it once."""
    made = plan(trips, 2 * 3600, riders)
    assert sorted(ride.trip.line for ride in made.rides) == [trip.line for trip in trips]
    stands = {bike.name: bike.station.id for bike in made.bikes}
    riding: dict[object, int] = {}
    over: set[int] = set()
    before = datetime.min.replace(tzinfo=UTC)
    for number, step in enumerate(made.steps):
        ride = made.rides[step.ride]
        assert all(need < number for need in step.needs)
        assert step.at >= before
        before = step.at
        bike, rider = ride.trip.bike, ("rider", ride.rider)
        if step.kind == "move":
            assert bike not in riding
            stands[bike] = ride.trip.start.id
        elif step.kind == "start" and not ride.is_refusal_expected:
            assert not {bike, rider} & riding.keys()
            assert stands[bike] == ride.trip.start.id
            riding |= {bike: step.ride, rider: step.ride}
        elif step.kind == "start":
            assert riding[bike] != step.ride
            assert rider not in riding
            riding[rider] = step.ride
        else:
            if not ride.is_refusal_expected:
                assert riding.pop(bike) == step.ride
                stands[bike] = ride.trip.end.id
            assert riding.pop(rider) == step.ride
            assert step.at - ride.starts_at == timedelta(seconds=ride.trip.duration_s)
            over.add(step.ride)
    assert not riding
    assert len(over) == len(trips)
    assert all(0 <= ride.rider < made.riders for ride in made.rides)


@given(TRIPS)
def test_a_ride_begins_within_its_recorded_minute(trips: list[Trip]) -> None:
    for ride in plan(trips, DAY_S).rides:
        assert timedelta() <= ride.starts_at - ride.trip.starts_at < timedelta(minutes=1)


@given(TRIPS)
def test_steps_of_one_bike_and_of_one_rider_are_a_chain(trips: list[Trip]) -> None:
    """However many hands work it off: what belongs together stays in order."""
    made = plan(trips, DAY_S, 2)
    chains: dict[object, list[int]] = defaultdict(list)
    for number, step in enumerate(made.steps):
        ride = made.rides[step.ride]
        chains[ride.trip.bike].append(number)
        if step.kind != "move":
            chains[ride.rider].append(number)
    for chain in chains.values():
        for earlier, later in pairwise(chain):
            assert earlier in made.steps[later].needs


def test_a_bike_in_two_rides_is_told_with_the_line_of_the_other() -> None:
    made = planned(
        "6,1800,2014-05-05T00:00,1,2014-05-05T00:30,2,9",
        "7,600,2014-05-05T00:10,1,2014-05-05T00:20,3,9",
        "8,600,2014-05-05T00:40,2,2014-05-05T00:50,3,9",
    )
    assert found(made) == [(3, "bike_in_two_rides")]
    assert "bike 9 is under way until 2014-05-05T07:30:00Z (line 2)" in made.findings[0].detail
    assert [ride.is_refusal_expected for ride in made.rides] == [False, True, False]
    # The refused ride left the bike where the first one ended: nobody has to move it.
    assert [ride.moved_from for ride in made.rides] == [None, None, None]


def test_a_start_in_the_minute_of_the_last_end_is_possible() -> None:
    """Recorded starts are cut to the minute: 00:30 may be 00:30:40."""
    made = planned(
        "6,1840,2014-05-05T00:00,1,2014-05-05T00:30,2,9",
        "7,600,2014-05-05T00:30,2,2014-05-05T00:40,3,9",
    )
    assert found(made) == [(3, "starts_later_in_its_minute")]
    assert made.rides[1].starts_at == made.rides[0].ends_at
    assert not made.rides[1].is_refusal_expected
    made = planned(
        "6,1860,2014-05-05T00:00,1,2014-05-05T00:31,2,9",
        "7,600,2014-05-05T00:30,2,2014-05-05T00:40,3,9",
    )
    assert found(made) == [(3, "bike_in_two_rides")]


def test_of_two_rides_in_one_minute_the_shorter_was_first() -> None:
    made = planned(
        "6,600,2014-05-05T00:00,2,2014-05-05T00:10,3,9",
        "7,20,2014-05-05T00:00,1,2014-05-05T00:00,2,9",
    )
    assert [ride.trip.trip_id for ride in made.rides] == ["7", "6"]
    assert found(made) == [(2, "starts_later_in_its_minute")]


def test_over_the_limit_is_told_and_ridden() -> None:
    made = planned("6,3601,2014-05-05T00:00,1,2014-05-05T01:00,2,9", longest_s=3600)
    assert found(made) == [(2, "over_limit")]
    assert [step.kind for step in made.steps] == ["start", "end"]


def test_a_bike_that_starts_elsewhere_was_moved() -> None:
    made = planned(
        "6,600,2014-05-05T00:00,1,2014-05-05T00:10,2,9",
        "7,600,2014-05-05T01:00,3,2014-05-05T01:10,1,9",
    )
    assert [step.kind for step in made.steps] == ["start", "end", "move", "start", "end"]
    assert made.rides[1].moved_from == STATIONS["2"]
    assert made.bikes[0].station == STATIONS["1"]


def test_the_week_is_planned_as_it_was() -> None:
    """What real data contain: moved bikes, starts in the minute of an end, two rides over 24 h."""
    made = plan(recorded_week().trips, DAY_S)
    rules = [finding.rule for finding in made.findings]
    assert len(made.bikes) == 540
    assert rules.count("starts_later_in_its_minute") == 13
    assert [f.trip_id for f in made.findings if f.rule == "over_limit"] == ["272922", "275500"]
    assert "bike_in_two_rides" not in rules
    assert sum(ride.moved_from is not None for ride in made.rides) == 884
    with (RIDES / "trips_2014-05-05_week.csv").open(encoding="utf-8") as file:
        longest = max(int(row["duration"]) for row in csv.DictReader(file))
    assert max(ride.ends_at - ride.starts_at for ride in made.rides).total_seconds() == longest


# --- comparing

ABOUT = About(
    tenant="t", url="u", zone=ZONE.key, currency="EUR", longest_s=DAY_S, took_s=1.0, requests=1,
    rate_limited=0,
)  # fmt: skip
READ = recorded(
    "6,1800,2014-05-05T00:00,1,2014-05-05T00:30,2,9",
    "7,600,2014-05-05T00:10,1,2014-05-05T00:20,3,9",
    "8,90000,2014-05-05T23:59,2,2014-05-07T00:59,3,8",
    "9,x,2014-05-05T23:59,2,2014-05-07T00:59,3,8",
)
MADE = plan(READ.trips, DAY_S)


def as_ridden(ride: Ride, **other: object) -> Ridden:
    values = {
        "id": f"rent_{ride.trip.trip_id}",
        "vehicle": ride.trip.bike,
        "started_at": ride.starts_at,
        "ended_at": ride.ends_at,
        "start": ride.trip.start.name,
        "end": ride.trip.end.name,
        "billed_minutes": -(-ride.trip.duration_s // 60),
        "total_minor": 700,
    }
    return msgspec.convert(values | other, Ridden)


GOOD = [as_ridden(ride) for ride in MADE.rides if not ride.is_refusal_expected]
OUTCOMES = [
    Outcome(refusal="VEHICLE_UNAVAILABLE")
    if ride.is_refusal_expected
    else Outcome(rental_id=f"rent_{ride.trip.trip_id}")
    for ride in MADE.rides
]
PAID = {ride.id: Paid(700, False) for ride in GOOD}


def differences(
    rides: list[Ridden] = GOOD,
    outcomes: list[Outcome] = OUTCOMES,
    paid: dict[str, Paid] = PAID,
) -> list[str]:
    return report(READ, MADE, outcomes, rides, paid, ABOUT).differences


def test_what_agrees_is_said_to_agree() -> None:
    made = report(READ, MADE, OUTCOMES, GOOD, PAID, ABOUT)
    assert made.differences == []
    assert (made.rides, made.rows) == (Count(2, 2), 4)
    assert made.days == {"2014-05-05": Count(2, 2)}
    assert made.starts == {"Station 1": Count(1, 1), "Station 2": Count(1, 1)}
    assert made.seconds == Count(91_800, 91_800)
    assert [(told.line, told.rule, told.outcome) for told in made.findings] == [
        (3, "bike_in_two_rides", "refused by the platform: VEHICLE_UNAVAILABLE"),
        (4, "over_limit", "ridden, 90000 s"),
        (5, "malformed_row", "not ridden"),
    ]
    assert "Nothing differs." in in_words(made)


def test_a_ride_ended_at_the_limit_is_told_and_no_difference() -> None:
    over = MADE.rides[-1]
    cut = as_ridden(over, ended_at=over.starts_at + timedelta(seconds=DAY_S))
    made = report(READ, MADE, OUTCOMES, [GOOD[0], cut], PAID, ABOUT)
    assert made.differences == []
    assert made.findings[1].outcome == f"ridden, {DAY_S} s"
    assert made.seconds == Count(1800 + DAY_S, 1800 + DAY_S)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rides": GOOD[1:]}, "line 2 (trip 6): not among the platform's completed rides"),
        ({"rides": GOOD[1:]}, "rides: 2 recorded, 1 ridden"),
        ({"rides": GOOD[1:]}, "rides from Station 1: 1 recorded, 0 ridden"),
        ({"rides": [*GOOD, as_ridden(MADE.rides[0], id="x")]}, "rides: 2 recorded, 3 ridden"),
        (
            {"rides": [as_ridden(MADE.rides[0], ended_at=MADE.rides[0].starts_at), GOOD[1]]},
            "line 2 (trip 6): took 0 s, recorded 1800 s",
        ),
        (
            {"rides": [as_ridden(MADE.rides[0], started_at=MADE.rides[1].starts_at), GOOD[1]]},
            "line 2 (trip 6): began 2014-05-05 07:10:00+00:00",
        ),
        ({"rides": [as_ridden(MADE.rides[0], end="nowhere"), GOOD[1]]}, "rides to nowhere: 0"),
        (
            {"outcomes": [Outcome(refusal="PAYMENT_FAILED"), *OUTCOMES[1:]]},
            "line 2 (trip 6): refused, PAYMENT_FAILED",
        ),
        (
            {"outcomes": [OUTCOMES[0], Outcome(rental_id="rent_7"), OUTCOMES[2]]},
            "line 3 (trip 7): accepted although bike 9 was in another ride",
        ),
        ({"paid": {"rent_6": Paid(700, False)}}, "money: receipts 1400, captured 700"),
        ({"paid": PAID | {"rent_6": Paid(700, True)}}, "money: 1 payments have not come to an end"),
        (
            {"paid": {"rent_6": Paid(600, False), "rent_8": Paid(800, False)}},
            "money of rent_6: receipt 700, captured 600",
        ),
        ({"paid": PAID | {"x": Paid(1, False)}}, "money: captured for 1 rentals that are no"),
    ],
)
def test_whatever_differs_is_seen(changed: dict[str, Any], says: str) -> None:
    """Each of these would let money or a ride go missing."""
    assert any(line.startswith(says) for line in differences(**changed)), differences(**changed)
