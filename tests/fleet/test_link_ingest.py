"""Telemetry over a real broker: kept before it is acknowledged, and nobody speaks for another."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet.actions import intake, seats, telemetry
from fahrwerk.fleet.contract import PREFIX, Recorded
from fahrwerk.fleet.link import ingest, steady
from fahrwerk.fleet.link.tap import Told
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.kernel import db, ids
from tests.fleet.street import connected_vehicle
from tests.journeys.meter import Meter
from tests.servers import has_mosquitto, mosquitto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from fahrwerk.fleet.contract import Vehicle
    from tests.world import World

needs_mosquitto = pytest.mark.skipif(not has_mosquitto(), reason="the bundled broker keeps nothing")


def _public(vehicle: Vehicle) -> str:
    return ids.public(PREFIX[vehicle.vehicle_type], vehicle.id)


@contextlib.asynccontextmanager
async def listening(url: str, of: int = 1) -> AsyncIterator[ingest.Ingest]:
    running = ingest.Ingest(url, of)
    await running.start()
    try:
        await _until(lambda: bool(running._seats) and all(
            seat.tap.is_open for seat in running._seats.values()
        ))  # fmt: skip
        await asyncio.sleep(0.2)  # until the broker has taken the subscription in
        yield running
    finally:
        await running.stop()


async def _until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def _sequences(world: World, vehicle: Vehicle) -> list[int]:
    rows = await db.run(
        "fleet", world.system(),
        "SELECT sequence FROM fleet.telemetry WHERE vehicle_id = $1 AND boot IS NOT NULL "
        "ORDER BY sequence", vehicle.id,
    )  # fmt: skip
    return [row["sequence"] for row in rows]


@needs_mosquitto
async def test_what_the_broker_acknowledged_is_stored_once(world: World) -> None:
    vehicle = await connected_vehicle(world)
    async with mosquitto() as url, listening(url):
        meter = Meter(url, _public(vehicle), boot=9)
        meter.start()
        await _until(lambda: len(meter.acknowledged) > 300)
        await meter.stop()
        await asyncio.sleep(0.5)
    assert await _sequences(world, vehicle) == sorted(meter.acknowledged)


async def test_a_broker_that_hangs_up_is_found_again_at_once(world: World) -> None:
    """Not after a keep-alive: what it acknowledges meanwhile is nowhere but there."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1024)
        writer.write(b"\x20\x03\x01\x00\x00")  # CONNACK: a session is present

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with listening(f"mqtt://127.0.0.1:{port}"):
            for n in range(1, 4):
                await _until(lambda n=n: len(writers) >= n, 5)  # type: ignore[misc]
                await asyncio.sleep(0.1)
                writers[-1].close()  # politely: no reset, just the end
    finally:
        for writer in writers:
            writer.close()
        server.close()


