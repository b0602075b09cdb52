"""The lease on a key: short, renewed while the request runs, free soon after a crash (F1)."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.kernel import clock, db, keyed

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from tests.world import World

SCOPE = {"method": "POST", "path": "/things", "query_string": b""}


class Requests:
    """Requests with one key, and how often one of them ran."""

    def __init__(self, call: Call) -> None:
        self.call = msgspec.structs.replace(call, key="a key")
        self.runs = 0
        self.may_answer = asyncio.Event()

    async def send(self) -> int:
        """One more; the status it is answered with."""
        statuses: list[int] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def out(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async def run(_: Any, send: Any) -> None:
            self.runs += 1
            await self.may_answer.wait()
            await send({"type": "http.response.start", "status": 201, "headers": []})
            await send({"type": "http.response.body", "body": b"made"})

        await keyed.answer(self.call, SCOPE, receive, out, run, 1_000)
        return statuses[0]


async def test_a_long_request_keeps_its_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is renewed while it runs: a repeat is told to wait however long that is."""
    monkeypatch.setattr(keyed, "RENEW_S", 0.02)
    requests = Requests(await world.rider())
    first = asyncio.create_task(requests.send())
    await asyncio.sleep(0.05)
    await db.run("kernel", requests.call, "UPDATE kernel.idempotency SET lease_until = now()")
    await asyncio.sleep(0.2)
    with pytest.raises(keyed.InFlight):
        await requests.send()
    requests.may_answer.set()
    assert await first == await requests.send() == 201
    assert requests.runs == 1


async def test_a_dead_process_lets_go_of_its_key(world: World) -> None:
    """Nobody renews: the repeat waits for seconds, then runs."""
    requests = Requests(await world.rider())
    requests.may_answer.set()
    digest = hashlib.sha256(b"POST /things?b''\n{}").digest()
    caller = str(requests.call.user)
    assert await db.run("kernel", requests.call, keyed._CLAIM, caller, "a key", digest)
    with pytest.raises(keyed.InFlight):
        await requests.send()
    with clock.moved_to(clock.now() + timedelta(seconds=keyed.LEASE_S + 1)):
        assert await requests.send() == 201
    assert requests.runs == 1
