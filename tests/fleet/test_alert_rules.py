"""Decisions about alerts: never two open, hysteresis, escalation, quiet hours; pure (WEB-10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet.contract.alerts import AlertRule
from fahrwerk.fleet.contract.zones import Hours
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.fleet.rules.alerts import Standing
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from typing import Any

START = datetime(2026, 5, 4, 12, tzinfo=UTC)  # a Monday
LOW = AlertRule(
    name="low", kind="battery_low", severity="warning", raise_at=15, clear_at=25, hold_s=20,
    readings=2, escalate_after_s=600,
)  # fmt: skip
HOT = AlertRule(
    name="hot", kind="temperature_high", severity="info", raise_at=60, clear_at=50, hold_s=10,
)  # fmt: skip
RULES = st.sampled_from([LOW, HOT, msgspec.structs.replace(LOW, hold_s=0, readings=1)])
LOOKS = st.lists(
    st.tuples(
        st.integers(1, 60),  # seconds since the last look
        st.booleans(),  # a new reading
        st.one_of(st.none(), st.integers(0, 100)),  # its value; not known
    ),
    max_size=60,
)


def followed(rule: AlertRule, looks: list[tuple[int, bool, int | None]]) -> list[tuple[str, Any]]:
    """The steps of a vehicle's looks, each with its value; the state is kept as by the look."""
    standing, now, measured_at = Standing(), START, START
    steps: list[tuple[str, Any]] = []
    value: int | None = None
    for seconds, is_new, next_value in looks:
        now += timedelta(seconds=seconds)
        if is_new:
            measured_at, value = now, next_value
        step = rules.next_step(rule, standing, value, measured_at, now)
        steps.append((step, value))
        if step == "begin":
            standing = Standing("pending", now, 1, measured_at, value or 0, now)
        elif step == "count":
            standing = standing._replace(readings=standing.readings + 1, measured_at=measured_at)
        elif step == "raise":
            standing = Standing("raised", now, 1, measured_at, value or 0, now)
        elif step in ("drop", "clear"):
            standing = Standing()
        elif step == "touch":
            standing = standing._replace(
                worst=rules.worse(rule, value or 0, standing.worst), touched_at=now
            )
    return steps


