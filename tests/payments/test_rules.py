"""The rules against a bank made of thirty lines: any order of faults ends well.

No database, no clock: Hypothesis chooses what is wanted and how each request goes wrong, and the
same loop as the worker's (``actions/_work.drive``) is run over ``next_step`` and ``settled``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import rules
from fahrwerk.payments.gateways import Outcome
from fahrwerk.payments.rules import Attempt, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

Mode = Literal["ok", "lost_before", "lost_after", "declined", "challenge", "wrong_echo"]
NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOLD = 1_250
UNKNOWN = Outcome(kind="unknown")


class Bank:
    """A gateway: one operation per key, whatever is asked."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.held: dict[str, int] = {}
        self.taken: dict[str, int] = {}
        self.challenged: set[str] = set()
        self.count: dict[tuple[str, str], int] = {}

    def ask(self, attempt: Attempt, mode: Mode) -> Outcome:
        """One request with its way there and back."""
        if mode == "lost_before":
            return UNKNOWN
        if attempt.key not in self.outcomes:
            self.outcomes[attempt.key] = self._do(attempt, mode)
        answer = self.outcomes[attempt.key]
        if mode == "lost_after":
            return UNKNOWN
        if mode == "wrong_echo" and answer.kind == "done":
            return Outcome(kind="done", ref=answer.ref, amount_minor=attempt.amount_minor + 1)
        return answer

    def _do(self, attempt: Attempt, mode: Mode) -> Outcome:
        if mode == "declined":
            return Outcome(kind="declined", code="no")
        if mode == "challenge" and attempt.kind == "authorize" and not attempt.is_off_session:
            self.challenged.add(attempt.key)
            return Outcome(kind="action_required", ref=attempt.key, next_action={"type": "x"})
        target = attempt.target or ""
        if attempt.kind == "authorize":
            self.held[attempt.key] = attempt.amount_minor
        elif attempt.kind == "void":
            self.held.pop(target, None)
            self.challenged.discard(target)
        elif attempt.kind == "capture":
            if self.held.get(target, 0) < attempt.amount_minor:
                return Outcome(kind="declined", code="nothing to capture")
            del self.held[target]
            self.taken[attempt.key] = attempt.amount_minor
        step = (attempt.kind, attempt.step)
        self.count[step] = self.count.get(step, 0) + 1
        return Outcome(kind="done", ref=attempt.key, amount_minor=attempt.amount_minor)


def new_case() -> Case:
    return Case(
        id=ids.new(), reference=ids.new(), rider_id=ids.new(), state="created", currency="EUR",
        amount_minor=HOLD, gateway="bank", method_ref="card",
    )  # fmt: skip


def older(case: Case, seconds: float) -> Case:
    attempts = tuple(
        rules.changed_attempt(a, age_s=a.age_s + seconds, idle_s=a.idle_s + seconds)
        for a in case.attempts
    )
    return rules.changed(case, attempts=attempts)


def touched(case: Case, attempt: Attempt) -> Case:
    return rules.with_attempt(case, rules.changed_attempt(attempt, idle_s=0.0))


def sent(case: Case, bank: Bank, attempt: Attempt, mode: Mode) -> Case:
    case = touched(case, attempt)
    after, _ = rules.settled(case, attempt.key, bank.ask(attempt, mode), NOW, is_read=False)
    return after


def resolved(case: Case, bank: Bank, attempt: Attempt, mode: Mode) -> Case:
    asked = rules.changed_attempt(attempt, checks=attempt.checks + 1)
    case = touched(case, asked)
    if mode in ("lost_before", "lost_after"):
        return rules.settled(case, asked.key, UNKNOWN, NOW, is_read=True)[0]
    found = bank.outcomes.get(asked.key)
    if found is not None:
        return rules.settled(case, asked.key, found, NOW, is_read=True)[0]
    match rules.when_not_found(case, asked):
        case "send":
            again = rules.changed_attempt(asked, state="sent", sends=asked.sends + 1)
            return sent(case, bank, again, mode)
        case "fail":
            return rules.not_sent(case, asked)[0]
        case "wait":
            return rules.settled(case, asked.key, UNKNOWN, NOW, is_read=True)[0]


def check(case: Case, bank: Bank) -> None:
    """What must hold at every moment (I1)."""
    assert 0 <= case.captured_minor <= case.authorized_minor
    assert all(count == 1 for count in bank.count.values()), bank.count
    assert sum(bank.taken.values()) <= max(case.due_minor or 0, 0)
    live: set[tuple[str, str]] = set()
    for attempt in case.attempts:
        if attempt.state not in ("declined", "failed"):
            assert (attempt.kind, attempt.step) not in live, "the index would refuse this"
            live.add((attempt.kind, attempt.step))
    keys = [a.key for a in case.attempts]
    assert len(keys) == len(set(keys))


def driven(case: Case, bank: Bank, modes: Iterator[Mode]) -> Case:
    """The worker's loop until it rests; every request takes its way from ``modes``."""
    for _ in range(400):
        check(case, bank)
        match rules.next_step(case):
            case rules.Rest():
                return case
            case rules.Wait(seconds):
                case = older(case, seconds)
            case rules.Close():
                case = rules.closed(case)[0]
            case rules.GiveUp(reason):
                case = rules.owed(case, reason)[0]
            case rules.Begin(attempt):
                case = sent(case, bank, attempt, next(modes))
            case rules.Resolve(attempt):
                case = resolved(older(case, 1.0), bank, attempt, next(modes))
    raise AssertionError(f"never came to rest: {case}")


