"""How far a pairing has come, who knocks, and what vehicles say of themselves (FLT-15, FLT-16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.fleet import actions
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import knocks
from fahrwerk.fleet.contract import Measured, NotSupported, UnknownVehicle
from fahrwerk.fleet.contract import pairing as door
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.rules import pairing
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Forbidden
from tests.fleet.street import new_imei
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
READY = pairing.Facts(
    protocol="fahrwerk", imei=None, paired_at=NOW - HOUR, last_seen_at=NOW, measured_at=NOW,
    is_placed=True, battery_level=80, is_locked=True, problem=None, problem_at=None, now=NOW,
)  # fmt: skip


def facts(**changes: Any) -> pairing.Facts:
    return msgspec.structs.replace(READY, **changes)


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written in another test must not keep this one silent."""
    monkeypatch.setattr(knocks, "_strangers", knocks.Calm())
    monkeypatch.setattr(knocks, "_problems", knocks.Calm())


@pytest.mark.parametrize(
    ("known", "missing", "word"),
    [
        (facts(), [], ""),
        (facts(paired_at=None), ["paired", "contact", "telemetry", "lock"], "Pair it"),
        (facts(last_seen_at=None), ["contact", "telemetry", "lock"], "Nothing heard"),
        (facts(last_seen_at=NOW - 2 * HOUR), ["contact", "telemetry", "lock"], "Nothing heard"),
        (facts(measured_at=NOW - HOUR), ["telemetry"], "No reading"),
        (facts(is_placed=False), ["telemetry"], "without position"),
        (facts(is_placed=False, battery_level=None), ["telemetry"], "position and battery"),
        (facts(is_locked=None), ["lock"], "not known"),
    ],
)
def test_what_must_be_so_before_it_goes_out(
    known: pairing.Facts, missing: list[str], word: str
) -> None:
    steps = pairing.steps(known)
    assert [each.name for each in steps] == ["paired", "contact", "telemetry", "lock"]
    assert [each.name for each in steps if not each.is_done] == missing
    assert word in " ".join(each.says for each in steps if not each.is_done)


def test_a_problem_is_said_in_words_unless_it_is_history() -> None:
    wrong = pairing.problem(facts(problem="bad_signature", problem_at=NOW))
    assert wrong is not None
    assert "another key" in wrong.says
    odd = pairing.problem(facts(problem="odd", problem_at=NOW))
    assert odd is not None
    assert "odd" in odd.says
    assert pairing.problem(facts(problem="bad_signature", problem_at=NOW - 2 * HOUR)) is None
    assert pairing.problem(facts()) is None


async def test_from_the_key_to_the_first_reading(world: World) -> None:
    """FLT-16: key made, device seen, telemetry checked; each is told over HTTP."""
    wanted = fleet.NewVehicle(identifier="P1", model="Board", brand="Own")
    vehicle = await fleet.create_vehicle(world.admin(), wanted)
    path = f"/api/v1/vehicles/{vehicle.qr_code}/pairing"
    async with world.client(world.call("provider")) as staff:
        seen = (await staff.get(path)).json()
        assert (seen["is_ready"], seen["protocol"], seen["paired_at"]) == (False, None, None)
        made = await staff.post(f"/api/v1/vehicles/{vehicle.qr_code}/pair", json={"kind": "HS256"})
        vehicle_id, key = wire.taken_over(made.json()["handover"])
        assert (vehicle_id, key.alg) == (ids.public("sco", vehicle.id), "HS256")
        await actions.vehicle_heard(world.system(), vehicle.id, True)
        seen = (await staff.get(path)).json()
        assert [each["is_done"] for each in seen["steps"]] == [True, True, False, True]
        reading = Measured(
            vehicle_id=vehicle.id, time=clock.now(), latitude=52.5, longitude=13.4,
            battery_level=80, is_locked=True,
        )  # fmt: skip
        await actions.record_readings([reading])
        seen = (await staff.get(path)).json()
        assert (seen["is_ready"], seen["protocol"], seen["problem"]) == (True, "fahrwerk", None)
        assert (await staff.get("/api/v1/vehicles/nowhere/pairing")).status_code == 404
    async with world.client(world.call("customer")) as rider:
        assert (await rider.get(path)).status_code == 403
    with pytest.raises(UnknownVehicle):
        await door.pairing_status((await make_world()).admin(), vehicle.id)


async def test_what_goes_wrong_is_told_to_its_operator(world: World) -> None:
    vehicle = await world.vehicle(connected=True)
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "EdDSA")
    for _ in range(3):
        await knocks.went_wrong(world.tenant, vehicle.id, "bad_signature")
    await knocks.went_wrong(world.tenant, ids.new(), "bad_signature")
    status = await door.pairing_status(world.admin(), vehicle.id)
    assert status.problem is not None
    assert status.problem.reason == "bad_signature"
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "EdDSA")
    anew = await door.pairing_status(world.admin(), vehicle.id)
    assert anew.problem is None, "that was with the old key"


async def test_who_knocks_is_listed_until_it_is_paired(world: World) -> None:
    """FLT-16, I7: a shared port's strangers belong to nobody: who cannot name one sees none."""
    imei, admin = new_imei(), world.admin()
    await make_world()  # so that there are several operators
    await knocks.knocked(None, "omni", imei)
    await knocks.knocked(None, "omni", "not a name\n")
    assert imei not in [each.name for each in await door.unknown_devices(admin)]
    [found] = await door.unknown_devices(admin, imei)
    assert (found.protocol, found.knocks) == ("omni", 1)
    await fleet.add_device(admin, (await world.vehicle()).id, "omni", imei)
    assert await door.unknown_devices(admin, imei) == []
    with pytest.raises(Forbidden):
        await door.unknown_devices(world.call("customer"))


