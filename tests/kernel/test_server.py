"""The HTTP server's limits, against clients that are slow, silent, deaf or speak something else."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from fahrwerk.kernel import server
from fahrwerk.kernel.settings import Settings, installation_secret, load

HEAD = b"POST /echo HTTP/1.1\r\nHost: test\r\n"
QUICK_S = 1.0
PATIENCE_S = 15


class Quick(server.Line):
    """The same, in a hurry."""

    head_s = QUICK_S
    body_s = QUICK_S
    taken_s = 1.0
    most = 8


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Sends back what it gets; ``/flood`` never stops sending."""
    body = b""
    if scope["path"] != "/deaf":
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while scope["path"] == "/flood":
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body})


class Served:
    """A server on a port, and its side of the connections."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port = port
        self.state = state

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, sent: bytes) -> bytes:
        """Send bytes, and read until the server closes."""
        reader, writer = await self.connect()
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE_S)
        finally:
            writer.close()

    async def emptied(self) -> None:
        """Wait until the server has let go of everybody."""
        end = time.monotonic() + PATIENCE_S
        while self.state.connections:
            assert time.monotonic() < end, f"still {len(self.state.connections)} connections"
            await asyncio.sleep(0.02)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    config = uvicorn.Config(_app, http=Quick, ws="none", log_config=None, timeout_keep_alive=5)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Quick(config, state, {}), "127.0.0.1", 0)
    try:
        yield Served(listening.sockets[0].getsockname()[1], state)
    finally:
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        listening.close()
        for line in list(state.connections):
            line.transport.abort()
        await listening.wait_closed()


def _error(answer: bytes, status: int, code: str) -> None:
    """The one error format, also where no request came about."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} "), answer
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert error["request_id"] == headers["x-request-id"]


async def test_usual_requests_pass(served: Served) -> None:
    """Also two at once on one line, one in pieces, and one after a pause on the same line."""
    body = b"Content-Length: 3\r\n\r\nabc"
    reader, writer = await served.connect()
    writer.write(HEAD + body + HEAD + body)
    for piece in (HEAD[:10], HEAD[10:], body[:-1], body[-1:]):
        await asyncio.sleep(QUICK_S / 50)
        writer.write(piece)
    await asyncio.sleep(2 * QUICK_S)  # idle, as browsers are: the server's keep-alive is 5 s
    writer.write(HEAD + b"Connection: close\r\n" + body)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"\r\n3\r\nabc\r\n") == 4
    writer.close()


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n"])
async def test_who_says_nothing_is_let_go(served: Served, said: bytes) -> None:
    """F15: half-open connections."""
    answer = await served.say(said)
    if said:
        _error(answer, 408, "REQUEST_TIMEOUT")
    else:
        assert answer == b""
    await served.emptied()


async def test_a_head_in_drops_is_not_waited_for(served: Served) -> None:
    """F15: a byte now and then does not keep the line (slowloris)."""
    reader, writer = await served.connect()

    async def drip() -> None:
        for byte in HEAD * 10:
            writer.write(bytes([byte]))
            await asyncio.sleep(QUICK_S / 20)

    dripping = asyncio.create_task(drip())
    _error(await asyncio.wait_for(reader.read(), PATIENCE_S), 408, "REQUEST_TIMEOUT")
    dripping.cancel()
    writer.close()
    await served.emptied()


@pytest.mark.parametrize("path", [b"/echo", b"/deaf"])
async def test_a_body_that_does_not_come_is_not_waited_for(served: Served, path: bytes) -> None:
    """F15: neither before the answer nor, when the answer did not need it, after it."""
    head = HEAD.replace(b"/echo", path) + b"Content-Length: 100\r\n\r\nabc"
    answer = await served.say(head)
    if path == b"/echo":
        _error(answer, 408, "REQUEST_TIMEOUT")
    else:
        assert answer.startswith(b"HTTP/1.1 200 OK")
    await served.emptied()


async def test_blank_lines_between_requests_do_not_keep_the_line(served: Served) -> None:
    """F15: uvicorn's keep-alive stops at any byte; ours does not begin again."""
    reader, writer = await served.connect()
    writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
    assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.write(b"\r\n")
    _error(await asyncio.wait_for(reader.read(), PATIENCE_S), 408, "REQUEST_TIMEOUT")
    writer.close()
    await served.emptied()


async def test_who_does_not_read_is_let_go(served: Served) -> None:
    """F15: an answer that nobody takes does not wait for ever."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", served.port))
        await loop.sock_sendall(deaf, b"GET /flood HTTP/1.1\r\nHost: test\r\n\r\n")
        while not served.state.connections:
            await asyncio.sleep(0.01)
        await served.emptied()


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n\x00b: c\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_the_one_error_format(served: Served, said: bytes) -> None:
    """API-02; and what two servers might read differently (smuggling) is refused."""
    _error(await served.say(said), 400, "INVALID_HTTP")
    await served.emptied()


async def test_endless_headers_are_cut(served: Served) -> None:
    """Memory of one connection is bounded before there is a request."""
    reader, writer = await served.connect()
    writer.write(HEAD)

    async def more() -> None:
        while not writer.is_closing():
            writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
            await writer.drain()

    sending = asyncio.create_task(more())
    answer = b""
    try:
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        pass  # the server had already closed when more came
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    if answer:
        _error(answer, 431, "HEADERS_TOO_LARGE")
    await served.emptied()


async def test_too_many_connections_are_told_so(served: Served) -> None:
    """F15, F23: a cap, and room again afterwards."""
    lines = [await served.connect() for _ in range(Quick.most)]
    answer = await served.say(b"")
    _error(answer, 503, "SERVICE_UNAVAILABLE")
    for _, writer in lines:
        writer.close()
    await served.emptied()
    assert (await served.say(HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n")).startswith(
        b"HTTP/1.1 200"
    )


def test_only_named_proxies_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proxy X-Forwarded-For is anybody's invention, and limits go by address."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: given.update(options))
    server.serve("app", Settings(), workers=1)
    assert given["proxy_headers"] is False
    server.serve("app", Settings(trusted_proxies="10.0.0.0/8,192.0.2.7"), workers=1)
    assert given["proxy_headers"] is True
    assert given["forwarded_allow_ips"] == "10.0.0.0/8,192.0.2.7"
    assert load({"FAHRWERK_TRUSTED_PROXIES": "10.0.0.0/8"}).trusted_proxies == "10.0.0.0/8"
    for wrong in ("*", "proxy.example", "10.0.0.1/8"):
        with pytest.raises(SystemExit, match="FAHRWERK_TRUSTED_PROXIES"):
            load({"FAHRWERK_TRUSTED_PROXIES": wrong})


def test_a_short_secret_is_refused_in_production() -> None:
    """A token signed with a guessable secret is anybody's to make."""
    with pytest.raises(SystemExit, match="FAHRWERK_JWT_SECRET"):
        installation_secret(Settings(dev=False, jwt_secret="hunter2"))
    assert installation_secret(Settings(dev=True, jwt_secret="hunter2")) == "hunter2"
    assert installation_secret(Settings(dev=False, jwt_secret="x" * 32))
