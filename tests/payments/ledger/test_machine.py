"""Any order of postings, holds, lots, reversals and days: the books are right after each step."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fahrwerk.kernel import clock, db
from fahrwerk.payments.actions.expire import expire_purses
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.queries.proof import proof, quick_proof
from tests.payments.ledger.keeper import entered, for_a_ride, new_key, top_up, use
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from uuid import UUID

OWNERS = ("ada", "bob")
amounts = st.integers(1, 300)
owners = st.sampled_from(OWNERS)
kinds = st.sampled_from(["paid", "bonus"])


async def test_the_books_balance_after_each_step(database: db.Database) -> None:
    """I5, WAL-15. The machine runs in a thread of its own, its steps on the tests' loop."""
    # long: one machine, a rule after the other, on the loop of this test
    loop = asyncio.get_running_loop()

    class Books(RuleBasedStateMachine):
        posted: Bundle[UUID] = Bundle("posted")
        holds: Bundle[str] = Bundle("holds")

        def __init__(self) -> None:
            super().__init__()
            self.world = self.on_loop(make_world())
            self.call = self.world.system()
            self.model = dict.fromkeys(OWNERS, 0)
            """What the owners should have, told apart from the ledger."""
            self.effects: dict[UUID, tuple[str, int]] = {}
            self.lost = dict.fromkeys(OWNERS, 0)
            self.at: datetime = clock.now()

        def on_loop(self, step: Awaitable[Any]) -> Any:
            async def done() -> Any:
                return await step

            return asyncio.run_coroutine_threadsafe(done(), loop).result(60)

        def now(self, step: Awaitable[Any]) -> Any:
            """Do it on this machine's day; None when the ledger says no, as it may."""

            async def then() -> Any:
                with clock.moved_to(self.at):
                    try:
                        return await step
                    except (ledger.InsufficientBalance, ledger.HoldEnded, ledger.AlreadyReversed):
                        return None

            return self.on_loop(then())

        @initialize()
        def some_money(self) -> None:
            for owner in OWNERS:
                self.now(top_up(self.call, owner, paid=200, bonus=100))
                self.model[owner] = 300

        @rule(target=posted, owner=owners, paid=amounts, bonus=st.integers(0, 100),
              days=st.none() | st.integers(1, 5))  # fmt: skip
        def tops_up(self, owner: str, paid: int, bonus: int, days: int | None) -> UUID:
            ends = None if days is None else self.at + timedelta(days=days)
            done = self.now(top_up(self.call, owner, paid, bonus, bonus_ends=ends))
            self.model[owner] += paid + bonus
            self.effects[done] = (owner, paid + bonus)
            topped_up: UUID = done
            return topped_up

        @rule(target=posted, owner=owners, amount=amounts, first=kinds, twice=st.booleans())
        def spends(self, owner: str, amount: int, first: Any, twice: bool) -> Any:
            key = new_key()
            before = self.now(ledger.purse(self.call, owner, "EUR"))
            done = self.now(use(self.call, owner, amount, key, first))
            assert (done is not None) == (amount <= before.available_minor)
            if done is None:
                return None
            if twice:
                assert self.now(use(self.call, owner, amount, key, first)) == done
            self.model[owner] -= amount
            self.effects[done.journal_id] = (owner, -amount)
            return done.journal_id

        @rule(target=posted, amount=amounts)
        def posts(self, amount: int) -> UUID:
            journal = entered(("bank", amount), ("gateway_clearing", -amount, "sandbox"))
            posted: UUID = self.now(ledger.post_journal(self.call, journal))
            return posted

        @rule(journal=posted)
        def reverses(self, journal: UUID | None) -> None:
            if journal is None:
                return
            key = f"undo:{journal}"
            done = self.now(ledger.reverse_journal(self.world.admin(), journal, "undo", key))
            if done is not None and journal in self.effects:
                owner, amount = self.effects.pop(journal)
                self.model[owner] -= amount

        @rule(
            target=holds, owner=owners, amount=amounts, first=kinds, lease_s=st.integers(1, 200_000)
        )
        def holds_some(self, owner: str, amount: int, first: Any, lease_s: int) -> str:
            key = f"{owner}:{new_key()}"
            self.now(ledger.place_hold(self.call, key, owner, "EUR", amount, lease_s, first, None))
            return key

        @rule(key=holds, lease_s=st.integers(1, 200_000))
        def extends(self, key: str, lease_s: int) -> None:
            self._despite_none(ledger.extend_hold(self.call, key, lease_s))

        @rule(key=consumes(holds), amount=amounts)
        def captures(self, key: str, amount: int) -> None:
            journal = for_a_ride(amount)
            done = self._despite_none(ledger.capture_hold(self.call, key, journal))
            if done is not None:
                self.model[key.partition(":")[0]] -= amount

        @rule(key=consumes(holds))
        def releases(self, key: str) -> None:
            self._despite_none(ledger.release_hold(self.call, key))

        def _despite_none(self, step: Awaitable[Any]) -> Any:
            """The hold may never have been placed."""

            async def tried() -> Any:
                try:
                    return await step
                except ledger.UnknownHold:
                    return None

            return self.now(tried())

        @rule(hours=st.integers(1, 60))
        def time_passes(self, hours: int) -> None:
            self.at += timedelta(hours=hours)
            self.now(expire_purses(self.call))
            for owner in OWNERS:
                lost = self.now(_lost(self.call, owner))
                self.model[owner] += self.lost[owner] - lost
                self.lost[owner] = lost

        @invariant()
        def purses_are_what_they_should_be(self) -> None:
            for owner in OWNERS:
                found = self.now(ledger.purse(self.call, owner, "EUR"))
                assert found.balance_minor == self.model[owner]
                assert 0 <= found.available_minor <= found.balance_minor
            assert self.now(quick_proof(self.call)) == []

        def teardown(self) -> None:
            assert self.now(proof(self.call)) == []

    await asyncio.to_thread(
        run_state_machine_as_test,
        Books,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def _lost(call: Any, owner: str) -> int:
    """All that ever ran out, as it was told."""
    rows = await db.run(
        "payments", call,
        "SELECT coalesce(sum((data->>'amount')::bigint), 0)::bigint AS amount FROM kernel.event "
        "WHERE name = 'ledger.lot_expired' AND data->>'owner' = $1",
        owner,
    )  # fmt: skip
    amount: int = rows[0]["amount"]
    return amount
