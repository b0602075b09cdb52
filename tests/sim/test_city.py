"""The simulated city: vehicles with keys of their own, strangers, a crew, and no surprises."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from fahrwerk import broker
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.kernel import geo
from fahrwerk.sim import api as apis
from fahrwerk.sim import city as cities
from fahrwerk.sim import memory
from fahrwerk.sim.api import Api, Away
from fahrwerk.sim.city import City, Wishes
from fahrwerk.sim.streets import load_streets
from fahrwerk.sim.vehicle import NO_FAULTS
from tests.sim.frontdesk import PLACE, FrontDesk, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fahrwerk.sim.streets import Place


class Garage(FrontDesk):
    """A desk that also shows a fleet and gives out keys."""

    def __init__(self, *vehicle_ids: str) -> None:
        super().__init__()
        self.fleet: list[dict[str, Any]] = [
            {
                "id": each,
                "vehicle_type": "scooter",
                "location": {"latitude": PLACE["lat"], "longitude": PLACE["lon"]},
                "battery": {"level": 80},
            }
            for each in vehicle_ids
        ]
        self.keys_of: dict[str, wire.PlatformKey] = {}

    def _usual(self, what: str, body: Any) -> tuple[int, Any]:
        if what == "GET /api/v1/vehicles":
            first = int(body["offset"])
            page = self.fleet[first : first + 2]
            more = first + len(page) < len(self.fleet)
            return 200, {"vehicles": page, "pagination": {"has_more": more}}
        if what == "POST /api/v1/vehicles/pair":
            return 200, {"keys": [self._key(each, body["kind"]) for each in body["ids"]]}
        return super()._usual(what, body)

    def _key(self, vehicle_id: str, kind: wire.Algorithm) -> dict[str, str]:
        self.keys_of[vehicle_id], theirs = wire.new_keys(kind)

        def text(raw: bytes) -> str:
            return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

        return {
            "vehicle_id": vehicle_id,
            "kind": kind,
            "signs_with": text(theirs.signs_with),
            "checks_with": text(theirs.checks_with),
        }


def wishes(keep: Path, mqtt_url: str = "mqtt://127.0.0.1:1", riders: int = 0) -> Wishes:
    return Wishes(
        url="http://desk",
        mqtt_url=mqtt_url,
        tenant="mobility",
        email="admin@mobility.example",
        password="secret",
        keep=keep,
        most_riders=riders,
    )


def city_at(desk: FrontDesk, asked: Wishes) -> City:
    return City(asked, Api("http://desk", "mobility", transport=desk))


@contextlib.asynccontextmanager
async def living(city: City) -> AsyncIterator[City]:
    """The city lives for the block."""
    life = asyncio.create_task(city.live())
    try:
        yield city
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life


async def until(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


# --- memory


def test_what_vehicles_keep_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whoever has a vehicle's key can answer in its name."""
    path = tmp_path / "var" / "sim-keys.json"
    _, key = wire.new_keys("EdDSA")
    book = memory.load(path)
    book.vehicles["sco_1"] = memory.Kept(key.alg, key.signs_with, key.checks_with, counter=7)
    memory.save(path, book)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = memory.load(path)
    assert again == book
    assert again.vehicles["sco_1"].key == key
    assert [p.name for p in path.parent.iterdir()] == ["sim-keys.json"]


def test_a_spoiled_memory_is_not_overwritten_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "sim-keys.json"
    path.write_text("{")
    with pytest.raises(memory.Unreadable, match="move it away"):
        memory.load(path)


# --- vehicles


async def test_only_vehicles_without_a_key_are_paired(tmp_path: Path) -> None:
    """FLT-16; a restart needs no new keys, and the whole list is read, page by page."""
    desk = Garage("sco_1", "sco_2", "ebi_3")
    for _ in range(2):
        await _opened(desk, tmp_path / "keys.json")
        paired = [body["ids"] for what, body in desk.asked if what.endswith("/pair")]
        assert paired == [["sco_1", "sco_2", "ebi_3"]]
    desk.fleet.append({**desk.fleet[0], "id": "van_4"})
    await _opened(desk, tmp_path / "keys.json")
    assert desk.body("POST /api/v1/vehicles/pair")["ids"] == ["van_4"]
    assert memory.load(tmp_path / "keys.json").vehicles["van_4"].key.alg == "EdDSA"


