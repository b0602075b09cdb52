"""Purses: lots in, lots out, holds as leases, what runs out; each once and to the cent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Conflict, Invalid
from fahrwerk.payments import jobs
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.ledger import Grant, LotKind
from fahrwerk.payments.queries import proof
from tests.payments.ledger.keeper import balances, entered, for_a_ride, new_key, top_up, use

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.ledger import Hold
    from tests.world import World


async def hold(
    call: Call, owner: str, amount: int, key: str | None = None, lease_s: float = 600,
    first: LotKind = "bonus",
) -> Hold:  # fmt: skip
    return await ledger.place_hold(
        call, key or new_key(), owner, "EUR", amount, lease_s, first, None
    )


async def worth(call: Call, owner: str) -> tuple[int, int, int]:
    """Balance, available, held."""
    found = await ledger.purse(call, owner, "EUR")
    assert sum(lot.left_minor for lot in found.lots) == found.balance_minor
    return found.balance_minor, found.available_minor, found.held_minor


async def told(call: Call, name: str) -> list[dict[str, object]]:
    rows = await db.run(
        "payments", call,
        "SELECT data FROM kernel.event WHERE name = $1 ORDER BY position", name,
    )  # fmt: skip
    return [row["data"] for row in rows]


async def test_a_top_up_with_its_bonus(world: World) -> None:
    """WAL-16: one journal, two lots; the same key twice is one top-up (WAL-14)."""
    call = world.system()
    first = await top_up(call, "rider", paid=10_000, bonus=1_000, key="top-up:1")
    assert await top_up(call, "rider", paid=10_000, bonus=1_000, key="top-up:1") == first
    found = await ledger.purse(call, "rider", "EUR")
    assert found.balances == {"paid": 10_000, "bonus": 1_000, "voucher": 0}
    assert [(lot.kind, lot.left_minor) for lot in found.lots] == [
        ("bonus", 1_000),
        ("paid", 10_000),
    ]
    assert await balances(call) == {
        ("gateway_clearing", "sandbox"): 10_000, ("goodwill", ""): 1_000,
        ("wallet_paid", "rider"): 10_000, ("wallet_bonus", "rider"): 1_000,
    }  # fmt: skip
    with pytest.raises(ledger.KeyReused):
        await top_up(call, "rider", paid=9_000, bonus=1_000, key="top-up:1")
    with pytest.raises(ledger.KeyReused):
        await top_up(call, "other", paid=10_000, bonus=1_000, key="top-up:1")


async def test_usage_takes_the_bonus_first_and_posts_revenue_and_tax(world: World) -> None:
    """WAL-32."""
    call = world.system()
    await top_up(call, "rider", paid=5_000, bonus=1_000)
    spent = await use(call, "rider", 1_190, key="usage:1")
    assert spent.parts == {"bonus": 1_000, "paid": 190}
    assert await use(call, "rider", 1_190, key="usage:1") == spent
    with pytest.raises(ledger.KeyReused):
        await use(call, "rider", 1_191, key="usage:1")
    await top_up(call, "other", paid=5_000)
    with pytest.raises(ledger.KeyReused):
        await use(call, "other", 1_190, key="usage:1")
    assert await worth(call, "rider") == (4_810, 4_810, 0)
    books = await balances(call)
    assert (books["revenue.1900", ""], books["vat.1900", ""]) == (1_000, 190)
    paid_first = await use(call, "rider", 10, first="paid")
    assert paid_first.parts == {"paid": 10}
    assert await proof(call) == []


async def test_nobody_spends_what_is_not_there(world: World) -> None:
    call = world.system()
    with pytest.raises(ledger.InsufficientBalance) as caught:
        await use(call, "nobody", 1)
    assert caught.value.details == {"available_minor": 0}
    await top_up(call, "rider", paid=100, bonus=50)
    with pytest.raises(ledger.InsufficientBalance) as caught:
        await use(call, "rider", 151)
    assert caught.value.details == {"available_minor": 150}
    for amount in (0, -1, 2**62):
        with pytest.raises(Invalid):
            await ledger.spend(call, "rider", "paid", entered(("revenue.0", -amount)))
    with pytest.raises(Invalid):
        await ledger.spend(
            call, "rider", "paid", entered(("revenue.0", -10), ("wallet_paid", 5, "rider"))
        )
    assert await worth(call, "rider") == (150, 150, 0)


async def test_soonest_out_first_and_never_what_has_run_out(world: World) -> None:
    call, now = world.system(), clock.now()
    for days, amount in ((30, 30), (10, 10), (20, 20), (1, 7)):
        await top_up(call, "rider", bonus=amount, bonus_ends=now + timedelta(days=days))
    await top_up(call, "rider", bonus=1)
    with clock.moved_to(now + timedelta(days=2)):
        assert await worth(call, "rider") == (68, 61, 0)
        await use(call, "rider", 15)
        found = await ledger.purse(call, "rider", "EUR")
    assert [lot.left_minor for lot in found.lots] == [7, 15, 30, 1]


async def test_a_hold_keeps_money(world: World) -> None:
    call = world.system()
    await top_up(call, "rider", paid=1_000, bonus=200)
    kept = await hold(call, "rider", 900, key="ride:1")
    assert (kept.state, kept.amount_minor) == ("open", 900)
    assert await hold(call, "rider", 900, key="ride:1") == kept
    with pytest.raises(ledger.KeyReused):
        await hold(call, "rider", 901, key="ride:1")
    assert await worth(call, "rider") == (1_200, 300, 900)
    with pytest.raises(ledger.InsufficientBalance):
        await use(call, "rider", 301)
    with pytest.raises(ledger.InsufficientBalance):
        await hold(call, "rider", 301)
    spent = await ledger.capture_hold(call, "ride:1", for_a_ride(700, "ride-paid:1"))
    assert spent.parts == {"bonus": 200, "paid": 500}
    assert await worth(call, "rider") == (500, 500, 0)
    assert await ledger.capture_hold(call, "ride:1", for_a_ride(700, "ride-paid:1")) == spent
    with pytest.raises(ledger.HoldEnded):
        await ledger.capture_hold(call, "ride:1", for_a_ride(10))
    with pytest.raises(ledger.HoldEnded):
        await ledger.extend_hold(call, "ride:1", 60)
    done = await ledger.release_hold(call, "ride:1")
    assert (done.state, done.captured_minor) == ("captured", 700)
    assert await proof(call) == []


async def test_no_more_is_captured_than_held(world: World) -> None:
    call = world.system()
    await top_up(call, "rider", paid=1_000)
    await hold(call, "rider", 400, key="ride:2")
    with pytest.raises(ledger.InsufficientBalance) as caught:
        await ledger.capture_hold(call, "ride:2", for_a_ride(401))
    assert caught.value.details == {"available_minor": 400}
    assert await worth(call, "rider") == (1_000, 600, 400)
    for verb in (ledger.release_hold(call, "none"), ledger.extend_hold(call, "none", 1)):
        with pytest.raises(ledger.UnknownHold):
            await verb
    with pytest.raises(ledger.UnknownHold):
        await ledger.capture_hold(call, "none", for_a_ride(1))
    for lease_s, amount in ((0.0, 1), (-1.0, 1), (float("inf"), 1), (float("nan"), 1), (9.0, 0)):
        with pytest.raises(Invalid):
            await hold(call, "rider", amount, lease_s=lease_s)


async def test_a_released_hold_frees(world: World) -> None:
    call = world.system()
    await top_up(call, "rider", paid=1_000)
    await hold(call, "rider", 400, key="ride:3")
    for _ in range(2):
        assert (await ledger.release_hold(call, "ride:3")).state == "released"
        assert await worth(call, "rider") == (1_000, 1_000, 0)


async def test_a_hold_ends_with_its_lease(world: World) -> None:
    """The database's clock decides (F14); an extended one goes on."""
    call, reference = world.system(), ids.new()
    await top_up(call, "rider", paid=1_000)
    await ledger.place_hold(call, "ride:4", "rider", "EUR", 400, 60, "paid", reference)
    await hold(call, "rider", 100, key="ride:5", lease_s=60)
    longer = await ledger.extend_hold(call, "ride:5", 3_600)
    assert (await ledger.extend_hold(call, "ride:5", 1)).expires_at == longer.expires_at
    await jobs.end_what_ran_out()
    assert await worth(call, "rider") == (1_000, 500, 500)
    with clock.moved_to(clock.now() + timedelta(seconds=61)):
        for _ in range(2):
            await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (1_000, 900, 100)
        assert (await ledger.release_hold(call, "ride:4")).state == "expired"
        with pytest.raises(ledger.HoldEnded):
            await ledger.capture_hold(call, "ride:4", for_a_ride(1))
    assert await told(call, "ledger.hold_expired") == [
        {"key": "ride:4", "owner": "rider", "amount": 400, "currency": "EUR",
         "reference": str(reference)}
    ]  # fmt: skip
    assert await proof(call) == []


