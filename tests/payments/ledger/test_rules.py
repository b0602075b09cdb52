"""The ledger's rules alone: tax to the cent, what a ride posts, which lots are spent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.ledger import Grant, Line, LotKind, NewJournal
from fahrwerk.payments.rules import ledger as rules
from fahrwerk.payments.rules.ledger import Left, MoneyFact, RideMoney

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
amounts = st.integers(1, 10_000_000)
rates = st.sampled_from([0, 700, 770, 810, 1900, 2000, 2100, 2500, 2700, 5000])


@given(amounts, rates)
def test_net_and_tax_are_the_gross(gross: int, rate_bp: int) -> None:
    """C-21: to the cent, and never more than half a cent from the exact tax."""
    tax = rules.tax_in(gross, rate_bp)
    assert 0 <= tax < gross or rate_bp == 0
    assert abs(tax * (10_000 + rate_bp) - gross * rate_bp) * 2 <= 10_000 + rate_bp


def test_halves_go_to_the_even_cent() -> None:
    # 0.5 and 1.5 cents of tax: rounded half up they would be 1 and 2.
    assert [rules.tax_in(gross, 10_000) for gross in (1, 3, 5, 7)] == [0, 2, 2, 4]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [Line("bank", 1)],
        [Line("bank", 1), Line("suspense", -2)],
        [Line("bank", 1), Line("suspense", -1), Line("bank", -1), Line("suspense", 1)],
        [Line("cash_box", 1), Line("bank", -1)],
        [Line("revenue", -1), Line("bank", 1)],
        [Line("bank.1900", 1), Line("suspense", -1)],
        [Line("revenue.019", -1), Line("bank", 1)],
        [Line("wallet_paid", -1, "x"), Line("bank", 1)],
        [Line("bank", 10**15), Line("suspense", -(10**15))],
    ],
)
def test_what_cannot_be_posted(lines: list[Line]) -> None:
    with pytest.raises(Invalid):
        rules.checked(NewJournal(key="k", kind="test", currency="EUR", lines=lines, at=NOW))


@pytest.mark.parametrize(
    "fields", [{"key": ""}, {"key": "x" * 201}, {"kind": "A b"}, {"currency": "XXX"},
               {"narration": "x" * 501}]
)  # fmt: skip
def test_what_names_nothing(fields: dict[str, Any]) -> None:
    good = NewJournal(
        key="k", kind="test", currency="EUR", lines=[Line("bank", 1), Line("suspense", -1)], at=NOW
    )
    assert rules.checked(good)
    with pytest.raises(Invalid):
        rules.checked(msgspec.structs.replace(good, **fields))


def test_lines_of_one_account_are_one() -> None:
    lines = [Line("bank", 3), Line("bank", 4), Line("suspense", -7), Line("rounding", 0)]
    made = rules.checked(NewJournal(key="k", kind="t", currency="EUR", lines=lines, at=NOW))
    assert made.lines == [Line("bank", 7), Line("suspense", -7)]


def test_only_hot_accounts_are_spread_evenly_and_always_alike() -> None:
    shards = [rules.shard_of("revenue.1900", f"key-{n}") for n in range(1_600)]
    assert set(shards) == set(range(1, 17))
    assert max(shards.count(n) for n in range(1, 17)) < 150
    assert rules.shard_of("revenue.1900", "key-7") == shards[7]
    assert rules.shard_of("receivables", "key-7") == 0


# --- rides


def ride(captured: int, *facts: tuple[str, dict[str, Any]], gateway: str = "sandbox") -> RideMoney:
    return RideMoney(
        reference=ids.new(), payment_id=ids.new(), rider_id=ids.new(), gateway=gateway,
        currency="EUR", captured_minor=captured, usual_rate_bp=700,
        facts=[
            MoneyFact(ids.new(), name, NOW + timedelta(seconds=n), data)
            for n, (name, data) in enumerate(facts)
        ],
    )  # fmt: skip


def ended(total: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    values = {"user_id": str(ids.new()), "ended_at": NOW.isoformat(), "total_minor": total,
              "currency": "EUR"}  # fmt: skip
    return "rental.ended", values | {"something": "else"} | fields


def captured(amount: int) -> tuple[str, dict[str, Any]]:
    return "payment.captured", {
        "booking_id": str(ids.new()), "payment_id": str(ids.new()), "gateway": "sandbox",
        "amount": amount, "currency": "EUR", "key": "k",
    }  # fmt: skip


def refunded(amount: int) -> tuple[str, dict[str, Any]]:
    return "payment.refunded", {
        "booking_id": str(ids.new()), "payment_id": str(ids.new()), "amount": amount,
        "currency": "EUR", "reason": "goodwill",
    }  # fmt: skip


def totals(money: RideMoney) -> dict[str, int]:
    sums: dict[str, int] = {}
    for journal in rules.journals_of(money):
        assert sum(line.amount_minor for line in journal.lines) == 0
        for line in journal.lines:
            sums[line.code] = sums.get(line.code, 0) + line.amount_minor
    return {code: amount for code, amount in sums.items() if amount}


def test_the_books_say_what_the_receipt_says() -> None:
    """The tax is the receipt's, also where it was rounded another way (C-21, 8.51 % on top)."""
    money = ride(1_275, ended(1_275, tax_minor=100, tax_rate_bp=851), captured(1_275))
    assert totals(money) == {"gateway_clearing": 1_275, "revenue.851": -1_175, "vat.851": -100}
    assert [j.at for j in rules.journals_of(money)] == [NOW, NOW + timedelta(seconds=1)]