@needs_mosquitto
async def test_without_the_database_nothing_is_acknowledged_and_nothing_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: the listener dies with what it has heard; the next one hears it all again."""
    vehicle = await connected_vehicle(world)
    record = telemetry.record

    async def away(_: Any) -> Recorded:
        raise db.DatabaseDown

    async with mosquitto() as url:
        async with listening(url) as first:
            monkeypatch.setattr(telemetry, "record", away)
            monkeypatch.setattr(ingest, "STOP_S", 0.05)
            meter = Meter(url, _public(vehicle), boot=9)
            meter.start()
            await _until(lambda: len(meter.acknowledged) > 100)
            await meter.stop()
            await _until(first._in_turn.locked)
        assert await _sequences(world, vehicle) == []
        monkeypatch.setattr(telemetry, "record", record)
        async with listening(url):
            end = time.monotonic() + 20
            while len(await _sequences(world, vehicle)) < len(meter.acknowledged):
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
    assert await _sequences(world, vehicle) == sorted(meter.acknowledged)


async def test_one_that_cannot_be_stored_spoils_only_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    vehicles = [await connected_vehicle(world, identifier=f"V{n}") for n in range(4)]
    record, bad = telemetry.record, vehicles[2].id

    async def picky(batch: Any) -> Recorded:
        if bad in batch.by_vehicle:
            raise OverflowError("too much for the column")
        return await record(batch)

    monkeypatch.setattr(telemetry, "record", picky)
    monkeypatch.setattr(ingest, "AGAIN_S", 0.01)
    link = ingest.Ingest("mqtt://127.0.0.1:9", 1)
    now = time.time_ns() // 1_000_000
    said = [(v.id, [wire.Reading(time=now, boot=1, seq=1)]) for v in vehicles]
    before = _refused("not_storable")
    await link._store(said, intake.heard(said))
    assert _refused("not_storable") == before + 1
    assert [len(await _sequences(world, v)) for v in vehicles] == [1, 1, 0, 1]


def _refused(reason: str) -> float:
    return float(steady.refused.labels("telemetry", reason)._value.get())


def _told(topic: str, payload: bytes) -> Told:
    return Told(topic, payload, 1, None)


_GOOD = b'{"time":1796040001300,"boot":1,"seq":1}'


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("vehicles/{id}/telemetry", b"{", "malformed"),
        ("vehicles/{id}/telemetry", b"[]", "malformed"),
        ("vehicles/{id}/telemetry", b"", "malformed"),
        ("vehicles/{id}/telemetry", b"\xff" * 100, "malformed"),
        ("vehicles/{id}/telemetry", b"[" * 60_000, "malformed"),
        ("vehicles/{id}/telemetry", b'{"time":1e400,"boot":1,"seq":1}', "malformed"),
        ("vehicles/{id}/telemetry", _GOOD[:-1] + b',"vehicle_id":"sco_another"}', "wrong_vehicle"),
        ("vehicles/{id}/telemetry/x", _GOOD, "malformed"),
        ("vehicles/{id}/acks/1", _GOOD, "malformed"),
        ("vehicles/../telemetry", _GOOD, "malformed"),
        ("vehicles/sco_nobody/telemetry", _GOOD, "unknown_vehicle"),
    ],
)
def test_what_is_broken_is_counted_and_taken_no_further(
    topic: str, payload: bytes, reason: str
) -> None:
    link, before = ingest.Ingest("mqtt://127.0.0.1:9", 1), _refused(reason)
    own = ids.public("sco", ids.new())
    good = _told(f"vehicles/{own}/telemetry", _GOOD)
    said = link._understood(iter([good, _told(topic.format(id=own), payload), good]))
    assert len(said) == 2
    assert _refused(reason) == before + 1


def test_a_vehicle_may_name_itself() -> None:
    link, own = ingest.Ingest("mqtt://127.0.0.1:9", 1), ids.public("sco", ids.new())
    payload = _GOOD[:-1] + f',"vehicle_id":"{own}"}}'.encode()
    assert len(link._understood(iter([_told(f"vehicles/{own}/telemetry", payload)]))) == 1


@given(st.binary(max_size=300), st.text(max_size=60))
def test_bytes_from_anywhere_raise_nothing(payload: bytes, topic: str) -> None:
    link = ingest.Ingest("mqtt://127.0.0.1:9", 1)
    own = f"vehicles/{ids.public('sco', ids.new())}/telemetry"
    link._understood(iter([_told(own, payload), _told(topic, _GOOD)]))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(wire.Reading.__struct_fields__), _values))
def test_nearly_a_reading_is_one_or_none(fields: dict[str, Any]) -> None:
    link, own = ingest.Ingest("mqtt://127.0.0.1:9", 1), ids.public("sco", ids.new())
    payload = msgspec.json.encode({"time": 1, "boot": 1, "seq": 1} | fields)
    said = link._understood(iter([_told(f"vehicles/{own}/telemetry", payload)]))
    intake.heard(said)


# --- bounded


def test_more_than_fits_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound nothing is taken from the network, until half of it is gone."""
    monkeypatch.setattr(ingest, "MOST_WAITING_BYTES", 10_000)
    monkeypatch.setattr(ingest, "AT_ONCE_BYTES", 3_000)
    link, held = ingest.Ingest("mqtt://127.0.0.1:9", 1), []
    tap: Any = type("Tap", (), {"hold": lambda _, *, is_held: held.append(is_held)})()
    link._seats[0] = type("Seat", (), {"tap": tap, "is_leaving": False})()
    for _ in range(101):
        link._hear(tap, _told("vehicles/sco_a/telemetry", b"x" * 100))
    assert held == [True]
    assert len(link._next()) == 31
    assert held == [True]
    assert len(link._next()) == 31
    assert held == [True, False]


# --- seats


def test_every_vehicle_has_one_seat() -> None:
    """Whatever the number of seats; by shard, and an id never changes its shard."""
    for of in range(1, 17):
        given_out = [f for seat in range(of) for f in ingest.filters(seat, of) if f[0] != "$"]
        assert len(given_out) == len(set(given_out))
        if of > 1:
            assert set(given_out) == {f"{wire.TELEMETRY}/{n:x}" for n in range(wire.SHARDS)}
    assert wire.telemetry_topic("sco_3kdQ9x7Lw2", in_shard=True) == (
        "vehicles/sco_3kdQ9x7Lw2/telemetry/4"
    )