async def test_what_runs_out_goes_back_to_goodwill(world: World) -> None:
    call, soon = world.system(), clock.now() + timedelta(days=30)
    await top_up(call, "rider", paid=1_000, bonus=300, bonus_ends=soon)
    await use(call, "rider", 100)
    with clock.moved_to(soon - timedelta(seconds=1)):
        await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (1_200, 1_200, 0)
    with clock.moved_to(soon + timedelta(seconds=1)):
        # Not spendable, even before the job has come round.
        assert await worth(call, "rider") == (1_200, 1_000, 0)
        with pytest.raises(ledger.InsufficientBalance):
            await use(call, "rider", 1_001)
        for _ in range(2):
            await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (1_000, 1_000, 0)
        assert (await balances(call))["goodwill", ""] == 100
        assert await proof(call) == []
    [fact] = await told(call, "ledger.lot_expired")
    assert (fact["owner"], fact["kind"], fact["amount"]) == ("rider", "bonus", 200)


async def test_paid_money_that_runs_out_is_income(world: World) -> None:
    call, soon = world.system(), clock.now() + timedelta(days=3)
    await top_up(call, "rider", paid=1_000, paid_ends=soon)
    with clock.moved_to(soon + timedelta(seconds=1)):
        await jobs.end_what_ran_out()
    assert (await balances(call))["expired_balance", ""] == 1_000


