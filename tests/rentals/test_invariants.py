"""The queries that tell when something is wrong (RELIABILITY, section 1): silent, and not blind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db
from fahrwerk.rentals import contract
from fahrwerk.rentals.queries import broken_invariants
from tests.rentals.riding import book, confirmed, paying_rider, riding

if TYPE_CHECKING:
    from tests.world import World

_BREAK = {
    "I2": "UPDATE rentals.rental SET state = 'completed', expires_at = NULL, secured_by = 'credit',"
    " started_at = now(), ended_at = now(), rating = '{}' WHERE id = $1",
    "I6": "UPDATE rentals.rental SET version = version + 1 WHERE id = $1",
    "I8": "DELETE FROM rentals.deadline WHERE tenant_id = kernel.tenant() AND rental_id = $1",
}


async def test_all_is_well_with_rentals_in_every_state(world: World) -> None:
    rider, other = await paying_rider(world), await paying_rider(world)
    await book(rider, await world.vehicle())
    await confirmed(rider, await world.vehicle())
    await riding(world, rider, await world.vehicle())
    ended = await riding(world, other, await world.vehicle())
    await contract.end(other, ended.id, None, None, None, None)
    await contract.cancel(other, (await book(other, await world.vehicle())).id, "rider")
    await world.settle()
    assert await broken_invariants(world.system()) == []


@pytest.mark.parametrize("name", ["I2", "I6", "I8"])
async def test_what_is_broken_is_told(world: World, name: str) -> None:
    rental = await book(await world.rider(), await world.vehicle())
    await db.run("rentals", world.system(), _BREAK[name], rental.id)
    told = await broken_invariants(world.system())
    assert name in [invariant for invariant, _ in told]
    assert all(str(rental.id) in detail for _, detail in told)


async def test_what_should_be_over_is_told_after_two_minutes(world: World) -> None:
    """I8"""
    rental = await book(await world.rider(), await world.vehicle())
    assert rental.expires_at is not None
    with clock.moved_to(rental.expires_at + timedelta(seconds=110)):
        assert await broken_invariants(world.system()) == []
    with clock.moved_to(rental.expires_at + timedelta(seconds=130)):
        [(invariant, detail)] = await broken_invariants(world.system())
    assert invariant == "I8"
    assert "time was over" in detail


async def test_without_an_operator_only_deadlines_are_seen(world: World) -> None:
    """I7: the worker that claims what is due sees ids and times of all, and nothing else."""
    from fahrwerk.kernel.call import system

    rental = await book(await world.rider(), await world.vehicle())
    house = system(None, "rentals")
    seen = await db.run("rentals", house, "SELECT rental_id FROM rentals.deadline")
    assert rental.id in [row["rental_id"] for row in seen]
    for table in ("rental", "end_photo", "rental_event"):
        assert await db.run("rentals", house, f"SELECT FROM rentals.{table}") == []


async def test_the_history_is_a_view_of_the_log_behind_the_same_wall(world: World) -> None:
    """RNT-44, I7: id, rental_id, event_type, event_data, created_at; own operator only."""
    from tests.world import make_world

    rental = await book(await world.rider(), await world.vehicle())
    sql = """
    SELECT id, rental_id, event_type, event_data, created_at FROM rentals.rental_event
    WHERE rental_id = $1
    """
    [row] = await db.run("rentals", world.system(), sql, rental.id)
    assert row["event_type"] == "rental.reserved"
    assert row["event_data"]["booking_id"] == str(rental.id)
    stranger = await make_world()
    assert await db.run("rentals", stranger.system(), sql, rental.id) == []
