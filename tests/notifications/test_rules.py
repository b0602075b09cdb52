"""Languages, pauses, dates: the pure part."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.notifications import rules

LANG = st.sampled_from(rules.LANGUAGES)


@pytest.mark.parametrize(
    ("wanted", "lang"),
    [
        (("en", "de"), "en"),
        (("de-AT", "en"), "de"),
        (("fr", "de"), "de"),
        ((None, "de_DE"), "de"),
        (("", "fr"), "en"),
        ((), "en"),
        (("DE",), "de"),
    ],
)
def test_the_persons_language_wins_then_the_operators(
    wanted: tuple[str | None, ...], lang: str
) -> None:
    assert rules.language(*wanted) == lang


def test_pauses_grow_and_end() -> None:
    pauses = [rules.pause_s(attempts) for attempts in range(1, len(rules.PAUSES_S) + 2)]
    assert pauses[-1] is None
    known = [pause for pause in pauses if pause is not None]
    assert known == sorted(set(known))
    assert len(known) == len(rules.PAUSES_S)


@given(st.text())
def test_one_line_is_one_visible_line(text: str) -> None:
    line = rules.one_line(text)
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert rules.one_line(line) == line


def test_one_line_keeps_words_apart_and_letters_whole() -> None:
    assert rules.one_line("Jörg\r\nBcc: all\u2028@x \u202eevil") == "Jörg Bcc: all @x evil"
    assert rules.one_line(None) == ""


AT = datetime(2026, 3, 28, 23, 5, tzinfo=UTC)


def test_times_are_those_of_the_operators_clock() -> None:
    assert rules.moment(AT, "Europe/Berlin", "de") == "29. März 2026, 00:05\u00a0Uhr"
    assert rules.moment(AT, "America/Los_Angeles", "en") == "28 March 2026, 16:05"


@given(st.datetimes(timezones=st.just(UTC)), LANG)
def test_every_day_can_be_said(at: datetime, lang: str) -> None:
    try:
        said = rules.day(at, "Asia/Kathmandu", lang)
    except OverflowError:  # the last day there is
        return
    assert said.split()[-1].isdigit()


@pytest.mark.parametrize(
    ("seconds", "de", "en"),
    [(0, "0 s", "0 s"), (59, "59 s", "59 s"), (60, "1 min", "1 min"), (3599, "59 min", "59 min"),
     (3600, "1 Std.", "1 h"), (7500, "2 Std. 5 min", "2 h 5 min")],
)  # fmt: skip
def test_spans(seconds: int, de: str, en: str) -> None:
    assert (rules.span(seconds, "de"), rules.span(seconds, "en")) == (de, en)


def test_figures_follow_the_language() -> None:
    assert rules.distance(6849, "de") == "6,8 km"
    assert rules.distance(6849, "en") == "6.8 km"
    assert rules.distance(850, "de") == "850 m"
    assert rules.percent(1900, "de") == "19\u00a0%"
    assert rules.percent(810, "de") == "8,1\u00a0%"
    assert rules.percent(0, "en") == "0\u00a0%"
    assert rules.vehicle_word("van", "de") == "Transporter"
