"""The door to the database: sticky connections, transactions, time, lost connections."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from fahrwerk.kernel import clock, db, ids, outside
from fahrwerk.kernel.call import system

_WHO = "SELECT current_user AS role, kernel.tenant() AS tenant, kernel.now() AS now"


async def test_a_fitting_connection_is_one_round_trip(database: db.Database) -> None:
    """Settings are sent only when they differ."""
    call = system(ids.new(), "fleet")
    row = await db.one("fleet", call, _WHO)
    assert row is not None
    assert (row["role"], row["tenant"]) == ("fahrwerk_fleet", call.tenant)
    pids = {
        (await db.run("fleet", call, "SELECT pg_backend_pid() AS pid"))[0]["pid"] for _ in range(5)
    }
    assert len(pids) == 1
    # While another fit is free to open a connection of its own, ours is not taken from us.
    await db.run("pricing", call, "SELECT 1")
    async with database.lend(db.fit_of("fleet", call.tenant)) as raw:
        assert raw.get_server_pid() in pids


async def test_rooms_and_tenants_never_mix_under_load(database: db.Database) -> None:
    """Two hundred calls of many rooms and tenants on sixteen connections see only themselves."""

    async def ask(n: int) -> None:
        room = ("fleet", "pricing", "identity", "rentals")[n % 4]
        call = system(ids.new(), room)
        async with db.tx(room, call) as tx:
            row = await tx.one(_WHO)
        assert row is not None
        assert (row["role"], row["tenant"]) == (f"fahrwerk_{room}", call.tenant)

    await asyncio.gather(*(ask(n) for n in range(200)))


async def test_time_moves_for_the_database_too(database: db.Database) -> None:
    """F14: tests move leases; a replay moves only domain time."""
    call = system(ids.new(), "fleet")
    then = datetime(2020, 2, 29, 12, tzinfo=UTC)
    with clock.moved_to(then):
        row = await db.one("fleet", call, _WHO)
        assert row is not None
        assert row["now"] == then == clock.now()
    with clock.moved_to(then, leases=False):
        row = await db.one("fleet", call, _WHO)
        assert row is not None
        assert row["now"] > then
        assert clock.now() == then
    row = await db.one("fleet", call, _WHO)
    assert row is not None
    assert row["now"].year >= 2026


async def test_no_door_and_no_network_inside_a_transaction(database: db.Database) -> None:
    """Idea 3: no network inside a transaction, ever."""
    from fahrwerk.tenancy import contract as tenancy

    call = system(ids.new(), "fleet")
    peer = outside.Peer("nowhere", "http://127.0.0.1:9")
    async with db.tx("fleet", call):
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await tenancy.operators(call)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await peer.call("GET", "/")
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await db.run("fleet", call, "SELECT 1")
    with pytest.raises(outside.NotReached):
        await peer.call("POST", "/")
    await peer.close()


async def test_a_killed_connection_is_a_clear_error_and_heals(database: db.Database) -> None:
    """RNT-28: 503 while the database is away, and the next request works again."""
    call = system(ids.new(), "fleet")
    with pytest.raises(db.DatabaseDown) as down:
        async with db.tx("fleet", call) as tx:
            row = await tx.one("SELECT pg_backend_pid() AS pid")
            assert row is not None
            owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
            await owner.execute("SELECT pg_terminate_backend($1)", row["pid"])
            await owner.close()
            await tx.run("SELECT 1")
    assert down.value.status == 503
    assert down.value.text == "We're experiencing issues. Please try again shortly."
    assert (await db.run("fleet", call, "SELECT 1 AS one"))[0]["one"] == 1


async def test_a_cancelled_statement_leaves_no_half_connection(database: db.Database) -> None:
    """F15: a client that went away; the connection it used is not lent again."""
    call = system(ids.new(), "fleet")
    task = asyncio.create_task(db.run("fleet", call, "SELECT pg_sleep(2)"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await db.run("fleet", call, "SELECT 2 AS two"))[0]["two"] == 2


async def test_the_breaker_opens_after_three_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """RNT-29, C-44: then it answers at once, without knocking each time."""
    dead = db.Database("postgresql://nobody@/x?host=/nonexistent", 2)
    for _ in range(3):
        with pytest.raises(db.DatabaseDown):
            await dead.connect()
    monkeypatch.setattr(
        "asyncpg.connect", lambda *_, **__: pytest.fail("knocked although the breaker is open")
    )
    with pytest.raises(db.DatabaseDown):
        await dead.connect()


async def test_a_full_server_is_served_with_the_connections_there_are(
    database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F21: another fit would like a new connection; when there is none to have, it takes turns."""
    few = db.Database(database.dsn, 4)
    fleet, pricing = db.fit_of("fleet", ids.new()), db.fit_of("pricing", ids.new())
    async with few.lend(fleet) as raw:
        pid = raw.get_server_pid()

    async def full(*_: object, **__: object) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr("asyncpg.connect", full)
    async with few.lend(pricing) as raw:
        assert raw.get_server_pid() == pid
        assert await raw.fetchval("SELECT current_user") == "fahrwerk_pricing"
        with pytest.raises(db.DatabaseDown):
            async with few.lend(fleet):
                pass
    await few.close()
