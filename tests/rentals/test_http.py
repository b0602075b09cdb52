"""What all endpoints of rentals have in common: who may, how often, and how they are described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fahrwerk import app as composition
from fahrwerk.kernel.settings import Settings
from fahrwerk.rentals.http import handlers
from tests.rentals.riding import book, public
from tests.world import http_app

if TYPE_CHECKING:
    from tests.world import World

CLOSED = [
    (sorted(handler.http_methods)[0], path)
    for handler in handlers
    if not handler.opt.get("public")
    for path in sorted(handler.paths)
]


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=[" ".join(each) for each in CLOSED])
async def test_every_endpoint_needs_a_login(world: World, method: str, path: str) -> None:
    """API-04: 401 before anything is looked up."""
    async with world.client() as client:
        for name in ("booking_id", "rental_id", "vehicle_id"):
            path = path.replace(f"{{{name}:str}}", "rent_nothing")
        answer = await client.request(method, path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AUTHENTICATION_FAILED"


@pytest.mark.parametrize("text", ["rent_nonsense", "1", "sco_0000000000000000000000", "%00"])
async def test_an_id_that_cannot_be_is_not_found(world: World, text: str) -> None:
    async with world.client(await world.rider()) as client:
        for path in (f"/bookings/{text}", f"/api/v1/rentals/{text}/status"):
            assert (await client.get(path)).status_code == 404


async def test_booking_and_ride_have_one_id_in_all_its_forms(world: World) -> None:
    """RNT-12, C-02, C-04: ``rent_...``, ``book_...`` and the bare UUID name the same."""
    rider = await world.rider()
    rental = await book(rider, await world.vehicle())
    names = [public(rental), public(rental).replace("rent_", "book_"), str(rental.id)]
    async with world.client(rider) as client:
        for name in names:
            for path in (
                f"/bookings/{name}",
                f"/api/v1/bookings/{name}",
                f"/api/v1/rentals/{name}",
            ):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert answer.json()["id"] == public(rental)


async def test_a_rider_books_ten_times_a_minute(world: World) -> None:
    """RNT-32, API-05: the eleventh is 429 and says when to come again; searches go on."""
    app: Any = composition.create_http_app(Settings(), own_ground=False)
    rider = await world.rider()
    headers = {"Authorization": f"Bearer {world.token(rider)}", "X-Tenant-ID": world.operator.slug}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        answers = [
            await client.post("/bookings", json={"vehicle_id": "sco_nothing"}) for _ in range(11)
        ]
        assert [a.status_code for a in answers] == [404] * 10 + [429]
        assert answers[-1].json()["error"]["details"]["retry_after"] >= 1
        searched = await client.get("/vehicles/search", params={"lat": 52.5, "lon": 13.4})
    assert searched.status_code == 200


async def test_the_description_knows_every_path(world: World) -> None:
    """OpenAPI: each endpoint with its answer's shape, the search's too, though it sends bytes."""
    transport = httpx.ASGITransport(app=http_app())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        described = (await client.get("/api/openapi.json")).json()
    for handler in handlers:
        for path in handler.paths:
            assert path.replace(":str", "") in described["paths"], path
    found = described["paths"]["/api/v1/vehicles/search"]["get"]["responses"]["200"]
    assert "Found" in str(found)
    wish = described["components"]["schemas"]
    assert any("BookingWish" in name for name in wish)
