"""The state machines of MDS 2.0: which event leads from which vehicle state to which.

Written down from the tables of the modes micromobility and car-share. A step may have several
event types in order; the states in between are passed through.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MICROMOBILITY, CAR_SHARE = "micromobility", "car-share"
MODES = {"scooter": MICROMOBILITY, "ebike": MICROMOBILITY, "car": CAR_SHARE, "van": CAR_SHARE}
"""Mode of each of our types of vehicle."""

IN_PUBLIC_SPACE = frozenset(
    ("available", "non_operational", "reserved", "on_trip", "stopped", "non_contactable")
)
"""States of vehicles that stand or move in the streets of the agency."""

_TABLES = {
    MICROMOBILITY: """
available > non_operational: battery_low maintenance off_hours system_suspend unspecified
available > reserved: reservation_start
available elsewhere non_operational on_trip > non_contactable: comms_lost unspecified
removed reserved > non_contactable: comms_lost unspecified
non_contactable missing > non_operational: unspecified
available non_operational elsewhere > removed: compliance_pick_up maintenance_pick_up
available non_operational elsewhere > removed: rebalance_pick_up
available non_operational elsewhere > removed: agency_pick_up decommissioned unspecified
non_contactable missing > removed: agency_pick_up decommissioned unspecified
available reserved > on_trip: trip_start
elsewhere > on_trip: trip_enter_jurisdiction
missing > available elsewhere non_operational on_trip removed reserved: located
non_contactable > available elsewhere non_operational on_trip removed reserved: comms_restored
non_contactable > missing: not_located unspecified
non_contactable missing > elsewhere on_trip reserved: unspecified
non_operational > available: battery_charged maintenance on_hours system_resume
non_operational non_contactable missing > available: unspecified
on_trip > on_trip: changed_geographies
on_trip > available: trip_cancel trip_end
on_trip > elsewhere: trip_leave_jurisdiction
removed non_contactable missing > available: agency_drop_off provider_drop_off
reserved > available: reservation_cancel
""",
    CAR_SHARE: """
available non_operational on_trip reserved > elsewhere: trip_leave_jurisdiction
available elsewhere non_operational on_trip > non_contactable: comms_lost
removed reserved stopped > non_contactable: comms_lost
available > non_operational: service_end
available > reserved: reservation_start
elsewhere > available non_operational on_trip reserved: trip_enter_jurisdiction
non_contactable > available elsewhere non_operational on_trip removed: comms_restored
non_contactable > reserved stopped: comms_restored
non_operational > available: service_start
non_operational > removed: decommissioned maintenance_pick_up maintenance
on_trip > stopped: trip_stop
removed > non_operational: maintenance_end recommissioned
reserved > available: driver_cancellation customer_cancellation provider_cancellation
reserved > stopped: reservation_stop
stopped > available: driver_cancellation customer_cancellation provider_cancellation trip_end
stopped > on_trip: trip_resume trip_start
stopped > stopped: charging_end charging_start fueling_end fueling_start remote_end remote_start
""",
}

_NEEDS_TRIP = {
    MICROMOBILITY: frozenset(
        ("trip_start", "trip_end", "trip_cancel", "trip_enter_jurisdiction",
         "trip_leave_jurisdiction")
    ),
    CAR_SHARE: frozenset(
        ("reservation_start", "reservation_stop", "trip_start", "trip_resume", "trip_stop",
         "trip_end", "customer_cancellation", "provider_cancellation", "driver_cancellation",
         "trip_enter_jurisdiction", "trip_leave_jurisdiction")
    ),
}  # fmt: skip
_NEVER_GUESSED = frozenset(
    (
        *("agency_pick_up", "agency_drop_off", "decommissioned", "compliance_pick_up"),
        *("off_hours", "on_hours", "system_suspend", "system_resume", "battery_low"),
        *("battery_charged", "trip_cancel", "not_located", "driver_cancellation", "charging_end"),
        *("charging_start", "fueling_end", "fueling_start", "remote_end", "remote_start"),
    )
)
"""What is said only where we know it, not to find a way from one state to another."""

Edge = tuple[str, str]
"""Event type, state after it."""


def _read(table: str) -> dict[str, list[Edge]]:
    edges: dict[str, list[Edge]] = {}
    for line in table.strip().splitlines():
        way, types = line.split(": ")
        froms, tos = (side.split() for side in way.split(" > "))
        for before in froms:
            edges.setdefault(before, []).extend((t, to) for to in tos for t in types.split())
    return edges


EDGES = {mode: _read(table) for mode, table in _TABLES.items()}
"""Mode -> state -> what may follow."""


def needs_trip(mode: str, types: Iterable[str]) -> bool:
    """True when an event of these types must name its trip."""
    return not _NEEDS_TRIP[mode].isdisjoint(types)


def leads(mode: str, state: str, types: Iterable[str], target: str) -> bool:
    """True when these event types, in order, lead from ``state`` to ``target``."""
    states = {state}
    for each in types:
        states = {to for s in states for kind, to in EDGES[mode].get(s, ()) if kind == each}
    return target in states


@lru_cache(maxsize=4096)
def way(mode: str, state: str, target: str, has_trip: bool) -> tuple[str, ...]:
    """The fewest event types from one state to another, by what we may say without knowing more.

    Empty when it is there already. Every state can be reached from every other one.
    """
    ahead = deque([state])
    found: dict[str, tuple[str, ...]] = {state: ()}
    while ahead and target not in found:
        here = ahead.popleft()
        for kind, to in EDGES[mode].get(here, ()):
            is_blind = kind in _NEVER_GUESSED or (not has_trip and kind in _NEEDS_TRIP[mode])
            if to not in found and not is_blind:
                found[to] = (*found[here], kind)
                ahead.append(to)
    return found[target]
