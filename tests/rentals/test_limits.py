"""Where a ride ends by itself (RNT-51), and what cannot be written at all (I2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.rentals import contract
from tests.rentals.riding import book, confirmed, fact, heard, paying_rider, riding

if TYPE_CHECKING:
    from tests.world import World

pytestmark = pytest.mark.usefixtures("database")
START = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


async def test_a_ride_that_lasts_too_long_ends_by_itself(world: World) -> None:
    """RNT-51, C-26: after 24 h, at the cap, and the vehicle is free."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await riding(world, rider, vehicle)
    with clock.moved_to(START + timedelta(hours=23, minutes=59)):
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "in_progress"
    with clock.moved_to(START + timedelta(hours=24, minutes=1)):
        await world.settle()
        ended = await contract.rental(rider, rental.id)
    assert (ended.state, ended.reason) == ("completed", "limit")
    assert ended.ended_at == START + timedelta(hours=24)
    assert ended.rating is not None
    assert ended.rating.total_minor == 7500
    assert (await fleet.vehicle(world.admin(), vehicle.id)).status == "available"


async def test_a_ride_from_history_ends_when_it_ended(world: World) -> None:
    """A replay moves domain time only: no deadline strikes, no distance of today is looked at."""
    long_ago = datetime(2014, 5, 5, 8, 0, tzinfo=UTC)
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(long_ago, leases=False):
        rental = await riding(world, rider, vehicle)
    assert rental.is_recorded
    assert rental.started_at == long_ago
    await world.settle()
    with clock.moved_to(clock.now() + timedelta(minutes=30)):
        await world.settle()
    assert (await contract.rental(rider, rental.id)).state == "in_progress"
    with clock.moved_to(long_ago + timedelta(minutes=12), leases=False):
        ended = await contract.end(rider, rental.id, None, None, None, None)
        await world.settle()
    assert ended.ended_at == long_ago + timedelta(minutes=12)
    assert ended.rating is not None
    assert ended.rating.billed_minutes == 12
    assert (await fact(world, rental.id, "rental.ended"))["is_recorded"] is True


async def test_a_ride_that_goes_too_far_ends_by_itself(world: World) -> None:
    """RNT-51: 100 km"""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await riding(world, rider, vehicle)
        await heard(world, vehicle, START, 52.52, 13.40, 85, 100_000)
    with clock.moved_to(START + timedelta(hours=2)):
        await heard(world, vehicle, clock.now(), 52.52, 13.40, 40, 199_000)
        await world.settle()
        assert (await contract.rental(rider, rental.id)).state == "in_progress"
    with clock.moved_to(START + timedelta(hours=2, minutes=30)):
        await heard(world, vehicle, clock.now(), 52.52, 13.40, 38, 200_100)
        await world.settle()
        ended = await contract.rental(rider, rental.id)
    assert (ended.state, ended.reason) == ("completed", "limit")
    assert ended.distance_m == 100_100


async def test_no_ride_without_payment_can_be_written(world: World) -> None:
    """I2: a constraint, whatever the code does."""
    rider = await paying_rider(world)
    pending = await book(rider, await world.vehicle())
    paid = await confirmed(rider, await world.vehicle())
    for statement in (
        "UPDATE rentals.rental SET state = 'confirmed' WHERE id = $1",
        "UPDATE rentals.rental SET state = 'in_progress', started_at = now(), expires_at = NULL"
        " WHERE id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="no_ride_unsecured"):
            await db.run("rentals", rider, statement, pending.id)
    with pytest.raises(asyncpg.CheckViolationError):
        await db.run(
            "rentals", rider, "UPDATE rentals.rental SET state = 'completed' WHERE id = $1", paid.id
        )
