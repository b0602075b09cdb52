"""I10: the gateway's list is ours, or the difference is a row with an age, shown everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments import contract, jobs, queries
from fahrwerk.payments.contract import comparison as doors
from fahrwerk.payments.contract import gateways, ledger
from fahrwerk.payments.gateways._offers import Listed
from fahrwerk.payments.rules.comparison import (
    Differs,
    Ours,
    Span,
    compared,
    paired,
    unbooked,
)
from tests.payments.gateways.kits import open_stripe
from tests.payments.till import Till, open_till

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import FakeStripe
    from tests.world import World

T0 = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = Span(T0, T0 + timedelta(days=30), T0 + timedelta(days=30))
OWN = ids.new()


def ours(number: int, amount: int = 100, day: int = 1) -> Ours:
    return Ours(
        payment_id=OWN, reference=OWN, kind="capture", key=f"c{number}", auth_key=f"a{number}",
        intent=f"pi{number}", amount_minor=amount, currency="EUR", at=T0 + timedelta(days=day),
    )  # fmt: skip


def theirs(number: int, amount: int = 100, day: int = 1, key: str | None = None) -> Listed:
    return Listed(
        kind="capture", ref=f"ch{number}", intent=f"pi{number}", key=key, amount_minor=amount,
        currency="EUR", at=T0 + timedelta(days=day),
    )  # fmt: skip


def differ(mine: list[Ours], there: list[Listed]) -> list[Differs]:
    return compared(paired(mine, there), there, SPAN)


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True))
def test_exactly_the_symmetric_difference(mine: list[int], there: list[int]) -> None:
    found = differ([ours(n) for n in mine], [theirs(n) for n in there])
    assert {each.subject for each in found} == {f"c{n}" for n in set(mine) - set(there)} | {
        f"ch{n}" for n in set(there) - set(mine)
    }


def test_pairs_across_the_edge_and_what_is_too_new() -> None:
    assert differ([ours(1, day=-1)], [theirs(1)]) == []
    assert differ([ours(1)], [theirs(1, day=-1)]) == []
    assert differ([ours(1, day=31)], []) == []
    assert differ([], [theirs(1, day=31)]) == []
    (found,) = differ([ours(1, 100)], [theirs(1, 101)])
    assert (found.ours_minor, found.theirs_minor, found.subject) == (100, 101, "c1")


def test_fees_that_are_told_and_booked_are_the_same() -> None:
    """What the gateway does not tell, or nobody has booked yet, is no difference."""
    booked = structs.replace(ours(1), fee_minor=25, platform_fee_minor=10)
    told = structs.replace(theirs(1), fee_minor=25, platform_fee_minor=10)
    assert differ([booked], [told]) == []
    assert differ([booked], [theirs(1)]) == []
    assert differ([ours(1)], [structs.replace(told, platform_fee_minor=0)]) == []
    wrong = differ([booked], [structs.replace(told, fee_minor=24, platform_fee_minor=11)])
    assert [(each.kind, each.ours_minor, each.theirs_minor) for each in wrong] == [
        ("fee", 25, 24), ("platform_fee", 10, 11),
    ]  # fmt: skip
    assert unbooked(paired([ours(1), structs.replace(booked, key="c2")], [told])) == [(ours(1), 25)]
    assert unbooked(paired([ours(1)], [structs.replace(told, currency="USD")])) == []


async def ridden(world: World, token: str = "tok_visa") -> Till:
    till = await open_till(world, token)
    await till.authorize()
    await till.ended(525)
    await till.work()
    await contract.refund(world.admin(), till.id, 100, "kind", "k1")
    await till.work()
    return till


async def compare(world: World, days: float = 1) -> list[doors.Difference]:
    with clock.moved_to(clock.now() + timedelta(days=days)):
        assert all(each.problem is None for each in await doors.compare(world.admin()))
        await jobs.settle_payments()
        return (await doors.differences(world.admin(), False, 50, 0)).differences


async def test_two_lists_that_agree(world: World) -> None:
    await ridden(world)
    assert await compare(world) == []
    (last,) = await doors.comparisons(world.admin())
    assert (last.gateway, last.compared, last.found) == ("sandbox", 2, 0)


@pytest.mark.parametrize(("fault", "said"), [("wrong_amount", 101), ("missing", None)])
async def test_a_seeded_difference_is_found_and_goes(
    world: World, fault: str, said: int | None
) -> None:
    """By API, doctor and the proof; with its age; gone when the lists agree again."""
    till = await ridden(world)
    spoilt = contract.GatewayFault(operation="list", fault=fault)  # type: ignore[arg-type]
    await contract.script_sandbox(world.admin(), [spoilt])
    (found,) = await compare(world)
    assert (found.kind, found.ours_minor, found.theirs_minor) == ("refund", 100, said)
    assert found.payment_id == till.id
    with clock.moved_to(clock.now() + timedelta(days=2)):
        page = await doors.differences(world.admin(), False, 50, 0)
        assert 86_000 < page.differences[0].age_s < 87_000
        proof = await ledger.proof(world.system())
        assert [each.check for each in proof] == ["comparison"]
        broken = await queries.broken_invariants(world.system())
        assert "I10" in {name for name, _ in broken}
    assert await compare(world, 3) == []
    resolved = (await doors.differences(world.admin(), True, 50, 0)).differences
    assert [each.resolved_at is not None for each in resolved] == [True]


async def test_a_gateway_that_does_not_answer_changes_nothing(world: World) -> None:
    await ridden(world)
    spoilt = contract.GatewayFault(operation="list", fault="missing")
    await contract.script_sandbox(world.admin(), [spoilt])
    assert len(await compare(world)) == 1
    spoilt = contract.GatewayFault(operation="list", fault="error_500_before")
    await contract.script_sandbox(world.admin(), [spoilt])
    with clock.moved_to(clock.now() + timedelta(days=2)):
        (last,) = await doors.compare(world.admin())
    assert last.problem
    assert (await doors.differences(world.admin(), False, 50, 0)).total == 1


async def fees(world: World) -> tuple[int, int]:
    """What is booked on ``fees`` of nobody, and proved; and how many journals did it."""
    assert [each.check for each in await ledger.proof(world.system())] in ([], ["comparison"])
    (found,) = (await ledger.accounts(world.system(), "fees", "", None, 10, 0)).accounts
    rows = await db.run(
        "payments", world.system(), "SELECT count(*) FROM payments.journal WHERE kind = $1",
        "gateway_fee",
    )  # fmt: skip
    return found.balance_minor, rows[0][0]


async def test_a_fee_is_booked_as_first_told_and_found_when_it_changes(world: World) -> None:
    """The sandbox keeps 0.10 and 1.5 % of 5.25: 0.18. Booked once, however often it is compared."""
    till = await ridden(world)
    await compare(world)
    assert await compare(world, 2) == []
    assert await fees(world) == (18, 1)
    assert await gateways.gateway_fee(world.admin(), till.id) == 18
    spoilt = contract.GatewayFault(operation="list", fault="wrong_fee")
    await contract.script_sandbox(world.admin(), [spoilt])
    (found,) = await compare(world, 3)
    assert (found.kind, found.ours_minor, found.theirs_minor) == ("fee", 18, 19)
    assert found.payment_id == till.id
    assert await fees(world) == (18, 1)
    proof = await ledger.proof(world.system())
    assert [each.check for each in proof] == ["comparison"]
    assert "fee" in proof[0].subject
    assert await compare(world, 4) == []


async def test_stripes_list(world: World, stripe: FakeStripe) -> None:
    """Charges by their intent, refunds by our key; one that Stripe does not list is found."""
    account = await open_stripe(world, stripe)
    await ridden(world, "pm_card_visa")
    assert await compare(world) == []
    assert await fees(world) == (32, 1)
    intent = account.all("payment_intent")[0]
    intent["dearer"] = 3
    (found,) = await compare(world, 2)
    assert (found.gateway, found.kind, found.ours_minor, found.theirs_minor) == (
        "stripe", "fee", 32, 35,
    )  # fmt: skip
    intent["unlisted"] = True
    (found,) = await compare(world, 3)
    assert (found.gateway, found.kind, found.ours_minor) == ("stripe", "capture", 525)
