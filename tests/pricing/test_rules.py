"""What a ride costs: the contract's own examples, and what must hold for every tariff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing import rules
from fahrwerk.pricing.contract import Promotion, Terms

WELCOME10 = Promotion("WELCOME10", 1_000, 100)


def terms(
    unit: int = 1, base: int = 150, price: int = 2_500, cap: int = 7_500, *,
    currency: str = "EUR", tax_bp: int = 1_900, tax_included: bool = True,
    promotion: Promotion | None = None,
) -> Terms:  # fmt: skip
    return Terms(
        tariff_id=ids.new(), vehicle_type="scooter", unit_minutes=unit, base_fee_minor=base,
        price_per_unit_e4=price, daily_cap_minor=cap, currency=currency, tax_rate_bp=tax_bp,
        tax_included=tax_included, promotion=promotion,
    )  # fmt: skip


HOURLY = terms(60, 0, 25_000)


def test_45_minutes_with_welcome10_and_contained_tax() -> None:
    """C-21, C-22, PRC-14, PRC-17: 1.50 + 11.25 - 1.00 = 11.75, 1.88 of it tax."""
    rating = rules.rate(terms(promotion=WELCOME10), 45 * 60)
    assert (rating.base_fee_minor, rating.time_cost_minor) == (150, 1_125)
    assert (rating.promo_discount_minor, rating.tax_minor) == (-100, 188)
    assert rating.total_minor == 1_175
    assert rating.tax_included


def test_45_minutes_with_tax_added() -> None:
    """C-21: with 8.51 % on top it is the example's 12.75."""
    exclusive = terms(promotion=WELCOME10, tax_bp=851, tax_included=False)
    rating = rules.rate(exclusive, 45 * 60)
    assert (rating.tax_minor, rating.total_minor) == (100, 1_275)


def test_running_cost_after_a_quarter_of_an_hour() -> None:
    """RNT-39: 1.50 + 15 x 0.25 = 5.25."""
    assert rules.rate(terms(), 15 * 60).total_minor == 525


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (2_700, 45), (2_701, 46)]
)
def test_started_minutes_count(seconds: int, minutes: int) -> None:
    assert rules.rate(terms(), seconds).billed_minutes == minutes


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(Invalid):
        rules.rate(terms(), -1)


def test_half_an_hour_at_two_fifty_and_its_hold() -> None:
    """C-19, C-20: 30 min at 2.50/h cost 1.25; ten times that is held."""
    assert rules.rate(HOURLY, 30 * 60).total_minor == 125
    assert rules.hold(HOURLY, 30) == 1_250


def test_the_hold_covers_half_an_hour_and_never_exceeds_a_day() -> None:
    """C-19: scooters are held at the daily maximum, short hourly rides at 30 minutes."""
    assert rules.hold(terms(), 30) == 7_500
    assert rules.hold(terms(60, 500, 25_000), 1) == 625
    assert rules.hold(terms(1, 0, 0, 100), 30) == 100  # banks do not authorise nothing
    assert rules.hold(terms(tax_bp=1_000, tax_included=False), 30) == 8_250


def test_the_daily_cap_counts_from_the_start_of_the_ride() -> None:
    """PRC-18, C-26: 24 h cost 75.00 and not 361.50; the next minute opens the next day."""
    assert rules.rate(terms(), 24 * 3600).total_minor == 7_500
    assert rules.rate(terms(), 24 * 3600 + 1).total_minor == 7_525
    assert rules.rate(terms(), 48 * 3600).total_minor == 15_000
    assert rules.rate(terms(), 50 * 3600).total_minor == 15_000 + 120 * 25


def test_a_peak_price_has_four_decimals() -> None:
    """C-24: 0.375 a minute, rounded once at the end: 3 x 0.375 = 1.125 -> 1.13."""
    assert rules.rate(terms(base=0, price=3_750), 180).total_minor == 113


def test_a_currency_without_decimals() -> None:
    yen = terms(1, *rules.default_terms("scooter", "JPY")[1:], currency="JPY")
    assert rules.rate(yen, 45 * 60).total_minor == 150 + 1_125
    assert money.to_major(rules.rate(yen, 45 * 60).total_minor, "JPY") == 1_275.0
    assert rules.default_promotion("JPY").most_minor == 100


@pytest.mark.parametrize("currency", sorted(money.DECIMALS))
@pytest.mark.parametrize("kind", ["scooter", "ebike", "car", "van"])
def test_default_tariffs_are_valid_in_every_currency(currency: str, kind: str) -> None:
    rules.check_tariff(*rules.default_terms(kind, currency), currency)


any_terms = st.builds(
    terms,
    unit=st.sampled_from([1, 7, 15, 60, 1_440]),
    base=st.integers(0, 2_000),
    price=st.integers(0, 2_000_000),
    cap=st.integers(2_000, 50_000),
    currency=st.sampled_from(sorted(money.DECIMALS)),
    tax_bp=st.integers(0, 2_700),
    tax_included=st.booleans(),
    promotion=st.none()
    | st.builds(
        Promotion,
        st.just("X"),
        st.integers(1, 10_000),
        st.none() | st.integers(1, 5_000),
    ),
)
any_duration = st.integers(0, 5 * 24 * 3600)


