"""Zones on board: who is sent them, when, and what they say (FLT-29, docs/protocol.md, 8)."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk import broker
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions.zone_bundles import claim_bundles, vehicle_wants_zones
from fahrwerk.fleet.contract import PREFIX, zones
from fahrwerk.fleet.contract.pairing import KeepsNoZones, zones_on_board
from fahrwerk.fleet.contract.zones import Hours
from fahrwerk.fleet.link import mqtt
from fahrwerk.fleet.link.bundles import Bundles
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.fleet.rules import zone_bundle
from fahrwerk.kernel import clock, ids
from fahrwerk.sim.vehicle import SimVehicle
from tests.fleet.street import connected_vehicle
from tests.fleet.test_zones import LAT, LON, drawn, square

if TYPE_CHECKING:
    import pytest

    from fahrwerk.fleet.contract import Vehicle
    from tests.world import World


async def sent(vehicle: Vehicle) -> list[dict[str, Any]]:
    """What this vehicle is sent now."""
    name = ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)
    claimed = []
    while batch := await claim_bundles():  # other tests' vehicles may be due as well
        claimed += batch
    return [msgspec.json.decode(b.payload) for b in claimed if b.public_vehicle_id == name]


def opened(steps: list[int]) -> list[tuple[float, float]]:
    """A ring as a vehicle reads it."""
    x = y = 0
    ring = []
    for dx, dy in zip(steps[::2], steps[1::2], strict=True):
        x, y = x + dx, y + dy
        ring.append((x / 100_000, y / 100_000))
    return ring


async def test_who_asks_is_sent_them_and_again_on_changes(world: World) -> None:
    """Once when it comes online, once per change; who does not say ``zones`` never."""
    zone = await drawn(world, "slow", speed_limit_kmh=8)
    asks, other = await connected_vehicle(world), await connected_vehicle(world)
    system = world.system("fleet")
    await vehicle_wants_zones(system, other.id, ["unlock", "lock"])
    await vehicle_wants_zones(system, other.id, None)
    await vehicle_wants_zones(system, asks.id, ["unlock", "lock", "zones"])
    assert await sent(other) == []
    await vehicle_wants_zones(system, asks.id, ["unlock", "lock", "zones"])
    [first] = await sent(asks)
    assert [each["kmh"] for each in first["zones"]] == [8]
    assert await sent(asks) == []
    await zones.delete_zone(world.admin(), zone.id, 1)
    [second] = await sent(asks)
    assert second["zones"] == []
    assert second["version"] > first["version"]
    await vehicle_wants_zones(system, asks.id, ["zones"])  # came back: may have missed it
    assert await sent(asks) == [second]


async def test_it_comes_over_the_broker(world: World) -> None:
    """From the vehicle's word to the message under its own topic."""
    await drawn(world, "slow", speed_limit_kmh=8)
    vehicle = await connected_vehicle(world)
    name = ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with broker.running() as url:
        ours = Line("platform", url, "vehicles/+/acks", lambda *_: None, lambda: None)
        theirs = Line(
            name, url, f"vehicles/{name}/zones", lambda _, b, __: heard.put_nowait(b), lambda: None
        )
        await ours.open()
        await theirs.open()
        sending = asyncio.create_task(Bundles(ours).send())
        await vehicle_wants_zones(world.system("fleet"), vehicle.id, ["zones"])
        async with asyncio.timeout(10):
            await sending
            said = msgspec.json.decode(await heard.get())
        await ours.close()
        await theirs.close()
    assert [each["kmh"] for each in said["zones"]] == [8]


