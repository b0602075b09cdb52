"""Which readings are new, when they were taken, and whether a place can be right.

A reading is known by (vehicle, boot, sequence). Of each vehicle the last few boots are remembered,
each with its highest number and the numbers below it that were never heard: what comes again is
dropped, what comes late fills a gap, and what is missing can be shown. Devices that number nothing
are known by time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fahrwerk.kernel import geo

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BOOTS: Final = 4
MOST_GAPS: Final = 32
"""Per boot; of more, the oldest is given up: what still comes of it is looked up among the rows."""
MOST_AT_START: Final = 1_000
"""A new boot's first number that is higher than this says nothing of those before."""
LATE_US: Final = 7 * 86_400_000_000
"""A device may have kept readings for so long; what claims to be older has a wrong clock."""
DRIFT_US: Final = 60_000_000
"""A clock that is ahead by less is merely a clock."""
FASTEST_M_S: Final = 110.0
"""400 km/h: faster than any of ours, slower than a receiver that lost its way."""
NEAR_DEG: Final = 0.012
"""Less than ``NEAR_M`` in either direction: not worth a computation."""
NEAR_M: Final = 2_000.0
"""Receivers err by so much between houses, and staff carry vehicles about; what decides whether a
ride may end here looks closer."""
NULL_ISLAND_DEG: Final = 0.001
AGREEING: Final = 3
"""So many doubted places in a row that agree with each other are where it is after all."""


class Boot(msgspec.Struct, array_like=True, gc=False):
    """One start of a device, and which of its numbers have been heard."""

    boot: int
    highest: int
    floor: int
    """Up to here nothing is known any more."""
    newest_us: int
    first: int = 0
    """The first that was heard. What is below may have come before this boot was remembered."""
    forgotten: int = 0
    """Numbers that were missing when their gap was given up."""
    missing: list[tuple[int, int]] = []
    """Gaps above ``floor``, both ends included, ascending."""


def _take(known: Boot, number: int) -> bool | None:
    """True: new, and heard from now on. False: heard before. None: too long ago to tell."""
    if number > known.highest:
        if number > known.highest + 1:
            known.missing.append((known.highest + 1, number - 1))
            if len(known.missing) > MOST_GAPS:
                first, known.floor = known.missing.pop(0)
                known.forgotten += known.floor - first + 1
        known.highest = number
        return True
    if number <= known.floor:
        return None
    for at, (first, last) in enumerate(known.missing):
        if first <= number <= last:
            parts = ((first, number - 1), (number + 1, last))
            known.missing[at : at + 1] = [part for part in parts if part[0] <= part[1]]
            return True if number > known.first else None
    return False


def _known(boots: list[Boot], boot: int, first: int, time_us: int) -> Boot | None:
    """The boot among those remembered, or as a new one; None when it is older than all of them."""
    for each in boots:
        if each.boot == boot:
            each.newest_us = max(each.newest_us, time_us)
            return each
    if len(boots) == MOST_BOOTS:
        oldest = min(boots, key=lambda b: b.newest_us)
        if time_us <= oldest.newest_us:
            return None
        boots.remove(oldest)
    # What a device said before we ever heard of it is not missing.
    floor = 0 if boots and first <= MOST_AT_START else first - 1
    new = Boot(boot, first - 1, floor, time_us, first)
    if floor < first - 1:
        new.missing.append((floor + 1, first - 1))
    boots.append(new)
    return new


def sort_out(
    boots: list[Boot], numbers: Sequence[tuple[int | None, int | None, int]]
) -> list[bool | None]:
    """For each (boot, sequence, time in us) of one vehicle: True new, False a duplicate, None look
    it up among the rows. ``boots`` is brought up to date, newest first."""
    found: list[bool | None] = []
    current: Boot | None = None
    for boot, number, time_us in numbers:
        if boot is None or number is None:
            found.append(None)
            continue
        if current is None or current.boot != boot:
            current = _known(boots, boot, number, time_us)
        elif time_us > current.newest_us:
            current.newest_us = time_us
        if current is None:
            found.append(None)
        elif number == current.highest + 1:
            current.highest = number
            found.append(True)
        else:
            found.append(_take(current, number))
    if len(boots) > 1:
        boots.sort(key=lambda b: -b.newest_us)
    return found


def missing(known: Boot) -> int:
    """How many readings of this boot have not been heard."""
    return sum(last - first + 1 for first, last in known.missing)


def believed_times(claimed_us: list[int], received_us: int) -> tuple[list[int], int]:
    """When one vehicle's readings were taken, and how many came from a clock that is wrong (F14).

    Never later than we heard them, and never so old that no device would have kept them. A wrong
    clock still knows how long ago is how long ago: the newest is taken as just measured, and the
    others keep their distance to it.
    """
    oldest_us = received_us - LATE_US
    if oldest_us <= min(claimed_us) and max(claimed_us) <= received_us:
        return claimed_us, 0
    ahead = [each for each in claimed_us if each > received_us]
    behind = [each for each in claimed_us if each < oldest_us]
    shift_ahead = max(ahead, default=received_us) - received_us
    shift_behind = received_us - max(behind, default=received_us)
    times = [
        max(oldest_us, each - shift_ahead) if each > received_us
        else max(oldest_us, each + shift_behind) if each < oldest_us
        else each
        for each in claimed_us
    ]  # fmt: skip
    return times, len(behind) + sum(each > received_us + DRIFT_US for each in ahead)


class Spot(NamedTuple):
    """A place and when."""

    latitude: float
    longitude: float
    time_us: int


class State(msgspec.Struct, omit_defaults=True, gc=False):
    """What is known of one vehicle's readings; kept between batches."""

    boots: list[Boot] = []
    """The newest first."""
    newest_us: int = 0
    """Of the newest reading stored."""
    believed: Spot | None = None
    """The last place that was."""
    doubted: Spot | None = None
    doubts: int = 0
    """Places in a row that were not believed, and agree with each other."""


class Places(msgspec.Struct, gc=False):
    """Decides on one vehicle's places, one after the other, and counts what was odd."""

    state: State
    null_island: int = 0
    jumps: int = 0

    def takes(self, latitude: float, longitude: float, time_us: int) -> bool:
        """True when the vehicle can have been there."""
        if abs(latitude) < NULL_ISLAND_DEG and abs(longitude) < NULL_ISLAND_DEG:
            self.null_island += 1
            return False
        state, here = self.state, Spot(latitude, longitude, time_us)
        if state.believed is None or _reachable(state.believed, here):
            if state.believed is None or time_us >= state.believed.time_us:
                state.believed = here
            state.doubted, state.doubts = None, 0
            return True
        agrees = state.doubted is not None and _reachable(state.doubted, here)
        state.doubted, state.doubts = here, state.doubts + 1 if agrees else 1
        if state.doubts >= AGREEING:
            state.believed, state.doubted, state.doubts = here, None, 0
            return True
        self.jumps += 1
        return False


def _reachable(one: Spot, other: Spot) -> bool:
    if (
        abs(one.latitude - other.latitude) < NEAR_DEG
        and abs(one.longitude - other.longitude) < NEAR_DEG
    ):
        return True
    metres = geo.distance_m(one.latitude, one.longitude, other.latitude, other.longitude)
    return metres <= NEAR_M + FASTEST_M_S * abs(one.time_us - other.time_us) / 1e6
