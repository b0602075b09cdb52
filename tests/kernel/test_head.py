"""HEAD is GET without a body; and what is wrong is named as the client wrote it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fleet.street import connected_vehicle

if TYPE_CHECKING:
    from tests.world import World


async def test_head_is_get_without_the_body(world: World) -> None:
    vehicle = await world.vehicle()
    async with world.client(world.call("provider")) as staff:
        for path in ("/health", f"/api/v1/vehicles/{vehicle.identifier}", "/api/v1/nothing",
                     f"/gbfs/{world.operator.slug}/3.0/gbfs.json"):  # fmt: skip
            full, head = await staff.get(path), await staff.head(path)
            assert head.status_code == full.status_code
            assert head.content == b""
            for name in ("content-type", "etag", "content-length"):
                if path != "/api/v1/nothing":  # its request id differs
                    assert head.headers.get(name) == full.headers.get(name), (path, name)
        assert (await staff.head("/api/v1/vehicles/bulk")).status_code == 405, "as GET"


async def test_head_of_a_stream_ends(world: World) -> None:
    async with world.client(world.call("provider")) as staff:
        cursor = (await staff.get("/api/v1/fleet/live")).json()["cursor"]
        async with asyncio.timeout(5):
            head = await staff.head("/api/v1/fleet/live/stream", params={"cursor": cursor})
        assert head.status_code == 200
        assert head.headers["content-type"].startswith("text/event-stream")


async def test_a_wrong_parameter_is_named_as_it_was_sent(world: World) -> None:
    """API-03: ``from`` and ``to``, not what the code calls them."""
    vehicle = await connected_vehicle(world)
    path = f"/api/v1/vehicles/{vehicle.identifier}/track"
    async with world.client(world.call("provider")) as staff:
        for params, field in (
            ({"from": "yesterday", "to": "2026-11-20T07:00:00Z"}, "from"),
            ({"from": "2026-11-20T06:00:00Z", "to": "x"}, "to"),
            ({"to": "2026-11-20T07:00:00Z"}, "from"),
        ):
            answer = await staff.get(path, params=params)
            assert answer.status_code == 400
            assert answer.json()["error"]["details"]["field"] == field, answer.text
        answer = await staff.get("/api/v1/vehicles", params={"type": "boat"})
        assert answer.json()["error"]["details"]["field"] == "type"
