"""The live fleet: a snapshot in columns, and what changes from its cursor (FLT-43, WEB-08)."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import random
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk.fleet import actions
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import Measured, live
from fahrwerk.fleet.http import live as endpoint
from fahrwerk.fleet.http import watching
from fahrwerk.fleet.http.live import box_in
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.streams import opened, rows
from tests.fleet.street import BERLIN, connected_vehicle, hold, report, row
from tests.world import PASSWORD, World, make_world

LIVE = "/api/v1/fleet/live"


async def _snapshot(world: World, query: str = "") -> dict[str, Any]:
    async with world.client(world.call("provider")) as client:
        answer = await client.get(f"{LIVE}{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_snapshot_says_all_that_a_map_shows(world: World) -> None:
    """WEB-08: status, battery, place, when last heard, lock; of vehicles in every state."""
    far = (-33.12345, 179.99999)
    seen = await world.vehicle("ebike", *far, connected=True, identifier="B")
    await fleet.pair_vehicles(world.admin(), [seen.id], "HS256")
    await report(seen.id, battery_level=7, is_locked=False, is_tipped=True)
    await hold(world, await connected_vehicle(world, identifier="C"))
    nowhere = fleet.NewVehicle(identifier="A", model="m", brand="b", is_connected=False)
    await fleet.create_vehicle(world.admin(), nowhere)
    found = await _snapshot(world)
    assert found["count"] == 3
    assert found["types"] == ["scooter", "ebike", "car", "van"]
    a, b, c = rows(found)
    assert [each["identifier"] for each in (a, b, c)] == ["A", "B", "C"]
    assert (b["latitude"], b["longitude"], b["battery"]) == (*far, 7)
    assert b["flags"] == live.CONNECTED | live.OPEN | live.TIPPED
    assert found["statuses"][c["status"]] == "reserved"
    assert c["flags"] == live.CONNECTED | live.LOCKED
    assert 0 <= c["age"] < 60
    assert (a["latitude"], a["battery"], a["age"], a["flags"]) == (None, None, None, 0)
    async with world.client(world.admin()) as client:
        answer = await client.get(f"/api/v1/vehicles/{b['id']}")
        assert answer.json()["identifier"] == "B"


async def test_gzip_is_sent_to_whom_takes_it(world: World) -> None:
    await world.vehicle()
    async with world.client(world.admin()) as client:
        packed = await client.get(LIVE, headers={"accept-encoding": "br;q=1, gzip;q=0.8"})
        plain = await client.get(LIVE, headers={"accept-encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json()["id"] == plain.json()["id"]


async def test_filters(world: World) -> None:
    await world.vehicle("car", 52.0, 13.0, identifier="car")
    east = await world.vehicle("scooter", -17.0, 179.5, identifier="east")
    await world.vehicle("scooter", -17.0, -179.5, identifier="west")
    change = fleet.VehicleChange(status="maintenance")
    await fleet.change_vehicle(world.admin(), east.id, change)

    async def shown(query: str) -> list[str]:
        names: list[str] = (await _snapshot(world, query))["identifier"]
        return names

    assert await shown("?type=scooter") == ["east", "west"]
    assert await shown("?status=maintenance") == ["east"]
    assert await shown("?box=51,12,53,14") == ["car"]
    assert await shown("?box=-18,179,-16,-179") == ["east", "west"]
    assert await shown("?box=-18,-179,-16,179") == []


@pytest.mark.parametrize("box", ["", "1,2,3", "1,2,0,3", "91,0,92,1", "1..,2,3,4", "0,0,1,181"])
def test_a_box_that_is_none_is_refused(box: str) -> None:
    with pytest.raises(Invalid):
        box_in(box)


async def test_other_operators_and_riders_see_nothing(world: World) -> None:
    """I7: and where vehicles are is nothing for riders."""
    await (await make_world()).vehicle()
    assert (await _snapshot(world))["count"] == 0
    rider = await world.rider()
    with pytest.raises(Forbidden):
        await live.live_fleet(rider)
    async with world.client(rider) as client:
        assert (await client.get(LIVE)).status_code == 403
        assert (await client.get(f"{LIVE}/stream?cursor=1")).status_code == 403
    async with world.client(world.call("support")) as client:
        assert (await client.get(LIVE)).status_code == 200


async def test_whatever_writes_a_row_it_is_among_the_changes(world: World) -> None:
    """The cursor is the database's: a hold, a reading, a move, a change of status all show."""
    vehicles = [await connected_vehicle(world) for _ in range(4)]
    call = world.admin()

    async def changed(since: str) -> tuple[set[str], str]:
        found = await live.live_fleet(call, since=since)
        return set(found.identifier), found.cursor

    cursor = (await live.live_fleet(call)).cursor
    # What was under way at the look may show once more.
    while (await changed(cursor))[0]:
        await asyncio.sleep(0.05)
        cursor = (await live.live_fleet(call)).cursor
    steps: list[Any] = [
        lambda v: hold(world, v),
        lambda v: report(v.id, battery_level=50),
        lambda v: fleet.move_vehicle(call, v.id, fleet.Place(48.0, 11.0)),
        lambda v: fleet.change_vehicle(call, v.id, fleet.VehicleChange(status="maintenance")),
    ]
    for vehicle, step in zip(vehicles, steps, strict=True):
        await step(vehicle)
        names, cursor = await changed(cursor)
        assert vehicle.identifier in names
    made = await world.vehicle()
    assert made.identifier in (await changed(cursor))[0]