async def test_a_bundle_says_all_a_vehicle_needs(world: World) -> None:
    """Kinds, types, hours, validity and geometry; nothing that concerns people only."""
    now = clock.now()
    hours = Hours(days=[5, 6], start="22:00", end="06:30")
    ring = [(13.4, 52.5), (13.41, 52.5), (13.41, 52.51), (13.4, 52.51), (13.4, 52.5)]
    hole = [(13.404, 52.504), (13.404, 52.506), (13.406, 52.506), (13.404, 52.504)]
    kept = await drawn(
        world, "no_go", [[ring, hole]], priority=3, schedule=[hours],
        valid_until=now + timedelta(days=1),
    )  # fmt: skip
    await drawn(world, "no_go", vehicle_types=["car"])
    await drawn(world, "preferred_parking")
    await drawn(world, "no_parking", valid_until=now - timedelta(days=1))
    every = await zones.zones_in_force(world.admin())
    said = msgspec.json.decode(zone_bundle.bundle(every, "scooter", now))
    assert (said["format"], said["time_zone"], said["complete"]) == (1, "Europe/Berlin", True)
    [zone] = said["zones"]
    assert zone["id"] == ids.public("zone", kept.id)
    assert (zone["kind"], zone["priority"], zone["hours"]) == ("no_go", 3, [[[5, 6], 1320, 390]])
    assert abs(zone["until"] - clock.millis(now + timedelta(days=1))) <= 1
    assert [opened(each) for each in zone["polygons"][0]] == [ring[:-1], hole[:-1]]


async def test_what_does_not_fit_is_left_out_from_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest priorities go, and the bundle says so."""
    for n in range(6):
        await drawn(world, "no_parking", square(0.01), priority=n)
    monkeypatch.setattr(zone_bundle, "MOST_BYTES", 800)
    every = await zones.zones_in_force(world.admin())
    payload = zone_bundle.bundle(every, "scooter", clock.now())
    said = msgspec.json.decode(payload)
    assert len(payload) <= 800
    assert said["complete"] is False
    found = [each["priority"] for each in said["zones"]]
    assert found == [5, 4, 3, 2, 1, 0][: len(found)]
    assert 0 < len(found) < 6


async def test_a_vehicle_keeps_to_them_and_says_which_it_has(world: World) -> None:
    """End to end: drawn by staff, sent over the broker, obeyed while it drives, acknowledged."""
    zone = await drawn(world, "slow", square(0.001), speed_limit_kmh=8)
    vehicle = await world.vehicle(connected=True)
    [pairing] = await fleet.pair_vehicles(world.admin(), [vehicle.id], "EdDSA")
    key = wire.VehicleKey("EdDSA", pairing.signs_with, pairing.checks_with)
    name = ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)

    async def taken() -> int:
        async with asyncio.timeout(15):
            while True:
                with contextlib.suppress(KeepsNoZones):
                    found = await zones_on_board(world.admin(), vehicle.id)
                    if found.taken_version == found.newest_version:
                        return found.newest_version
                await asyncio.sleep(0.05)

    async with broker.running() as url, mqtt.running(url):
        async with asyncio.timeout(15):
            while not mqtt.is_up._value.get():
                await asyncio.sleep(0.05)
        scooter = SimVehicle(
            name, key, url, latitude=LAT - 0.0015, longitude=LON, keeps_zones=True, is_locked=False
        )
        async with scooter:
            first = await taken()
            assert scooter.allowed_kmh(20) == 20, "before the zone"
            driving = asyncio.create_task(scooter.drive_to([(LAT, LON)], 500))
            async with asyncio.timeout(15):
                while scooter.latitude < LAT - 0.0009:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.6)
            assert scooter.speed_kmh == 8
            driving.cancel()
            await zones.delete_zone(world.admin(), zone.id, 1)
            assert await taken() > first
            assert scooter.allowed_kmh(20) == 20
    async with world.client(world.call("provider")) as staff:
        shown = (await staff.get(f"/api/v1/vehicles/{vehicle.identifier}/zones")).json()
        assert shown["is_current"] is True
        other = await world.vehicle()
        answer = await staff.get(f"/api/v1/vehicles/{other.identifier}/zones")
        assert answer.json()["error"]["code"] == "KEEPS_NO_ZONES"
