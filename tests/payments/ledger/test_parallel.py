"""A thousand at once on few accounts: nobody waits in a circle, nothing is lost (F12, F21)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.queries import proof
from tests.payments.ledger.keeper import balances, entered, for_a_ride, top_up, use

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.world import World

AT_ONCE = 64


async def together(steps: list[Awaitable[Any]]) -> list[Any]:
    """All of them, so many at a time; a refusal for want of money is an answer."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def through(step: Awaitable[Any]) -> Any:
        async with gate:
            try:
                return await step
            except (ledger.InsufficientBalance, ledger.HoldEnded, ledger.AlreadyReversed) as said:
                return said

    return await asyncio.gather(*(through(step) for step in steps))


async def deadlocks() -> int:
    await asyncio.sleep(1.1)  # the server tells its statistics once a second
    rows = await db.run(
        "payments", system(None, "payments"),
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    )  # fmt: skip
    count: int = rows[0]["deadlocks"]
    return count


@pytest.mark.parametrize("codes", [("bank", "suspense"), ("fees", "revenue.1900", "vat.1900")])
async def test_a_thousand_postings(world: World, codes: tuple[str, ...]) -> None:
    """On accounts of one row, and on hot ones; in every order of lines."""
    call, chosen = world.system(), random.Random(7)
    before = await deadlocks()
    journals = []
    for n in range(1_000):
        some = chosen.sample([*codes, "rounding", "chargebacks"], 3)
        journals.append(entered((some[0], n + 1), (some[1], 1), (some[2], -n - 2)))
    posted = await together([ledger.post_journal(call, journal) for journal in journals])
    assert len(set(posted)) == 1_000
    assert await deadlocks() == before
    assert sum((await _signed(world)).values()) == 0
    rows = await db.run("payments", call, "SELECT sum(version) FROM payments.account")
    assert rows[0][0] == 3_000
    assert await proof(call) == []


async def _signed(world: World) -> dict[str, int]:
    lines = await ledger.trial_balance(world.admin(), None, None)
    return {line.code: line.closing_minor for line in lines}


async def test_the_same_key_a_hundred_times_at_once(world: World) -> None:
    call = world.system()
    journals = [entered(("bank", 7), ("revenue.0", -7), key="one") for _ in range(100)]
    posted = await together([ledger.post_journal(call, journal) for journal in journals])
    assert len(set(posted)) == 1
    assert await balances(call) == {("bank", ""): 7, ("revenue.0", ""): 7}


async def test_one_reversal_of_many(world: World) -> None:
    """A drill of the issue: double reversal."""
    call = world.system()
    posted = await ledger.post_journal(call, entered(("bank", 7), ("revenue.0", -7)))
    staff = world.admin()
    done = await together(
        [ledger.reverse_journal(staff, posted, "wrong", f"k{n}") for n in range(20)]
    )
    assert len([each for each in done if isinstance(each, ledger.Journal)]) == 1
    assert await balances(call) == {}


async def test_one_capture_of_many(world: World) -> None:
    """A drill of the issue: two captures of one hold."""
    call = world.system()
    await top_up(call, "rider", paid=1_000)
    await ledger.place_hold(call, "ride", "rider", "EUR", 800, 600, "paid", None)
    done = await together(
        [ledger.capture_hold(call, "ride", for_a_ride(500, f"ride:{n}")) for n in range(20)]
    )
    assert len([each for each in done if isinstance(each, ledger.Spent)]) == 1
    assert (await ledger.purse(call, "rider", "EUR")).balance_minor == 500
    assert await proof(call) == []


async def test_a_thousand_operations_on_one_purse(world: World) -> None:
    """Usage racing top-ups racing holds: what was answered is what is there, drift 0 (WAL-15)."""
    call, chosen = world.system(), random.Random(11)
    await top_up(call, "rider", paid=500, bonus=100)
    before = await deadlocks()
    steps: list[Awaitable[Any]] = []
    came_in = 600
    for n in range(250):
        amount = chosen.randint(1, 40)
        came_in += amount + n % 3
        steps += [
            top_up(call, "rider", paid=amount, bonus=n % 3, key=f"in:{n}"),
            use(call, "rider", amount, f"out:{n}", "paid" if n % 2 else "bonus"),
            _hold_and_end(call, n, amount, chosen.randint(0, amount)),
            use(call, "rider", amount, f"out:{n}", "paid" if n % 2 else "bonus"),
        ]
    chosen.shuffle(steps)
    answers = await together(steps)
    assert await deadlocks() == before
    spent = {x.journal_id: x.amount_minor for x in answers if isinstance(x, ledger.Spent)}
    assert len(spent) > 200
    found = await ledger.purse(call, "rider", "EUR")
    assert found.balance_minor == came_in - sum(spent.values())
    assert (found.held_minor, found.available_minor) == (0, found.balance_minor)
    assert await proof(call) == []


async def _hold_and_end(call: Any, n: int, amount: int, captured: int) -> Any:
    key = f"hold:{n}"
    await ledger.place_hold(call, key, "rider", "EUR", amount, 600, "bonus", None)
    if captured:
        return await ledger.capture_hold(call, key, for_a_ride(captured, f"captured:{n}"))
    return await ledger.release_hold(call, key)
