"""Usage racing top-up racing expiry on one wallet: the books balance after each, drift is 0."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Problem
from fahrwerk.payments import jobs as payment_jobs
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.queries.proof import quick_proof
from fahrwerk.wallet import contract, queries
from tests.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_NUMBERS = """
SELECT number, amount_minor, balance_minor FROM wallet.transaction
WHERE state = 'booked' AND rider_id = $1 ORDER BY number
"""
_LEFT = "SELECT count(*) FROM wallet.transaction WHERE state = 'pending'"


async def check_books(world: World, rider_id: UUID) -> None:
    """Numbers gapless, each balance follows from the one before, and the ledger says the same."""
    call = world.system("wallet")
    balance = 0
    for expected, row in enumerate(await db.run("wallet", call, _NUMBERS, rider_id), start=1):
        balance += row["amount_minor"]
        assert (row["number"], row["balance_minor"]) == (expected, balance)
    purse = await ledger.purse(call, str(rider_id), "EUR")
    assert balance == purse.balance_minor == sum(lot.left_minor for lot in purse.lots)
    assert await contract.drift(call, rider_id) == 0
    assert (await db.run("wallet", call, _LEFT))[0][0] == 0


class Doing:
    """The operations that race, and how each of them ended."""

    def __init__(self, world: World, rider: Call, card: UUID) -> None:
        assert rider.user is not None
        self.world, self.rider, self.card, self.rider_id = world, rider, card, rider.user
        self.ended: Counter[str] = Counter()

    async def one(self, kind: str, number: int) -> None:
        """Do it; a refusal is an answer like any other."""
        staff = self.world.admin()
        try:
            if kind == "usage":
                amount = 100 + number % 7 * 100
                await contract.charge_usage(staff, self.rider_id, amount, "Ride", f"k{number}")
            elif kind == "repeat":
                await contract.charge_usage(staff, self.rider_id, 100, "Ride", f"r{number % 3}")
            elif kind == "topup":
                amount = (500, 1_000, 10_000)[number % 3]
                await contract.open_topup(self.rider, amount, self.card, f"t{number}")
            elif kind == "gift":
                await contract.adjust(staff, self.rider_id, 50, "Sorry", f"g{number}")
            elif kind == "ride":
                rental = self.world.call("admin").user
                assert rental is not None
                await contract.hold_ride(self.rider, rental, self.rider_id, 300, 60.0)
                await contract.settle_ride(self.rider, rental, number % 5 * 100)
            else:
                await payment_jobs.end_what_ran_out()
            self.ended[f"{kind} done"] += 1
        except Problem as problem:
            self.ended[f"{kind} {problem.error_code}"] += 1


async def test_a_thousand_parallel_operations(world: World) -> None:
    """WAL-15: nothing is lost, nothing twice, and nothing below zero."""
    await contract.change_settings(world.admin(), contract.Settings(bonus_days=1))
    rider = await world.rider()
    doing = Doing(world, rider, await world.card(rider))
    kinds = random.Random(7).choices(
        ["usage", "repeat", "topup", "gift", "ride", "expiry"], [60, 10, 12, 8, 6, 4], k=1000
    )
    gate = asyncio.Semaphore(48)

    async def run(kind: str, number: int) -> None:
        async with gate:
            late = number % 2 == 0  # half of them when the first bonuses have run out
            at = clock.now() + timedelta(days=2 if late and number > 500 else 0)
            with clock.moved_to(at):
                await doing.one(kind, number)

    await asyncio.gather(*(run(kind, number) for number, kind in enumerate(kinds)))
    await world.settle()
    with clock.moved_to(clock.now() + timedelta(days=4)):
        while await payment_jobs.settle_payments():
            pass  # the worker takes them in batches
        await world.settle()
        await check_books(world, doing.rider_id)
        assert await ledger.proof(world.admin()) == []
        assert await queries.broken_invariants(world.system("wallet")) == []
    assert doing.ended["usage done"] > 50, doing.ended
    assert doing.ended["topup done"] > 50, doing.ended
    assert sum(n for k, n in doing.ended.items() if k.startswith("repeat done")) <= 100
    assert set(doing.ended) <= {
        *(f"{kind} done" for kind in ("usage", "repeat", "topup", "gift", "ride", "expiry")),
        *(f"{kind} INSUFFICIENT_BALANCE" for kind in ("usage", "repeat", "ride")),
        *("repeat WALLET_IN_FLIGHT", "usage WALLET_IN_FLIGHT"),
    }, doing.ended
    rows = await db.run("wallet", world.system("wallet"), _REPEATS, doing.rider_id)
    assert all(row["times"] == 1 for row in rows)


_REPEATS = """
SELECT key, count(*) AS times FROM wallet.transaction
WHERE rider_id = $1 AND key LIKE 'usage:r%' AND state = 'booked' GROUP BY key
"""


async def _try(verb: Awaitable[object]) -> str | None:
    """The code it was refused with, or None."""
    try:
        await verb
    except Problem as problem:
        return problem.error_code
    return None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("topup"), st.sampled_from([500, 2_000, 10_000])),
        st.tuples(st.just("usage"), st.integers(1, 3_000)),
        st.tuples(st.just("adjust"), st.sampled_from([-400, -50, 50, 900])),
        st.tuples(st.just("days"), st.integers(1, 3)),
    ),
    min_size=3, max_size=12,
)  # fmt: skip


@given(steps=STEPS)
@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
async def test_any_order_leaves_the_books_right(
    database: db.Database, steps: list[tuple[str, int]]
) -> None:
    """WAL-15, WAL-16: a model of lots beside the real ones; equal after every step."""
    world = await make_world()
    await contract.change_settings(world.admin(), contract.Settings(bonus_days=2))
    rider = await world.rider()
    card = await world.card(rider)
    assert rider.user is not None
    paid, gifts = 0, 0
    bonus: list[tuple[int, datetime]] = []  # what is left, and when it ends
    now = clock.now()
    for number, (kind, value) in enumerate(steps):
        with clock.moved_to(now):
            if kind == "days":
                now += timedelta(days=value)
                with clock.moved_to(now):
                    await world.settle()
                bonus = [each for each in bonus if each[1] > now]
            elif kind == "topup":
                await contract.open_topup(rider, value, card, f"t{number}")
                paid += value
                if value >= 10_000:
                    bonus.append((1_000, now + timedelta(days=2)))
            else:
                wanted = value if kind == "usage" else -value
                have = paid + gifts + sum(left for left, _ in bonus)
                code = await _try(
                    contract.charge_usage(world.admin(), rider.user, value, "Ride", f"u{number}")
                    if kind == "usage"
                    else contract.adjust(world.admin(), rider.user, value, "Why", f"a{number}")
                )
                assert code == ("INSUFFICIENT_BALANCE" if wanted > have else None)
                if code is not None:
                    wanted = 0
                if wanted < 0:
                    gifts -= wanted
                for at, (left, ends) in enumerate(bonus):  # the soonest goes first, gifts never do
                    part = min(max(wanted, 0), left)
                    bonus[at] = (left - part, ends)
                    wanted -= part
                part = min(max(wanted, 0), gifts)
                gifts, wanted = gifts - part, wanted - part
                paid -= max(wanted, 0)
        with clock.moved_to(now):
            own = await contract.wallet(rider, rider.user)
            assert own.available_minor == paid + gifts + sum(left for left, _ in bonus)
            assert await contract.drift(rider, rider.user) == 0
            assert await quick_proof(world.system("payments")) == []
    with clock.moved_to(now):
        await world.settle()
        await check_books(world, rider.user)
        assert await ledger.proof(world.admin()) == []