async def test_what_a_token_brings_is_its_operators(world: World) -> None:
    """Traccar's ids are known within their operator only."""
    other, admin = await make_world(), world.admin()
    reading = Measured(vehicle_id=ids.new(), time=clock.now(), battery_level=5)
    await fleet.report_devices(admin, [(f"golf-{n}", reading) for n in range(40)])
    names = [each.name for each in await door.unknown_devices(admin)]
    assert 1 <= len(names) <= 20, "a batch may not fill the list"
    assert all(name.startswith("golf-") for name in names)
    assert await door.unknown_devices(other.admin(), names[0]) == []
    async with world.client(admin) as staff:
        shown = await staff.get("/api/v1/devices/unknown")
        assert {each["name"] for each in shown.json()["devices"]} == set(names)
        page = (await staff.get("/api/v1/devices/unknown?limit=2&offset=1")).json()
        assert [each["name"] for each in page["devices"]] == names[1:3]
        assert page["pagination"]["total"] == len(names)
        for wrong in ("x" * 65, "%00", "a%20b", ""):
            asked = await staff.get(f"/api/v1/devices/unknown?name={wrong}")
            assert asked.status_code == 400, wrong


async def test_the_list_of_strangers_is_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocks, "MOST_STRANGERS", 3)
    monkeypatch.setattr(knocks, "WRITES_PER_S", 10)
    for number in range(6):
        await knocks.knocked(world.tenant, "traccar", f"bus-{number}")
    names = [each.name for each in await door.unknown_devices(world.admin())]
    assert names == ["bus-5", "bus-4", "bus-3"], "the newest stay"


def test_whatever_knocks_little_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    calm = knocks.Calm()
    assert [calm.lets("a"), calm.lets("a")] == [True, False]
    assert sum(calm.lets(n) for n in range(1_000)) == knocks.WRITES_PER_S - 1
    now = 161.0
    assert calm.lets("a")


async def _said(world: World, vehicle_id: UUID, *words: str, **more: str) -> list[str]:
    await knocks.introduced(
        world.system(), vehicle_id, more.get("firmware"), more.get("hardware"), list(words)
    )
    return (await fleet.vehicle(world.system(), vehicle_id)).capabilities


async def test_a_vehicle_says_what_it_is_and_can_do(world: World) -> None:
    """FLT-40: versions are tracked; staff's corrections stay until the device says otherwise."""
    vehicle, admin = await world.vehicle(connected=True, hardware_version="1.2"), world.admin()
    await fleet.pair_vehicles(admin, [vehicle.id], "EdDSA")
    assert vehicle.capabilities == ["unlock", "lock", "sound", "lights"]
    can = await _said(world, vehicle.id, "lock", "unlock", "speed_limit", "fly", firmware="2.1.3")
    assert can == ["unlock", "lock", "speed_limit"]
    seen = await fleet.vehicle(world.system(), vehicle.id)
    assert (seen.firmware_version, seen.hardware_version) == ("2.1.3", "1.2")
    sent = await fleet.send_command(admin, vehicle.id, "speed_limit", None, ids.new(), {"kmh": 20})
    assert sent.operation == "speed_limit"
    with pytest.raises(NotSupported):
        await fleet.send_command(admin, vehicle.id, "top_case", None, ids.new())
    await fleet.change_vehicle(
        admin, vehicle.id, fleet.VehicleChange(capabilities=["unlock", "lock"])
    )
    assert await _said(world, vehicle.id, "lock", "unlock", "speed_limit") == ["unlock", "lock"]
    assert await _said(world, vehicle.id, "unlock", "lock", "sound") == ["unlock", "lock", "sound"]
    # Commands go to its other device now: what it says over MQTT of itself is not about that one.
    await fleet.add_device(admin, vehicle.id, "omni", imei := new_imei())
    assert "battery_cover" in await _said(world, vehicle.id, "unlock", "lock")
    await fleet.remove_device(admin, vehicle.id, imei)
    assert await _said(world, vehicle.id, "unlock", "lock", "sound") == ["unlock", "lock", "sound"]


async def test_a_tracker_has_two_outputs_unless_staff_say_more(world: World) -> None:
    vehicle, admin = await world.vehicle(), world.admin()
    await fleet.add_device(admin, vehicle.id, "teltonika", new_imei())
    with pytest.raises(NotSupported, match="lights"):
        await fleet.send_command(admin, vehicle.id, "lights", None, ids.new())
    more = fleet.VehicleChange(capabilities=["unlock", "lock", "sound", "lights"])
    await fleet.change_vehicle(admin, vehicle.id, more)
    sent = await fleet.send_command(admin, vehicle.id, "lights", None, ids.new(), {"on": False})
    assert sent.state == "queued"


async def test_strangers_are_seen_by_the_link_and_their_own_operator_only(world: World) -> None:
    """I7: the row of one operator's token is not shown to the link, nor the other way round."""
    await knocks.knocked(world.tenant, "traccar", "tram-1")
    await knocks.knocked(None, "omni", imei := new_imei())
    sql = "SELECT name FROM fleet.stranger WHERE name = ANY($1)"
    wanted = ["tram-1", imei]
    for call, seen in ((world.system("fleet"), "tram-1"), (system(None, "fleet"), imei)):
        assert [row["name"] for row in await db.run("fleet", call, sql, wanted)] == [seen]
