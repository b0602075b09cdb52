"""Web pages of other origins (CORS): those an operator names, without credentials, no wildcard."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fahrwerk.kernel import crypto
from fahrwerk.tenancy import rules
from tests.world import World, make_world

SHOP = "https://shop.example.org"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-tenant-id",
}


def shared_with(answer: httpx.Response) -> str | None:
    """The origin an answer is for; never with credentials, and never for everybody."""
    assert "access-control-allow-credentials" not in answer.headers
    origin: str | None = answer.headers.get("access-control-allow-origin")
    assert origin != "*"
    return origin


async def open_to(world: World, *origins: str) -> httpx.Response:
    async with world.client(world.admin()) as admin:
        return await admin.patch("/api/v1/tenant", json={"web_origins": list(origins)})


async def test_a_named_origin_may_read(world: World) -> None:
    """Answers and errors alike, with what it needs of the headers; another origin may not."""
    changed = await open_to(world, SHOP)
    assert changed.json()["settings"]["web_origins"] == [SHOP]
    async with world.client(await world.rider()) as rider:
        for path, status in (("/api/v1/users/me", 200), ("/api/v1/rentals/rent_x", 404)):
            answer = await rider.get(path, headers={"Origin": SHOP})
            assert (answer.status_code, shared_with(answer)) == (status, SHOP)
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
            assert "origin" in answer.headers["vary"]
        for other in ("https://evil.example.org", "null", f"{SHOP}.evil.example", SHOP.upper()):
            answer = await rider.get("/api/v1/users/me", headers={"Origin": other})
            assert (answer.status_code, shared_with(answer)) == (200, None)
            assert "origin" in answer.headers["vary"]
        answer = await rider.get("/api/v1/users/me", headers={"Origin": ""})
        assert shared_with(answer) is None


async def test_it_is_asked_before(world: World) -> None:
    """A preflight names neither token nor operator; it is told the methods of that path."""
    await open_to(world, SHOP)
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        asked = PREFLIGHT | {"Origin": SHOP}
        answer = await client.options("/api/v1/bookings", headers=asked)
        assert (answer.status_code, shared_with(answer), answer.content) == (204, SHOP, b"")
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert {"authorization", "x-tenant-id", "idempotency-key"} <= set(
            answer.headers["access-control-allow-headers"].split(", ")
        )
        assert answer.headers["access-control-max-age"] == "600"
        nobody = PREFLIGHT | {"Origin": "https://nobody.example.org"}
        answer = await client.options("/api/v1/bookings", headers=nobody)
        assert shared_with(answer) is None
        assert "access-control-allow-methods" not in answer.headers


async def test_an_origin_is_of_one_operator(world: World) -> None:
    """What another operator allows opens nothing here; suspended or not, it is asked each time."""
    await open_to(await make_world(), SHOP)
    async with world.client(await world.rider()) as rider:
        answer = await rider.get("/api/v1/users/me", headers={"Origin": SHOP})
        assert (answer.status_code, shared_with(answer)) == (200, None)
    await open_to(world, SHOP)
    await open_to(world)
    async with world.client() as client:
        answer = await client.get("/api/v1/tenant", headers={"Origin": SHOP})
        assert shared_with(answer) is None


async def test_a_token_that_ran_out_can_be_seen(world: World) -> None:
    """401 before the operator is known: an app must be able to see that it has to refresh."""
    await open_to(world, SHOP)
    headers = {"Origin": SHOP, "Authorization": f"Bearer {crypto.new_secret()}"}
    async with world.client() as client:
        answer = await client.get("/api/v1/users/me", headers=headers)
        assert (answer.status_code, shared_with(answer)) == (401, SHOP)


async def test_pages_are_for_nobody_else(world: World) -> None:
    """They go by cookies, which no other origin's page may use."""
    await open_to(world, SHOP)
    async with world.client() as client:
        for path in ("/", "/login", "/session/access"):
            for method in ("GET", "POST"):
                answer = await client.request(method, path, headers={"Origin": SHOP})
                assert shared_with(answer) is None, path


@pytest.mark.parametrize(
    "wrong",
    [
        *("*", "https://*.example.org", "http://shop.example.org", "https://shop.example.org/"),
        *("https://shop.example.org:443", "https://u:p@shop.example.org", "null", "", "https://"),
        *("https://shop.example.org:99999", "https://SHOP.example.org", "http://localhost.evil"),
        *("https://shop.example.org\r\nSet-Cookie: a=b", "javascript:alert(1)", "https://10.0.0.1"),
    ],
)
async def test_origins_that_are_none(world: World, wrong: Any) -> None:
    assert not rules.is_web_origin(wrong)
    answer = await open_to(world, wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("right", [SHOP, "https://a-b.example:8443", "http://localhost:5173"])
def test_origins(right: str) -> None:
    assert rules.is_web_origin(right)