async def test_held_money_does_not_run_out(world: World) -> None:
    """A ride under way is paid by what was there when it began; the rest runs out afterwards."""
    call, soon = world.system(), clock.now() + timedelta(hours=1)
    await top_up(call, "rider", bonus=300, bonus_ends=soon)
    await hold(call, "rider", 200, key="ride:6", lease_s=7_200)
    with clock.moved_to(soon + timedelta(seconds=1)):
        await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (300, 0, 200)
        spent = await ledger.capture_hold(call, "ride:6", for_a_ride(150))
        assert spent.parts == {"bonus": 150}
        await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (0, 0, 0)
        assert await proof(call) == []


async def test_a_spending_reversed_gives_back_to_its_lots(world: World) -> None:
    call = world.system()
    await top_up(call, "rider", paid=1_000, bonus=300)
    spent = await use(call, "rider", 500)
    await ledger.reverse_journal(world.admin(), spent.journal_id, "double", "a")
    found = await ledger.purse(call, "rider", "EUR")
    assert found.balances == {"paid": 1_000, "bonus": 300, "voucher": 0}
    assert await proof(call) == []


async def test_a_top_up_is_reversed_only_whole(world: World) -> None:
    call = world.system()
    first = await top_up(call, "rider", paid=1_000)
    second = await top_up(call, "rider", paid=500)
    await use(call, "rider", 100)
    with pytest.raises(ledger.InsufficientBalance):
        await ledger.reverse_journal(world.admin(), first, "charged back", "a")
    await hold(call, "rider", 1_000, key="ride:7")
    with pytest.raises(ledger.InsufficientBalance):
        await ledger.reverse_journal(world.admin(), second, "charged back", "b")
    await ledger.release_hold(call, "ride:7")
    await ledger.reverse_journal(world.admin(), second, "charged back", "c")
    assert await worth(call, "rider") == (900, 900, 0)
    assert await proof(call) == []


async def test_what_comes_back_to_a_lot_that_is_over_runs_out_again(world: World) -> None:
    call, soon = world.system(), clock.now() + timedelta(days=1)
    await top_up(call, "rider", bonus=300, bonus_ends=soon)
    spent = await use(call, "rider", 100)
    with clock.moved_to(soon + timedelta(seconds=1)):
        await jobs.end_what_ran_out()
        await ledger.reverse_journal(world.admin(), spent.journal_id, "wrong", "a")
        await jobs.end_what_ran_out()
        assert await worth(call, "rider") == (0, 0, 0)
        assert await proof(call) == []
    assert [fact["amount"] for fact in await told(call, "ledger.lot_expired")] == [200, 100]


async def test_grants_that_are_not_covered_post_nothing(world: World) -> None:
    call = world.system()
    for lines, grants in (
        ([("bank", 9)], [Grant("paid", 10)]),
        ([("bank", 10)], [Grant("paid", 10), Grant("paid", 0)]),
        ([], [Grant("paid", 10)]),
    ):
        with pytest.raises((Invalid, Conflict)):
            await ledger.grant(call, "rider", grants, entered(*lines))
    assert await worth(call, "rider") == (0, 0, 0)
