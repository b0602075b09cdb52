"""The simulated vehicle against real brokers: Mosquitto (MQTT 5) and the bundled one (3.1.1)."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk import broker
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import MQTT_3_1_1, MQTT_5, Line
from fahrwerk.kernel import geo
from fahrwerk.sim.vehicle import Faults, SimVehicle
from tests import servers
from tests.sim.other_end import ALEXANDERPLATZ, WITHIN_S, street

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_mqtt_5 = pytest.mark.skipif(not servers.has_mosquitto(), reason="needs Mosquitto (MQTT 5)")


@pytest.fixture(scope="module")
def mosquitto() -> Iterator[str]:
    with servers.mosquitto_here() as url:
        yield url


@pytest.fixture(scope="module")
def bundled() -> Iterator[str]:
    with servers.bundled_broker_here() as url:
        yield url


@pytest.fixture(params=["mosquitto", "bundled"])
def url(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    found: str = request.getfixturevalue(request.param)
    return found


# --- commands


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
async def test_unlock_and_lock(url: str, alg: wire.Algorithm) -> None:
    async with street(url, alg) as (vehicle, platform):
        sent = time.monotonic()
        ack = await platform.obeyed("unlock")
        status = await platform.status("unlocked")
        await platform.reading(locked=False)
        assert time.monotonic() - sent < 2  # a busy machine; alone it is a few milliseconds
        assert status.command_id == ack.command_id
        assert not vehicle.is_locked
        await platform.obeyed("lock")
        await platform.status("locked")
        await platform.reading(locked=True)
        assert vehicle.is_locked
        assert vehicle.counter == 2


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
async def test_a_forged_command_is_refused(url: str, alg: wire.Algorithm) -> None:
    async with street(url, alg) as (vehicle, platform):
        stranger = wire.new_keys(alg)[0]
        forged = platform.command("unlock")
        platform.send(wire.encode_command(forged, stranger))
        assert (await platform.refused("bad_signature")).command_id == forged.id
        assert (await platform.status("unlock_failed_auth")).command_id == forged.id
        platform.send(b'{"command":"lock","timestamp":1,"user_id":"u","booking_id":"b"}', "lock")
        await platform.refused("bad_signature")
        await platform.status("lock_failed_auth")
        assert vehicle.is_locked
        assert vehicle.counter == 0
        await platform.obeyed("unlock")


async def test_a_replayed_command_is_refused(url: str) -> None:
    async with street(url) as (vehicle, platform):
        recorded = wire.encode_command(platform.command("unlock"), platform.key)
        platform.send(recorded)
        assert (await platform.ack()).result == "done"
        await platform.obeyed("lock")
        platform.send(recorded)
        assert (await platform.refused("replayed")).counter == 1
        assert vehicle.is_locked
        assert vehicle.counter == 2


async def test_a_redelivered_command_is_answered_again_but_not_carried_out(url: str) -> None:
    saved: list[int] = []
    async with street(url, save_counter=saved.append) as (vehicle, platform):
        payload = wire.encode_command(platform.command("sound"), platform.key)
        platform.send(payload, "sound")
        platform.send(payload, "sound")
        first, second = [await asyncio.wait_for(platform.acks.get(), WITHIN_S) for _ in range(2)]
        assert first == second
        assert vehicle.sounds == 1
        assert saved == [1]


async def test_a_burst_is_answered_in_order(url: str) -> None:
    """Mosquitto takes 20 unacknowledged messages at a time, which must lose nobody's answer."""
    async with street(url) as (vehicle, platform):
        sent = [platform.tell("sound").id for _ in range(60)]
        assert [(await platform.ack()).command_id for _ in sent] == sent
        assert vehicle.sounds == 60


async def test_nobody_changes_the_answer_to_the_last_command(mosquitto: str) -> None:
    """A forgery that repeats its id and counter must not take the place of its acknowledgement."""
    async with street(mosquitto) as (_, platform):
        command = platform.command("unlock")
        payload = wire.encode_command(command, platform.key)
        platform.send(payload)
        done = await platform.ack()
        platform.send(wire.encode_command(command, wire.new_keys("HS256")[0]))
        await platform.refused("bad_signature")
        platform.send(payload)
        assert await platform.ack() == done


