"""The projection: names that cannot be followed, prices that add up, a check that sees."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.feeds import rules
from fahrwerk.feeds.contract import Setting
from fahrwerk.fleet.contract import PublicVehicle, Standing
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.pricing import rules as pricing
from fahrwerk.pricing.contract import Terms

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _vehicle(**fields: object) -> PublicVehicle:
    base = PublicVehicle(ids.new(), "scooter", "available", 52.52, 13.405, 50, 15_000, NOW, 0)
    return msgspec.structs.replace(base, **fields)


def _terms(**fields: object) -> Terms:
    base = Terms(
        tariff_id=ids.new(), vehicle_type="scooter", unit_minutes=1, base_fee_minor=150,
        price_per_unit_e4=2_500, daily_cap_minor=7_500, currency="EUR", tax_rate_bp=1_900,
        tax_included=True,
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


@given(st.uuids(), st.uuids(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_name_is_of_one_vehicle_one_trip_and_one_operator(
    a: UUID, b: UUID, m: int, n: int
) -> None:
    """Same vehicle and trip, same name; anything else differs, and no name holds the id."""
    names = {rules.rotating_id(key, v, t) for key in (KEY, OTHER) for v in (a, b) for t in (m, n)}
    assert len(names) == 2 * len({a, b}) * len({m, n})
    assert all(len(name) == 32 and a.hex not in name for name in names)


def test_the_order_of_the_list_follows_nobody() -> None:
    """A vehicle back from a trip stands elsewhere than before: the list is in order of its names,
    whatever order the table has."""
    table = [_vehicle() for _ in range(50)]
    first = rules.shown(KEY, table)
    assert [v.id for v in first] == sorted(v.id for v in first)
    assert rules.shown(KEY, reversed(table)) == first
    again = rules.shown(KEY, [*table[:7], msgspec.structs.replace(table[7], trips=1), *table[8:]])
    assert len({v.id for v in first} & {v.id for v in again}) == 49


@pytest.mark.parametrize(
    ("status", "is_disabled"), [("available", False), ("offline", True), ("maintenance", True)]
)
def test_what_cannot_be_rented_is_disabled(status: str, is_disabled: bool) -> None:
    assert rules.shown(KEY, [_vehicle(status=status)])[0].is_disabled is is_disabled


def test_an_unknown_battery_promises_nothing() -> None:
    """GBFS asks for the range of each motor vehicle: 0 m, and no charge at all."""
    shown = rules.shown(KEY, [_vehicle(battery_level=None, range_m=None)])[0]
    assert (shown.range_m, shown.charge) == (0, None)
    assert rules.shown(KEY, [_vehicle()])[0].charge == 0.5


def _gbfs_price(plan: rules.Plan, minutes: int) -> float:
    """What a trip planner works out, by the specification's words."""
    total = plan.price
    for segment in plan.segments:
        until = minutes if segment.end is None else min(minutes, segment.end)
        if minutes > segment.start:
            times = -(-(until - segment.start) // segment.interval) if segment.interval else 1
            total += segment.rate * times
    return total


@given(
    st.sampled_from([1, 15, 60]),
    st.integers(0, 500),
    st.integers(0, 200_000),
    st.integers(500, 20_000),
    st.integers(1, 3 * 1440),
    st.sampled_from(["EUR", "JPY"]),
)
def test_a_trip_planner_works_out_our_price(
    unit: int, base: int, price_e4: int, cap: int, minutes: int, currency: str
) -> None:
    """PRC-14, PRC-18, C-26: unlock, started minutes and each day's cap, by the minute or the hour;
    off by the rounding of each day at most."""
    terms = _terms(
        unit_minutes=unit, base_fee_minor=base, price_per_unit_e4=price_e4, daily_cap_minor=cap,
        currency=currency,
    )  # fmt: skip
    ours = pricing.rate(terms, minutes * 60).total_minor / (100 if currency == "EUR" else 1)
    theirs = _gbfs_price(rules.plan(terms, max_ride_h=72), minutes)
    smallest, days = 0.01 if currency == "EUR" else 1, -(-minutes // 1440)
    assert theirs == pytest.approx(ours, abs=days * smallest / 2 + minutes * 5e-7 + 1e-9)


def test_a_plan_in_words() -> None:
    plan = rules.plan(_terms(), 24)
    assert plan.description["en"] == (
        "€1.50 to start, then €0.25 per minute, at most €75.00 in 24 hours. "
        "Charged by the started minute."
    )
    assert plan.is_taxable is False
    hourly = rules.plan(
        _terms(unit_minutes=60, base_fee_minor=0, price_per_unit_e4=23_750, tax_included=False), 24
    )
    assert hourly.description["de"] == (
        "2,375 EUR pro Stunde, höchstens 75,00\u00a0€ in 24 Stunden. "
        "Abgerechnet wird nach angefangenen Minuten. Zuzüglich Steuer."
    )
    assert hourly.is_taxable is True


@pytest.mark.parametrize(
    "wrong",
    [
        Setting(contact_email="nobody"),
        Setting(contact_email="a@b.c d"),
        Setting(license_url="http://plain.example/"),
        Setting(license_url="https://x.example/a b"),
        Setting(license_url="https://"),
    ],
)
def test_addresses_are_addresses(wrong: Setting) -> None:
    with pytest.raises(Invalid):
        rules.check_setting(wrong)


def _standing(status: str = "available", *, placed: bool = True) -> Standing:
    return Standing(ids.new(), status, placed, 3)


def _name(standing: Standing) -> str:
    return rules.rotating_id(KEY, standing.id, standing.trips)


def test_the_check_is_content_with_the_truth() -> None:
    free, broken = _standing(), _standing("maintenance")
    away, lost = _standing("in_use"), _standing(placed=False)
    truth = [free, broken, away, lost]
    seen = [(_name(free), False), (_name(broken), True)]
    check = rules.compared(NOW, KEY, truth, truth, [seen, seen])
    assert check.differences == 0
    assert (check.available, check.disabled, check.unplaced) == (1, 1, 1)
    assert (check.shown_as_available, check.shown_as_disabled) == (1, 1)


def test_the_check_sees_each_kind_of_lie() -> None:
    """Also in the second version of the feed alone."""
    free, other = _standing(), _standing()
    ridden, held = _standing("in_use"), _standing("reserved")
    truth = [free, other, ridden, held]
    right = [(_name(free), False), (_name(other), False)]
    lies = {
        "missing": right[:1],
        "doubled": [*right, right[0]],
        "in_use": [*right, (_name(ridden), False)],
        "strange": [*right, ("f" * 32, False)],
        "wrong": [right[0], (_name(other), True)],
    }
    for kind, lie in lies.items():
        check = rules.compared(NOW, KEY, truth, truth, [right, lie])
        assert (getattr(check, kind), check.differences) == (1, 1), kind
    check = rules.compared(NOW, KEY, truth, truth, [[*right, (_name(held), True)]])
    assert (check.in_use, check.differences) == (1, 1)


def test_the_check_does_not_judge_what_moves() -> None:
    """Between two readings a rider took one vehicle and gave one back: either answer is right."""
    taken, back, still = _standing(), _standing("in_use"), _standing()
    after = [
        msgspec.structs.replace(taken, status="reserved"),
        msgspec.structs.replace(back, status="available", trips=4),
        still,
    ]
    for seen in ([], [(_name(taken), False)], [(_name(after[1]), False)]):
        check = rules.compared(
            NOW, KEY, [taken, back, still], after, [[*seen, (_name(still), False)]]
        )
        assert (check.differences, check.moving) == (0, 2)
