"""The event log and the pump: exactly once, in order, dead letters, replay (I6, F19)."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from fahrwerk.kernel import db, events, ids, pump
from fahrwerk.kernel.call import Call, system


@events.event("test.happened", topic="tests")
class Happened(msgspec.Struct, frozen=True):
    """Something happened."""

    number: int


seen: list[tuple[str, int]] = []
poison: set[int] = set()


async def on_happened(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None:
    if event.number in poison:
        raise ValueError("poisoned")
    seen.append((fact.stream, event.number))


@pytest.fixture
def reader() -> pump.Reader:
    """A reader of one group with one handler, as a room would have."""
    seen.clear()
    poison.clear()
    return pump.Reader("fleet", [events.Handler("fleet", Happened, on_happened)])


async def _tell(call: Call, stream: str, *numbers: int) -> None:
    async with db.tx("fleet", call) as tx:
        for number in numbers:
            await events.emit(tx, call, stream, number, Happened(number))


async def _drain(reader: pump.Reader) -> None:
    while await reader.step():
        pass


async def test_each_event_once_and_in_order(database: db.Database, reader: pump.Reader) -> None:
    """Forty writers at once, some of them slow to commit: nothing lost, nothing twice."""
    await reader.load()
    await _drain(reader)
    seen.clear()
    run = ids.new().hex

    async def writer(n: int) -> None:
        call = system(ids.new(), "fleet")
        async with db.tx("fleet", call) as tx:
            for number in range(1, 6):
                await events.emit(tx, call, f"{run}:{n}", number, Happened(number))
                if n % 7 == 0:
                    await asyncio.sleep(0.01)

    reading = asyncio.create_task(_poll(reader, 0.6))
    await asyncio.gather(*(writer(n) for n in range(40)))
    await reading
    await _drain(reader)
    mine = [(s, n) for s, n in seen if s.startswith(run)]
    assert len(mine) == 200
    for n in range(40):
        assert [v for s, v in mine if s == f"{run}:{n}"] == [1, 2, 3, 4, 5]


async def _poll(reader: pump.Reader, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await reader.step()
        await asyncio.sleep(0.002)


async def test_positions_alone_would_lose_events(database: db.Database) -> None:
    """The broken variant: why the reading order is (xid, position) below the oldest transaction."""
    call = system(ids.new(), "fleet")
    stream = ids.new().hex
    started, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with db.tx("fleet", call) as tx:
            await events.emit(tx, call, f"{stream}:slow", 1, Happened(1))
            started.set()
            await go.wait()

    task = asyncio.create_task(slow())
    await started.wait()
    await _tell(call, f"{stream}:fast", 1)
    newest = await db.one("fleet", call, "SELECT max(position) AS p FROM kernel.event")
    assert newest is not None
    go.set()
    await task
    later = await db.run(
        "fleet", call, "SELECT stream FROM kernel.event WHERE position > $1", newest["p"]
    )
    assert [row["stream"] for row in later] == []  # the slow one is lost to such a reader


async def test_two_readers_of_one_group_do_not_both_succeed(
    database: db.Database, reader: pump.Reader
) -> None:
    """The checkpoint moves only from where the reader found it."""
    other = pump.Reader("fleet", [events.Handler("fleet", Happened, on_happened)])
    await reader.load()
    await _drain(reader)
    await other.load()
    await _tell(system(ids.new(), "fleet"), ids.new().hex, 1)
    rows = await _rows_after(reader)
    seen.clear()
    await reader._commit(rows)
    with pytest.raises(pump.Overtaken):
        await other._commit(rows)


async def _rows_after(reader: pump.Reader) -> list[Any]:
    while True:  # other tests of this worker may still hold the snapshot back for a moment
        rows = await db.run(
            "pump",
            system(None, "pump"),
            pump._READ,
            reader.xid,
            reader.position,
            100,
            ["test.happened"],
        )
        if rows:
            return rows
        await asyncio.sleep(0.01)


async def test_a_poisoned_event_is_buried_and_can_be_replayed(
    database: db.Database, reader: pump.Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F19: the others go on; after the mend, `events replay` hands it over again, once."""
    monkeypatch.setattr(pump, "ATTEMPTS", 2)
    await reader.load()
    await _drain(reader)
    seen.clear()
    stream = ids.new().hex
    poison.add(2)
    await _tell(system(ids.new(), "fleet"), stream, 1, 2, 3)
    for _ in range(50):
        await reader.step()
        if (stream, 3) in seen:
            break
        await asyncio.sleep(0.02)
    # The first one was seen twice: once in the batch that was rolled back, with all its rows.
    assert seen == [(stream, 1), (stream, 1), (stream, 3)]
    letters = [x for x in await pump.dead_letters() if x["name"] == "test.happened"]
    assert "poisoned" in letters[-1]["error"]
    poison.clear()
    letter = letters[-1]
    monkeypatch.setattr(events, "handlers", [events.Handler("fleet", Happened, on_happened)])
    args = (letter["id"], "fleet", letter["event_position"], letter["tenant_id"])
    assert await pump.replay(*args) is True
    assert await pump.replay(*args) is False
    assert seen[-1] == (stream, 2)


