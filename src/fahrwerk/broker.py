"""The bundled MQTT broker: what ``fahrwerk up`` starts when no other broker is configured.

It is amqtt (MQTT 3.1.1) behind a listener of our own, because amqtt alone accepts packets of any
size, waits for ever for a client that says or reads nothing, and takes the CONNECT of an MQTT 5
client that has a user name for garbage instead of refusing it. It asks for no password, hence it
listens on loopback unless told otherwise; whoever calls itself a vehicle speaks and listens under
its own topic only. And it keeps nothing: no retained messages, no session of a client that is gone.
In production a real MQTT 5 broker (Mosquitto, EMQX) takes its place.

As a process: ``python -m fahrwerk.broker --port 1883``. Prints ``listening on mqtt://...`` when it
is ready, ends cleanly on SIGTERM and SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import re
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

MAX_CONNECTIONS = 2_000
MAX_PACKET_BYTES = 256 * 1024
MAX_WAITING_MESSAGES = 10_000
MAX_UNREAD_BYTES = 4 * 1024 * 1024
CONNECT_WITHIN_S = 10
CLOSE_WITHIN_S = 2

_CONNECT, _PUBLISH, _SUBSCRIBE = 0x10, 0x30, 0x80
_WILL = 0x04
_VEHICLE = re.compile(rb"[a-z]+_[0-9A-Za-z]{22}")
_RETAIN, _WILL_RETAIN = 0x01, 0x20
_MQTT, _LEVEL_3_1_1 = b"\x00\x04MQTT", 4
# CONNACK "unacceptable protocol version", written as MQTT 3.1.1 writes it: on this answer a client
# that speaks MQTT 5 comes back with 3.1.1.
_WRONG_VERSION = b"\x20\x02\x00\x01"
# Longer than any keep-alive, so that ours below comes first: amqtt's own only logs.
_NEVER_S = 1 << 20

_log = logging.getLogger(__name__)


@asynccontextmanager
async def running(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """A broker for as long as the block lasts; yields its URL. Port 0 takes a free one.

    Raises ``OSError`` when the port is taken or the address is not this machine's.
    """
    broker = Broker(
        {
            "listeners": {"default": {"type": "external"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}},
            "timeout_disconnect_delay": _NEVER_S,
        }
    )
    sessions: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(sessions) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        session = asyncio.create_task(_session(broker, reader, writer))
        sessions.add(session)
        session.add_done_callback(sessions.discard)

    server = await asyncio.start_server(accept, host, port, start_serving=False)
    try:
        await broker.start()
        await server.start_serving()
        bound = server.sockets[0].getsockname()[1]
        yield f"mqtt://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        server.close()
        await broker.shutdown()
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


async def serve(host: str = "127.0.0.1", port: int = 1883) -> None:
    """Run the broker until cancelled; writes ``listening on <url>`` to standard output when ready.

    Raises ``OSError`` when the port is taken or the address is not this machine's.
    """
    async with running(host, port) as url:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


async def _session(
    broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One client, from its first packet to its last."""
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            head, body = await _packet(reader)
        if head[0] & 0xF0 != _CONNECT or body[:6] != _MQTT or len(body) < 10:
            return
        if body[6] != _LEVEL_3_1_1:
            writer.write(_WRONG_VERSION)
            return
        body[7] &= ~_WILL_RETAIN
        name, rest = _text(body[10:])
        own = b"vehicles/" + name + b"/" if _VEHICLE.fullmatch(name) else b""
        if body[7] & _WILL:
            _check_own(own, _text(rest)[0])
        await broker.external_connected(
            _Reader(reader, head + body, int.from_bytes(body[8:10], "big"), broker, own),
            _Writer(writer),
            "default",
        )
    except (OSError, EOFError, TimeoutError):
        pass  # it left, or never said what it wanted
    except Exception:
        _log.debug("an MQTT session failed", exc_info=True)
    finally:
        writer.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()