async def test_a_counter_outlives_a_restart(mosquitto: str) -> None:
    saved: list[int] = []
    async with street(mosquitto, save_counter=saved.append) as (vehicle, platform):
        recorded = wire.encode_command(platform.command("unlock"), platform.key)
        platform.send(recorded)
        await platform.ack()
        await vehicle.close()
        again = SimVehicle(
            vehicle.id,
            vehicle._key,
            mosquitto,
            latitude=52.5,
            longitude=13.4,
            counter=saved[-1],
        )
        async with again:
            platform.send(recorded)
            await platform.refused("replayed")
            assert again.is_locked


async def test_a_counter_that_cannot_be_saved_moves_nothing(mosquitto: str) -> None:
    def disk_full(_: int) -> None:
        raise OSError("no space left on device")

    async with street(mosquitto, save_counter=disk_full) as (vehicle, platform):
        platform.tell("unlock")
        await platform.hears_nothing()
        assert vehicle.is_locked


async def test_late_strange_and_broken_commands(mosquitto: str) -> None:
    async with street(mosquitto, "EdDSA") as (vehicle, platform):
        platform.tell("unlock", timestamp=1_000, expires=2_000)
        await platform.refused("expired")
        assert vehicle.counter == 1  # an authentic command's number is used up, late or not
        platform.tell("unlock", vehicle_id="sco_other")
        await platform.refused("wrong_vehicle")
        platform.send(b"open sesame")
        assert (await platform.refused("malformed")).command_id is None
        platform.tell("fly")
        await platform.refused("unsupported")
        assert vehicle.is_locked
        await platform.obeyed("lights", args={"on": True})
        assert vehicle.is_lit
        await platform.obeyed("lights", args={"on": False})
        assert not vehicle.is_lit


async def test_it_can_do_all_that_there_is(mosquitto: str) -> None:
    """Capabilities: said when it comes online, and obeyed; what it lacks is refused."""
    async with street(mosquitto) as (vehicle, platform):
        await platform.obeyed("top_case")
        await platform.obeyed("battery_cover")
        assert vehicle.openings == ["top_case", "battery_cover"]
        await platform.obeyed("speed_limit", args={"kmh": 12})
        platform.tell("speed_limit", args={"kmh": 0})
        await platform.refused("malformed")
        assert vehicle.limit_kmh == 12
        vehicle.lose_network(0.1)
        said = await platform.status("online")
        assert set(said.capabilities or ()) == vehicle.capabilities
        assert said.firmware
    async with street(mosquitto, capabilities=["unlock", "lock"]) as (_, platform):
        platform.tell("speed_limit", args={"kmh": 12})
        await platform.refused("unsupported")


async def test_it_goes_no_faster_than_it_may(mosquitto: str) -> None:
    """FLT-29: a limit that comes on the way slows it down."""
    async with street(mosquitto, riding_interval_s=0.1) as (vehicle, platform):
        await platform.obeyed("unlock")
        east = (vehicle.latitude, vehicle.longitude + 1.0)
        driving = asyncio.create_task(vehicle.drive_to([east], speed_kmh=200))
        await platform.reading(speed_kmh=200.0)
        await platform.obeyed("speed_limit", args={"kmh": 20})
        await platform.reading(speed_kmh=20.0)
        driving.cancel()


@needs_mqtt_5
async def test_mqtt_5_answers_where_it_is_asked_to(mosquitto: str) -> None:
    async with street(mosquitto) as (vehicle, platform):
        assert vehicle._line.version == MQTT_5
        answers: asyncio.Queue[tuple[bytes, dict[str, Any]]] = asyncio.Queue()
        desk = Line(
            f"desk-{vehicle.id}",
            mosquitto,
            f"replies/{vehicle.id}/#",
            lambda _topic, payload, properties: answers.put_nowait((payload, properties)),
            lambda: None,
        )
        await desk.open()
        command = platform.command("unlock")
        asked: dict[str, Any] = {
            "response_topic": f"replies/{vehicle.id}/1",
            "correlation_data": command.id.encode(),
            "message_expiry_interval": 15,
        }
        platform.send(wire.encode_command(command, platform.key), **asked)
        assert (await platform.ack()).result == "done"
        assert platform.properties["correlation_data"] == [command.id.encode()]
        payload, properties = await asyncio.wait_for(answers.get(), WITHIN_S)
        assert wire.verify_ack(payload, platform.key, vehicle.id).command_id == command.id
        assert properties["correlation_data"] == [command.id.encode()]

        platform.send(wire.encode_command(command, wire.new_keys("HS256")[0]), **asked)
        await platform.refused("bad_signature")
        assert platform.properties["correlation_data"] == [command.id.encode()]
        await platform.hears_nothing()
        assert answers.empty()  # a stranger does not say where to answer
        await desk.close()


