"""Zones on board: read as the platform writes them, obeyed, and there after a power cut."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk import broker
from fahrwerk.device.mechanics import MOST_KMH, Mechanics
from fahrwerk.device.pins import Simulated
from fahrwerk.device.zones import ZonesOnBoard
from fahrwerk.fleet.contract import zones as contract
from fahrwerk.fleet.contract.zones import Hours, Zone, ZoneRules, ZonesInForce
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.fleet.rules import zone_bundle
from fahrwerk.fleet.rules import zones as rules
from fahrwerk.kernel import ids
from tests.device.boards import paired, switched_on

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
_HOLE = [(13.004, 52.004), (13.004, 52.006), (13.006, 52.006), (13.006, 52.004), (13.004, 52.004)]


def _square(west: float, south: float, size: float) -> contract.Polygons:
    e, n = west + size, south + size
    return [[[(west, south), (e, south), (e, n), (west, n), (west, south)]]]


def _zone(kmh: int, polygons: contract.Polygons, **how: Any) -> Zone:
    return Zone(
        id=ids.new(), rules=ZoneRules(name="z", kind="slow", speed_limit_kmh=kmh, **how),
        polygons=polygons, source="own", external_id=None, version=1, change="created",
        changed_at=NOW, changed_by="usr_1", created_at=NOW,
    )  # fmt: skip


def _zones(version: int = 1) -> ZonesInForce:
    holed = _square(13.0, 52.0, 0.01)
    holed[0].append(_HOLE)
    every = [
        _zone(6, _square(13.002, 52.002, 0.003), priority=5),
        _zone(15, holed),
        _zone(10, _square(13.008, 52.0, 0.01)),
        _zone(
            3, _square(13.02, 52.0, 0.01), schedule=[Hours(days=[5], start="22:00", end="06:00")]
        ),
        _zone(4, _square(13.04, 52.0, 0.01), valid_from=NOW, valid_until=NOW + timedelta(hours=1)),
        _zone(5, [*_square(179.99, 0, 0.01), *_square(-180.0, 0, 0.01)]),
    ]
    every.sort(key=lambda z: (-z.rules.priority, z.rules.speed_limit_kmh or 0))
    return ZonesInForce(version, "Europe/Berlin", every)


def _bundle(version: int = 1) -> bytes:
    return zone_bundle.bundle(_zones(version), "scooter", NOW - timedelta(days=1))


def test_it_goes_as_fast_as_the_platform_would_let_it() -> None:
    """The same speed everywhere but within a metre of a border, where digits were cut."""
    board = ZonesOnBoard()
    assert board.take(_bundle()) == 1
    given = _zones()
    book = rules.Book(given.stamp, given.time_zone, given.zones)
    dice, compared = random.Random(7), 0
    for _ in range(3_000):
        lon, lat = dice.uniform(12.998, 13.052), dice.uniform(51.998, 52.012)
        hits = book.hits("scooter", lon, lat, 1.5, NOW)
        slow, is_sure = rules.speed_limit(hits)
        if is_sure:
            compared += 1
            wanted = slow.zone.rules.speed_limit_kmh if slow else None
            assert board.limit_kmh(lat, lon, NOW) == wanted, (lat, lon)
    assert compared > 2_500
    assert board.limit_kmh(0.005, 179.995, NOW) == board.limit_kmh(0.005, -179.995, NOW) == 5


@pytest.mark.parametrize(
    ("hours", "kmh"), [(9, None), (10, 3), (17.9, 3), (18, None), (24 * 6 + 10, None)]
)
def test_hours_are_those_of_the_operator_and_go_past_midnight(
    hours: float, kmh: int | None
) -> None:
    """Friday 22:00 to 06:00 in Berlin is 21:00 to 05:00 UTC."""
    board = ZonesOnBoard()
    board.take(_bundle())
    at = datetime(2026, 11, 20, 11, tzinfo=UTC) + timedelta(hours=hours)
    assert board.limit_kmh(52.005, 13.025, at) == kmh


def test_validity_is_kept_to() -> None:
    board = ZonesOnBoard()
    board.take(_bundle())
    for minutes, kmh in ((-1, None), (0, 4), (59, 4), (60, None)):
        assert board.limit_kmh(52.005, 13.045, NOW + timedelta(minutes=minutes)) == kmh


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff", b"[]", b"{}", b'{"format":2,"version":9,"zones":[]}', b"[" * 100_000,
        b'{"format":1,"version":9,"zones":[{"kind":"slow","kmh":0,"polygons":[]}]}',
        b'{"format":1,"version":9,"zones":[{"kind":"slow","kmh":5,"polygons":[[[1,2,3]]]}]}',
        b'{"format":1,"version":9,"zones":[{"kind":"slow","kmh":5,"polygons":[[]]}]}',
        b'{"format":1,"version":9,"zones":[]}' + b" " * 300_000,
    ],
)  # fmt: skip
def test_what_is_broken_leaves_it_as_it_was(payload: bytes) -> None:
    board = ZonesOnBoard()
    board.take(_bundle(5))
    assert board.take(payload) is None
    assert (board.version, board.limit_kmh(52.003, 13.003, NOW)) == (5, 6)


def test_newest_wins_and_outlives_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    board = ZonesOnBoard(path)
    assert board.take(_bundle(5)) == 5
    assert board.take(_bundle(4)) is None
    assert board.take(_bundle(5)) == 5, "said again: acknowledged again"
    again = ZonesOnBoard(path)
    assert (again.version, again.limit_kmh(52.003, 13.003, NOW)) == (5, 6)
    path.write_bytes(b"{")
    assert ZonesOnBoard(path).version is None


async def test_the_motor_gets_the_lower_of_both_limits() -> None:
    board = Simulated()
    mechanics = Mechanics(board, ("lock", "speed_limit"), lambda: 0.0)
    mechanics.slow_to(None)
    mechanics.slow_to(8)
    mechanics.slow_to(8)
    await mechanics.carry_out("speed_limit", {"kmh": 20})
    mechanics.slow_to(None)
    mechanics.slow_to(25)
    await mechanics.carry_out("speed_limit", {"kmh": MOST_KMH})
    mechanics.slow_to(None)
    written = [value for pin, value in board.written if pin == "speed_limit"]
    assert written == [8, 8, 20, 20, 25, MOST_KMH]


async def test_the_agent_takes_them_and_says_so(tmp_path: Path) -> None:
    """Where its receiver says it is; acknowledged by version, again after a restart."""
    heard: asyncio.Queue[wire.Status] = asyncio.Queue()
    receiver = tmp_path / "gnss"
    receiver.write_text(_nmea(52.003, 13.003))

    def hear(_: str, payload: bytes, __: object) -> None:
        heard.put_nowait(wire.decode_status(payload))

    async def said() -> wire.Status:
        return await asyncio.wait_for(heard.get(), 10)

    vehicle_id, _ = paired(tmp_path)
    async with broker.running() as url:
        ours = Line("platform", url, wire.status_topic(vehicle_id), hear, lambda: None)
        await ours.open()
        async with switched_on(tmp_path, url, gnss=receiver) as (_, board):
            first = await said()
            assert "zones" in (first.capabilities or [])
            assert first.zones is None
            ours.publish(wire.zones_topic(vehicle_id), _bundle(7), qos=1)
            assert (await said()).zones == 7
            async with asyncio.timeout(10):
                while ("speed_limit", 6) not in board.written:
                    await asyncio.sleep(0.05)
        async with switched_on(tmp_path, url):
            while (again := await said()).capabilities is None:
                pass  # the last word of its former life
            assert again.zones == 7
        await ours.close()


def _nmea(latitude: float, longitude: float) -> str:
    def degrees(value: float, width: int) -> str:
        return f"{int(value):0{width}d}{(value - int(value)) * 60:07.4f}"

    body = f"GPGGA,120000,{degrees(latitude, 2)},N,{degrees(longitude, 3)},E,1,09,0.9,40.0,M,,M,,"
    check = 0
    for char in body:
        check ^= ord(char)
    return f"${body}*{check:02X}\r\n" * 200


def test_the_wire_knows_the_version() -> None:
    status = wire.decode_status(b'{"status":"online","zones":12}')
    assert msgspec.to_builtins(status)["zones"] == 12
