"""When service is due, what may become of a ticket, what work costs, what keeps a vehicle out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from fahrwerk.fleet.contract.maintenance import (
    Part,
    SafetyTicketOpen,
    ServiceInterval,
    ServiceStanding,
    TicketClosed,
)
from fahrwerk.kernel import money
from fahrwerk.kernel.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

# --- what keeps a vehicle out

REASONS = ("staff", "battery", "ticket")
"""In ``vehicle.out_for``; a vehicle is back when none is left."""


def out_by_staff(reasons: Sequence[str], wanted: str) -> list[str]:
    """The reasons after staff asked for ``maintenance``, ``available`` or ``retired``.

    A retired vehicle is out for good: what else kept it out holds when it is taken back. Staff's
    word outweighs a battery that was low (it is looked at again at once), not an open
    safety-critical ticket: raises ``SafetyTicketOpen``.
    """
    if wanted == "maintenance":
        return sorted({*reasons, "staff"})
    if wanted == "retired":
        return [each for each in reasons if each != "staff"]
    if "ticket" in reasons:
        raise SafetyTicketOpen
    return []


# --- service

DEFAULT_DAYS = 30


def _default(vehicle_type: str, distance_m: int) -> ServiceInterval:
    return ServiceInterval(
        vehicle_type=vehicle_type, days=DEFAULT_DAYS, distance_m=distance_m, is_default=True
    )


DEFAULTS = {
    "scooter": _default("scooter", 600_000),
    "ebike": _default("ebike", 1_000_000),
    "car": _default("car", 15_000_000),
    "van": _default("van", 15_000_000),
}
"""Where an operator has set nothing."""
_CENTURY_S = 86_400.0 * 36_500


def standing(
    vehicle_id: UUID,
    *,
    now: datetime,
    created_at: datetime,
    last_service_at: datetime | None,
    interval_days: int,
    interval: ServiceInterval,
    since_m: int,
    since_rides: int,
) -> ServiceStanding:
    """How it stands with a vehicle's service (FLT-34): whichever comes first.

    By days it is a date. By distance and rides it is when the limit is reached at the mean use
    since the last service: a date that moves with the use, and lies in the past once it is reached.
    """
    began = last_service_at or created_at
    dates = [began + timedelta(days=interval_days)]
    due = ["days"] if dates[0] <= now else []
    for name, limit, used in (
        ("distance", interval.distance_m, since_m),
        ("rides", interval.rides, since_rides),
    ):
        if limit is None or used <= 0:
            continue
        if used >= limit:
            due.append(name)
        span_s = max(0.0, (now - began).total_seconds()) * limit / used
        dates.append(began + timedelta(seconds=min(span_s, _CENTURY_S)))  # within the calendar
    return ServiceStanding(
        vehicle_id=vehicle_id,
        last_service_at=last_service_at,
        next_service_at=min(dates),
        interval_days=interval_days,
        interval_m=interval.distance_m,
        interval_rides=interval.rides,
        since_m=since_m,
        since_rides=since_rides,
        due=due,
    )


def check_interval(wanted: ServiceInterval, types: Sequence[str]) -> None:
    """Raise ``Invalid`` unless this can be an interval, or takes one back."""
    if wanted.vehicle_type not in types:
        raise Invalid(field="vehicle_type", issue=f"must be one of {', '.join(types)}")
    check_text("model", wanted.model, 100)
    if wanted.days is None and (wanted.distance_m, wanted.rides) != (None, None):
        raise Invalid(field="days", issue="is needed beside distance and rides")
    for field, value, least, most in (
        ("days", wanted.days, 1, 3_650),
        ("distance_m", wanted.distance_m, 1_000, 1_000_000_000),
        ("rides", wanted.rides, 1, 1_000_000),
    ):
        if value is not None and not least <= value <= most:
            raise Invalid(field=field, issue=f"must be {least} to {most}")


# --- tickets

SERIOUS = frozenset({"brakes", "lights", "tyre", "lock"})
"""Of these kinds a fault is safety-critical, or lets the vehicle be stolen."""
RECENTLY = timedelta(hours=24)
"""So long after a ride a rider may report a fault."""
_STEPS = {
    "open": {"open", "assigned", "in_progress", "cancelled", "done"},
    "assigned": {"open", "assigned", "in_progress", "cancelled", "done"},
    "in_progress": {"open", "assigned", "in_progress", "cancelled", "done"},
    "done": {"done"},
    "cancelled": {"cancelled"},
}


def severity_of(kind: str, is_unsafe: bool = False) -> str:
    """How a fault of this kind is usually taken."""
    if is_unsafe or kind in SERIOUS:
        return "safety"
    return "high" if kind == "battery" else "normal"


def worse(one: str, other: str) -> str:
    """The graver of two severities."""
    order = ("low", "normal", "high", "safety")
    return max(one, other, key=order.index)


def next_state(state: str, wanted: str | None, assignee: str | None) -> str:
    """The state of a ticket after a change; an assignee alone makes an open one assigned.

    Raises ``TicketClosed`` when it is over, ``Conflict`` for assigned without an assignee.
    """
    if state in ("done", "cancelled") and wanted != state:
        raise TicketClosed(state=state)
    if wanted is None:
        wanted = state
        if state == "open" and assignee:
            wanted = "assigned"
        elif state == "assigned" and not assignee:
            wanted = "open"
    if wanted == "assigned" and not assignee:
        raise Conflict("An assigned ticket has an assignee.", code="NO_ASSIGNEE")
    if wanted not in _STEPS[state]:
        raise TicketClosed(state=state)
    return wanted


MOST_PARTS = 100
MOST_MINUTES = 100_000
MOST_COST_MINOR = 10**12


def check_parts(parts: Sequence[Part]) -> None:
    """Raise ``Invalid`` for the first flaw of a list of parts."""
    if len(parts) > MOST_PARTS:
        raise Invalid(field="parts", issue=f"must be at most {MOST_PARTS}")
    for n, part in enumerate(parts):
        check_text(f"parts.{n}.name", part.name, 100, is_needed=True)
        if part.part_number is not None:
            check_text(f"parts.{n}.part_number", part.part_number, 50, is_needed=True)
        if not 1 <= part.quantity <= 10_000:
            raise Invalid(field=f"parts.{n}.quantity", issue="must be 1 to 10000")
        if not 0 <= part.unit_cost_minor <= 1_000_000_000:
            raise Invalid(field=f"parts.{n}.unit_cost", issue="is out of range")


def parts_minor(parts: Sequence[Part]) -> int:
    """What parts cost together."""
    return sum(part.quantity * part.unit_cost_minor for part in parts)


def labour_minor(minutes: int, rate_minor: int) -> int:
    """What work costs, ``rate_minor`` an hour; rounded half up once."""
    return money.round_half_up(Decimal(minutes) * rate_minor / 60)


def check_labour(minutes: int, rate_minor: int) -> None:
    """Raise ``Invalid`` unless minutes and the rate per hour can be."""
    if not 0 <= minutes <= MOST_MINUTES:
        raise Invalid(field="labour_minutes", issue=f"must be 0 to {MOST_MINUTES}")
    if not 0 <= rate_minor <= 100_000_000:
        raise Invalid(field="labour_rate", issue="is out of range")


def to_minor(field: str, amount: Decimal, currency: str) -> int:
    """A cost as people write it, in minor units. Raises ``Invalid`` for what cannot be one."""
    if not amount.is_finite() or not 0 <= amount <= MOST_COST_MINOR:
        raise Invalid(field=field, issue="must be a number, not negative, not huge")
    value = amount * 10 ** money.decimals(currency)
    if value != value.to_integral_value() or value > MOST_COST_MINOR:
        raise Invalid(field=field, issue=f"must have at most {money.decimals(currency)} decimals")
    return int(value)


def check_text(field: str, text: str, longest: int, *, is_needed: bool = False) -> None:
    """Raise ``Invalid`` unless people can have written this; line breaks are fine."""
    if is_needed and not text.strip():
        raise Invalid(field=field, issue="must not be empty")
    if len(text) > longest:
        raise Invalid(field=field, issue=f"must have at most {longest} characters")
    if any(not c.isprintable() and c not in "\n\r\t" for c in text):
        raise Invalid(field=field, issue="must not have control characters")


MOST_DAYS = 400


def check_period(since: datetime, until: datetime) -> None:
    """Raise ``Invalid`` unless this is a period that can be reported on."""
    for field, at in (("since", since), ("until", until)):
        if not 2000 <= at.year < 2100:
            raise Invalid(field=field, issue="must be between the years 2000 and 2100")
    if not since < until:
        raise Invalid(field="until", issue="must be after since")
    if until - since > timedelta(days=MOST_DAYS):
        raise Invalid(field="until", issue=f"must be at most {MOST_DAYS} days after since")


def availability(out_s: int, fleet: int, period_s: float) -> float:
    """The part of the fleet's time that it was not in maintenance."""
    if fleet <= 0 or period_s <= 0:
        return 1.0
    return round(max(0.0, 1 - out_s / (fleet * period_s)), 4)