# --- faults


async def test_a_silent_vehicle_hears_and_says_nothing(url: str) -> None:
    async with street(url, idle_interval_s=0.1, riding_interval_s=0.1) as (vehicle, platform):
        vehicle.silence(2.0)
        platform.tell("unlock")
        await asyncio.sleep(0.2)
        platform.readings = asyncio.Queue()
        await platform.hears_nothing()
        assert platform.readings.empty()
        assert vehicle.is_locked
        await platform.reading()  # it is heard again; what was sent meanwhile is lost
        await platform.obeyed("unlock")


async def test_silence_may_come_with_a_command(mosquitto: str) -> None:
    async with street(mosquitto, faults=Faults(silence=1, silence_s=0.5)) as (vehicle, platform):
        platform.tell("unlock")
        await platform.hears_nothing()
        vehicle.faults = Faults()
        await asyncio.sleep(0.3)
        await platform.obeyed("unlock")


async def test_acks_get_lost_doubled_and_delayed(mosquitto: str) -> None:
    async with street(mosquitto, faults=Faults(drop_ack=1)) as (vehicle, platform):
        lost = platform.command("unlock")
        payload = wire.encode_command(lost, platform.key)
        platform.send(payload)
        await platform.status("unlocked")
        await platform.reading(locked=False)
        await platform.hears_nothing()
        vehicle.faults = Faults()
        platform.send(payload)  # asking again brings the answer
        ack = await platform.ack()
        assert (ack.command_id, ack.result) == (lost.id, "done")

        vehicle.faults = Faults(duplicate_ack=1)
        command = platform.tell("lock")
        assert [(await platform.ack()).command_id for _ in range(2)] == [command.id] * 2

        vehicle.faults = Faults(delay_ack=1, ack_delay_s=1.0)
        command = platform.tell("unlock")
        await platform.status("locked")
        await platform.status("unlocked")
        await platform.hears_nothing()
        assert (await platform.ack()).command_id == command.id


async def test_a_jammed_lock_fails(mosquitto: str) -> None:
    async with street(mosquitto, faults=Faults(lock_jammed=1)) as (vehicle, platform):
        platform.tell("unlock")
        ack = await platform.ack()
        assert (ack.result, ack.reason) == ("failed", "lock_jammed")
        assert (await platform.reading()).locked
        assert vehicle.is_locked


@pytest.mark.parametrize("offset_ms", [-3_600_000, 3_600_000])
async def test_a_wrong_clock(mosquitto: str, offset_ms: int) -> None:
    async with street(mosquitto, faults=Faults(clock_offset_ms=offset_ms)) as (_, platform):
        platform.tell("unlock")
        ack = await platform.ack()
        # Ahead, every command seems late; behind, the counter still stops what is old.
        assert ack.reason == ("expired" if offset_ms > 0 else None)
        assert abs(ack.time - time.time() * 1_000 - offset_ms) < 5_000


async def test_what_is_sent_without_network_does_not_come_late(url: str) -> None:
    async with street(url) as (vehicle, platform):
        vehicle.lose_network(1.5)
        await asyncio.sleep(0.5)
        assert not vehicle.is_online
        platform.tell("unlock")
        await platform.status("online")
        await platform.hears_nothing()
        assert vehicle.is_locked
        await platform.obeyed("unlock")


