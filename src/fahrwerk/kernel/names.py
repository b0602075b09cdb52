"""Questions to the DNS that the system's resolver has no function for: TXT and CNAME records.

A small client of RFC 1035: one question over UDP to the system's own name servers, over TCP when
the answer is too long. Answers count only when they repeat the question and its random number.
Tests, and whoever has a better one, put another function into ``resolver``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TIMEOUT_S = 3.0
MOST_BYTES = 16_384
_KINDS = {"TXT": 16, "CNAME": 5}
_MOST_JUMPS = 40


class NamesDown(Unavailable):
    """No name server answered; nothing is known."""

    code = "DNS_UNAVAILABLE"
    message = "The domain name system did not answer. Try again in a while."


async def ask(kind: str, name: str) -> list[str]:
    """The TXT or CNAME records of ``name``; none when there are none. Raises ``NamesDown``."""
    if db.in_transaction.get():
        raise RuntimeError("the network was asked inside a transaction")
    return await resolver(kind, name)


async def _system(kind: str, name: str) -> list[str]:
    for server in _servers():
        number = secrets.randbelow(65_536)
        question = _question(number, name, _KINDS[kind])
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await _over_udp(server, question)
                if answer[2] & 2:  # cut off
                    answer = await _over_tcp(server, question)
            return _records(answer, question, _KINDS[kind])
        except (OSError, TimeoutError, ValueError, struct.error, IndexError):
            continue
    raise NamesDown(retry_after=60)


resolver: Callable[[str, str], Awaitable[list[str]]] = _system
"""``(kind, name)`` to records."""


def _servers() -> list[str]:
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        lines = []
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(str(ipaddress.ip_address(words[1])))
            except ValueError:
                continue
    return (found or ["127.0.0.1"])[:3]


def _question(number: int, name: str, kind: int) -> bytes:
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(1 <= len(label) <= 63 for label in labels) or len(name) > 253:
        raise ValueError("no host name")
    path = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + path + struct.pack("!2H", kind, 1)


class _Once(asyncio.DatagramProtocol):
    def __init__(self, question: bytes) -> None:
        self.question = question
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        # The socket is connected, so it is the server's; a guessed number is somebody else's.
        is_ours = (
            data[:2] == self.question[:2] and data[12 : len(self.question)] == (self.question[12:])
        )
        if len(data) >= 12 and is_ours and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: str, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, once = await loop.create_datagram_endpoint(
        lambda: _Once(question), remote_addr=(server, 53)
    )
    try:
        transport.sendto(question)
        return await once.answer
    finally:
        transport.close()


async def _over_tcp(server: str, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, 53)
    try:
        writer.write(struct.pack("!H", len(question)) + question)
        size = struct.unpack("!H", await reader.readexactly(2))[0]
        if size > MOST_BYTES:
            raise ValueError("too long")
        answer = await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ValueError("cut off") from error
    finally:
        writer.close()
    if answer[:2] != question[:2]:
        raise ValueError("another question's answer")
    return answer


def _records(answer: bytes, question: bytes, kind: int) -> list[str]:
    """What the answer section says; a server that fails raises, an unknown name has none."""
    _, flags, _, count, _, _ = struct.unpack("!6H", answer[:12])
    code = flags & 0xF
    if code == 3:
        return []
    if code != 0:
        raise ValueError("the server refused")
    at, found = len(question), []
    for _ in range(min(count, 100)):
        _, at = _name(answer, at)
        what, _, _, length = struct.unpack("!2HIH", answer[at : at + 10])
        at += 10
        if what == kind == _KINDS["TXT"]:
            found.append(_text(answer[at : at + length]))
        elif what == kind:
            found.append(_name(answer, at)[0])
        at += length
    return found


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """A name, which may jump back into what was said before, and the place behind it."""
    labels: list[str] = []
    end: int | None = None
    for _ in range(_MOST_JUMPS + 128):
        size = answer[at]
        if size >= 0xC0:
            end = at + 2 if end is None else end
            at = (size & 0x3F) << 8 | answer[at + 1]
        elif size == 0:
            return ".".join(labels).lower(), at + 1 if end is None else end
        else:
            labels.append(answer[at + 1 : at + 1 + size].decode("ascii", "replace"))
            at += 1 + size
    raise ValueError("a name without an end")


def _text(data: bytes) -> str:
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts).decode("utf-8", "replace")