@given(any_terms, any_duration, any_duration)
def test_longer_rides_never_cost_less(tariff: Terms, a: int, b: int) -> None:
    shorter, longer = sorted((a, b))
    assert rules.rate(tariff, shorter).total_minor <= rules.rate(tariff, longer).total_minor


@given(any_terms, any_duration)
def test_sums_add_up_in_whole_minor_units(tariff: Terms, duration_s: int) -> None:
    """PRC-14: base + time + promotion [+ tax] = total, all of them integers, none negative."""
    rating = rules.rate(tariff, duration_s)
    parts = (rating.base_fee_minor, rating.time_cost_minor, -rating.promo_discount_minor)
    assert all(type(part) is int and part >= 0 for part in (*parts, rating.tax_minor))
    net = rating.base_fee_minor + rating.time_cost_minor + rating.promo_discount_minor
    added = 0 if rating.tax_included else rating.tax_minor
    assert rating.total_minor == net + added
    assert rating.tax_minor <= rating.total_minor


@given(any_terms, any_duration, st.integers(0, 5_000))
def test_a_parking_bonus_lowers_the_price_and_the_tax(
    tariff: Terms, duration_s: int, bonus: int
) -> None:
    """FLT-30: after the promotion, never below nothing, and the sums still add up."""
    plain, rating = rules.rate(tariff, duration_s), rules.rate(tariff, duration_s, bonus)
    net = rating.base_fee_minor + rating.time_cost_minor + rating.promo_discount_minor
    assert rating.parking_bonus_minor == -min(bonus, net)
    added = 0 if rating.tax_included else rating.tax_minor
    assert rating.total_minor == net + rating.parking_bonus_minor + added
    assert 0 <= rating.total_minor <= plain.total_minor
    assert rating.tax_minor <= plain.tax_minor


@given(any_terms, any_duration)
def test_no_day_costs_more_than_its_cap(tariff: Terms, duration_s: int) -> None:
    rating = rules.rate(tariff, duration_s)
    days = -(-rating.billed_minutes // 1_440)
    assert rating.base_fee_minor + rating.time_cost_minor <= days * tariff.daily_cap_minor


@given(any_terms, st.integers(1, 1_440))
def test_below_the_cap_the_time_price_is_exact(tariff: Terms, minutes: int) -> None:
    """Half up, once, from the exact fraction: no float, no rounding on the way."""
    rating = rules.rate(tariff, minutes * 60)
    exact = (
        Decimal(tariff.price_per_unit_e4) * minutes * 10 ** money.decimals(tariff.currency)
    ) / Decimal(10_000 * tariff.unit_minutes)
    uncapped = tariff.base_fee_minor + rating.time_cost_minor < tariff.daily_cap_minor
    if uncapped:
        assert abs(Decimal(rating.time_cost_minor) - exact) <= Decimal("0.5")


@given(any_terms, st.integers(1, 3_000))
def test_a_capped_ride_within_a_day_never_exceeds_a_full_hold(tariff: Terms, minutes: int) -> None:
    """The hold covers the base fee and half an hour, or the whole day, whichever is less."""
    held = rules.hold(tariff, minutes)
    bare = rules.rate(tariff, min(30, minutes) * 60)
    assert held >= bare.total_minor or held >= tariff.daily_cap_minor
    assert held > 0


def test_promotions_have_a_time_and_a_number() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    day = timedelta(days=1)
    assert rules.is_usable(None, None, None, 99, now)
    assert rules.is_usable(now, now + day, 2, 1, now)
    assert not rules.is_usable(now + day, None, None, 0, now)
    assert not rules.is_usable(None, now, None, 0, now)
    assert not rules.is_usable(None, None, 2, 2, now)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((0, 150, 2_500, 7_500), "unit_minutes"),
        ((1, -1, 2_500, 7_500), "base_fee"),
        ((1, 150, -1, 7_500), "price_per_unit"),
        ((1, 150, 2_500, 149), "daily_maximum"),
        ((1, 0, 2_500, 99), "daily_maximum"),
    ],
)
def test_a_tariff_that_makes_no_sense_is_named(values: tuple[int, ...], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_tariff(values[0], values[1], values[2], values[3], "EUR")
    assert caught.value.details["field"] == field


def test_amounts_of_people_are_read_exactly() -> None:
    assert rules.to_minor(Decimal("1.50"), "EUR", "x") == 150
    assert rules.to_e4(Decimal("0.375"), "x") == 3_750
    for amount, currency in ((Decimal("1.505"), "EUR"), (Decimal("1.5"), "JPY")):
        with pytest.raises(Invalid):
            rules.to_minor(amount, currency, "x")
    for wrong in (Decimal("0.00001"), Decimal(-1), Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(Invalid):
            rules.to_e4(wrong, "x")