def endless(chosen: list[Mode]) -> Iterator[Mode]:
    """The chosen faults, then none any more."""
    yield from chosen
    while True:
        yield "ok"


def first_try(case: Case, bank: Bank, mode: Mode) -> Case:
    step = rules.step_to_authorise(case, "card")
    assert isinstance(step, rules.Begin)
    return sent(case, bank, step.attempt, mode)


any_mode = st.sampled_from(
    ["ok", "lost_before", "lost_after", "declined", "challenge", "wrong_echo"]
)
any_modes = st.lists(any_mode, max_size=14)
no_decline = st.sampled_from(["ok", "lost_before", "lost_after", "wrong_echo"])


@given(any_mode, any_modes)
@settings(max_examples=300)
def test_an_unwanted_payment_ends_with_nothing_held(first: Mode, later: list[Mode]) -> None:
    """I12: whatever happened to the authorisation and to its voiding."""
    bank = Bank()
    case = first_try(new_case(), bank, first)
    case = driven(rules.changed(case, is_unwanted=True), bank, endless(later))
    assert case.state in ("voided", "failed")
    assert (bank.held, bank.challenged, case.authorized_minor) == ({}, set(), 0)
    assert bank.taken == {}


@given(any_modes, any_modes, st.integers(0, 4 * HOLD))
@settings(max_examples=500)
def test_a_ride_is_paid_once_or_owed(
    before: list[Mode], later: list[Mode], price_minor: int
) -> None:
    """I1, I10: both books agree; completed means exactly the price; due means what is missing."""
    bank = Bank()
    case = driven(first_try(new_case(), bank, "ok"), bank, endless(before))
    case = driven(rules.changed(case, due_minor=price_minor), bank, endless(later))
    assert case.captured_minor == sum(bank.taken.values())
    assert bank.held == {}
    assert case.authorized_minor >= case.captured_minor
    if price_minor == 0:
        assert case.state == "voided"
    else:
        assert case.state in ("completed", "due")
        assert (case.state == "completed") == (case.captured_minor == price_minor)


@given(st.lists(no_decline, max_size=14), st.integers(1, 4 * HOLD))
@settings(max_examples=300)
def test_silence_alone_never_costs_a_payment(later: list[Mode], price_minor: int) -> None:
    """PAY-12: when nothing is refused for good, every ride ends completed."""
    bank = Bank()
    case = first_try(new_case(), bank, "ok")
    case = driven(rules.changed(case, due_minor=price_minor), bank, endless(later))
    assert (case.state, case.captured_minor) == ("completed", price_minor)


@given(st.lists(no_decline, max_size=5), no_decline)
def test_a_wanted_hold_is_found_or_made(later: list[Mode], first: Mode) -> None:
    bank = Bank()
    case = driven(first_try(new_case(), bank, first), bank, endless(later))
    assert (case.state, case.authorized_minor, bank.held) == (
        "authorized", HOLD, {case.attempts[0].key: HOLD},
    )  # fmt: skip


@given(any_mode, st.lists(st.sampled_from(["ok", "declined", "unknown", "none"]), max_size=6))
def test_what_is_settled_stays_settled(first: Mode, answers: list[str]) -> None:
    """F11: later answers, in any order, move nothing back and tell nothing twice."""
    bank = Bank()
    case = first_try(new_case(), bank, first)
    key = case.attempts[0].key
    if case.attempts[0].state not in ("succeeded", "declined"):
        return
    for answer in answers:
        outcome = (
            Outcome(kind="done", ref="other", amount_minor=HOLD)
            if answer == "ok"
            else Outcome(kind="declined" if answer == "declined" else "unknown")
        )
        assert rules.settled(case, key, outcome, NOW, is_read=True) == (case, [])


def test_keys_are_derived_never_random() -> None:
    """F1: a fresh random key per try is how doubles are made."""
    case = new_case()
    one = rules.new_attempt(case, "authorize", "hold", HOLD)
    two = rules.new_attempt(case, "authorize", "hold", HOLD)
    assert one.key == two.key == f"{case.id.hex}-authorize-hold-1"
    refused = rules.with_attempt(case, rules.changed_attempt(one, state="declined"))
    assert rules.new_attempt(refused, "authorize", "hold", HOLD).key.endswith("-hold-2")


@pytest.mark.parametrize(("times", "seconds"), [(0, 2), (1, 4), (4, 32), (5, 60), (9, 60)])
def test_pauses_grow_but_stay_within_i8(times: int, seconds: float) -> None:
    assert rules.pause_s(times) == seconds


@pytest.mark.parametrize("text", ["0", "-1", "0.001", "1000000.01", "NaN", "Infinity", "1e30"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(Invalid):
        rules.to_minor(Decimal(text), "EUR")


def test_amounts_of_people() -> None:
    assert rules.to_minor(Decimal("12.50"), "EUR") == 1_250
    assert rules.to_minor(Decimal(1_250), "JPY") == 1_250
    with pytest.raises(Invalid):
        rules.to_minor(Decimal("12.5"), "JPY")