@given(RULES, LOOKS)
def test_never_two_open(rule: AlertRule, looks: list[tuple[int, bool, int | None]]) -> None:
    """Between two raises there is a clear, and before each clear a raise."""
    seen = [step for step, _ in followed(rule, looks) if step in ("raise", "clear")]
    assert seen == ["raise", "clear"] * (len(seen) // 2) + ["raise"] * (len(seen) % 2)


@given(RULES, LOOKS)
def test_raised_at_one_mark_and_cleared_at_another(
    rule: AlertRule, looks: list[tuple[int, bool, int | None]]
) -> None:
    """Hysteresis: what is between the marks neither raises nor clears, nor what is not known."""
    for step, value in followed(rule, looks):
        if step in ("raise", "begin"):
            assert value is not None
            assert rules.is_bad(rule, value)
        elif step == "clear":
            assert value is not None
            assert rules.is_good(rule, value)
        elif value is None:
            assert step == "stay"


@given(LOOKS)
def test_nothing_is_raised_before_it_has_held(
    looks: list[tuple[int, bool, int | None]],
) -> None:
    now, bad_since, readings = START, None, 0
    for (seconds, is_new, _), (step, value) in zip(looks, followed(LOW, looks), strict=True):
        now += timedelta(seconds=seconds)
        if value is not None and not rules.is_bad(LOW, value):
            bad_since, readings = None, 0
        elif value is not None:
            bad_since = bad_since or now
            readings += 1 if is_new or not readings else 0
        if step == "raise":
            assert bad_since is not None
            assert now - bad_since >= timedelta(seconds=LOW.hold_s)
            assert readings >= LOW.readings


@given(st.integers(0, 5), st.integers(-100, 700), st.sampled_from(rules.SEVERITIES), st.booleans())
def test_escalation_goes_up_and_comes_to_an_end(
    escalations: int, seconds: int, severity: str, is_told: bool
) -> None:
    now = START + timedelta(seconds=seconds)
    told = rules.telling(LOW, severity, escalations, START, is_told, now)
    if not is_told:
        assert told is not None
        assert (told.severity, told.is_escalated) == (severity, False)
    elif seconds < 0 or escalations >= rules.MOST_ESCALATIONS:
        assert told is None
    else:
        assert told is not None
        assert (told.is_escalated, told.escalations) == (True, escalations + 1)
        before, after = map(rules.SEVERITIES.index, (severity, told.severity))
        assert after == min(before + 1, 2)
        assert (told.escalate_at is None) == (told.escalations == rules.MOST_ESCALATIONS)


def test_without_an_escalation_there_is_none() -> None:
    assert rules.first_escalation(HOT, START) is None
    assert rules.telling(HOT, "info", 0, None, True, START) is None


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "local", "is_quiet"),
    [
        (Hours(days=[1], start="22:00", end="06:00"), "2026-05-04T22:00", True),
        (Hours(days=[1], start="22:00", end="06:00"), "2026-05-05T05:59", True),
        (Hours(days=[1], start="22:00", end="06:00"), "2026-05-05T06:00", False),
        (Hours(days=[1], start="22:00", end="06:00"), "2026-05-04T05:00", False),
        (Hours(days=[7], start="22:00", end="06:00"), "2026-05-04T05:00", True),
        (Hours(days=[1], start="08:00", end="12:00"), "2026-05-04T11:59", True),
        (Hours(days=[1], start="08:00", end="12:00"), "2026-05-05T11:59", False),
        (Hours(days=[1], start="00:00", end="24:00"), "2026-05-04T23:59", True),
    ],
)
def test_quiet_hours_are_the_operators(hours: Hours, local: str, is_quiet: bool) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=BERLIN)
    assert rules.is_quiet([hours], at.astimezone(UTC), BERLIN) is is_quiet


def test_silences_cover_what_they_name() -> None:
    one, other = ids.new(), ids.new()
    silences = frozenset({rules.Silence(one, None), rules.Silence(None, "hot")})
    assert rules.is_silenced(silences, one, "low")
    assert rules.is_silenced(silences, other, "hot")
    assert rules.is_silenced(silences, None, "hot")
    assert not rules.is_silenced(silences, other, "low")
    assert not rules.is_silenced(frozenset({rules.Silence(one, "hot")}), one, "low")


def test_looks_outside_are_counted_by_readings() -> None:
    assert rules.looks_outside(0, "outside", is_new_reading=False) == 1
    assert rules.looks_outside(1, "outside", is_new_reading=False) == 1
    assert rules.looks_outside(1, "outside", is_new_reading=True) == 2
    assert rules.looks_outside(2, "unsure", is_new_reading=True) == 2
    assert rules.looks_outside(9, "inside", is_new_reading=True) == 0


def test_the_default_rules_make_sense() -> None:
    rules.check_rules(rules.DEFAULTS)
    assert {each.kind for each in rules.DEFAULTS} == {each.name for each in rules.DEFAULTS}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clear_at": 15}, "clear_at"),
        ({"clear_at": 10}, "clear_at"),
        ({"raise_at": -1}, "raise_at"),
        ({"clear_at": 101}, "clear_at"),
        ({"window_s": 600}, "window_s"),
        ({"kind": "battery_falling_fast", "clear_at": 5}, "window_s"),
        ({"kind": "moved_without_ride", "raise_at": 5, "clear_at": 1}, "raise_at"),
        ({"kind": "tipped_over", "raise_at": 2, "clear_at": 0}, "raise_at"),
        ({"vehicle_types": ["boat"]}, "vehicle_types"),
    ],
)
def test_rules_that_make_no_sense_are_refused(changes: dict[str, Any], field: str) -> None:
    wrong = msgspec.structs.replace(LOW, **changes)
    with pytest.raises(Invalid) as caught:
        rules.check_rules([HOT, wrong])
    assert caught.value.details["field"] == f"rules.1.{field}"


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(Invalid):
        rules.check_rules([LOW, LOW])
