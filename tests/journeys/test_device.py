"""A board with the reference agent on a real platform: paired, ridden, rebooted, cut off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.device.buffer import Buffer
from fahrwerk.device.durable import Identity, pair
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from tests.device.boards import switched_on
from tests.journeys.test_ride import _json, eventually
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.journeys.people import City

pytestmark = pytest.mark.process


async def _told(city: City, vehicle_id: str, command: str, **args: Any) -> dict[str, Any]:
    """Tell it something as staff do; what came of it."""
    sent = await city.admin.post(
        f"/api/v1/vehicles/{vehicle_id}/commands", json={"command": command, "args": args}
    )
    assert sent.status_code == 202, sent.text
    ended: dict[str, Any] = await eventually(
        lambda: _json(city.admin, f"/api/v1/commands/{sent.json()['id']}"),
        lambda seen: seen["status"] not in ("queued", "sent"),
        15,
    )
    return ended


async def test_a_board_from_pairing_to_the_street(city: City, tmp_path: Path) -> None:
    """FLT-15..17, FLT-21..23, FLT-26, FLT-40: everything a board is for, on real sockets."""
    made = await city.admin.post(
        "/api/v1/scooters", json={"identifier": "B1", "model": "Board", "brand": "Own"}
    )
    vehicle_id, url = made.json()["id"], city.platform.mqtt_url
    path = f"/api/v1/vehicles/{vehicle_id}/pairing"
    before = await _json(city.admin, path)
    assert (before["is_ready"], before["protocol"]) == (False, None)
    key = await city.admin.post("/api/v1/vehicles/B1-QR/pair", json={})  # by the code on it
    pair(tmp_path / "identity", key.text, 1)
    assert (await _json(city.admin, path))["steps"][0]["is_done"]

    recorded: list[tuple[str, bytes]] = []
    tap = Line("a-thief", url, "vehicles/+/commands/+", lambda t, p, _: recorded.append((t, p)),
               lambda: None)  # fmt: skip
    await tap.open()
    receiver = tmp_path / "gnss"
    receiver.write_text("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\n")
    (tmp_path / "capacity").write_text("86")
    sensors: dict[str, Any] = {"gnss": receiver, "battery": tmp_path, "hardware": "pi-zero-2"}

    async with switched_on(tmp_path, url, **sensors) as (agent, board):
        assert (await _told(city, vehicle_id, "unlock"))["status"] in ("acknowledged", "verified")
        assert board.state["lock"] == 0
        for command, args in (("speed_limit", {"kmh": 15}), ("top_case", {}), ("lights", {})):
            assert (await _told(city, vehicle_id, command, **args))["status"] == "acknowledged"
        assert (board.state["speed_limit"], board.state["lights"]) == (15, 1)
        assert (await _told(city, vehicle_id, "lock"))["status"] in ("acknowledged", "verified")
        receiver.write_text(receiver.read_text() * 3)
        ready = await eventually(lambda: _json(city.admin, path), lambda seen: seen["is_ready"])
        assert (ready["hardware_version"], ready["problem"]) == ("pi-zero-2", None)
        assert set(ready["capabilities"]) >= {"speed_limit", "top_case", "battery_cover"}

    # Rebooted: whoever has recorded the unlock gets nothing for playing it again.
    counter = Identity(tmp_path / "identity").counter
    unlock = next(each for each in recorded if each[0].endswith("/unlock"))
    async with switched_on(tmp_path, url, **sensors) as (agent, board):
        tap.publish(*unlock, qos=1)
        tap.publish(unlock[0], unlock[1].replace(b"unlock", b"unlock "), qos=1)
        await asyncio.sleep(1)
        assert board.written == []
        assert Identity(tmp_path / "identity").counter == counter
        assert agent.is_online.is_set()
    await tap.close()

    # Out of reach for a while: what was measured meanwhile is there afterwards.
    rows = "SELECT count(*) AS n FROM fleet.telemetry t JOIN fleet.vehicle v ON v.id = t.vehicle_id"
    mine = f"{rows} WHERE v.tenant_id = $1"
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    async with switched_on(tmp_path, nowhere, connects=False, **(sensors | {"idle_s": 0.05})):
        await asyncio.sleep(1)
    kept = len(Buffer(tmp_path / "readings.db"))
    stored = (await city.platform.look(mine, city.tenant))[0]["n"]
    assert kept >= 10
    async with switched_on(tmp_path, url, **(sensors | {"idle_s": 60})):
        await eventually(
            lambda: city.platform.look(mine, city.tenant),
            lambda seen: seen[0]["n"] >= stored + kept,
        )


async def test_a_board_with_the_wrong_key_is_told_of(city: City, tmp_path: Path) -> None:
    """FLT-16: staff see in words what is wrong, and who speaks without a key."""
    made = await city.admin.post(
        "/api/v1/scooters", json={"identifier": "B2", "model": "Board", "brand": "Own"}
    )
    vehicle_id = made.json()["id"]
    path = f"/api/v1/vehicles/{vehicle_id}/pairing"
    stranger = wire.handover(vehicle_id, wire.new_keys("EdDSA")[1])
    pair(tmp_path / "identity", stranger, 1)
    async with switched_on(tmp_path, city.platform.mqtt_url):
        unpaired = await eventually(
            lambda: _json(city.admin, path), lambda seen: seen["problem"] is not None
        )
        assert unpaired["problem"]["reason"] == "no_key"
        found = await _json(city.admin, f"/api/v1/devices/unknown?name={vehicle_id}")
        assert [each["protocol"] for each in found["devices"]] == ["fahrwerk"]
        assert (await city.admin.post(f"/api/v1/vehicles/{vehicle_id}/pair", json={})).is_success
        sent = await city.admin.post(
            f"/api/v1/vehicles/{vehicle_id}/commands", json={"command": "unlock"}
        )
        assert sent.status_code == 202, sent.text
        wrong = await eventually(
            lambda: _json(city.admin, path),
            lambda seen: (seen["problem"] or {}).get("reason") == "bad_signature",
        )
        assert "key" in wrong["problem"]["says"]
        assert not wrong["is_ready"]
