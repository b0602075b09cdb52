"""Each vehicle logs in to the broker with a password of its own, and has only its own topics."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from fahrwerk import accounts
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX, VehicleChange
from fahrwerk.fleet.contract import accounts as contract
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.fleet.rules import accounts as rules
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Forbidden
from tests.servers import has_mosquitto, mosquitto

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World

PLATFORM = "mqtt://fahrwerk:p%40ss@127.0.0.1:1"


def _name(vehicle: fleet.Vehicle) -> str:
    return ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)


async def test_passwords_are_given_once_and_rotated(world: World, tmp_path: Path) -> None:
    """Over HTTP as staff do it; the files have who may log in, and nobody else."""
    one, two = await world.vehicle(), await world.vehicle()
    async with world.client(world.call("provider")) as staff:
        body = {"ids": [one.identifier, _name(two)]}
        answer = await staff.post("/api/v1/fleet/broker-accounts", json=body)
        assert answer.status_code == 201, answer.text
        first = {each["user_name"]: each["password"] for each in answer.json()["accounts"]}
        assert list(first) == [_name(one), _name(two)]
        unknown = {"ids": [one.identifier, "nobody"]}
        assert (await staff.post("/api/v1/fleet/broker-accounts", json=unknown)).status_code == 404
        again = await staff.post("/api/v1/fleet/broker-accounts", json={"ids": [one.identifier]})
        [rotated] = again.json()["accounts"]
        passwords, acl = tmp_path / "passwords", tmp_path / "acl"
        passwords.write_text("old")
        passwords.chmod(0o640)
        await accounts.write(PLATFORM, passwords, acl, None)
        assert passwords.stat().st_mode & 0o777 == 0o640
        logins = dict(line.split(":", 1) for line in passwords.read_text().splitlines())
        assert rules.fits("p@ss", logins["fahrwerk"])
        assert rules.fits(rotated["password"], logins[_name(one)])
        assert not rules.fits(first[_name(one)], logins[_name(one)])
        assert rules.fits(first[_name(two)], logins[_name(two)])
        assert "user fahrwerk" in acl.read_text()
        await fleet.change_vehicle(world.admin(), one.id, VehicleChange(status="retired"))
        path = f"/api/v1/vehicles/{two.identifier}/broker-account"
        assert (await staff.delete(path)).status_code == 204
        assert (await staff.delete(path)).json()["error"]["code"] == "NO_ACCOUNT"
        await accounts.write(PLATFORM, passwords, acl, None)
        left = passwords.read_text()
        assert _name(one) not in left
        assert _name(two) not in left
    with pytest.raises(ValueError, match="FAHRWERK_MQTT_URL"):
        await accounts.write("mqtt://127.0.0.1", passwords, acl, None)
    kept = await db.run("fleet", world.system(), "SELECT * FROM fleet.broker_account")
    assert rotated["password"] not in str(kept)


async def test_only_the_house_reads_all_accounts(world: World) -> None:
    for call in (world.admin(), world.call("customer"), world.system()):
        with pytest.raises(Forbidden):
            await contract.broker_logins(call, None, 10)
    with pytest.raises(Forbidden):
        await contract.issue_accounts(world.call("support"), [(await world.vehicle()).id])
    assert isinstance(await contract.broker_logins(system(None, "x"), None, 10), list)


@pytest.mark.skipif(not has_mosquitto(), reason="needs a broker that knows passwords")
async def test_mosquitto_takes_the_files(world: World, tmp_path: Path) -> None:
    """In with the password, out without; a rotated one opens once it has looked again."""
    vehicle, other = await world.vehicle(), await world.vehicle()
    [account] = await contract.issue_accounts(world.admin(), [vehicle.id])
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    for path in (passwords, acl):  # Mosquitto gives up its rights, and must read them still
        path.touch()
        path.chmod(0o644)
    tmp_path.chmod(0o755)
    await accounts.write(PLATFORM, passwords, acl, None)
    name, heard = _name(vehicle), []
    lines = [f"password_file {passwords}", f"acl_file {acl}"]
    async with mosquitto(lines=lines) as url:

        async def can_log_in(password: str) -> bool:
            address = url.replace("mqtt://", f"mqtt://{name}:{password}@")
            line = Line(name, address, wire.command_filter(name), lambda *_: None, lambda: None)
            try:
                await line.open()
            except OSError:
                return False
            for each in (vehicle, other):
                line.publish(wire.status_topic(_name(each)), b"{}", qos=1)
            await asyncio.sleep(0.3)
            await line.close()
            return True

        ours = Line(
            "platform", url.replace("mqtt://", "mqtt://fahrwerk:p%40ss@"), "vehicles/+/status",
            lambda topic, *_: heard.append(topic), lambda: None,
        )  # fmt: skip
        await ours.open()
        assert await can_log_in(account.password)
        assert heard == [wire.status_topic(name)], "under its own topic only"
        assert not await can_log_in("wrong")
        [rotated] = await contract.issue_accounts(world.admin(), [vehicle.id])
        assert not await can_log_in(rotated.password)
        await accounts.write(PLATFORM, passwords, acl, _pid_of(url))
        await asyncio.sleep(0.5)
        assert await can_log_in(rotated.password)
        assert not await can_log_in(account.password)
        await ours.close()


def _pid_of(url: str) -> int:
    import psutil

    port = int(url.rpartition(":")[2])
    for process in psutil.Process(os.getpid()).children(recursive=True):
        if any(c.laddr and c.laddr.port == port for c in process.net_connections("tcp")):
            return process.pid
    raise AssertionError(url)
