"""Rooms that another process serves: a door's call by HTTP, and who answers it (GDP-11).

The same call as between rooms of one process, as MessagePack: arguments, result and refusal, the
caller with what is left of its time, and the moment it takes for now. Each attempt carries a token
of its own for this room and this body (``service_tokens``). A question is asked again when the peer
dies over it; what changes something is not, unless it provably never arrived. A peer that is silent
is left alone for a moment (``outside.Peer``), and whoever asks hears ``Unavailable``, as of a
database that is down.
"""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from fahrwerk.kernel import asgi, audit, clock, doors, errors, ids, limits, outside, service_tokens
from fahrwerk.kernel.call import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fahrwerk.kernel.asgi import Receive, Scope, Send
    from fahrwerk.kernel.outside import Request

PATH = "/rooms/"
MOST_BYTES = 10 << 20
LEFT_ALONE_S = 2.0
"""A process of ours that does not answer is mostly being started anew."""
log = structlog.get_logger()


class _Asked(msgspec.Struct, frozen=True):
    door: str
    call: Call
    """Its deadline: the seconds that are left."""
    arguments: dict[str, msgspec.Raw]
    is_outermost: bool
    """Whoever asked is no deed of staff itself: this one is, and is written down here."""
    moved_to: datetime | None
    moves_leases: bool


class _Refused(msgspec.Struct, frozen=True):
    kind: str
    code: str
    text: str
    details: dict[str, Any]
    is_told: bool


class _Answer(msgspec.Struct, frozen=True):
    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    refused: _Refused | None = None
    notes: list[audit.Note] = []


class Place:
    """Another process that serves rooms of this installation."""

    def __init__(self, room: str, url: str, transport: Any = None) -> None:
        self.room = room
        self._peer = outside.Peer(
            f"room {room}", url, timeout_s=30, open_s=LEFT_ALONE_S, transport=transport
        )

    async def ask(self, door: doors.Door, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Ask a door of this room; its result. Raises what it raises, as its general kind."""
        bound = door.bind(args, kwargs)
        call: Call = bound.pop("call")
        body = msgspec.msgpack.encode(
            _Asked(
                door.name,
                msgspec.structs.replace(call, deadline=call.deadline - time.monotonic()),
                {name: msgspec.Raw(msgspec.msgpack.encode(x)) for name, x in bound.items()},
                doors.is_outermost(),
                clock.now() if clock.is_moved() else None,
                clock.lease_time() is not None,
            )
        )
        answer = await self._peer.call(
            "POST", PATH + self.room, safe=door.furniture == "queries", content=body,
            auth=partial(_signed, self.room, body),
        )  # fmt: skip
        if answer.status_code != 200:
            raise RuntimeError(f"{door.name} failed elsewhere: {answer.status_code}")
        said = msgspec.msgpack.decode(answer.content, type=_Answer)
        if (listening := audit.notes.get()) is not None:
            listening += said.notes
        if said.refused is not None:
            refused = said.refused
            problem = errors.KINDS[refused.kind](refused.text, code=refused.code, **refused.details)
            problem.is_told = refused.is_told
            raise problem
        return msgspec.msgpack.decode(said.result, type=door.types["return"])

    async def close(self) -> None:
        """Close idle connections."""
        await self._peer.close()


def _signed(room: str, body: bytes, request: Request) -> Request:
    """One attempt with a token of its own: a token is taken once."""
    request.headers["authorization"] = f"Bearer {service_tokens.token('room', room, body)}"
    return request


def places(text: str) -> list[Place]:
    """From ``FAHRWERK_ROOMS_AT``: ``payments=http://10.0.0.5:8090,wallet=http://10.0.0.5:8090``."""
    named = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return [Place(room, url) for room, _, url in named]


@contextlib.asynccontextmanager
async def looked_for(text: str) -> Any:
    """For the block, the rooms named are asked where they are."""
    made = places(text)
    doors.places.update({each.room: each.ask for each in made})
    try:
        yield
    finally:
        for each in made:
            doors.places.pop(each.room, None)
            await each.close()


_seen = limits.limiter({}, None)


@contextlib.asynccontextmanager
async def remembering(redis_url: str | None) -> AsyncIterator[None]:
    """For the block, tokens are remembered together with other processes: in Redis, if any."""
    global _seen
    before, _seen = _seen, limits.limiter({}, redis_url)
    try:
        yield
    finally:
        mine, _seen = _seen, before
        await mine.close()


async def answered(room: str, authorization: str, body: bytes) -> bytes:
    """What a door of ``room`` says to ``body``. Raises ``Unauthenticated``, ``NotFound``."""
    scheme, _, token = authorization.partition(" ")
    await service_tokens.taken(token if scheme == "Bearer" else "", room, body, _seen)
    asked = msgspec.msgpack.decode(body, type=_Asked)
    door = doors.known.get(asked.door)
    if door is None or door.room != room:
        raise errors.NotFound
    given = {
        name: msgspec.msgpack.decode(value, type=door.types[name])
        for name, value in asked.arguments.items()
    }
    call = msgspec.structs.replace(asked.call, deadline=asked.call.deadline + time.monotonic())
    notes: list[audit.Note] = []
    with contextlib.ExitStack() as within:
        if asked.moved_to is not None:
            within.enter_context(clock.moved_to(asked.moved_to, leases=asked.moves_leases))
        if not asked.is_outermost:
            within.enter_context(doors.within_a_deed(notes))
        try:
            result = await door.here(call=call, **given)
        except errors.Problem as problem:
            refused = _Refused(
                errors.kind_of(problem), problem.error_code, problem.text, problem.details,
                problem.is_told,
            )  # fmt: skip
            return msgspec.msgpack.encode(_Answer(refused=refused, notes=notes))
    return msgspec.msgpack.encode(_Answer(msgspec.Raw(msgspec.msgpack.encode(result)), None, notes))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The HTTP side of ``fahrwerk rooms``: ``POST /rooms/{room}`` for other processes of ours."""
    path, request_id = scope["path"], ids.request_id()
    try:
        if path == "/health":
            await asgi.send_json(send, b'{"status": "ok"}')
            return
        if scope["method"] != "POST" or not path.startswith(PATH):
            raise errors.NotFound
        headers, _ = asgi.headers_of(scope)
        body = await _whole(receive)
        found = await answered(path.removeprefix(PATH), headers.get(b"authorization", ""), body)
        kind = [(b"content-type", b"application/msgpack")]
        await asgi.send_whole(send, 200, kind, found)
    except errors.Problem as problem:
        await asgi.send_problem(send, problem, request_id)
    except Exception as error:
        log.error("a room failed", path=path, request_id=request_id, exc_info=error)
        await asgi.send_problem(send, errors.Problem(), request_id)


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise errors.Unavailable
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise errors.Invalid(field="body", issue=f"is larger than {MOST_BYTES} bytes")
        if not message.get("more_body"):
            return bytes(body)
