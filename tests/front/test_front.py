"""The page at /: two languages, the demo city's vehicles, nothing of it outside the demo."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.front import http
from tests.world import World, http_app


async def test_the_page_speaks_german_and_english(world: World) -> None:
    """And asks no other origin for anything."""
    async with world.client() as client:
        german = await client.get("/", headers={"Accept-Language": "de"})
        english = await client.get("/", headers={"Accept-Language": "en"})
        for name in ("front.css", "front.js", "icon.svg"):
            assert (await client.get(f"/front/{name}")).status_code == 200
        assert (await client.get("/front/page.html.j2")).status_code == 404
    assert "Die Flotte jetzt" in german.text
    assert "The fleet now" in english.text
    assert world.operator.name in english.text
    assert "default-src 'none'" in english.headers["content-security-policy"]
    assert "http://" not in english.text.replace("http://www.w3.org", "")
    assert "https://" not in english.text.replace("https://creativecommons.org", "")


async def _first(world: World) -> dict[str, Any]:
    answer = http._columns(  # the stream itself never ends: look at what it sends
        await fleet.vehicles(world.system(), None, None, None, 0, 10, 0)
    )
    shown: dict[str, Any] = json.loads(msgspec.json.encode(answer))
    return shown


async def test_vehicles_are_drawn_where_they_are(world: World) -> None:
    """North is up, east is right, each with its status."""
    await world.vehicle(latitude=52.55, longitude=13.30, identifier="NW")
    await world.vehicle("van", latitude=52.47, longitude=13.46, identifier="SE")
    city = await _first(world)
    place = {n: (city["x"][i], city["y"][i]) for i, n in enumerate(city["id"])}
    width, height = http.size_of_map()
    assert 0 < place["NW"][0] < place["SE"][0] < width
    assert 0 < place["NW"][1] < place["SE"][1] < height
    assert [city["statuses"][s] for s in city["status"]] == ["available", "available"]
    assert {city["types"][t] for t in city["type"]} == {"scooter", "van"}


async def test_the_stream_is_server_sent_events(world: World) -> None:
    """Readable with curl -N; the first event comes at once."""
    await world.vehicle()
    sent: list[bytes] = []
    got = asyncio.Event()
    scope = {
        "type": "http", "method": "GET", "path": "/dev/city", "raw_path": b"/dev/city",
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(b"x-tenant-id", world.operator.slug.encode()), (b"host", b"test")],
        "server": ("test", 80), "client": ("127.0.0.1", 1), "state": {}, "extensions": {},
    }  # fmt: skip
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if b"event: city" in b"".join(sent):
            got.set()

    task = asyncio.create_task(http_app()(scope, receive, send))  # type: ignore[arg-type]
    await asyncio.wait_for(got.wait(), 10)
    gone.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert b'"types":["scooter","ebike","car","van"]' in b"".join(sent)


async def test_outside_the_demo_no_vehicle_is_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions of vehicles in use are personal data."""
    monkeypatch.setattr(http, "_is_demo", lambda _: False)
    async with world.client() as client:
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "front.js" not in answer.text
        refused: httpx.Response = await client.get("/dev/city")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "NOT_FOUND"
