"""Doors between rooms: local and wire behave alike; privileged actions are audited."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from fahrwerk.kernel import audit, db, doors, elsewhere, ids
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Conflict, Unavailable


class Answer(msgspec.Struct, frozen=True):
    """A result with what is hard to carry."""

    id: UUID
    at: datetime
    names: frozenset[str]


class Taken(Conflict):
    """A room's own error."""

    code = "TAKEN"
    message = "Somebody was faster."


async def question(call: Call, number: int, answer: Answer | None = None) -> Answer:
    """A contract signature."""
    raise AssertionError


async def verb(call: Call, word: str, subject: UUID | None = None) -> str:
    """A contract signature."""
    raise AssertionError


async def _question(call: Call, number: int, answer: Answer | None = None) -> Answer:
    assert isinstance(number, int)
    assert answer is None or isinstance(answer, Answer)
    if number < 0:
        raise Taken(alternatives=[{"id": str(call.tenant)}])
    return answer or Answer(ids.new(), datetime(2026, 1, 1, tzinfo=UTC), frozenset({"a"}))


async def _verb(call: Call, word: str, subject: UUID | None = None) -> str:
    if word == "bad":
        raise Taken
    return word


@pytest.fixture(params=["local", "wire", "elsewhere"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways a door can run; elsewhere is the other process's application itself."""
    if request.param == "elsewhere":
        transport = httpx.ASGITransport(app=elsewhere.app)
        place = elsewhere.Place("testing", "http://elsewhere", transport)
        monkeypatch.setitem(doors.places, "testing", place.ask)
    else:
        monkeypatch.setattr(doors, "runner", request.param)
    return str(request.param)


def _door(signature: Any, body: Any, furniture: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import sys
    import types

    module = types.ModuleType(f"fahrwerk.testing.{furniture}")
    setattr(module, signature.__name__, body)
    monkeypatch.setitem(sys.modules, "fahrwerk.testing", types.ModuleType("fahrwerk.testing"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # The room of a door is the second part of its module's name, as in fahrwerk.fleet.contract.
    signature.__module__ = "fahrwerk.testing.contract"
    monkeypatch.setitem(sys.modules, "fahrwerk.testing.contract", sys.modules[__name__])
    return doors.query(signature) if furniture == "queries" else doors.action(signature)


async def test_arguments_results_and_errors_pass(
    runner: str, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same values and the same error, whether or not they went over the wire."""
    ask = _door(question, _question, "queries", monkeypatch)
    call = system(ids.new(), "tests")
    answer = await ask(call, 1)
    assert await ask(call, number=2, answer=answer) == answer
    with pytest.raises(Conflict) as refused:
        await ask(call, -1)
    assert refused.value.error_code == "TAKEN"
    assert refused.value.text == "Somebody was faster."
    assert refused.value.details == {"alternatives": [{"id": str(call.tenant)}]}
    assert refused.value.status == 409


async def test_a_caller_who_stopped_waiting_is_refused(
    runner: str, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F15: a deadline travels with the call."""
    ask = _door(question, _question, "queries", monkeypatch)
    late = Call(tenant=ids.new(), deadline=time.monotonic() - 1)
    with pytest.raises(Unavailable) as refused:
        await ask(late, 1)
    assert refused.value.error_code == "DEADLINE_EXCEEDED"


async def test_what_staff_does_is_audited_and_chained(
    runner: str, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDP-07, I11: who, what, on what, outcome; a changed row breaks the chain."""
    do = _door(verb, _verb, "actions", monkeypatch)
    tenant = ids.new()
    staff = Call(tenant=tenant, user=ids.new(), roles=frozenset({"admin"}), request_id="req_1")
    thing = ids.new()
    await do(staff, "good", thing)
    with pytest.raises(Conflict):
        await do(staff, "bad")
    await do(Call(tenant=tenant, user=ids.new(), roles=frozenset({"customer"})), "good")
    rows = await db.run(
        "kernel",
        staff,
        "SELECT actor, action, subject, outcome FROM kernel.audit ORDER BY at",
    )
    assert [tuple(row) for row in rows] == [
        (staff.actor, "testing.verb", str(thing), "done"),
        (staff.actor, "testing.verb", "", "TAKEN"),
    ]
    while await audit.chain():
        pass
    assert await audit.verify(tenant) is None
    import asyncpg

    owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    await owner.execute(
        "UPDATE kernel.audit SET outcome = 'done' WHERE tenant_id = $1 AND outcome = 'TAKEN'",
        tenant,
    )
    await owner.close()
    assert await audit.verify(tenant) == 2


async def test_a_body_that_does_not_fit_its_contract_is_found(
    database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of arguments are part of the contract: they are used over the wire."""

    async def other(call: Call, count: int) -> Answer:
        raise AssertionError

    ask = _door(question, other, "queries", monkeypatch)
    with pytest.raises(TypeError, match="does not fit its contract"):
        await ask(system(ids.new(), "tests"), 1)


async def test_signals_reach_other_processes(database: db.Database) -> None:
    """A hub in another process (another connection) hears within moments; none is lost."""
    from fahrwerk.kernel.live import Hub

    here, there = Hub(database.dsn), Hub(database.dsn)
    heard: list[str] = []
    there.hear("test", heard.append)
    await here.start()
    await there.start()
    try:
        await asyncio.sleep(0.3)
        with there.listening("test:7") as bell:
            for n in range(300):
                here.signal(f"test:{n}")
            await asyncio.wait_for(bell.wait(), 5)
        for _ in range(100):
            if len(set(heard)) == 300:
                break
            await asyncio.sleep(0.05)
        assert len(set(heard)) == 300
    finally:
        await here.stop()
        await there.stop()


async def test_queued_jobs_run_once_and_are_retried(database: db.Database) -> None:
    """Procrastinate on the same PostgreSQL, under its own role and schema."""
    from fahrwerk.kernel import jobs

    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)
        if len(ran) == 1:
            raise OSError("not yet")

    work.__module__ = "fahrwerk.testing.jobs"
    marked = jobs.task(retries=3)(work)
    try:
        async with jobs.opened(database.dsn) as queue:
            await marked.defer(number=7)
            async with jobs.consuming(queue):
                for _ in range(200):
                    if len(ran) == 2:
                        break
                    await asyncio.sleep(0.05)
    finally:
        jobs._tasks.pop()
    assert ran == [7, 7]
