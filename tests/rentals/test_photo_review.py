"""Somebody looks at the photos of rides' ends (RNT-48), and at people one by one."""

from __future__ import annotations

from fahrwerk.kernel import ids
from tests.rentals.riding import paying_rider, public, riding
from tests.rentals.test_afterwards import jpeg
from tests.world import World


async def test_photos_are_listed_and_judged_by_staff(world: World) -> None:
    """Unseen until somebody says good or bad; taken back it is unseen again; riders see nothing."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    path = f"/api/v1/rentals/{public(rental)}/photo"
    async with world.client(rider) as client:
        await client.post(f"/api/v1/rentals/{public(rental)}/end", json={})
        await client.put(path, content=jpeg())
        assert (await client.get("/api/v1/end-photos")).status_code == 403
        assert (await client.put(f"{path}/review", json={"verdict": "good"})).status_code == 403
    async with world.client(world.admin()) as staff:
        (unseen,) = (await staff.get("/api/v1/end-photos?verdict=unseen")).json()["photos"]
        assert (unseen["rental_id"], unseen["verdict"]) == (public(rental), None)
        said = await staff.put(f"{path}/review", json={"verdict": "bad", "note": "On the pavement"})
        assert (said.status_code, said.json()["note"]) == (200, "On the pavement")
        assert said.json()["reviewed_at"] is not None
        assert not (await staff.get("/api/v1/end-photos?verdict=unseen")).json()["photos"]
        bad = (await staff.get("/api/v1/end-photos?verdict=bad")).json()
        assert (len(bad["photos"]), bad["pagination"]["total"]) == (1, 1)
        await staff.put(f"{path}/review", json={"verdict": None, "note": "x"})
        (again,) = (await staff.get("/api/v1/end-photos?verdict=unseen")).json()["photos"]
        assert (again["note"], again["reviewed_by"]) == ("", None)
        without = f"/api/v1/rentals/{ids.public('rent', ids.new())}/photo/review"
        assert (await staff.put(without, json={"verdict": "good"})).status_code == 404


async def test_staff_and_riders_are_told_apart_in_the_list_of_people(world: World) -> None:
    """IDN-31: one person by id, and lists of those with and without a role that riders lack."""
    rider = await world.rider()
    async with world.client(world.admin()) as staff:
        riders = (await staff.get("/api/v1/users?staff=false")).json()["users"]
        assert [each["roles"] for each in riders] == [["customer"]]
        assert not (await staff.get("/api/v1/users?staff=true")).json()["users"]
        one = await staff.get(f"/api/v1/users/{riders[0]['id']}")
        assert one.json() == riders[0]
    async with world.client(rider) as client:
        assert (await client.get(f"/api/v1/users/{riders[0]['id']}")).status_code == 403
