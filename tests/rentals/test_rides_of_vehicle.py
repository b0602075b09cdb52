"""The rides of one vehicle, for its drawer in the console (FLT-22, WEB-08)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rentals.riding import paying_rider, riding

if TYPE_CHECKING:
    from tests.world import World


async def test_staff_see_the_rides_of_one_vehicle_and_riders_do_not(world: World) -> None:
    """Whoever rode it; not the other vehicle's, and not a booking that is no ride yet."""
    rider, other = await paying_rider(world), await paying_rider(world)
    vehicle, another = await world.vehicle(), await world.vehicle()
    rental = await riding(world, rider, vehicle)
    await riding(world, other, another)
    path, query = "/api/v1/rentals", {"vehicle": vehicle.identifier}
    async with world.client(world.call("support")) as client:
        found = (await client.get(path, params=query)).json()
        assert [ride["status"] for ride in found["rentals"]] == ["active"]
        assert found["pagination"]["total"] == 1
        ended = await client.get(path, params={**query, "status": "completed"})
        assert ended.json()["rentals"] == []
        assert (await client.get(path, params={"vehicle": "NOBODY"})).status_code == 404
    async with world.client(rider) as client:
        assert (await client.get(path, params=query)).status_code == 403
    assert rental.vehicle_id == vehicle.id
