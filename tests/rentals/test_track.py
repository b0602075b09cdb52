"""Where a ride went, for its rider and for staff (RNT-38, WEB-08)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import record_readings
from fahrwerk.fleet.contract import Measured
from fahrwerk.kernel import clock, ids
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import UnknownRental
from tests.fleet.street import answer, connected_vehicle
from tests.rentals.riding import book, paying_rider

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def test_the_track_of_a_ride_is_its_riders_and_the_staffs(world: World) -> None:
    rider = await paying_rider(world)
    rental = await book(rider, await world.vehicle())
    path = f"/api/v1/rentals/{ids.public('rent', rental.id)}/track"
    async with world.client(rider) as client:
        found = await client.get(path)
        assert found.status_code == 200
        assert found.json()["at"] == []  # not begun
        assert (await client.get(path, params={"points": "1"})).status_code == 400
    async with world.client(world.call("support")) as client:
        assert (await client.get(path)).status_code == 200
    async with world.client(await world.rider()) as client:
        assert (await client.get(path)).status_code == 404
    async with world.client(world.call("provider")) as client:
        assert (await client.get(path)).status_code == 403


async def test_a_ride_under_way_has_a_track(world: World) -> None:
    """Only what was measured since it began; thinned to what was asked for."""
    rider = await paying_rider(world)
    vehicle = await connected_vehicle(world)
    rental = await contract.confirm(rider, (await book(rider, vehicle)).id, None)
    began = clock.now()
    await _begin(world, rental.id)
    with clock.moved_to(began + timedelta(minutes=5)):
        await record_readings(
            [
                Measured(
                    vehicle_id=vehicle.id, time=began + timedelta(seconds=10 + n),
                    latitude=52.52, longitude=13.405 + n * 0.00003,
                )
                for n in range(60)
            ]
        )  # fmt: skip
        found = await contract.ride_track(rider, rental.id, 20)
        assert len(found.points) == 20
        assert found.points[-1].longitude == pytest.approx(13.405 + 59 * 0.00003)
        assert 100 < found.distance_m < 140
        with pytest.raises(UnknownRental):
            await contract.ride_track(await world.rider(), rental.id, 20)


async def _begin(world: World, rental_id: UUID) -> None:
    """The vehicle opens for the rental, and rentals hears of it."""
    rental = await contract.rental(world.admin(), rental_id)
    command = await fleet.send_command(
        world.system(), rental.vehicle_id, "unlock", rental.id, ids.new()
    )
    await answer(world, command)
    await world.settle()
