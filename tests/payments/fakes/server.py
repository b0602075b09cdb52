"""What the stand-ins for gateways have in common: a loopback server, and requests that go wrong."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

FaultKind = Literal[
    "timeout_before", "timeout_after", "error_before", "error_after", "limited", "slow_answer"
]


@dataclass
class Fault:
    """Spoils the next ``times`` requests whose ``METHOD path`` fits."""

    request: str
    kind: FaultKind
    times: int = 1


@dataclass
class Kept:
    """What was answered to a key; None while the request runs."""

    request: tuple[str, bytes]
    answer: tuple[int, dict[str, Any]] | None = None


class Faults:
    """The script of what goes wrong next."""

    def __init__(self) -> None:
        self._script: list[Fault] = []

    def spoil(self, request: str, kind: FaultKind, times: int = 1) -> None:
        """Add a line."""
        self._script.append(Fault(request, kind, times))

    def clear(self) -> None:
        """Behave again."""
        self._script.clear()

    def next(self, request: str) -> FaultKind | None:
        """What happens to this request."""
        for fault in self._script:
            if fault.times > 0 and re.fullmatch(fault.request, request):
                fault.times -= 1
                return fault.kind
        return None


async def read_body(receive: Callable[[], Awaitable[Any]]) -> bytes:
    """The whole body of a request."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def silence(receive: Callable[[], Awaitable[Any]]) -> None:
    """Never answer: until the other side goes."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(
    send: Callable[[Any], Awaitable[None]], status: int, body: bytes, **headers: str
) -> None:
    """Send an answer."""
    pairs = {"content-type": "application/json", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The address of an application on loopback, in this very process and loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_level="critical",
        lifespan="off",
        http="h11",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
