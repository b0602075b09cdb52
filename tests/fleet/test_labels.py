"""QR codes of vehicles: what riders scan is what a vehicle is found by (FLT-15, FLT-27)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import segno
from PIL import Image

from fahrwerk.fleet.contract import VehicleChange, change_vehicle, groups

if TYPE_CHECKING:
    from tests.world import World


def _modules(png: bytes, scale: int) -> list[list[bool]]:
    """Which modules of the picture are dark, without its border of four."""
    picture = Image.open(io.BytesIO(png)).convert("L")
    side = picture.width // scale - 8
    return [
        [picture.getpixel(((x + 4) * scale, (y + 4) * scale)) == 0 for x in range(side)]
        for y in range(side)
    ]


async def test_the_picture_says_what_the_vehicle_is_called(world: World) -> None:
    """Its QR code, and its identifier where it has none; for staff only."""
    vehicle = await world.vehicle(qr_code="https://ride.example/v/SC-1?x=1&y=2")
    path = f"/api/v1/vehicles/{vehicle.identifier}/qr"
    async with world.client(world.call("support")) as staff:
        for text in (vehicle.qr_code, vehicle.identifier):
            png = await staff.get(f"{path}.png", params={"scale": 3})
            assert png.headers["content-type"] == "image/png"
            wanted = segno.make_qr(str(text), error="q")
            assert _modules(png.content, 3) == [[bool(m) for m in row] for row in wanted.matrix]
            svg = await staff.get(path)
            assert svg.headers["content-type"] == "image/svg+xml"
            assert b"<svg" in svg.content[:200]
            change = VehicleChange(qr_code=None)
            await change_vehicle(world.admin(), vehicle.id, change)
        assert (await staff.get(path, params={"scale": 1_000})).status_code == 400
        assert (await staff.get("/api/v1/vehicles/nobody/qr")).status_code == 404
    async with world.client(await world.rider()) as rider:
        assert (await rider.get(path)).status_code == 403


async def test_a_sheet_of_labels(world: World) -> None:
    """By name or by group; whatever vehicles are called, the page is a page."""
    odd = await world.vehicle(identifier="<b>&'\"")
    plain, _ = await world.vehicle(), await world.vehicle()
    group = await groups.create_group(world.admin(), "Print", None)
    await groups.move_in_group(world.admin(), group.id, [odd.id, plain.id], [])
    async with world.client(world.call("provider")) as staff:
        for params in ({"group": "Print"}, {"vehicles": f"{odd.identifier},{plain.identifier}"}):
            sheet = await staff.get("/api/v1/fleet/labels", params=params)
            assert sheet.status_code == 200, sheet.text
            assert sheet.headers["content-type"] == "text/html; charset=utf-8"
            assert sheet.text.count("<figure><svg") == 2
            assert "&lt;b&gt;&amp;&#x27;&quot;" in sheet.text
            assert "<b><b>" not in sheet.text
        whole = await staff.get("/api/v1/fleet/labels")
        assert whole.text.count("<figure>") == 3
        wrong = await staff.get("/api/v1/fleet/labels", params={"vehicles": ","})
        assert wrong.json()["error"]["details"]["field"] == "vehicles"
        unknown = await staff.get("/api/v1/fleet/labels", params={"vehicles": "nobody"})
        assert unknown.status_code == 404
