"""When an alert is raised, cleared, told and made more severe, decided from arguments alone.

What is the case with one vehicle and one rule goes through these phases::

    (none) -> pending -> raised   -> (none)     has an alert of its own
                      -> grouped  -> (none)     is counted in a fleet-wide one
                         handled  -> (none)     a person has resolved the alert

A condition begins at ``raise_at`` and ends at ``clear_at``; in between, everything stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract.alerts import MOST_RULES, AlertRule
from fahrwerk.fleet.rules import zones
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from fahrwerk.fleet.contract.zones import Fix, Hours
    from fahrwerk.fleet.rules.zones import Book

REOPEN_S = 300
"""What comes back within this time is the same alert."""
BURST_S = 60
"""More raised within this time than ``group_above`` are one fleet-wide alert."""
TOUCH_S = 300
"""How often an alert that stays is noted to be still the case."""
SETTLE_S = 60
"""A vehicle that was just put down is still being found by its satellites."""
ASSUMED_ACCURACY_M = 15.0
MOST_ESCALATIONS = 3
LONGEST_SILENCE = timedelta(days=90)

SEVERITIES = ("info", "warning", "critical")
FALLING_IS_BAD = frozenset({"battery_low", "temperature_low"})
NOT_MEASURED = frozenset({"silent"})
"""Grows by itself: no reading says so, and being worse is no news."""

Phase = Literal["none", "pending", "raised", "grouped", "handled"]
Step = Literal["begin", "count", "raise", "drop", "clear", "touch", "stay"]


class Standing(NamedTuple):
    """What is known of the condition of one vehicle and rule."""

    phase: Phase = "none"
    since: datetime | None = None
    readings: int = 0
    measured_at: datetime | None = None
    worst: float = 0.0
    touched_at: datetime | None = None


def is_bad(rule: AlertRule, value: float) -> bool:
    """At ``raise_at`` or beyond."""
    return value <= rule.raise_at if rule.kind in FALLING_IS_BAD else value >= rule.raise_at


def is_good(rule: AlertRule, value: float) -> bool:
    """Back at ``clear_at`` or better."""
    return value >= rule.clear_at if rule.kind in FALLING_IS_BAD else value <= rule.clear_at


def worse(rule: AlertRule, one: float, other: float) -> float:
    """The worse of two values."""
    return min(one, other) if rule.kind in FALLING_IS_BAD else max(one, other)


def next_step(
    rule: AlertRule,
    standing: Standing,
    value: float | None,
    measured_at: datetime | None,
    now: datetime,
) -> Step:
    """What follows from one look. ``value`` None: not known, then nothing changes."""
    if value is None:
        return "stay"
    if standing.phase == "none":
        if not is_bad(rule, value):
            return "stay"
        return "raise" if _holds(rule, 1, timedelta(0)) else "begin"
    if standing.phase == "pending":
        if not is_bad(rule, value):
            return "drop"
        agreed = standing.readings + (measured_at != standing.measured_at)
        if _holds(rule, agreed, now - (standing.since or now)):
            return "raise"
        return "count" if agreed != standing.readings else "stay"
    if is_good(rule, value):
        return "clear"
    if standing.phase != "raised":
        return "stay"
    is_worse = worse(rule, value, standing.worst) != standing.worst
    if is_worse and rule.kind not in NOT_MEASURED:
        return "touch"
    is_old = standing.touched_at is None or now - standing.touched_at >= timedelta(seconds=TOUCH_S)
    return "touch" if is_old else "stay"


def _holds(rule: AlertRule, readings: int, lasted: timedelta) -> bool:
    wanted = 1 if rule.kind in NOT_MEASURED else rule.readings
    return readings >= wanted and lasted >= timedelta(seconds=rule.hold_s)


def is_burst(rule: AlertRule, raised_lately: int, raised_now: int) -> bool:
    """True when so many vehicles at once are one alert and not many."""
    return raised_lately + raised_now > rule.group_above


def state_when_reopened(was_acknowledged: bool, resolution: str) -> str:
    """An alert that comes back within minutes: who deals with it already is not asked again."""
    return "acknowledged" if was_acknowledged and resolution == "cleared" else "open"


# --- telling


class Telling(NamedTuple):
    """What an open alert that is due becomes."""

    severity: str
    escalations: int
    escalate_at: datetime | None
    is_escalated: bool


def first_escalation(rule: AlertRule, now: datetime) -> datetime | None:
    """When a new alert becomes more severe."""
    return now + timedelta(seconds=rule.escalate_after_s) if rule.escalate_after_s else None


def telling(
    rule: AlertRule,
    severity: str,
    escalations: int,
    escalate_at: datetime | None,
    is_told: bool,
    now: datetime,
) -> Telling | None:
    """Of an alert that nobody has acknowledged, is not silenced and has no quiet hours now.

    None = nothing to be told. One that waited for the end of quiet hours is told first as it is.
    """
    if not is_told:
        return Telling(severity, escalations, first_escalation(rule, now), is_escalated=False)
    if escalate_at is None or escalate_at > now or escalations >= MOST_ESCALATIONS:
        return None
    more = SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 1)]
    done = escalations + 1
    following = first_escalation(rule, now) if done < MOST_ESCALATIONS else None
    return Telling(more, done, following, is_escalated=True)


def is_quiet(hours: Sequence[Hours], now: datetime, zone: ZoneInfo) -> bool:
    """True while any of these weekly hours, in the operator's time zone, is on."""
    local = now.astimezone(zone)
    today, at = local.isoweekday(), f"{local:%H:%M}"
    yesterday = (today - 2) % 7 + 1
    for each in hours:
        if each.start < each.end:
            is_on = today in each.days and each.start <= at < each.end
        else:
            is_on = (today in each.days and at >= each.start) or (
                yesterday in each.days and at < each.end
            )
        if is_on:
            return True
    return False


