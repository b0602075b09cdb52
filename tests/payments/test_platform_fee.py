"""The platform's fee, as a rule: what is taken of captures, and what refunds give back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import ids
from fahrwerk.payments import rules
from fahrwerk.payments.rules import Attempt, Case


def case_of(fee_minor: int, fee_bp: int, gateway: str = "stripe") -> Case:
    """A payment with one authorisation at Stripe, where the platform takes this."""
    case = Case(
        id=ids.new(), reference=ids.new(), rider_id=ids.new(), state="authorized", currency="EUR",
        amount_minor=1_000, gateway=gateway, fee_gateway="stripe", fee_minor=fee_minor,
        fee_bp=fee_bp,
    )  # fmt: skip
    hold = rules.new_attempt(case, "authorize", "hold", 1_000)
    return rules.with_attempt(case, done(hold))


def done(attempt: Attempt) -> Attempt:
    return rules.changed_attempt(attempt, state="succeeded", result_minor=attempt.amount_minor)


def captured(case: Case, amount: int, step: str = "hold.1") -> Case:
    capture = rules.new_attempt(case, "capture", step, amount, target=case.attempts[0])
    return rules.with_attempt(case, done(capture))


MINOR = st.integers(0, 500)
BP = st.integers(0, 10_000)


@given(MINOR, BP, st.lists(st.integers(1, 400), min_size=1, max_size=8), st.data())
def test_refunds_give_back_in_proportion_and_together_all(
    minor: int, bp: int, parts: list[int], data: st.DataObject
) -> None:
    """However it is cut, and whichever of them the bank sends back and is made once more."""
    case = captured(case_of(minor, bp), sum(parts))
    capture = case.attempts[1]
    fee = capture.platform_fee_minor
    assert 0 <= fee <= capture.amount_minor
    refunded = given_back = 0
    for n, part in enumerate(parts):
        fails = data.draw(st.booleans())
        for again in range(2 if fails else 1):
            back = done(rules.new_attempt(case, "refund", f"r{n}.{again}", part, target=capture))
            given_back += back.platform_fee_minor
            if fails and again == 0:
                back = rules.changed_attempt(back, state="declined", reason="sent_back")
            case = rules.with_attempt(case, back)
            assert 0 <= given_back <= fee
        refunded += part
        assert abs(given_back - fee * refunded / capture.amount_minor) <= 0.5 + 1e-9
    assert given_back == fee


def test_the_fixed_part_is_taken_once() -> None:
    case = captured(case_of(30, 100), 1_000)
    more = captured(case, 500, "extra.1.1")
    assert [each.platform_fee_minor for each in more.attempts] == [0, 40, 5]


def test_nothing_is_taken_elsewhere() -> None:
    """Paid at another gateway, which the platform has nothing to do with."""
    assert captured(case_of(30, 100, "paypal"), 1_000).attempts[1].platform_fee_minor == 0