async def _packet(reader: asyncio.StreamReader) -> tuple[bytearray, bytearray]:
    """The next MQTT packet: its fixed header, and the rest of it."""
    head = bytearray(await reader.readexactly(2))
    length, shift = head[1] & 0x7F, 7
    while head[-1] & 0x80:
        head += await reader.readexactly(1)
        length |= (head[-1] & 0x7F) << shift
        shift += 7
        if length > MAX_PACKET_BYTES or shift > 28:
            raise ConnectionResetError("the packet is too large")
    return head, bytearray(await reader.readexactly(length))


def _text(data: bytearray) -> tuple[bytes, bytearray]:
    """A text with its length before it, and what follows."""
    end = 2 + int.from_bytes(data[:2], "big")
    return bytes(data[2:end]), data[end:]


def _check_own(own: bytes, topic: bytes) -> None:
    """A vehicle has nothing to do with others' topics: it is hung up on. Empty: not a vehicle."""
    if own and not topic.startswith(own):
        _log.warning("hung up on %r: not its topic: %r", own, topic[:100])
        raise ConnectionResetError("not its own topic")


class _Reader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt has no types
    """Hands amqtt what a client sends: whole packets, bounded, and no faster than they go on."""

    def __init__(
        self, reader: asyncio.StreamReader, first: bytearray, keep_alive_s: int, broker: Broker,
        own: bytes,
    ) -> None:  # fmt: skip
        super().__init__(reader)
        self._own = own
        self._left = first
        self._is_broken = False
        self._patience_s = keep_alive_s * 1.5 or None
        self._waiting = broker._broadcast_queue
        self._delivering = broker._tasks_queue

    async def read(self, n: int = -1) -> bytes:
        if not self._left:
            # A packet is begun with one byte; whoever wants more believes a wrong length.
            self._is_broken |= n != 1
            if self._is_broken:
                raise ConnectionResetError("a packet is shorter than what is in it")
            self._left = await self._next()
        piece = bytes(self._left[:n])
        del self._left[:n]
        return piece

    async def _next(self) -> bytearray:
        try:
            async with asyncio.timeout(self._patience_s):
                head, body = await _packet(self._reader)
        except TimeoutError:
            raise ConnectionResetError("nothing heard within the keep-alive") from None
        if head[0] & 0xF0 == _SUBSCRIBE:
            rest = body[2:]
            while rest:
                topic, rest = _text(rest)
                if topic != self._own + b"zones":
                    _check_own(self._own and self._own + b"commands/", topic)
                rest = rest[1:]
        if head[0] & 0xF0 == _PUBLISH:
            head[0] &= ~_RETAIN
            _check_own(self._own, _text(body)[0])
            while self._is_behind():  # noqa: ASYNC110 (amqtt tells nobody when it has caught up)
                await asyncio.sleep(0.01)
        return head + body

    def _is_behind(self) -> bool:
        if self._waiting.qsize() > MAX_WAITING_MESSAGES:
            return True
        # amqtt clears finished deliveries away only when the next message comes, so a long list
        # alone says nothing: the oldest must still be under way.
        deliveries = self._delivering
        return len(deliveries) > MAX_WAITING_MESSAGES and not deliveries[0].done()


class _Writer(StreamWriterAdapter):  # type: ignore[misc]
    """Never waits for a client that does not read: a late one would hold up all the others."""

    async def drain(self) -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._writer.transport.abort()

    async def close(self) -> None:
        self.is_closed = True
        self._writer.close()


async def _until_stopped(host: str, port: int) -> None:
    serving = asyncio.ensure_future(serve(host, port))
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # carries a fifth more; there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: see the module's docstring. Exit code 1 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m fahrwerk.broker", description="MQTT broker")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: here)")
    parser.add_argument("--port", type=int, default=1883, help="0 takes a free one (default: 1883)")
    wanted = parser.parse_args(arguments)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(wanted.host, wanted.port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "another program has it" if taken else error.strerror
        sys.stderr.write(f"cannot listen on {wanted.host}:{wanted.port}: {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