async def test_the_same_seed_draws_the_same_faults() -> None:
    def drawn(seed: int) -> list[bool]:
        key = wire.new_keys("HS256")[1]
        vehicle = SimVehicle("sco_1", key, "mqtt://127.0.0.1:1", latitude=1, longitude=1, seed=seed)
        return [vehicle._happens(0.5) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


# --- connection


async def test_the_bundled_broker_is_spoken_to_in_3_1_1(bundled: str) -> None:
    named = bundled.replace("mqtt://", "mqtt://anna:secret@")
    async with street(named) as (vehicle, platform):
        assert vehicle._line.version == MQTT_3_1_1
        await platform.obeyed("unlock")


@needs_mqtt_5
async def test_a_broker_with_accounts() -> None:
    async with servers.mosquitto(accounts={"anna": "p@ss:w/rd"}) as url:
        async with street(url.replace("mqtt://", "mqtt://anna:p%40ss%3Aw%2Frd@")) as (_, platform):
            await platform.obeyed("unlock")
        stranger = Line("stranger", url, "vehicles/sco_1/#", lambda *_: None, lambda: None)
        with pytest.raises(ConnectionError):
            await stranger.open()


async def test_it_waits_for_its_broker_and_comes_back_to_it() -> None:
    port = servers.free_port()
    key = wire.new_keys("HS256")[1]
    url = f"mqtt://127.0.0.1:{port}"
    vehicle = SimVehicle("sco_1", key, url, latitude=52.5, longitude=13.4, seed=1)
    vehicle.start()
    try:
        with pytest.raises(TimeoutError):
            await vehicle.ready(0.2)
        for _ in range(2):
            async with broker.running(port=port):
                await vehicle.ready(WITHIN_S)
            while vehicle.is_online:
                await asyncio.sleep(0.01)
    finally:
        await vehicle.close()


async def test_nothing_is_left_after_close(url: str) -> None:
    async with street(url):
        during = len(asyncio.all_tasks())
    await asyncio.sleep(0.05)
    after = {task.get_name() for task in asyncio.all_tasks()}
    assert len(after) < during
    assert not any(name.startswith("sco_") for name in after)


# --- driving


async def test_a_drive(mosquitto: str) -> None:
    async with street(mosquitto, riding_interval_s=0.1, range_m=1_000) as (vehicle, platform):
        goal = (52.5225, 13.4142)
        points = [ALEXANDERPLATZ, (52.5219, 13.4142), goal]
        assert not await vehicle.drive_to(points, 240)  # locked
        await platform.obeyed("unlock")
        began = time.monotonic()
        assert await vehicle.drive_to(points, 240)
        length_m = sum(geo.distance_m(*a, *b) for a, b in itertools.pairwise(points))
        assert time.monotonic() - began > 0.95 * length_m / (240 / 3.6)
        assert (vehicle.latitude, vehicle.longitude) == pytest.approx(goal, abs=1e-5)
        assert vehicle.odometer_m == pytest.approx(length_m, rel=0.01)
        assert vehicle.battery_level == pytest.approx(100 - length_m / 10, rel=0.01)
        driving = await platform.reading(speed_kmh=240)
        assert driving.locked is False
        standing = await platform.reading(speed_kmh=0)
        assert standing.latitude is not None
        assert standing.longitude is not None
        assert geo.distance_m(standing.latitude, standing.longitude, *goal) < 25
        assert standing.seq > driving.seq
        assert standing.boot == driving.boot


async def test_it_does_not_lock_while_it_moves(mosquitto: str) -> None:
    async with street(mosquitto) as (vehicle, platform):
        await platform.obeyed("unlock")
        drive = asyncio.create_task(vehicle.drive_to([(52.5229, 13.4132)], 200))
        await asyncio.sleep(0.1)
        platform.tell("lock")
        await platform.refused("moving")
        assert await drive
        await platform.obeyed("lock")


async def test_an_empty_battery_ends_a_drive(mosquitto: str) -> None:
    async with street(mosquitto, battery_level=1, range_m=1_000) as (vehicle, platform):
        await platform.obeyed("unlock")
        assert not await vehicle.drive_to([(52.5229, 13.4132)], 300)
        assert vehicle.battery_level == 0
        assert (await platform.reading(battery_level=0)).speed_kmh == 0


async def test_impossible_speeds(mosquitto: str) -> None:
    async with street(mosquitto) as (vehicle, _):
        for speed_kmh in (0, -5, 501, float("nan")):
            with pytest.raises(ValueError, match="speed_kmh"):
                await vehicle.drive_to([ALEXANDERPLATZ], speed_kmh)


@pytest.mark.parametrize("place", [(90.0, 0.0), (-90.0, 10.0), (0.0, 180.0), (0.0, -180.0)])
def test_readings_stay_on_the_globe(place: tuple[float, float]) -> None:
    key = wire.new_keys("HS256")[1]
    latitude, longitude = place
    vehicle = SimVehicle(
        "sco_1", key, "mqtt://127.0.0.1", latitude=latitude, longitude=longitude, gps_noise_m=50
    )
    for _ in range(200):
        wire.encode_readings([vehicle._reading()])