class Silence(NamedTuple):
    """Until when nobody is told of a vehicle, a rule, or the two together."""

    vehicle_id: UUID | None
    rule: str | None


def is_silenced(silences: frozenset[Silence], vehicle_id: UUID | None, rule: str) -> bool:
    """True when one of the silences that have not run out covers this."""
    return bool(
        silences & {Silence(vehicle_id, rule), Silence(vehicle_id, None), Silence(None, rule)}
    )


# --- rules


DEFAULTS: tuple[AlertRule, ...] = (
    AlertRule(
        name="moved_without_ride", kind="moved_without_ride", severity="critical",
        raise_at=60, clear_at=30, readings=3, escalate_after_s=600,
    ),
    AlertRule(
        name="outside_area", kind="outside_area", severity="warning",
        raise_at=3, clear_at=0, escalate_after_s=1800,
    ),
    AlertRule(
        name="tipped_over", kind="tipped_over", severity="warning",
        raise_at=1, clear_at=0, hold_s=60, readings=2, escalate_after_s=7200,
    ),
    AlertRule(
        name="silent", kind="silent", severity="warning",
        raise_at=900, clear_at=120, escalate_after_s=7200,
    ),
    AlertRule(
        name="battery_falling_fast", kind="battery_falling_fast", severity="warning",
        raise_at=20, clear_at=10, readings=2, window_s=600,
    ),
    AlertRule(
        name="battery_low", kind="battery_low", severity="info",
        raise_at=15, clear_at=25, hold_s=60, readings=2,
    ),
    AlertRule(
        name="temperature_high", kind="temperature_high", severity="critical",
        raise_at=60, clear_at=50, hold_s=30, readings=2, escalate_after_s=600,
    ),
    AlertRule(
        name="temperature_low", kind="temperature_low", severity="info",
        raise_at=-15, clear_at=-10, hold_s=300, readings=2,
    ),
)  # fmt: skip
"""What a new operator begins with; all of it may be changed."""


def check_rules(rules: Sequence[AlertRule]) -> None:
    """Raise ``Invalid`` for the first rule that makes no sense."""
    if len(rules) > MOST_RULES:
        raise Invalid(field="rules", issue=f"must be at most {MOST_RULES}")
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        for field, issue in _flaws(rule):
            raise Invalid(field=f"rules.{number}.{field}", issue=issue)
        if rule.name in seen:
            raise Invalid(field=f"rules.{number}.name", issue="is there twice")
        seen.add(rule.name)


_LEAST_RAISE: dict[str, float] = {
    "moved_without_ride": 10,
    "outside_area": 1,
    "tipped_over": 1,
    "silent": 60,
    "battery_falling_fast": 1,
}
_BETWEEN: dict[str, tuple[float, float]] = {
    "tipped_over": (0, 1),
    "battery_falling_fast": (0, 100),
    "battery_low": (0, 100),
    "temperature_high": (-60, 200),
    "temperature_low": (-60, 200),
}


def _flaws(rule: AlertRule) -> list[tuple[str, str]]:
    found = []
    if rule.kind in FALLING_IS_BAD:
        if rule.clear_at <= rule.raise_at:
            found.append(("clear_at", "must be above raise_at"))
    elif rule.clear_at >= rule.raise_at:
        found.append(("clear_at", "must be below raise_at"))
    if rule.raise_at < (least := _LEAST_RAISE.get(rule.kind, rule.raise_at)):
        found.append(("raise_at", f"must be at least {least:g}"))
    low, high = _BETWEEN.get(rule.kind, (0, 1_000_000))
    for field, value in (("raise_at", rule.raise_at), ("clear_at", rule.clear_at)):
        if not low <= value <= high:
            found.append((field, f"must be {low:g} to {high:g}"))
    if (rule.window_s is not None) != (rule.kind == "battery_falling_fast"):
        is_missing = rule.window_s is None
        found.append(("window_s", "is missing" if is_missing else "belongs to another kind"))
    if unknown := sorted(set(rule.vehicle_types) - PREFIX.keys()):
        found.append(("vehicle_types", f"there is no type {unknown[0]}"[:100]))
    return found


# --- areas


def area_decision(
    book: Book, vehicle_type: str, fix: Fix, now: datetime
) -> Literal["inside", "outside", "unsure"]:
    """Whether a position is in an operating area; ``inside`` where there is none for this type."""
    minute = book.minute(now)
    if not any(each.applies(vehicle_type, now, minute) for each in book.kinds["operating_area"]):
        return "inside"
    hits = book.hits(vehicle_type, fix.longitude, fix.latitude, zones.accuracy_of(fix), now)
    sure = [is_sure for each, is_sure in hits if each.zone.rules.kind == "operating_area"]
    return "inside" if any(sure) else "unsure" if sure else "outside"


def looks_outside(looks: int, decision: str, *, is_new_reading: bool) -> int:
    """How often in a row a vehicle was surely outside: only readings count, not looking again."""
    if decision == "inside":
        return 0
    if decision == "unsure":
        return looks
    return min(looks + 1, 1_000) if is_new_reading or looks == 0 else looks
