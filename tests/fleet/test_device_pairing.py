"""Pairing devices of other makers by their IMEI (FLT-15, FLT-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import DevicePaired, UnknownVehicle
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import new_imei, news
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


async def test_pairing_has_rules(world: World) -> None:
    """FLT-15, FLT-16: staff only, once per device over all operators, one lock per vehicle."""
    imei, vehicle, admin = new_imei(), await world.vehicle(), world.admin()
    with pytest.raises(Forbidden):
        await fleet.add_device(world.call("customer"), vehicle.id, "omni", imei)
    for protocol, wrong in (("omni", "123"), ("gsm", imei), ("traccar", "a b"), ("omni", imei * 2)):
        with pytest.raises(Invalid):
            await fleet.add_device(admin, vehicle.id, protocol, wrong)
    with pytest.raises(UnknownVehicle):
        await fleet.add_device(admin, ids.new(), "omni", imei)
    first = await fleet.add_device(admin, vehicle.id, "omni", imei)
    assert await fleet.add_device(admin, vehicle.id, "omni", imei) == first, "a repeat"
    assert (await news(world, vehicle.id)).count("vehicle.paired") == 1
    for taken, onto in ((imei, await world.vehicle()), (new_imei(), vehicle)):
        with pytest.raises(DevicePaired):
            await fleet.add_device(admin, onto.id, "teltonika", taken)
    other = await make_world()
    with pytest.raises(DevicePaired):
        await fleet.add_device(other.admin(), (await other.vehicle()).id, "omni", imei)
    with pytest.raises(UnknownVehicle):
        await fleet.devices_of(other.admin(), vehicle.id)
    with pytest.raises(DevicePaired):
        await fleet.pair_vehicles(admin, [vehicle.id], "HS256")
    # A tracker beside the lock, known by whatever Traccar calls it, also by another operator's.
    tracker = await fleet.add_device(admin, vehicle.id, "traccar", "golf-1")
    assert not tracker.takes_commands
    await fleet.add_device(other.admin(), (await other.vehicle()).id, "traccar", "golf-1")
    assert await fleet.devices_of(admin, vehicle.id) == [first, tracker]


async def test_pairing_over_http(world: World) -> None:
    vehicle, imei = await world.vehicle(), new_imei()
    path = f"/api/v1/vehicles/{vehicle.identifier}/devices"
    async with world.client(world.call("provider")) as staff:
        made = await staff.post(path, json={"protocol": "teltonika", "imei": imei})
        assert (made.status_code, made.json()["takes_commands"]) == (201, True), made.text
        assert (await staff.get(path)).json() == {"devices": [made.json()]}
        wrong = await staff.post(path, json={"protocol": "teltonika", "imei": "1"})
        assert (wrong.status_code, wrong.json()["error"]["details"]["field"]) == (400, "imei")
        assert (await staff.delete(f"{path}/{imei}")).status_code == 204
        assert (await staff.delete(f"{path}/{imei}")).status_code == 404
    async with world.client(world.call("customer")) as rider:
        assert (await rider.post(path, json={"protocol": "omni", "imei": imei})).status_code == 403