def test_what_is_not_paid_is_receivable() -> None:
    money = ride(500, ended(1_190, tax_minor=190, tax_rate_bp=1900), captured(500))
    assert totals(money)["receivables"] == 690


def test_a_ride_that_cost_nothing_posts_nothing() -> None:
    assert rules.journals_of(ride(0, ended(0, tax_minor=0, tax_rate_bp=1900))) == []


def test_rides_of_before_the_ledger() -> None:
    """No tax in the event, captures not told one by one: the operator's rate, what was captured."""
    assert totals(ride(1_070, ended(1_070))) == {
        "gateway_clearing": 1_070, "revenue.700": -1_000, "vat.700": -70,
    }  # fmt: skip
    both = ride(1_070, ended(1_070), captured(70))
    assert totals(both) == totals(ride(1_070, ended(1_070)))
    assert [j.key for j in rules.journals_of(both)][-1] == f"capture:{both.payment_id}"


def test_a_payment_of_no_ride() -> None:
    """A top-up stands on the rider's account until the wallet grants it, and in suspense from its
    refund until the wallet has taken it back."""
    assert totals(ride(500, captured(500))) == {"gateway_clearing": 500, "receivables": -500}
    assert totals(ride(500, captured(500), refunded(200))) == {
        "gateway_clearing": 300, "receivables": -500, "suspense": 200,
    }  # fmt: skip


@given(amounts, rates, st.lists(st.integers(1, 1_000_000), max_size=8))
def test_refunds_take_back_price_and_tax(total: int, rate_bp: int, parts: list[int]) -> None:
    """PAY-13: in whatever parts, all of them together are exactly the sale."""
    back: list[int] = []
    for part in parts:
        if sum(back) + part <= total:
            back.append(part)
    rest = total - sum(back)
    back += [rest] if rest else []
    tax = rules.tax_in(total, rate_bp)
    money = ride(
        total, ended(total, tax_minor=tax, tax_rate_bp=rate_bp), captured(total),
        *(refunded(part) for part in back),
    )  # fmt: skip
    sums = totals(money)
    assert f"vat.{rate_bp}" not in sums
    assert sums.get(f"refunds.{rate_bp}", 0) == total - tax
    assert sums.get(f"revenue.{rate_bp}", 0) == tax - total
    assert "gateway_clearing" not in sums
    assert "receivables" not in sums


# --- lots

lots = st.lists(
    st.builds(
        Left,
        id=st.builds(ids.new),
        kind=st.sampled_from(rules.KINDS),
        left_minor=st.integers(1, 500),
        granted_at=st.integers(-300, -20).map(lambda days: NOW + timedelta(days=days)),
        expires_at=st.none() | st.integers(-20, 40).map(lambda days: NOW + timedelta(days=days)),
    ),
    max_size=8,
)


@given(lots, st.integers(1, 2_000), st.sampled_from(rules.KINDS))
def test_lots_are_spent_in_order(some: list[Left], amount: int, first: LotKind) -> None:
    """The wished kind first; of a kind what runs out soonest, then the oldest; nothing run out."""
    balance = {kind: sum(x.left_minor for x in some if x.kind == kind) for kind in rules.KINDS}
    good = rules.spendable(some, balance, NOW)
    parts = rules.spread(amount, good, first)
    usable = rules.in_order(rules.unexpired(some, NOW), first)
    if parts is None:
        assert amount > sum(x.left_minor for x in usable)
        return
    uses = rules.drawn(usable, parts)
    assert sum(part for _, part in uses) == sum(parts.values()) == amount
    taken = dict(uses)
    # Whatever stands before a lot that was touched is used up.
    touched = [n for n, lot in enumerate(usable) if lot.id in taken]
    for lot in usable[: touched[-1]]:
        assert taken[lot.id] == lot.left_minor
    kinds = [lot.kind for lot in usable if lot.id in taken]
    assert kinds == sorted(kinds, key=rules.order_of(first).index)


def test_grants_need_an_owner_and_an_amount() -> None:
    lines = [Line("bank", 10)]
    journal = NewJournal(key="k", kind="top_up", currency="EUR", lines=lines, at=NOW)
    assert rules.granted("rider", [Grant("paid", 10)], journal).lines == [
        Line("bank", 10), Line("wallet_paid", -10, "rider"),
    ]  # fmt: skip
    for owner, grants in (
        ("", [Grant("paid", 10)]), ("rider", []), ("rider", [Grant("paid", 11)]),
        ("rider", [Grant("paid", 5), Grant("paid", 5)]),
        ("rider", [Grant("paid", 20), Grant("bonus", -10)]),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            rules.granted(owner, grants, journal)