async def test_seats_are_leases(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker each; a second seat only after a while; a seat that was left is free at once."""
    one, two = f"one-{ids.new()}", f"two-{ids.new()}"
    await db.run("fleet", world.system(), "UPDATE fleet.ingest_seat SET expires_at = kernel.now()")
    await seats.set_out(2)
    assert await seats.sit(one, 2) == {0}
    assert await seats.sit(one, 2) == {0}
    assert await seats.sit(two, 2) == {1}
    assert await seats.sit(two, 2) == {1}
    await seats.leave(one)
    monkeypatch.setattr(seats, "PATIENCE_S", 0.0)
    assert await seats.sit(two, 2) == {0, 1}
    assert await seats.sit(one, 2) == set()
    await seats.leave(two)


@needs_mosquitto
async def test_two_workers_divide_the_vehicles(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By shard, each vehicle by one of them; and when one goes, the other takes over."""
    monkeypatch.setattr(seats, "PATIENCE_S", 0.5)
    vehicles = [await connected_vehicle(world, identifier=f"V{n}") for n in range(6)]
    topics = [wire.telemetry_topic(_public(v), in_shard=True) for v in vehicles]
    async with mosquitto() as url, listening(url, 2) as one:
        async with listening(url, 2) as two:
            await _until(lambda: len(one._seats) == len(two._seats) == 1)
            await _publish(url, topics, 1)
            await _stored(world, vehicles, 1)
        await _until(lambda: len(one._seats) == 2)
        await _publish(url, topics, 2)
        await _stored(world, vehicles, 2)


async def test_who_has_more_than_others_gives_up_a_seat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only while all are taken, and only as long as the difference is two."""
    monkeypatch.setattr(seats, "PATIENCE_S", 0.0)
    one, two, six = f"one-{ids.new()}", f"two-{ids.new()}", 6
    await seats.set_out(six)
    await db.run("fleet", world.system(), "DELETE FROM fleet.ingest_worker")
    taken = "UPDATE fleet.ingest_seat SET holder = $1, expires_at = kernel.now() + interval '9 s'"
    await db.run("fleet", world.system(), taken, one)
    await seats.sit(one, six)
    assert await seats.spare(one, six) is None, "nobody else is there"
    assert await seats.sit(two, six) == set()
    for left in (5, 4, 3):
        assert await seats.spare(one, six) == left
        await seats.rise(one, left)
        assert await seats.spare(one, six) is None, "it is to be taken first"
        assert left in await seats.sit(two, six)
    assert await seats.spare(one, six) is await seats.spare(two, six) is None
    await seats.leave(one)
    await seats.leave(two)


@needs_mosquitto
async def test_a_worker_that_joins_is_given_seats_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While vehicles go on speaking: nothing is lost, and each vehicle's readings are stored in the
    order in which it said them."""
    monkeypatch.setattr(seats, "PATIENCE_S", 0.2)
    vehicles = [await connected_vehicle(world, identifier=f"J{n}") for n in range(8)]
    topics = [wire.telemetry_topic(_public(v), in_shard=True) for v in vehicles]
    stored: dict[UUID, list[int]] = {v.id: [] for v in vehicles}
    record = telemetry.record

    async def noted(batch: intake.Batch) -> Any:
        done = await record(batch)
        for vehicle_id in stored.keys() & batch.by_vehicle.keys():
            numbers = batch.columns["sequence"]
            stored[vehicle_id] += [numbers[place] for place in batch.by_vehicle[vehicle_id]]
        return done

    monkeypatch.setattr(telemetry, "record", noted)
    async with mosquitto() as url, listening(url, 4) as one:
        await _until(lambda: len(one._seats) == 4)
        line = wire_line(url)
        await line.open()

        async def speak(first: int, last: int) -> None:
            for number in range(first, last):
                for topic in topics:
                    reading = wire.Reading(time=time.time_ns() // 1_000_000, boot=1, seq=number)
                    line.publish(topic, wire.encode_readings([reading]), qos=1)
                await asyncio.sleep(0.01)

        speaking = asyncio.create_task(speak(1, 401))
        async with listening(url, 4) as two:
            await _until(lambda: len(one._seats) == len(two._seats) == 2)
            await speaking
            await _until(lambda: all(max(s, default=0) == 400 for s in stored.values()))
        await line.close()
    for sequences in stored.values():
        assert sorted(set(sequences)) == list(range(1, 401)), "nothing is lost"
        firsts = list(dict.fromkeys(sequences))
        assert firsts == sorted(firsts), "nor stored after what came later"


async def _publish(url: str, topics: list[str], number: int) -> None:
    line = wire_line(url)
    await line.open()
    for topic in topics:
        now = time.time_ns() // 1_000_000
        reading = wire.Reading(time=now, boot=1, seq=number)
        line.publish(topic, wire.encode_readings([reading]), qos=1)
    await asyncio.sleep(0.3)
    await line.close()


def wire_line(url: str) -> Any:
    return Line(f"test-{ids.new().hex[:8]}", url, "nothing", lambda *_: None, lambda: None)


async def _stored(world: World, vehicles: list[Vehicle], count: int) -> None:
    end = time.monotonic() + 20
    while [len(await _sequences(world, v)) for v in vehicles] != [count] * len(vehicles):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
