"""A database that is slow, locked or full of callers; and text that it cannot hold (F21)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Invalid


@pytest.fixture
async def call(database: db.Database) -> AsyncIterator[Call]:
    made = system(ids.new(), "fleet")
    yield made
    # Whatever went wrong, the connections are as good as new.
    rows = await asyncio.gather(*(db.run("fleet", made, "SELECT 1 AS one") for _ in range(20)))
    assert {row["one"] for [row] in rows} == {1}


async def test_a_statement_that_takes_too_long(call: Call) -> None:
    """503 and try again, not 500: nothing of it took effect."""
    with pytest.raises(db.DatabaseBusy) as busy:
        async with db.tx("fleet", call) as tx:
            await tx.run("SET LOCAL statement_timeout = '50ms'")
            await tx.run("SELECT pg_sleep(5)")
    assert (busy.value.status, busy.value.error_code) == (503, "DATABASE_BUSY")
    assert busy.value.details["retry_after"] == 1


async def test_a_row_that_somebody_keeps(call: Call) -> None:
    """So for a lock that is not to be had."""
    lock = "SELECT pg_advisory_xact_lock(4242)"
    kept, enough = asyncio.Event(), asyncio.Event()

    async def keep() -> None:
        async with db.tx("fleet", call) as tx:
            await tx.run(lock)
            kept.set()
            await enough.wait()

    keeping = asyncio.create_task(keep())
    await kept.wait()
    try:
        with pytest.raises(db.DatabaseBusy):
            async with db.tx("fleet", call) as tx:
                await tx.run("SET LOCAL lock_timeout = '50ms'")
                await tx.run(lock)
    finally:
        enough.set()
        await keeping


async def test_more_callers_than_connections(
    database: db.Database, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue has an end; whoever was let in is served."""
    monkeypatch.setattr(db, "POOL_WAIT_S", 0.2)
    small = db.Database(database.dsn, 2)
    fit = db.fit_of("fleet", call.tenant)

    async def ask(seconds: float) -> None:
        async with small.lend(fit) as raw:
            await raw.fetch("SELECT pg_sleep($1)", seconds)

    results = await asyncio.gather(*(ask(1.5) for _ in range(6)), return_exceptions=True)
    assert [type(r) for r in results] == [type(None)] * 2 + [db.DatabaseBusy] * 4
    await ask(0)
    await small.close()


@pytest.mark.parametrize(
    ("sql", "value"),
    [("SELECT $1::text", "a\0b"), ("SELECT $1::jsonb", {"a": "\0"}), ("SELECT $1::text[]", ["\0"])],
)
async def test_text_with_nul(call: Call, sql: str, value: object) -> None:
    """Only a caller can have put it there: 400."""
    with pytest.raises(Invalid) as wrong:
        await db.run("fleet", call, sql, value)
    assert wrong.value.details == {"field": "body", "issue": "must not contain NUL characters"}
    with pytest.raises(Invalid):
        async with db.tx("fleet", call) as tx:
            await tx.run(sql, value)
