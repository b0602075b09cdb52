"""What all requests and answers have in common, in ASGI's own terms; no framework in here."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.kernel.errors import Problem

# ASGI's messages and scopes are plain dictionaries; their exact types only cost casts here.
Scope = Any
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SAFE_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    # An answer is data unless its endpoint says otherwise: nothing in it may run or be fetched.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # Answers are about one caller of one operator; a client may keep them, but has to ask again.
    (b"cache-control", b"private, no-cache"),
)
"""Sent with every answer, except those an endpoint sets itself (GDP-17)."""

_ONE_OF = frozenset(
    (
        *(b"authorization", b"x-tenant-id", b"idempotency-key", b"host"),
        *(b"content-type", b"content-encoding", b"x-fahrwerk-time", b"origin"),
    )
)
_LISTS = frozenset((b"if-none-match", b"accept-language"))


MOST_ASKED = 100
"""Parameters of one question, however often each: none of ours asks for half as many."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong: ``code`` for programs, ``message`` for people, ``details`` by the code."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The one error format (API-02)."""

    error: ErrorDetail


class NotThisMedia(Invalid):
    """The body is of another type than the endpoint takes, or compressed."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    message = "The request body is of a type that is not understood here."


def headers_of(scope: Scope) -> tuple[dict[bytes, str], str | None]:
    """Headers by name; and the name of one that came twice although it decides something.

    Which of two is meant, a proxy and we may see differently, so that one is to be refused.
    """
    found: dict[bytes, str] = {}
    twice: str | None = None
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name in found:
            if name in _ONE_OF:
                twice = name.decode("latin-1")
            elif name in _LISTS:
                text = f"{found[name]}, {text}"
            elif name == b"cookie":  # HTTP/2 splits them; one that is there twice counts as none
                text = f"{found[name]}; {text}"
        found[name] = text
    return found, twice


def check_media(headers: dict[bytes, str], *, is_json: bool) -> None:
    """Raise ``NotThisMedia`` for a body that is compressed, or not the JSON it must be.

    Compressed bodies are refused: what a small one becomes is not known before it is too late.
    """
    if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
        raise NotThisMedia(field="Content-Encoding", issue="must be identity")
    kind = headers.get(b"content-type")
    if not is_json or kind is None or headers.get(b"content-length") == "0":
        return
    essence = kind.partition(";")[0].strip().lower()
    if essence != "application/json" and not (
        essence.startswith("application/") and essence.endswith("+json")
    ):
        raise NotThisMedia(field="Content-Type", issue="must be application/json")


@lru_cache(maxsize=8192)
def network_of(address: str) -> str:
    """Whom to count for an address: itself; with IPv6 the /64, which one owner has to himself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def completed(headers: Iterable[tuple[bytes, bytes]], *more: tuple[bytes, bytes]) -> Headers:
    """The headers, with those of ``more`` that are not there yet."""
    own = list(headers)
    there = {name for name, _ in own}
    own.extend(each for each in more if each[0] not in there)
    return own


def problem_answer(problem: Problem, request_id: str) -> tuple[Headers, bytes]:
    """A problem in the one error format; with ``Retry-After`` where waiting helps."""
    detail = ErrorDetail(problem.error_code, problem.text, problem.details, request_id)
    body = msgspec.json.encode(ErrorBody(detail))
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"cache-control", b"no-store"),
    ]
    if "retry_after" in problem.details:
        headers.append((b"retry-after", str(problem.details["retry_after"]).encode()))
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers, body


async def send_json(send: Send, body: bytes) -> None:
    """Answer a request with JSON that is encoded already."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Answer a request with a problem."""
    headers, body = problem_answer(problem, request_id)
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer a request with a body that is there as a whole."""
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def with_etag(
    known: str,
    receive: Receive,
    send: Send,
    run: Callable[[Receive, Send], Awaitable[None]],
) -> None:
    """Answer with an ETag of the body, and 304 to a client that has this very body already.

    ``known`` is its ``If-None-Match``.
    """
    start: Message | None = None
    chunks: list[bytes] = []

    async def collect(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if message["type"] != "http.response.body" or start is None:
            await send(message)
            return
        chunks.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(chunks)
        if start["status"] == 200:
            tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            start["headers"] = [*start["headers"], (b"etag", tag.encode())]
            if known == "*" or tag in (t.strip().removeprefix("W/") for t in known.split(",")):
                start["status"] = 304
                start["headers"] = [
                    (n, v)
                    for n, v in start["headers"]
                    if n not in (b"content-length", b"content-type")
                ]
                body = b""
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    await run(receive, collect)