async def test_streams_are_gapless_by_constraint(database: db.Database) -> None:
    """I6: the same version of a stream cannot be written twice."""
    call = system(ids.new(), "fleet")
    await _tell(call, "x", 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await _tell(call, "x", 1)
    await _tell(system(ids.new(), "fleet"), "x", 1)  # another tenant's stream of the same name


async def test_an_event_and_its_rows_commit_together(database: db.Database) -> None:
    """RNT-30: a rolled-back transaction tells nothing."""
    call = system(ids.new(), "fleet")
    with pytest.raises(RuntimeError):
        async with db.tx("fleet", call) as tx:
            await events.emit(tx, call, "y", 1, Happened(1))
            raise RuntimeError
    assert await db.run("fleet", call, "SELECT 1 FROM kernel.event WHERE stream = 'y'") == []


async def test_transactions_are_read_in_order_of_their_number(database: db.Database) -> None:
    """9 before 10: a number, not a text. Sorted as text, many of an installation's first
    thousand transactions would be passed over."""
    tenant, stream = ids.new(), ids.new().hex
    owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    for version, xid in enumerate(("100", "10", "9"), start=1):
        await owner.execute(
            "INSERT INTO kernel.event (tenant_id, xid, stream, version, name, topic, data, actor) "
            "VALUES ($1, $2::text::xid8, $3, $4, 'test.order', 'tests', '{}', 'tests')",
            *(tenant, xid, stream, version),
        )
    await owner.close()
    rows = await db.run("pump", system(None, "pump"), pump._READ, "8", 0, 10_000, [])
    assert [row["xid"] for row in rows if row["stream"] == stream] == ["9", "10", "100"]


@events.event("test.noted", topic="tests")
class Noted(msgspec.Struct, frozen=True):
    """A handler saw ``number``; as a row, so that what was rolled back does not count."""

    number: int


async def test_each_group_goes_its_own_way(
    database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I6: two processes; a quick group, a slow one, one that fails now and then, one idle."""
    run, tenant = ids.new().hex, ids.new()
    failed: set[int] = set()

    async def note(tx: db.Tx, room: str, call: Call, event: Happened, fact: events.Fact) -> None:
        if fact.stream.startswith(run):
            await events.emit(tx, call, f"{room}:{fact.stream}", event.number, Noted(event.number))

    async def quick(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None:
        await note(tx, "fleet", call, event, fact)

    async def slow(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None:
        await asyncio.sleep(0.002)
        await note(tx, "rentals", call, event, fact)

    async def shaky(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None:
        await note(tx, "payments", call, event, fact)
        if event.number % 50 == 0 and event.number not in failed:
            failed.add(event.number)
            raise ValueError("not now")

    async def never(tx: db.Tx, call: Call, event: Noted, fact: events.Fact) -> None:
        assert fact.stream.split(":")[0] in ("fleet", "rentals", "payments")

    monkeypatch.setattr(
        events,
        "handlers",
        [
            events.Handler("fleet", Happened, quick),
            events.Handler("rentals", Happened, slow),
            events.Handler("payments", Happened, shaky),
            events.Handler("pricing", Noted, never),
        ],
    )
    pumps = [pump.Pump(), pump.Pump()]
    for each in pumps:
        await each.drain()  # whatever other tests left
        await each.start()
    for number in range(1, 301):
        await _tell(system(tenant, "fleet"), f"{run}:{number}", number)
        for each in pumps:
            each.wake()
    handled = "SELECT stream FROM kernel.event WHERE tenant_id = $1 AND name = 'test.noted'"
    async with asyncio.timeout(30):
        while len(await db.run("fleet", system(tenant, "fleet"), handled, tenant)) < 900:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    streams = [r["stream"] for r in await db.run("fleet", system(tenant, "fleet"), handled, tenant)]
    for each in pumps:
        await each.stop()
    assert sorted(streams) == sorted(
        f"{room}:{run}:{number}"
        for room in ("fleet", "payments", "rentals")
        for number in range(1, 301)
    )
    assert failed == {50, 100, 150, 200, 250, 300}
    assert not [x for x in await pump.dead_letters() if x["tenant_id"] == tenant]


async def test_a_group_that_is_far_behind_catches_up_by_itself(
    database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was not there, or has enough waiting, reads the log for itself: in order, all of it."""
    monkeypatch.setattr(pump, "BATCH", 7)
    monkeypatch.setattr(pump, "PAGE", 20)
    monkeypatch.setattr(pump, "MOST_GIVEN", 30)
    run, tenant = ids.new().hex, ids.new()
    mine: list[int] = []

    async def late(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None:
        if fact.stream.startswith(run):
            await asyncio.sleep(0.001)
            mine.append(event.number)

    async def ignore(tx: db.Tx, call: Call, event: Happened, fact: events.Fact) -> None: ...

    monkeypatch.setattr(
        events,
        "handlers",
        [events.Handler("fleet", Happened, late), events.Handler("rentals", Happened, ignore)],
    )
    both = pump.Pump()
    await both.drain()
    for number in range(1, 201):
        await _tell(system(tenant, "fleet"), f"{run}:{number}", number)
    # One group has seen it all before this process began: the other must not lose the way to it.
    ahead = pump.Pump(["rentals"])
    await ahead.drain()
    await both.start()
    async with asyncio.timeout(20):
        while len(mine) < 200:
            await asyncio.sleep(0.02)
    for number in range(201, 401):
        await _tell(system(tenant, "fleet"), f"{run}:{number}", number)
        both.wake()
    async with asyncio.timeout(20):
        while len(mine) < 400:
            await asyncio.sleep(0.02)
    await both.stop()
    assert mine == list(range(1, 401))