_SLOW = "UPDATE fleet.vehicle SET battery_level = 42 WHERE id = $1"


async def test_what_commits_late_is_not_forgotten(world: World) -> None:
    """A transaction that began before the look and commits after it shows at the next look."""
    vehicle = await connected_vehicle(world)
    call = world.admin()
    async with db.tx("fleet", world.system()) as tx:
        await tx.run(_SLOW, vehicle.id)

        async def look() -> Any:
            return await live.live_fleet(call)

        # As another request would: not within this transaction.
        found = await asyncio.create_task(look(), context=contextvars.Context())
        assert found.battery != [42]
    later = await live.live_fleet(call, since=found.cursor)
    assert later.battery == [42]


async def test_cursors_that_are_none(world: World) -> None:
    call = world.admin()
    with pytest.raises(Invalid):
        await live.live_fleet(call, since="x")
    with pytest.raises(live.CursorGone):
        await live.live_fleet(call, since="9" * 17)
    async with world.client(call) as client:
        assert (await client.get(f"{LIVE}/stream")).status_code == 400
        gone = await client.get(f"{LIVE}/stream?cursor=99999999999999999")
        assert gone.status_code == 409
        assert gone.json()["error"]["code"] == "CURSOR_GONE"


async def test_a_change_shows_within_two_seconds(world: World) -> None:
    """FLT-43, TST-02: from a reading to every watcher's screen, packed or not."""
    vehicle = await connected_vehicle(world)
    call = world.call("provider")
    start = await _snapshot(world)
    url = f"{LIVE}/stream?cursor={start['cursor']}"
    async with (
        opened(world, call, url) as plain,
        opened(world, call, url, accept_encoding="gzip") as packed,
    ):
        assert plain.headers["content-type"].startswith("text/event-stream")
        assert packed.headers["content-encoding"] == "gzip"
        await asyncio.sleep(1.2)
        for level in (61, 60):
            await report(vehicle.id, latitude=52.5201, longitude=13.4052, battery_level=level)
            for stream in (plain, packed):
                seen = await stream.until(lambda r, level=level: r["battery"] == level, 2)
                assert (seen["latitude"], seen["longitude"]) == (52.5201, 13.4052)
                assert seen["identifier"] == vehicle.identifier
        assert len(watching._watches[world.tenant, None].clients) == 2
    for _ in range(40):
        await asyncio.sleep(0.05)
        if watching._watches[world.tenant, None]._task is None:
            break
    assert watching._watches[world.tenant, None]._task is None  # nobody watches, nobody reads


async def test_a_stream_goes_on_from_its_last_event(world: World) -> None:
    """What happened while nobody was connected comes first; Last-Event-ID beats the cursor."""
    vehicle = await connected_vehicle(world)
    call = world.call("provider")
    start = await _snapshot(world)
    async with opened(world, call, f"{LIVE}/stream?cursor={start['cursor']}") as stream:
        await stream.next()  # what it missed, perhaps nothing
        await report(vehicle.id, battery_level=33)
        while True:
            event = await stream.next()
            if 33 in event.data["battery"]:
                break
    await report(vehicle.id, battery_level=32)
    async with opened(
        world, call, f"{LIVE}/stream?cursor={start['cursor']}", last_event_id=event.id
    ) as again:
        first = await again.next()
        assert first.data["battery"] == [32]
        assert int(first.id) >= int(event.id)


async def test_a_slow_watcher_is_told_to_begin_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F15: bounded memory for who does not read; the others are served on."""
    monkeypatch.setattr(watching, "MOST_WAITING", 2)
    monkeypatch.setattr(watching, "EVERY_S", 0.05)
    vehicle = await connected_vehicle(world)
    call = world.call("provider")
    url = f"{LIVE}/stream?cursor={(await _snapshot(world))['cursor']}"
    async with opened(world, call, url) as slow, opened(world, call, url) as quick:
        await slow.next()
        slow.may_send.clear()
        for level in range(90, 80, -1):
            await report(vehicle.id, battery_level=level)
            await quick.until(lambda r, level=level: r["battery"] == level)
        [client] = watching._watches[world.tenant, None].clients
        assert len(client.waiting) <= 2
        slow.may_send.set()
        await slow.next("reset")
        assert await _ended(slow)


async def _ended(stream: Any) -> bool:
    async with asyncio.timeout(5):
        while not stream.is_over:
            await asyncio.sleep(0.02)
    return True


async def test_a_stream_ends_with_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block ends what was begun before it; the gzip stream is complete then."""
    monkeypatch.setattr(watching, "LOOK_AT_SESSION_S", 0.1)
    person = await identity.add_person(
        world.admin(), "anna@fleet.example", PASSWORD, frozenset({"support"}), "Anna", "Support"
    )
    login = await identity.log_in(world.call(), "anna@fleet.example", PASSWORD)
    monkeypatch.setattr(world, "token", lambda _: login.access_token)
    async with world.client(world.admin()) as client:
        cursor = (await client.get(LIVE)).json()["cursor"]
    url = f"{LIVE}/stream?cursor={cursor}"
    async with opened(world, world.admin(), url, accept_encoding="gzip") as stream:
        await stream.next()
        await identity.block_person(world.admin(), person.id)
        await stream.next("end", 10)
        await _ended(stream)
        assert b"event: end" in gzip.decompress(stream.raw)


