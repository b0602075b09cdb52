"""From trips to requests in the order they have to be made. Pure.

Requests of different bikes and riders may overtake each other; those of one bike or one rider may
not. So every step names the earlier steps it needs, and any number of hands can work the list off
from the top without waiting for each other in a circle.
"""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.replay.trips import MINUTE, Finding, Station, Trip

if TYPE_CHECKING:
    from collections.abc import Sequence

RIDERS = 64
"""At least so many riders share the rides, so that few steps wait for a rider."""


class Ride(msgspec.Struct, frozen=True):
    """A trip as it will be ridden."""

    trip: Trip
    rider: int
    starts_at: datetime
    ends_at: datetime
    moved_from: Station | None
    """Where the bike was left, when it starts elsewhere: somebody moved it."""
    is_refusal_expected: bool
    """The bike is in another ride: the platform has to say no."""


class Step(msgspec.Struct, frozen=True):
    """One request: ``move``, ``start`` or ``end`` of the ride with this number."""

    kind: str
    ride: int
    at: datetime
    needs: tuple[int, ...]
    """Numbers of earlier steps that must be over."""


class Bike(msgspec.Struct, frozen=True):
    """A vehicle to be made, and where it stands before its first ride."""

    name: str
    station: Station


class Plan(msgspec.Struct, frozen=True):
    """Everything to be done, in chronological order of the events."""

    bikes: list[Bike]
    riders: int
    rides: list[Ride]
    steps: list[Step]
    findings: list[Finding]


def plan(trips: Sequence[Trip], longest_s: int, riders: int = RIDERS) -> Plan:
    """Decide who rides when and what waits for what. ``longest_s``: the operator's limit."""
    findings: list[Finding] = []
    rides = _rides(trips, longest_s, findings)
    rides, count = _with_riders(rides, min(riders, len(rides)))
    bikes: dict[str, Bike] = {}
    for ride in rides:
        bikes.setdefault(ride.trip.bike, Bike(ride.trip.bike, ride.trip.start))
    return Plan(list(bikes.values()), count, rides, _steps(rides), findings)


def _rides(trips: Sequence[Trip], longest_s: int, findings: list[Finding]) -> list[Ride]:
    """Trips in the order of their starts, each bike followed from ride to ride."""
    rides: list[Ride] = []
    free_at: dict[str, datetime] = {}
    line_of: dict[str, int] = {}
    stands: dict[str, Station] = {}
    # Of two rides that begin in the same minute only the shorter can have been the first.
    for trip in sorted(trips, key=lambda t: (t.starts_at, t.duration_s, t.line)):
        starts_at = trip.starts_at
        free = free_at.get(trip.bike, starts_at)
        is_taken = free > starts_at
        if is_taken and free - starts_at < MINUTE and starts_at.second == 0:
            # Starts are known to the minute: it began right after, not during the last ride.
            detail = f"{(free - starts_at).seconds} s into it"
            rule = "starts_later_in_its_minute"
            findings.append(Finding(trip.line, trip.trip_id, rule, detail))
            starts_at, is_taken = free, False
        ends_at = starts_at + timedelta(seconds=trip.duration_s)
        moved_from = stands.get(trip.bike, trip.start)
        if is_taken:
            until = f"{free:%Y-%m-%dT%H:%M:%SZ}"
            detail = f"bike {trip.bike} is under way until {until} (line {line_of[trip.bike]})"
            findings.append(Finding(trip.line, trip.trip_id, "bike_in_two_rides", detail))
            moved_from = trip.start
        else:
            free_at[trip.bike], stands[trip.bike] = ends_at, trip.end
            line_of[trip.bike] = trip.line
        if trip.duration_s > longest_s:
            detail = f"{trip.duration_s} s, allowed are {longest_s} s"
            findings.append(Finding(trip.line, trip.trip_id, "over_limit", detail))
        moved = moved_from if moved_from.id != trip.start.id else None
        rides.append(Ride(trip, -1, starts_at, ends_at, moved, is_taken))
    return rides


def _with_riders(rides: Sequence[Ride], riders: int) -> tuple[list[Ride], int]:
    """Give each ride the rider who has been free for longest; more riders if all are riding."""
    order = sorted(range(len(rides)), key=lambda n: (rides[n].starts_at, n))
    free: list[tuple[float, int]] = [(float("-inf"), rider) for rider in range(riders)]
    result = list(rides)
    for n in order:
        ride = rides[n]
        if free and free[0][0] <= ride.starts_at.timestamp():
            _, rider = heapq.heappop(free)
        else:
            rider, riders = riders, riders + 1
        heapq.heappush(free, (ride.ends_at.timestamp(), rider))
        result[n] = msgspec.structs.replace(ride, rider=rider)
    return result, riders


def _steps(rides: Sequence[Ride]) -> list[Step]:
    """All requests by time; at the same time a bike ends, is moved, and starts, in this order."""
    events: list[tuple[datetime, int, int, str]] = []
    for n, ride in enumerate(rides):
        if ride.moved_from is not None:
            events.append((ride.starts_at, 1, n, "move"))
        events.append((ride.starts_at, 2, n, "start"))
        events.append((ride.ends_at, 0, n, "end"))
    steps: list[Step] = []
    last_of_bike: dict[str, int] = {}
    last_of_rider: dict[int, int] = {}
    for at, _, n, kind in sorted(events):
        ride = rides[n]
        needs = {last_of_bike.get(ride.trip.bike, -1)}
        if kind != "move":
            needs.add(last_of_rider.get(ride.rider, -1))
            last_of_rider[ride.rider] = len(steps)
        last_of_bike[ride.trip.bike] = len(steps)
        steps.append(Step(kind, n, at, tuple(sorted(needs - {-1}))))
    return steps
