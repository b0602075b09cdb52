"""The HTTP server: uvicorn, with the limits that it leaves to a proxy (F15).

A connection costs nothing to open and everything to keep. So the head of a request must be there
within seconds, its body within two minutes, and what we send must be taken. Whoever is slower, or
speaks something that is not HTTP, gets a last word in the one error format, and the line is closed.
"""

from __future__ import annotations

import resource
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fahrwerk.kernel import asgi, ids
from fahrwerk.kernel.errors import Invalid, Problem, Unavailable

if TYPE_CHECKING:
    import asyncio

    from fahrwerk.kernel.settings import Settings

MOST_CONNECTIONS = 10_000


class TooSlow(Problem):
    """The request did not arrive in time."""

    status = 408
    code = "REQUEST_TIMEOUT"
    message = "The request took too long to arrive."


class HeadTooLarge(Invalid):
    """More headers than anybody needs."""

    status = 431
    code = "HEADERS_TOO_LARGE"
    message = "The request's headers are too large."


class NotHttp(Invalid):
    """What came is not HTTP."""

    code = "INVALID_HTTP"
    message = "This is not a valid HTTP request."


class Line(HttpToolsProtocol):
    """One connection. What is awaited from the client stands in ``_awaited``."""

    head_s = 10.0
    head_bytes = 64 << 10
    body_s = 120.0
    taken_s = 60.0
    most = MOST_CONNECTIONS

    _awaited = "head"
    _heard = 0
    """Bytes of the head so far."""
    _watch: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _drop_when_dead(transport, self.taken_s)
        if len(self.connections) > self.most:
            self._close_with(Unavailable("Too many connections. Try again shortly.", retry_after=5))
        else:
            self._expect_in_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._unstick()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaited == "nothing":
            self._awaited = "head"
        if self._awaited == "head":
            self._heard += len(data)
        super().data_received(data)
        if self._awaited == "head" and self._heard > self.head_bytes:
            self._close_with(HeadTooLarge(field="headers", issue="are too large"))
        elif self._watch is None and self._awaited != "nothing":
            self._expect_in_time()

    def on_headers_complete(self) -> None:
        self._stop_watching()
        self._awaited, self._heard = "body", 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_watching()
        self._awaited = "nothing"
        super().on_message_complete()

    def on_message_begin(self) -> None:
        self._awaited = "head"
        super().on_message_begin()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(self.taken_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._unstick()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn says to what is not HTTP, in our words."""
        self._close_with(NotHttp(field="request", issue="is malformed"))

    def _expect_in_time(self) -> None:
        seconds = self.head_s if self._awaited == "head" else self.body_s
        self._watch = self.loop.call_later(seconds, self._not_in_time)

    def _not_in_time(self) -> None:
        self._watch = None
        if self._awaited == "head" and not self._heard:
            self.transport.close()  # it never said a word
        else:
            self._close_with(TooSlow())

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _unstick(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _close_with(self, problem: Problem) -> None:
        """Answer, unless an answer is on its way, and close."""
        self._stop_watching()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering:
            cycle.disconnected = True  # whatever the application still says is for nobody
            cycle.message_event.set()
        if not is_answering or not cycle.response_started:
            headers, body = asgi.problem_answer(problem, ids.request_id())
            headers = asgi.completed(headers, *asgi.SAFE_HEADERS, (b"connection", b"close"))
            lines = [name + b": " + value + b"\r\n" for name, value in headers]
            self.transport.write(b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body]))
        self.transport.close()


def _drop_when_dead(transport: asyncio.Transport, seconds: float) -> None:
    """Have the system give up on a client that acknowledges nothing, or never reads (Linux)."""
    connected: Any = transport.get_extra_info("socket")
    if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def make_room() -> None:
    """Let this process have as many files open as the system allows it: a connection is one."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 1000
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def serve(
    app: str, settings: Settings, *, host: str | None = None, port: int | None = None, workers: int
) -> None:
    """Serve ``module:factory`` until told to stop. The address of a caller is a proxy's word only
    when the proxy is one of ``FAHRWERK_TRUSTED_PROXIES``."""
    make_room()
    uvicorn.run(
        app,
        factory=True,
        host=host or settings.http_host,
        port=port or settings.http_port,
        workers=workers,
        http=f"{__name__}:{Line.__name__}",
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