async def test_a_thousand_imported_and_streaming_are_live_within_two_seconds(world: World) -> None:
    """TST-02: imported by CSV, paired, reporting together: the dashboard has them all."""
    names = [f"TC{n:04}" for n in range(1_000)]
    lines = "".join(f"{name},Ninebot ES4,Segway,,\n" for name in names)
    file = f"identifier,model,brand,license_plate,qr_code\n{lines}".encode()
    await fleet.import_vehicles(world.admin(), False, file)
    call = world.call("provider")
    start = await _snapshot(world)
    vehicles = [ids.parse(each, "sco") for each in start["id"]]
    for part in (vehicles[:500], vehicles[500:]):
        await fleet.pair_vehicles(world.admin(), part, "HS256")
    async with opened(world, call, f"{LIVE}/stream?cursor={start['cursor']}") as stream:
        await stream.next()
        now = clock.now()
        await actions.record_readings(
            [
                Measured(
                    vehicle_id=each, time=now, latitude=52.52, longitude=13.405,
                    battery_level=77, is_locked=True,
                )
                for each in vehicles
            ]
        )  # fmt: skip
        began = time.monotonic()
        seen: set[str] = set()
        while len(seen) < 1_000:
            event = await stream.next(seconds=5)
            seen |= {r["identifier"] for r in rows(event.data) if r["battery"] == 77}
        assert time.monotonic() - began < 2
    assert seen == set(names)


async def test_one_operator_does_not_take_all_places(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F23: 429, and nothing is left behind of who was sent away."""
    monkeypatch.setattr(endpoint, "MOST_WATCHERS", 0)
    cursor = (await _snapshot(world))["cursor"]
    async with world.client(world.call("provider")) as client:
        assert (await client.get(f"{LIVE}/stream?cursor={cursor}")).status_code == 429
    assert not watching._watches[world.tenant, None].clients


async def test_many_who_ask_at_once_are_given_one_snapshot(world: World) -> None:
    """TST-10: one statement, however many open the dashboard in the same second."""
    await world.vehicle()
    seen: list[str] = []
    token = db.statements.set(seen)
    try:
        found = await asyncio.gather(*(_snapshot(world) for _ in range(20)))
    finally:
        db.statements.reset(token)
    assert len({msgspec.json.encode(each) for each in found}) == 1
    assert sum("pg_snapshot_xmin" in each for each in seen) == 1


async def test_standing_still_is_no_news(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vehicle that only says that it is there is told every 30 s, not every second."""
    vehicle = await connected_vehicle(world)
    own = watching.Watch(world.tenant, None)
    own.cursor = (await live.live_fleet(world.system())).cursor

    async def news() -> list[str]:
        found = await live.live_fleet(world.system(), since=own.cursor)
        return own._news(found).identifier

    await report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1])
    assert await news() == [vehicle.identifier]
    await report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1])
    assert await news() == []
    monkeypatch.setattr(watching, "SEEN_EVERY_S", 0.0)
    assert await news() == [vehicle.identifier]
    await report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1] + 0.001)
    monkeypatch.setattr(watching, "SEEN_EVERY_S", 30.0)
    assert await news() == [vehicle.identifier]


async def test_hot_updates_survive(world: World) -> None:
    """No index is on what each reading changes: such an update stays on its page."""
    vehicle = await connected_vehicle(world)
    before = (await row(world, vehicle.id))["last_seen_at"]
    with clock.moved_to(clock.now() + timedelta(seconds=5)):
        await report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1], battery_level=40)
    assert (await row(world, vehicle.id))["last_seen_at"] > before
    indexed = await db.run("fleet", world.system(), _INDEXED)
    assert {r["attname"] for r in indexed}.isdisjoint(
        {"last_seen_at", "measured_at", "updated_at", "battery_level", "latitude", "speed_kmh"}
    )


_INDEXED = """
SELECT DISTINCT a.attname FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = 'fleet.vehicle'::regclass
"""


async def test_blocks_that_were_packed_once_fit_into_every_stream() -> None:
    """Each watcher begins at another frame; all read what was compressed for all."""
    dice = random.Random(7)
    plain = [msgspec.json.encode([dice.randint(0, 99) for _ in range(500)]) for _ in range(20)]
    frames = [watching._frame(each, True) for each in plain]
    for start in (0, 7, 19):
        packed = watching._Gzip()
        raw = packed.HEAD + b"".join(packed.block(f) for f in frames[start:]) + packed.tail()
        assert gzip.decompress(raw) == b"".join(plain[start:])
