"""What gateways report over HTTP in vehicles' place: our own readings, and Traccar's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, ids
from tests.fleet.devices.traccar import FORWARDED
from tests.world import make_world

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from tests.world import World


def _posted(unique_id: str, **position: Any) -> dict[str, Any]:
    at = clock.now().isoformat()
    return {
        "position": FORWARDED["position"] | {"deviceTime": at, "fixTime": at} | position,
        "device": FORWARDED["device"] | {"uniqueId": unique_id},
    }


async def _stored(world: World, vehicle: Vehicle) -> int:
    sql = "SELECT count(*) FROM fleet.telemetry WHERE vehicle_id = $1"
    return int((await db.run("fleet", world.system(), sql, vehicle.id))[0][0])


async def test_traccar_positions_reach_their_vehicles(world: World) -> None:
    """One and a batch; knots become km/h; devices that are not paired are counted."""
    vehicle = await world.vehicle()
    await fleet.add_device(world.admin(), vehicle.id, "traccar", "golf-1")
    async with world.client(world.call("provider")) as gateway:
        path = "/api/v1/telemetry/traccar"
        one = await gateway.post(path, json=_posted("golf-1"))
        assert (one.status_code, one.json()) == (200, {"stored": 1, "unknown": 0}), one.text
        before = (clock.now() - timedelta(seconds=5)).isoformat()
        batch = [_posted("golf-1", deviceTime=before, speed=1.0), _posted("nobody")]
        many = await gateway.post(path, json=batch)
        assert many.json() == {"stored": 1, "unknown": 1}
        wrong = await gateway.post(path, json=_posted("golf-1", latitude=200))
        assert (wrong.status_code, wrong.json()["error"]["details"]["field"]) == (400, "body")
    seen = await fleet.vehicle(world.system(), vehicle.id)
    assert (seen.latitude, seen.battery_level, seen.odometer_m) == (49.0156556, 83, 1284310)
    assert not seen.is_connected, "a tracker alone opens nothing"
    sql = "SELECT speed_kmh FROM fleet.telemetry WHERE vehicle_id = $1 ORDER BY time"
    speeds = [r[0] for r in await db.run("fleet", world.system(), sql, vehicle.id)]
    assert speeds == [pytest.approx(1.852), pytest.approx(18.52)]


async def test_traccar_ids_are_known_within_their_operator_only(world: World) -> None:
    vehicle = await world.vehicle()
    await fleet.add_device(world.admin(), vehicle.id, "traccar", "golf-1")
    other = await make_world()
    async with other.client(other.call("provider")) as gateway:
        answer = await gateway.post("/api/v1/telemetry/traccar", json=_posted("golf-1"))
        assert answer.json() == {"stored": 0, "unknown": 1}
    assert await _stored(world, vehicle) == 0


async def test_readings_in_a_batch(world: World) -> None:
    """FLT-05: of many vehicles, in any order; a repeat is harmless; strangers' are counted."""
    first, second = await world.vehicle(), await world.vehicle()
    other = await make_world()
    theirs = await other.vehicle()
    now = clock.now()

    def reading(vehicle: Vehicle, seconds_ago: int, **measured: Any) -> dict[str, Any]:
        at = (now - timedelta(seconds=seconds_ago)).isoformat()
        return {"vehicle_id": ids.public("sco", vehicle.id), "time": at, **measured}

    batch = [
        reading(first, 1, battery_level=70, latitude=52.5, longitude=13.4),
        reading(first, 9, battery_level=71),
        reading(second, 1, is_locked=True, odometer_m=5),
        reading(theirs, 1, battery_level=1),
        {"vehicle_id": "sco_nonsense", "time": now.isoformat(), "battery_level": 1},
    ]
    async with world.client(world.call("provider")) as gateway:
        for stored in (3, 0):
            answer = await gateway.post("/api/v1/telemetry", json={"readings": batch})
            assert answer.json() == {"stored": stored, "unknown": 2}, answer.text
        for wrong in (
            reading(first, 1, latitude=52.5), reading(first, 1, battery_level=101),
            reading(first, 1, colour="red"), {"vehicle_id": "sco_x", "time": "2026-01-01T00:00:00"},
        ):  # fmt: skip
            refused = await gateway.post("/api/v1/telemetry", json={"readings": [wrong]})
            assert refused.status_code == 400, refused.text
        empty = await gateway.post("/api/v1/telemetry", json={"readings": []})
        assert empty.status_code == 400
    assert (await fleet.vehicle(world.system(), first.id)).battery_level == 70
    assert (await fleet.vehicle(world.system(), second.id)).is_locked is True
    assert await _stored(other, theirs) == 0


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v1/telemetry/traccar"])
async def test_who_may_not_report(world: World, path: str) -> None:
    async with world.client(world.call("customer")) as rider:
        assert (await rider.post(path, json={"readings": []})).status_code == 403
