"""Whatever order things happen in, and however many at once: nothing forbidden, and an end (I1-I8).

Each seed is one story of three riders and two vehicles: riders press what they like, time passes,
workers work, news comes twice. Afterwards the faults stop, and everything must come to rest.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Problem
from fahrwerk.payments import contract as payments
from fahrwerk.payments import queries as money
from fahrwerk.rentals import contract, rules
from fahrwerk.rentals.queries import broken_invariants
from tests.rentals.riding import alive, book, paying_rider, told

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.kernel.call import Call
    from tests.world import World

START = datetime(2025, 6, 1, 6, 0, tzinfo=UTC)
CARDS = ("tok_visa", "tok_visa", "tok_insufficientFunds")
NEXT = {"pending": "confirm", "confirmed": "unlock", "in_progress": "end"}
ALLOWED = {
    (),
    ("rental.cancelled",),
    ("BookingConfirmed", "rental.cancelled"),
    ("BookingConfirmed", "rental.started", "rental.ended"),
}
"""What may follow ``rental.reserved`` in a stream that is at rest."""


async def something(world: World, rng: random.Random, rider: Call, vehicles: list[Vehicle]) -> None:
    """One press of one rider; refusals are answers too."""
    rentals = await contract.rentals(rider, rider.user, 3, 0)
    live = [rental for rental in rentals if rental.state in rules.LIVE]
    verb = rng.choice(("book", "confirm", "unlock", "end", "cancel", "work"))
    if live and rng.random() < 0.7:
        rentals, verb = live, rng.choice((NEXT[live[0].state], "book"))
    try:
        if verb == "book" or not rentals:
            await book(rider, rng.choice(vehicles))
        elif verb == "work":
            await world.settle()
        else:
            await press(verb, rider, rng.choice(rentals))
    except Problem as problem:
        if problem.status not in (400, 409, 422, 503):
            raise


async def press(verb: str, rider: Call, rental: contract.Rental) -> None:
    if verb == "confirm":
        await contract.confirm(rider, rental.id, None)
    elif verb == "unlock":
        await contract.unlock(rider, rental.id)
    elif verb == "end":
        await contract.end(rider, rental.id, None, None, None, None)
    else:
        await contract.cancel(rider, rental.id, "rider")


_DOUBLE_HOLDERS = """
SELECT vehicle_id FROM rentals.rental WHERE state IN ('pending', 'confirmed', 'in_progress')
GROUP BY vehicle_id HAVING count(*) > 1
"""


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_of_events(world: World, seed: int) -> None:
    rng = random.Random(seed)
    riders = [await paying_rider(world, card) for card in CARDS]
    vehicles = [await world.vehicle(), await world.vehicle("car")]
    now = START
    for _ in range(15):
        now += timedelta(seconds=rng.choice((0, 1, 1, 5, 5, 20, 60, 290, 601)))
        with clock.moved_to(now):
            async with alive(world):
                presses = [rng.choice(riders) for _ in range(rng.randint(1, 4))]
                await asyncio.gather(*(something(world, rng, r, vehicles) for r in presses))
            assert await db.run("rentals", world.system(), _DOUBLE_HOLDERS) == []
    for pause in (timedelta(minutes=11), timedelta(hours=25), timedelta(minutes=3)):
        now += pause
        with clock.moved_to(now):
            await world.settle()
    with clock.moved_to(now):
        await at_rest(world, riders, vehicles)


async def at_rest(world: World, riders: list[Call], vehicles: list[Vehicle]) -> None:
    """Every rental at its end, every vehicle free, every payment as its rental says."""
    assert await broken_invariants(world.system()) == []
    assert await money.broken_invariants(world.system()) == []
    for vehicle in vehicles:
        assert (await fleet.vehicle(world.admin(), vehicle.id)).status == "available"
    for rider in riders:
        for rental in await contract.rentals(rider, rider.user, 100, 0):
            assert rental.state not in rules.LIVE
            stream = await told(world, rental.id)
            assert tuple(stream[1:]) in ALLOWED, stream
            payment = await payments.payment_for(rider, rental.id)
            assert payment is not None
            if rental.rating is not None:
                assert payment.captured_minor == rental.rating.total_minor
            else:
                assert payment.captured_minor == 0
                assert payment.state in ("voided", "failed"), payment
