"""What a rental may do when, and the figures of a ride. Pure: no clock, no database.

The one state machine (RNT-14, C-10)::

    pending --authorize--> confirmed --unlock--> in_progress --end--> completed
       |                       |
       +-------cancel----------+--> cancelled

``rental.confirm``, fleet's and payments' news and the worker all move along it; the statements
that write a state take the states they may come from out of ``before``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid
from fahrwerk.rentals.contract import WrongState

if TYPE_CHECKING:
    from datetime import datetime

LIVE = ("pending", "confirmed", "in_progress")
"""While it is in one of these, a rental has its vehicle and one of the rider's places."""

RIDES = ("in_progress", "completed")
"""The states of a rental that has become a ride."""

_MOVES = {
    "authorize": ({"pending": "confirmed"}, ("in_progress", "completed")),
    "unlock": ({"confirmed": "in_progress"}, ("completed",)),
    "end": ({"in_progress": "completed"}, ()),
    "cancel": ({"pending": "cancelled", "confirmed": "cancelled"}, ()),
}
"""Per verb: from which state to which, and the states further on, where it has been done before."""

RETRIED = frozenset(("payment_failed", "vehicle_silent"))
"""Cancelled for one of these, a booking may be tried again with the key it had (C-17)."""

TAKEN_HINT = "This vehicle is no longer available. Here are other nearby options:"
STALE_WARNING = "This vehicle hasn't reported its status recently."

MOST_AHEAD = timedelta(hours=12)
_CLOCKS_DIFFER = timedelta(minutes=1)
_TOP_SPEED_MS = {"scooter": 12.5, "ebike": 12.5, "car": 60.0, "van": 50.0}
"""Nobody of ours is faster, so a ride cannot pass its longest distance unseen."""
_SOONEST_LOOK_S = 60.0


def before(verb: str) -> list[str]:
    """The states ``verb`` leads out of."""
    return list(_MOVES[verb][0])


def move(verb: str, state: str) -> str | None:
    """The state after ``verb``; None when it was done before, so that this is a repeat.

    Raises ``WrongState``.
    """
    moves, further_on = _MOVES[verb]
    if state in moves:
        return moves[state]
    if state in moves.values() or state in further_on:
        return None
    raise WrongState(state=state, wanted=before(verb))


def planned_start(planned: datetime | None, now: datetime) -> datetime:
    """When a booking is to begin. A time gone by means now: phones' clocks differ.

    Raises ``Invalid`` for a start so far ahead that the vehicle would stand idle all day.
    """
    if planned is not None and planned > now + MOST_AHEAD:
        raise Invalid(field="start_time", issue="must be at most 12 hours ahead")
    return planned or now


def check_minutes(minutes: int | None, max_ride_h: int) -> None:
    """Raise ``Invalid`` for a planned duration that no ride may have (RNT-51)."""
    if minutes is not None and not 1 <= minutes <= max_ride_h * 60:
        issue = f"must be between 1 and {max_ride_h * 60}"
        raise Invalid(field="estimated_duration_minutes", issue=issue)


def duration_s(started_at: datetime, ended_at: datetime) -> int:
    """Whole seconds of a ride; never negative, whatever the clocks of two machines say."""
    return max(0, int((ended_at - started_at).total_seconds()))


def ended_at(started_at: datetime, now: datetime, elapsed_s: float) -> datetime:
    """When a ride has ended that ends now. ``elapsed_s``: since its unlock, by the database.

    Start and end may be told by two servers. Where their clocks differ by more than the news of the
    unlock may take, the one clock of the database says how long it was (F14).
    """
    by_database = started_at + timedelta(seconds=elapsed_s)
    return now if abs(now - by_database) <= _CLOCKS_DIFFER else by_database


def speed_kmh(distance_m: int, seconds: int) -> float:
    """Average speed = distance / time, one decimal (RNT-40): 2,300 m in 900 s are 9.2."""
    return round(distance_m / seconds * 3.6, 1) if seconds else 0.0


def is_over(elapsed_s: float, distance_m: int, max_ride_h: int, max_ride_km: int) -> bool:
    """True when a ride has reached one of its limits (RNT-51)."""
    return elapsed_s >= max_ride_h * 3600 or distance_m >= max_ride_km * 1000


def limit_end(started_at: datetime, now: datetime, max_ride_h: int) -> datetime:
    """When a ride that reached a limit is taken to have ended: never after its longest duration."""
    return min(now, started_at + timedelta(hours=max_ride_h))


def look_again_s(
    elapsed_s: float, distance_m: int, max_ride_h: int, max_ride_km: int, vehicle_type: str
) -> float:
    """When to look at a ride again: just before it can have reached a limit, and seldom else."""
    time_left = max_ride_h * 3600 - elapsed_s
    speed = _TOP_SPEED_MS.get(vehicle_type, max(_TOP_SPEED_MS.values()))
    way_left = (max_ride_km * 1000 - distance_m) / speed
    # Both limits are met to the minute; only the time limit can be met to the second.
    return min(time_left, max(way_left, _SOONEST_LOOK_S))


def paid_word(payment_state: str | None) -> str:
    """How a receipt says how far it is paid (RNT-42, C-12): ``processed`` once captured."""
    if payment_state in ("completed", "refunded", "voided"):
        return "processed"
    return "due" if payment_state in ("due", "failed") else "processing"


def ride_word(state: str) -> str:
    """A rental's state as ``/rentals`` words it: a ride under way is ``active`` (RNT-36)."""
    return "active" if state == "in_progress" else state


def km(distance_m: int) -> float:
    """Kilometres as answers show them: 2.3 for 2,300 m, to ten metres."""
    return round(distance_m / 1000, 2)
