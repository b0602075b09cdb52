"""Pure decisions of rentals: the state machine, the limits, the figures of a ride."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fahrwerk.kernel.errors import Invalid
from fahrwerk.rentals import rules
from fahrwerk.rentals.contract import STATES, WrongState

NOW = datetime(2025, 1, 15, 14, 30, tzinfo=UTC)
VERBS = ("authorize", "unlock", "end", "cancel")


@pytest.mark.parametrize(
    ("verb", "state", "after"),
    [
        ("authorize", "pending", "confirmed"),
        ("unlock", "confirmed", "in_progress"),
        ("end", "in_progress", "completed"),
        ("cancel", "pending", "cancelled"),
        ("cancel", "confirmed", "cancelled"),
        # repeats
        ("authorize", "confirmed", None),
        ("authorize", "in_progress", None),
        ("authorize", "completed", None),
        ("unlock", "in_progress", None),
        ("unlock", "completed", None),
        ("end", "completed", None),
        ("cancel", "cancelled", None),
    ],
)
def test_every_move_there_is(verb: str, state: str, after: str | None) -> None:
    """RNT-14, C-10, G-12: the five states, and what leads from one to the next."""
    assert rules.move(verb, state) == after


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("authorize", "cancelled"),
        ("unlock", "pending"),
        ("unlock", "cancelled"),
        ("end", "pending"),
        ("end", "confirmed"),
        ("end", "cancelled"),
        ("cancel", "in_progress"),
        ("cancel", "completed"),
    ],
)
def test_everything_else_is_refused_and_says_where_it_stands(verb: str, state: str) -> None:
    with pytest.raises(WrongState) as refused:
        rules.move(verb, state)
    assert refused.value.details == {"state": state, "wanted": rules.before(verb)}


class AnyOrderOfEvents(RuleBasedStateMachine):
    """No order of events, each as often as it likes, reaches what must not be."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "pending"
        self.past: list[str] = []

    @rule(verb=st.sampled_from(VERBS))
    def happens(self, verb: str) -> None:
        before = self.state
        try:
            after = rules.move(verb, self.state)
        except WrongState:
            return
        if after is not None:
            self.past.append(verb)
            self.state = after
        else:
            assert self.state == before, "a repeat changes nothing"

    @invariant()
    def is_in_one_of_five_states(self) -> None:
        assert self.state in STATES

    @invariant()
    def no_ride_without_payment_and_unlock(self) -> None:
        """I2: what rides or has ridden was authorised first, then unlocked."""
        if self.state in rules.RIDES:
            assert self.past[:2] == ["authorize", "unlock"]

    @invariant()
    def a_ride_is_never_cancelled(self) -> None:
        assert not {"unlock", "cancel"} <= set(self.past)

    @invariant()
    def each_step_is_taken_once(self) -> None:
        assert len(self.past) == len(set(self.past))

    @precondition(lambda self: self.state in ("completed", "cancelled"))
    @rule(verb=st.sampled_from(VERBS))
    def the_end_is_the_end(self, verb: str) -> None:
        try:
            assert rules.move(verb, self.state) is None
        except WrongState:
            pass


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase


def test_a_start_gone_by_means_now_and_one_far_ahead_is_refused() -> None:
    """RNT-11: phones' clocks differ; a vehicle does not wait for half a day."""
    past = NOW - timedelta(minutes=5)
    assert rules.planned_start(None, NOW) == NOW
    assert rules.planned_start(past, NOW) == past
    assert rules.planned_start(NOW + rules.MOST_AHEAD, NOW) == NOW + rules.MOST_AHEAD
    with pytest.raises(Invalid) as refused:
        rules.planned_start(NOW + rules.MOST_AHEAD + timedelta(seconds=1), NOW)
    assert refused.value.details["field"] == "start_time"


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
def test_a_ride_is_not_planned_longer_than_it_may_last(minutes: int) -> None:
    """RNT-51"""
    with pytest.raises(Invalid):
        rules.check_minutes(minutes, 24)
    rules.check_minutes(24 * 60, 24)
    rules.check_minutes(None, 24)


def test_speed_is_distance_by_time() -> None:
    """RNT-40: 2.3 km in 15 minutes are 9.2 km/h; a ride of no time has no speed."""
    assert rules.speed_kmh(2300, 900) == 9.2
    assert rules.speed_kmh(0, 0) == 0.0
    assert rules.km(2300) == 2.3


def test_no_clock_makes_a_ride_shorter_than_nothing() -> None:
    """F14: started by one machine's clock, ended by another's."""
    assert rules.duration_s(NOW, NOW - timedelta(seconds=3)) == 0
    assert rules.duration_s(NOW, NOW + timedelta(minutes=45)) == 2700


@given(
    elapsed_s=st.floats(0, 48 * 3600),
    distance_m=st.integers(0, 200_000),
    kind=st.sampled_from(["scooter", "ebike", "car", "van"]),
)
def test_no_limit_is_passed_unseen(elapsed_s: float, distance_m: int, kind: str) -> None:
    """RNT-51: between two looks a ride goes past its limits by a minute at most."""
    if rules.is_over(elapsed_s, distance_m, 24, 100):
        return
    wait_s = rules.look_again_s(elapsed_s, distance_m, 24, 100, kind)
    assert wait_s > 0
    assert elapsed_s + wait_s <= 24 * 3600 + 1e-6
    fastest = rules._TOP_SPEED_MS[kind]
    assert distance_m + wait_s * fastest <= 100_000 + 60 * fastest + 1e-6


def test_most_rides_are_looked_at_seldom() -> None:
    assert rules.look_again_s(0, 0, 24, 100, "scooter") == 8000
    assert rules.look_again_s(24 * 3600 - 5, 0, 24, 100, "scooter") == 5


def test_a_ride_over_its_limit_ends_where_the_limit_was() -> None:
    day = timedelta(hours=24)
    assert rules.limit_end(NOW, NOW + day + timedelta(minutes=3), 24) == NOW + day
    assert rules.limit_end(NOW, NOW + timedelta(hours=2), 24) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("state", "word"),
    [("completed", "processed"), ("refunded", "processed"), ("authorized", "processing"),
     ("unknown", "processing"), (None, "processing"), ("due", "due")],
)  # fmt: skip
def test_how_a_receipt_says_paid(state: str | None, word: str) -> None:
    """C-12"""
    assert rules.paid_word(state) == word


@given(st.floats(0, 90_000), st.floats(-7_200, 7_200), st.floats(0, 5))
def test_a_ride_is_as_long_as_it_was_whatever_a_clock_says(
    elapsed_s: float, wrong_s: float, lag_s: float
) -> None:
    """F14: the end may be told by a server whose clock is wrong by hours, or nearly right."""
    started = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    told = started + timedelta(seconds=elapsed_s + lag_s + wrong_s)
    ended = rules.ended_at(started, told, elapsed_s)
    assert abs(rules.duration_s(started, ended) - elapsed_s) <= 61
    if abs(wrong_s) < 50:
        assert ended == told
