"""Pure parts of the kernel: money, ids, places, limits."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fahrwerk.kernel import geo, ids, limits, money
from fahrwerk.kernel.errors import Busy, NotFound


@given(st.uuids())
def test_public_ids_come_back(value: uuid.UUID) -> None:
    """API-10, C-04: prefixed outside, UUID inside, bare UUIDs accepted."""
    text = ids.public("rent", value)
    assert text.startswith("rent_")
    assert len(text) == 27
    assert ids.parse(text, "rent") == value
    assert ids.parse(str(value), "rent") == value
    with pytest.raises(NotFound):
        ids.parse(text, "sco")


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_not_found(text: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        ids.parse(text, "rent", "sco")
    except NotFound:
        pass


def test_new_ids_sort_by_time() -> None:
    """UUIDv7: version, variant, and milliseconds in front."""
    first, second = ids.new(), ids.new()
    assert first.version == 7
    assert first.variant == uuid.RFC_4122
    assert first.int >> 80 <= second.int >> 80


def test_derived_ids_are_the_same_for_the_same_parts() -> None:
    """RNT-26: a repeated request finds its first try."""
    assert ids.derived("a", 1) == ids.derived("a", 1)
    assert ids.derived("a", 1) != ids.derived("a1", "")


def test_prices_with_four_decimals() -> None:
    """C-24: 0.375 EUR/min for 10 minutes is 3.75; PRC-08: 45 min at 0.25 is 11.25."""
    assert money.amount_of(3750, 10, "EUR") == 375
    assert money.amount_of(2500, 45, "EUR") == 1125
    assert money.amount_of(25000, Decimal(30) / 60, "EUR") == 125
    assert money.amount_of(1_500_000, 1, "JPY") == 150


def test_tax_contained_and_added() -> None:
    """C-21: 19 % contained in 11.75 is 1.88; 8.51 % on 11.75 is 1.00."""
    assert money.tax_within(1175, 1900) == 188
    assert money.tax_on(1175, 851) == 100


@given(st.integers(-(10**12), 10**12), st.sampled_from(sorted(money.DECIMALS)))
def test_formatting_shows_every_digit(amount: int, currency: str) -> None:
    """What people read is the exact amount, in both languages."""
    for locale in ("en", "de"):
        shown = money.formatted(amount, currency, locale)
        digits = "".join(c for c in shown if c.isdigit())
        assert int(digits) == abs(amount)
        assert shown.startswith("-") == (amount < 0)


def test_formatting_examples() -> None:
    """German and English."""
    assert money.formatted(123456, "EUR", "en") == "€1,234.56"
    assert money.formatted(123456, "EUR", "de") == "1.234,56\u00a0€"
    assert money.formatted(-5, "CHF", "en") == "-CHF\u00a00.05"


@given(st.floats(-80, 80), st.floats(-179, 179), st.floats(0, 359), st.floats(0, 3000))
@example(0.0, 0.0, 125.0, 2371.0)
def test_cells_hold_everything_within_the_radius(
    lat: float, lon: float, bearing: float, metres: float
) -> None:
    """RNT-04: no vehicle within the radius is missed by the cells asked for."""
    import math

    d = metres * 0.999 / 6_371_008.8
    a, o, b = math.radians(lat), math.radians(lon), math.radians(bearing)
    lat2 = math.asin(math.sin(a) * math.cos(d) + math.cos(a) * math.sin(d) * math.cos(b))
    lon2 = o + math.atan2(
        math.sin(b) * math.sin(d) * math.cos(a), math.cos(d) - math.sin(a) * math.sin(lat2)
    )
    far_lat, far_lon = math.degrees(lat2), (math.degrees(lon2) + 540) % 360 - 180
    assert geo.distance_m(lat, lon, far_lat, far_lon) == pytest.approx(metres * 0.999, abs=0.5)
    assert geo.cell(far_lat, far_lon) in geo.cells_around(lat, lon, metres)


def test_rate_limit_allows_a_burst_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """API-05, API-21: ten, then a refusal that says when; a minute later all ten again."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limiter = limits.Limiter(limits.parse(""))
    left = [limiter.take("auth", "a")[1] for _ in range(10)]
    assert left == list(range(9, -1, -1))
    with pytest.raises(Busy) as refused:
        limiter.take("auth", "a")
    assert refused.value.details == {"limit": 10, "window": "1m", "retry_after": 6}
    limiter.take("auth", "b")
    now += refused.value.details["retry_after"]
    limiter.take("auth", "a")
    with pytest.raises(Busy):
        limiter.take("auth", "a")
    now += 60
    for _ in range(10):
        limiter.take("auth", "a")


@pytest.mark.parametrize("text", ["auth", "auth=0/minute", "auth=5/fortnight", "=1/hour"])
def test_wrong_limits_are_named(text: str) -> None:
    """A setting that does not fit stops the start with its own words."""
    with pytest.raises(SystemExit, match="FAHRWERK_RATE_LIMITS"):
        limits.parse(text)
