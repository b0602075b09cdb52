"""SEPA's rules over all inputs: bank days, IBANs, identifiers, sequences, references."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.gateways import _sepa_xml
from fahrwerk.payments.rules import debits
from fahrwerk.payments.rules import sepa as rules
from tests.payments.bank import entry, statement

DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def easter(year: int) -> date:
    """Gauss; to compare with."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


@settings(deadline=None)  # the calendar is read at first use, and the machine is shared
@given(DAYS)
def test_target_is_closed_on_the_six_days_and_weekends(day: date) -> None:
    sunday = easter(day.year)
    closed = {
        date(day.year, 1, 1), sunday - timedelta(days=2), sunday + timedelta(days=1),
        date(day.year, 5, 1), date(day.year, 12, 25), date(day.year, 12, 26),
    }  # fmt: skip
    # Before 2002 the euro's system kept a few more days.
    if day.year >= 2002:
        assert rules.is_bank_day(day) == (day.weekday() < 5 and day not in closed)
    found = rules.bank_day(day)
    assert rules.is_bank_day(found)
    assert 0 <= (found - day).days <= 5


@given(DAYS, st.integers(0, 10))
def test_bank_days_are_counted_one_by_one(day: date, count: int) -> None:
    found = rules.bank_days_after(day, count)
    first = rules.bank_day(day)
    between = [first + timedelta(days=n) for n in range((found - first).days + 1)]
    assert len([d for d in between if rules.is_bank_day(d)]) == count + 1


@given(TIMES, st.integers(1, 5), st.integers(0, 1439))
def test_a_file_is_never_for_the_past(now: datetime, lead: int, cut_off: int) -> None:
    """The cut-off moves it by one bank day at most."""
    day = rules.earliest_execution(now, lead, cut_off)
    today = now.astimezone(rules.BERLIN).date()
    assert rules.bank_days_after(today, lead) <= day <= rules.bank_days_after(today, lead + 1)
    assert rules.is_bank_day(day)


@given(TIMES, st.integers(1, 14))
def test_riders_are_told_in_time(now: datetime, notice: int) -> None:
    day = rules.collect_on(now, notice)
    assert (day - now.astimezone(rules.BERLIN).date()).days >= notice
    assert rules.is_bank_day(day)


def german_iban(bank: int, account: int) -> str:
    bban = f"{bank:08d}{account:010d}"
    return f"DE{98 - int(bban + '131400') % 97:02d}{bban}"


KNOWN = st.sampled_from([10010010, 12030000, 37040044, 50010517, 70150000])


@given(KNOWN, st.integers(0, 10**10 - 1), st.integers(4, 21), st.integers(1, 9))
def test_one_wrong_digit_is_found(bank: int, account: int, place: int, off: int) -> None:
    iban = german_iban(bank, account)
    assert rules.iban_of(f" {iban[:4].lower()} {iban[4:]}") == iban
    wrong = iban[:place] + str((int(iban[place]) + off) % 10) + iban[place + 1 :]
    with pytest.raises(Invalid, match="validation"):
        rules.iban_of(wrong)


@given(st.text(max_size=60))
def test_any_text_is_an_iban_or_invalid(text: str) -> None:
    """Never another error."""
    for read in (rules.iban_of, rules.creditor_id_of, rules.holder_of):
        with contextlib.suppress(Invalid):
            read(text)
    with contextlib.suppress(Invalid):
        rules.bic_of(text, "DE89370400440532013000")


@pytest.mark.parametrize(
    "good", ["DE98ZZZ09999999999", "de98 abc 09999999999", "NL79ZZZ999999990000"]
)
def test_creditor_identifiers(good: str) -> None:
    """The business code in the middle is free."""
    assert rules.creditor_id_of(good)
    with pytest.raises(Invalid):
        rules.creditor_id_of(good[:-1] + "8")


@given(
    st.uuids(), st.sampled_from(["DD", "RF"]), st.text("ABC 12/+-", max_size=30), st.integers(1, 27)
)
def test_a_reference_is_found_in_any_text(named: UUID, kind: str, around: str, cut: int) -> None:
    reference = rules.reference_of(kind, named)
    assert len(reference) == 28
    broken = f"{reference[:cut]}\n {reference[cut:].lower()}"
    assert reference in rules.references_in(f"{around}{broken}{around}")


@given(
    st.booleans(), st.booleans(), st.integers(0, 3), st.integers(1, 6), st.integers(0, 2)
)  # fmt: skip
def test_sequences(one_off: bool, ended: bool, before: int, count: int, waiting: int) -> None:
    types = rules.sequences(one_off, ended, before, count, waiting)
    assert len(types) == count
    if one_off:
        assert set(types) == {"OOFF"}
        return
    assert types.count("FRST") == (0 if before else 1)
    assert "FRST" not in types[1:]
    assert "FNAL" not in types[:-1]
    assert ("FNAL" in types) <= (ended and not waiting)


@given(DAYS, st.integers(1, 60))
def test_months_before(day: date, months: int) -> None:
    found = rules.months_before(day, months)
    assert (day.year * 12 + day.month) - (found.year * 12 + found.month) == months
    assert found.day <= day.day


def test_a_mandate_lives_36_months() -> None:
    signed = datetime(2023, 2, 28, 12, tzinfo=UTC)
    assert not rules.is_lapsed(None, signed, date(2026, 2, 28))
    assert rules.is_lapsed(None, signed, date(2026, 3, 1))
    assert not rules.is_lapsed(date(2025, 1, 1), signed, date(2027, 12, 31))


@pytest.mark.parametrize("locale", ["de-DE", "en"])
def test_the_mandate_says_what_it_must(locale: str) -> None:
    """Creditor, identifier, refund within eight weeks, days of notice."""
    text = rules.mandate_text(locale, "Fährwerk GmbH", "DE98ZZZ09999999999", 5)
    for part in ("Fährwerk GmbH", "DE98ZZZ09999999999", "5"):
        assert part in text
    assert ("acht Wochen" if locale.startswith("de") else "8 weeks") in text


@settings(deadline=None)
@given(st.data())
def test_a_damaged_statement_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever is broken in it: ``Invalid``, never another error."""
    whole = bytearray(statement(entry("12.34", text="DDABC"), entry("5", "DBIT", "R2")))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        cut = data.draw(st.integers(0, 12))
        whole[at : at + cut] = data.draw(st.binary(max_size=8))
    with contextlib.suppress(Invalid):
        for piece in _sepa_xml.read(_sepa_xml.chunks_of(bytes(whole))):
            assert isinstance(piece, _sepa_xml.Piece)


@given(st.integers(1, 10**6), st.integers(0, 20_000))
def test_fees(order: int, fee: int) -> None:
    assert rules.fee_in(order + fee, order) == (fee if fee <= rules.MOST_FEE_MINOR else None)
    assert rules.fee_in(order - 1, order) is None


@pytest.mark.parametrize(
    ("begun", "known"),
    [
        (datetime(2026, 11, 20, 12, tzinfo=UTC), date(2026, 11, 27)),
        (datetime(2026, 12, 18, 23, 30, tzinfo=UTC), date(2026, 12, 29)),  # a Saturday in Berlin
    ],
)
def test_a_debit_is_known_five_bank_days_later(begun: datetime, known: date) -> None:
    assert debits.expected_on(begun) == known
