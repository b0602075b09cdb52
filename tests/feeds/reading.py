"""Reading an operator's feeds as the public does: without a login, from one address on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from fahrwerk.feeds.queries.settings import changed
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import ids, settings
from fahrwerk.kernel.live import hub
from tests.world import http_app

if TYPE_CHECKING:
    from datetime import datetime

    from tests.world import World

Feed = dict[str, Any]


def public() -> httpx.AsyncClient:
    """A stranger: neither operator nor token in its headers."""
    transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://stranger")


def out_of_date(world: World) -> None:
    """The time to live of all that this process keeps of the operator is over."""
    hub.signal(changed(world.tenant))


async def feed(world: World, version: str, name: str) -> Feed:
    """The data of one feed, read anew."""
    out_of_date(world)
    async with public() as client:
        answer = await client.get(f"/gbfs/{world.operator.slug}/{version}/{name}.json")
    assert answer.status_code == 200, answer.text
    data: Feed = answer.json()["data"]
    return data


async def vehicles(world: World) -> list[Feed]:
    """The vehicles of the 3.0 feed, which the 2.3 feed must agree with."""
    found: list[Feed] = (await feed(world, "3.0", "vehicle_status"))["vehicles"]
    bikes = (await feed(world, "2.3", "free_bike_status"))["bikes"]
    assert [v["vehicle_id"] for v in found] == [b["bike_id"] for b in bikes]
    return found


async def everything(world: World, *more: str) -> dict[str, Feed]:
    """Every file that can be reached from the manifest, or from ``more``, by its address."""
    out_of_date(world)
    files: dict[str, Feed] = {}
    base = f"{settings.load().address}/gbfs/{world.operator.slug}"
    todo = [f"{base}/{path}" for path in ("manifest.json", *more)]
    async with public() as client:
        while todo:
            url = todo.pop()
            if url in files:
                continue
            answer = await client.get(urlsplit(url).path)
            assert answer.status_code == 200, url
            files[url] = answer.json()
            todo += _addresses(files[url]["data"])
    return files


def _addresses(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [v for k, v in value.items() if k in ("url", "manifest_url")]
        return own + [each for v in value.values() for each in _addresses(v)]
    if isinstance(value, list):
        return [each for v in value for each in _addresses(v)]
    return []


def fleet_ids(text: str, *vehicle_ids: Any) -> list[str]:
    """Which of these vehicles' real names stand in a text, in any form they are written in."""
    found = []
    for vehicle_id in vehicle_ids:
        forms = {str(vehicle_id), vehicle_id.hex, ids.public("sco", vehicle_id)[4:]}
        found += [form for form in forms if form in text]
    return found


async def said(
    world: World, vehicle: fleet.Vehicle, at: datetime, latitude: float, longitude: float,
    battery: int | None = None, **more: Any,
) -> None:  # fmt: skip
    """A gateway reports where the vehicle was."""
    reading = fleet.Measured(
        vehicle_id=vehicle.id, time=at, latitude=latitude, longitude=longitude,
        battery_level=battery, **more,
    )  # fmt: skip
    await fleet.report_readings(world.admin(), [reading])
