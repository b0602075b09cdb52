"""What a rider adds to an ended ride: a rating (RNT-42) and the photo that came late (RNT-48)."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from PIL import Image

from fahrwerk.kernel import clock
from fahrwerk.rentals import contract
from fahrwerk.rentals.queries import broken_invariants
from tests.rentals.riding import paying_rider, public, riding
from tests.world import World


def jpeg(colour: str = "teal") -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(into, "JPEG")
    return into.getvalue()


async def test_a_ride_is_rated_once_and_photographed_late(world: World) -> None:
    """The first of each counts, a stranger's does not, and the history stays without a gap (I6)."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    path = f"/api/v1/rentals/{public(rental)}"
    async with world.client(rider) as client:
        early = await client.put(f"{path}/rating", json={"rating": 4})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "RENTAL_STATE")
        await client.post(f"{path}/end", json={})
        rated = await client.put(f"{path}/rating", json={"rating": 4, "feedback": "Smooth"})
        again = await client.put(f"{path}/rating", json={"rating": 1})
        sent = await client.put(f"{path}/photo", content=jpeg())
        late = await client.put(f"{path}/photo", content=jpeg("red"))
        photo = await client.get(f"{path}/photo")
        refused = await client.put(f"{path}/photo", content=b"no picture")
        shown = await client.get(path)
        events = (await client.get(f"{path}/events")).json()["events"]
    async with world.client(await world.rider()) as stranger:
        assert (await stranger.put(f"{path}/rating", json={"rating": 1})).status_code == 404
        assert (await stranger.put(f"{path}/photo", content=jpeg())).status_code == 404
    assert rated.json() == again.json()
    assert (shown.json()["rating"], shown.json()["feedback"]) == (4, "Smooth")
    assert sent.status_code == late.status_code == 200
    red, _, blue = Image.open(io.BytesIO(photo.content)).convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red < blue, "the second photo took the place of the first"
    assert refused.status_code == 400
    assert [each["version"] for each in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "rental.rated"
    assert "I6" not in {name for name, _ in await broken_invariants(world.system())}


async def test_after_a_week_nothing_is_added(world: World) -> None:
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    await contract.end(rider, rental.id, None, None, None, None)
    with clock.moved_to(clock.now() + timedelta(days=8), leases=False):
        with pytest.raises(contract.TooLateToAdd):
            await contract.rate(rider, rental.id, 5, None)
        with pytest.raises(contract.TooLateToAdd):
            await contract.add_photo(rider, rental.id, jpeg())
