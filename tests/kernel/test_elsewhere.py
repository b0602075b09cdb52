"""Rooms in another process: who may ask them, and what becomes of a call (GDP-11).

That they answer as here is in test_doors; a whole ride over processes is in journeys/test_split.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from fahrwerk.kernel import audit, clock, db, doors, elsewhere, ids, service_tokens
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import NotFound, Unauthenticated, Unavailable
from fahrwerk.kernel.settings import load
from tests.kernel.test_doors import _door


class Peer(httpx.AsyncBaseTransport):
    """The other process; it dies over the first ``deaths`` requests."""

    def __init__(
        self, deaths: int = 0, error: type[httpx.TransportError] = httpx.ReadError
    ) -> None:
        self.inner = httpx.ASGITransport(app=elsewhere.app)
        self.left, self.error = deaths, error
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.left > 0:
            self.left -= 1
            raise self.error("gone")
        return await self.inner.handle_async_request(request)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the room of the tests served by this peer."""

    def serve(peer: Peer) -> Peer:
        place = elsewhere.Place("testing", "http://elsewhere", peer)
        monkeypatch.setitem(doors.places, "testing", place.ask)
        return peer

    return serve


async def when(call: Call) -> datetime:
    """A contract signature."""
    raise AssertionError


async def _when(call: Call) -> datetime:
    assert call.deadline > time.monotonic()
    return clock.now()


async def deed(call: Call, word: str) -> str:
    """A contract signature."""
    raise AssertionError


async def _deed(call: Call, word: str) -> str:
    audit.changed("thing", {"word": ""}, {"word": word})
    return word


async def test_time_travels_along(
    at: Any, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of a caller's time, and the moment that is taken for now."""
    at(Peer())
    ask = _door(when, _when, "queries", monkeypatch)
    long_ago = datetime(2020, 2, 29, 12, tzinfo=UTC)
    with clock.moved_to(long_ago):
        assert await ask(Call(tenant=ids.new(), deadline=time.monotonic() + 60)) == long_ago
    assert await ask(system(ids.new(), "tests")) > long_ago


async def test_questions_are_asked_again_and_deeds_are_not(
    at: Any, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RNT-29: nobody knows what became of a deed whose answer was lost; one that never arrived is
    no deed."""
    call = system(ids.new(), "tests")
    ask = _door(when, _when, "queries", monkeypatch)
    do = _door(deed, _deed, "actions", monkeypatch)
    peer = at(Peer(2))
    await ask(call)
    assert len(peer.seen) == 3
    assert len({each.headers["authorization"] for each in peer.seen}) == 3
    peer = at(Peer(1))
    with pytest.raises(Unavailable) as lost:
        await do(call, "x")
    assert (lost.value.error_code, len(peer.seen)) == ("PEER_OUTCOME_UNKNOWN", 1)
    at(Peer(9, httpx.ConnectError))
    with pytest.raises(Unavailable) as away:
        await do(call, "x")
    assert away.value.error_code == "PEER_UNREACHABLE"


async def test_a_deed_within_a_deed_is_told_to_its_row(
    at: Any, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDP-07: one row for what staff did, with what changed in the other process too."""
    at(Peer())
    do = _door(deed, _deed, "actions", monkeypatch)
    tenant = ids.new()
    staff = Call(tenant=tenant, user=ids.new(), roles=frozenset({"admin"}))
    notes: list[audit.Note] = []
    with doors.within_a_deed(notes):
        await do(staff, "within")
    assert [note.after for note in notes] == [{"word": "within"}]
    await do(staff, "alone")
    rows = await audit.search(staff, audit.Wanted(), None, 10)
    assert [row.detail for row in rows] == [{"before": {"word": ""}, "after": {"word": "alone"}}]


async def test_nobody_else_is_answered(
    at: Any, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDP-11: no token, another room's, another body's; a door that is not there."""
    peer = at(Peer())
    ask = _door(when, _when, "queries", monkeypatch)
    await ask(system(ids.new(), "tests"))
    body = peer.seen[0].content
    good = service_tokens.token("room", "testing", body)
    assert await elsewhere.answered("testing", f"Bearer {good}", body)
    for overheard in (f"Bearer {good}", peer.seen[0].headers["authorization"]):
        with pytest.raises(Unauthenticated):
            await elsewhere.answered("testing", overheard, body)
    other_room = service_tokens.token("room", "payments", body)
    for token in ("", good[:-2], other_room, service_tokens.token("room", "testing", b"x")):
        with pytest.raises(Unauthenticated):
            await elsewhere.answered("testing", f"Bearer {token}", body)
    asked = {**msgspec.msgpack.decode(body), "door": "testing.nothing"}
    wrong = msgspec.msgpack.encode(asked)
    token = service_tokens.token("room", "testing", wrong)
    with pytest.raises(NotFound):
        await elsewhere.answered("testing", f"Bearer {token}", wrong)
    async with httpx.AsyncClient(transport=peer.inner, base_url="http://elsewhere") as stranger:
        for path in ("/rooms/testing", "/rooms/", "/", "/rooms/testing/../x"):
            answer = await stranger.post(path, content=body)
            assert answer.status_code in (401, 404)
            assert set(answer.json()["error"]) == {"code", "message", "details", "request_id"}
        large = await stranger.post("/rooms/testing", content=b"x" * (elsewhere.MOST_BYTES + 1))
        assert large.status_code == 400
        assert (await stranger.get("/health")).status_code == 200


@pytest.mark.parametrize("text", ["payments", "nothing=http://x", "payments=ftp://x"])
def test_a_place_that_does_not_fit_is_named(text: str) -> None:
    """Said at the start, with the name of the variable."""
    with pytest.raises(SystemExit, match="FAHRWERK_ROOMS_AT"):
        load({"FAHRWERK_ROOMS_AT": text})