async def _opened(desk: Garage, keep: Path) -> None:
    async with living(city_at(desk, wishes(keep))) as city:
        await until(lambda: len(city.vehicles) == len(desk.fleet))


async def test_a_platform_that_pairs_nothing_is_waited_for(tmp_path: Path) -> None:
    desk = Garage("sco_1")
    desk.first("POST /api/v1/vehicles/pair", refusal(403, "PERMISSION_DENIED"))
    with pytest.raises(Away, match="PERMISSION_DENIED"):
        await city_at(desk, wishes(tmp_path / "keys.json")).live()


async def test_a_stranger_who_unlocks_a_vehicle_is_taken_for_a_ride(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a real broker: `fahrwerk ride` needs a vehicle that moves, and stops to be locked."""
    monkeypatch.setattr(cities, "FAULTS", NO_FAULTS)
    monkeypatch.setattr(cities, "HOP_S", 1.0)
    desk, keep = Garage("sco_1", "sco_2"), tmp_path / "keys.json"
    async with broker.running() as url, living(city_at(desk, wishes(keep, url))) as city:
        await until(lambda: len(city.vehicles) == 2 and city.vehicles["sco_1"].is_online)
        vehicle, other = city.vehicles["sco_1"], city.vehicles["sco_2"]
        platform = Line("platform", url, "vehicles/sco_1/acks", lambda *_: None, lambda: None)
        await platform.open()
        try:
            _tell(platform, desk, "unlock", 1)
            await until(lambda: vehicle.odometer_m > 3)
            assert other.odometer_m == 0
            assert memory.load(keep).vehicles["sco_1"].counter == 1, "before it was carried out"
            for counter in range(2, 40):  # between its hops the bolt closes
                _tell(platform, desk, "lock", counter)
                await asyncio.sleep(0.25)
                if vehicle.is_locked:
                    break
            assert vehicle.is_locked
        finally:
            await platform.close()
        assert geo.distance_m(vehicle.latitude, vehicle.longitude, *PLACE.values()) > 2
    kept = memory.load(keep).vehicles["sco_1"]
    assert (kept.latitude, kept.odometer_m) == (vehicle.latitude, vehicle.odometer_m)


def _tell(platform: Line, desk: Garage, operation: str, counter: int) -> None:
    now = time.time_ns() // 1_000_000
    command = wire.Command(
        id=f"cmd_{counter}",
        vehicle_id="sco_1",
        command=operation,
        timestamp=now,
        expires=now + 10_000,
        counter=counter,
        user_id=None,
        booking_id=None,
        rental_id=None,
    )
    payload = wire.encode_command(command, desk.keys_of["sco_1"])
    platform.publish(wire.command_topic("sco_1", operation), payload, qos=1)


async def test_a_rider_of_the_city_steers_alone(tmp_path: Path) -> None:
    """Also after getting off, until the platform has locked the vehicle."""
    desk = Garage("sco_1")
    async with living(city_at(desk, wishes(tmp_path / "keys.json"))) as city:
        await until(lambda: city.vehicles)
        vehicle = city.vehicles["sco_1"]
        city.mount("sco_1")
        city.mount("sco_elsewhere")  # on the platform, but not in this city
        vehicle.is_locked = False
        await asyncio.sleep(0.6)
        assert city.taken_near(_anywhere()) == "sco_1"
        city.dismount("sco_1")
        assert city.taken_near(_anywhere()) is None
        await asyncio.sleep(0.6)
        assert vehicle.odometer_m == 0
        vehicle.is_locked = True
        await asyncio.sleep(0.6)
        vehicle.is_locked = False  # and now it is somebody else
        await until(lambda: vehicle.odometer_m > 0)


async def test_a_vehicle_left_unlocked_by_an_earlier_life_stays_where_it_is(tmp_path: Path) -> None:
    desk, keep = Garage("sco_1"), tmp_path / "keys.json"
    for _ in range(2):
        async with living(city_at(desk, wishes(keep))) as city:
            await until(lambda: city.vehicles)
            city.mount("sco_1")
            city.vehicles["sco_1"].is_locked = False
    async with living(city_at(desk, wishes(keep))) as city:
        await until(lambda: city.vehicles)
        assert not city.vehicles["sco_1"].is_locked
        await asyncio.sleep(0.7)
        assert city.vehicles["sco_1"].odometer_m == 0


def _anywhere() -> Place:
    return load_streets().place(PLACE["lat"], PLACE["lon"])


async def test_the_crew_swaps_the_lowest_battery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of service, charged, back into service; a vehicle somebody just booked is left alone."""
    monkeypatch.setattr(cities, "CREW_EVERY_S", 0.05)
    monkeypatch.setattr(cities, "CREW_TAKES_S", 0.05)
    monkeypatch.setattr(cities, "CREW_SIZE", 1)
    desk = Garage("sco_1", "sco_2", "sco_3")
    desk.fleet[0]["battery"]["level"], desk.fleet[1]["battery"]["level"] = 9, 4
    desk.first("PATCH /api/v1/vehicles/*", refusal(409, "VEHICLE_IN_USE"))
    async with living(city_at(desk, wishes(tmp_path / "keys.json"))) as city:
        await until(lambda: len(city.vehicles) == 3)
        await until(lambda: city.outcomes["battery_swapped"] == 2)
        assert {v.battery_level for v in city.vehicles.values()} == {100.0, 80.0}
    said = [body["status"] for what, body in desk.asked if what.startswith("PATCH")]
    assert said == ["maintenance", "maintenance", "available", "maintenance", "available"]


# --- people


@pytest.mark.parametrize(
    ("at", "most", "expected"),
    [
        ("2026-01-20T03:00:00Z", 40, 12),  # four in the morning
        ("2026-07-15T15:30:00Z", 40, 40),  # half past five on a summer's working day
        ("2026-07-15T15:30:00Z", 5, 5),
        ("2026-07-15T15:30:00Z", 0, 0),
    ],
)
def test_as_many_are_out_as_the_hour_wants(
    at: str, most: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cities, "_now", lambda: datetime.fromisoformat(at).astimezone(UTC))
    assert City(wishes(tmp_path / "k", riders=most)).riders_wanted() == expected


async def test_a_city_outlives_its_platforms_absence_and_surprises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Riders come back by themselves after the platform was away, and after nonsense answers."""
    for name, value in (("REST_S", (0.0, 0.01)), ("AWAY_PAUSES_S", (0.01,)), ("ARRIVE_PER_S", 500)):
        monkeypatch.setattr(cities, name, value)
    monkeypatch.setattr(apis, "PAUSES_S", (0.0,))
    desk = Garage("sco_1")
    desk.vehicles = []  # nothing near: trips are short
    desk.first("POST /api/v1/auth/login", (200, {"access_token": "t"}))
    async with living(city_at(desk, wishes(tmp_path / "keys.json", riders=4))) as city:
        await until(lambda: city.outcomes["nothing_near"] > 5)
        gone = httpx.ConnectError("gone")
        desk.first("GET /vehicles/search", *[gone] * 40, *[(200, {"vehicles": [{}]})] * 3)
        await until(lambda: not desk.script["GET /vehicles/search"])
        before = city.outcomes["nothing_near"]
        await until(lambda: city.outcomes["nothing_near"] > before + 5)
        assert len(city.riders) == 5
        assert city._out <= 4


def test_the_book_can_be_written_at_each_command(tmp_path: Path) -> None:
    """The counter must be kept before the bolt moves, so it may not take long with 400 vehicles."""
    _, key = wire.new_keys("EdDSA")
    kept = memory.Kept(key.alg, key.signs_with, key.checks_with)
    book = memory.Book("s", {f"sco_{n}": msgspec.structs.replace(kept) for n in range(400)})
    began = time.monotonic()
    for _ in range(20):
        memory.save(tmp_path / "k", book)
    assert (time.monotonic() - began) / 20 < 0.05
