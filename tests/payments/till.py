"""Verbs for the tests of payments: open, end, cancel, let time pass, look into both books."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments import contract, jobs, queries
from fahrwerk.rentals.events import RentalCancelled, RentalEnded

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from tests.world import World

HOLD = 1_250


class Till:
    """One rider, one card, one payment."""

    def __init__(self, world: World, rider: Call, method: UUID, payment: Payment) -> None:
        self.world = world
        self.rider = rider
        self.method = method
        self.id = payment.id
        self.rental = payment.reference

    async def authorize(self, method: UUID | None = None) -> Payment:
        """As rentals asks for it."""
        return await contract.authorize(self.rider, self.id, method or self.method)

    async def card(self, token: str) -> UUID:
        """Another card of this rider."""
        return (await contract.add_method(self.rider, token, False)).id

    async def ended(self, total_minor: int) -> None:
        """The news that the ride is over and what it cost."""
        assert self.rider.user is not None
        now = clock.now()
        fact = RentalEnded(
            self.rental, self.rider.user, ids.new(), self.id, now, now, 60, 100, total_minor,
            "EUR", None, False, None, None,
        )  # fmt: skip
        await self._tell(fact)

    async def cancelled(self) -> None:
        """The news that there will be no ride."""
        assert self.rider.user is not None
        await self._tell(
            RentalCancelled(self.rental, self.rider.user, ids.new(), self.id, "expired")
        )

    async def _tell(self, fact: Any) -> None:
        call = self.world.system("rentals")
        count = await db.run(
            "rentals", call, "SELECT count(*) FROM kernel.event WHERE stream = $1",
            f"rental:{self.rental}",
        )  # fmt: skip
        async with db.tx("rentals", call) as tx:
            await events.emit(tx, call, f"rental:{self.rental}", count[0][0] + 1, fact)
        await Pump(["payments"]).drain()

    async def work(self, *seconds: float) -> Payment:
        """What workers do at these moments from now (default: now); the payment afterwards."""
        for later in seconds or (0.0,):
            if later:
                with clock.moved_to(clock.now() + timedelta(seconds=later)):
                    await _work()
            else:
                await _work()
        return await self.payment()

    async def payment(self) -> Payment:
        """As it stands."""
        found = await contract.payment_for(self.world.system(), self.rental)
        assert found is not None
        return found

    async def attempts(self) -> list[tuple[str, str]]:
        """``(kind, state)`` of all attempts, oldest first."""
        rows = await db.run(
            "payments", self.world.system(),
            "SELECT kind, state FROM payments.attempt WHERE payment_id = $1 "
            "ORDER BY sent_at, kind, number",
            self.id,
        )  # fmt: skip
        return [(row["kind"], row["state"]) for row in rows]

    async def operations(self) -> list[tuple[str, str, int]]:
        """``(kind, outcome, amount)`` of all that the gateway carries out or refuses, ever."""
        rows = await db.run(
            "payments", self.world.system(),
            "SELECT kind, outcome, amount FROM payments.sandbox_operation "
            "ORDER BY created_at, kind",
        )  # fmt: skip
        return [(row["kind"], row["outcome"], row["amount"]) for row in rows]

    async def done(self, kind: str) -> int:
        """How often the gateway did this."""
        return len([o for o in await self.operations() if o[0] == kind and o[1] == "done"])

    async def told(self) -> list[str]:
        """The names of the events of this payment, in order; their versions have no gap (I6)."""
        rows = await db.run(
            "payments", self.world.system(),
            "SELECT name, version FROM kernel.event WHERE stream = $1 ORDER BY version",
            f"payment:{self.id}",
        )  # fmt: skip
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        return [row["name"] for row in rows]

    async def at_rest(self) -> Payment:
        """Ten minutes from now: nothing open, no invariant broken (I1, I5, I8, I10, I12)."""
        with clock.moved_to(clock.now() + timedelta(minutes=10)):
            call = self.world.system()
            broken = [each for each in await queries.broken_invariants(call) if each[0] != "I5"]
            assert broken == [], broken
            open_rows = await db.run(
                "payments", call,
                "SELECT key, state FROM payments.attempt WHERE state IN ('sent', 'unknown')",
            )  # fmt: skip
            assert open_rows == []
            work = "SELECT * FROM payments.work"
            urgent = f"{work} WHERE kind NOT IN ('books', 'debt')"
            assert await db.run("payments", call, urgent) == []
        await _work()  # what happened last is booked last
        with clock.moved_to(clock.now() + timedelta(minutes=10)):
            assert await db.run("payments", call, work) == []
            assert await queries.broken_invariants(call) == []
            assert await queries.proof(call) == []
        return await self.payment()


async def _work() -> None:
    for _ in range(3):
        await jobs.settle_payments()
        await jobs.send_sandbox_webhooks()


async def open_till(
    world: World, token: str = "tok_visa", amount: int = HOLD, rider: Call | None = None
) -> Till:
    """A payment that waits for its authorisation."""
    rider = rider or world.call("customer")
    assert rider.user is not None
    method = await contract.add_method(rider, token, True)
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, amount, "EUR")
    return Till(world, rider, method.id, payment)
