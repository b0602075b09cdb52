"""Calls to servers that are not ours: time-outs, retries where safe, a breaker per peer.

No room opens a connection to the outside by itself. A time-out means *unknown*, not *failed*:
``OutcomeUnknown`` says that the peer may have done it, ``NotReached`` that it provably did not.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx

from fahrwerk.kernel import db, observe
from fahrwerk.kernel.addresses import is_public
from fahrwerk.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

BREAKER_FAILURES = 5
BREAKER_OPEN_S = 30.0
RESPONSE_BYTES = 10 << 20
Answer = httpx.Response
Request = httpx.Request
Connections = httpx.AsyncHTTPTransport


def connections() -> Connections:
    """Connections for several peers at one address, such as one for each operator."""
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=50))


class NotReached(Unavailable):
    """The request provably never took effect: the connection failed or the breaker is open."""

    code = "PEER_UNREACHABLE"


class OutcomeUnknown(Unavailable):
    """The request was sent and no answer came: it may or may not have taken effect."""

    code = "PEER_OUTCOME_UNKNOWN"


class Peer:
    """One outside server. ``call`` is one request; safe ones are tried up to three times.

    ``timeout_s`` is for a whole answer, so that one that comes drop by drop ends too. After five
    failures in a row it is not asked for ``open_s``.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        open_s: float = BREAKER_OPEN_S,
    ) -> None:
        self.name = name
        self._open_s = open_s
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=min(3.0, timeout_s)),
            # Not compressed: of a bomb one would see the size only when it has gone off.
            headers={"accept-encoding": "identity", **(headers or {})},
            follow_redirects=False,
            transport=transport,
            limits=httpx.Limits(max_connections=50),
        )
        self._failures = 0
        self._open_until = 0.0

    async def call(
        self, method: str, path: str, *, safe: bool | None = None, **request: Any
    ) -> httpx.Response:
        """One request to a path below the peer's address (a whole address is a mistake, or worse).

        ``safe``: may be repeated (default: GET only, or pass True with a key). Raises
        ``NotReached`` or ``OutcomeUnknown``; an answer of any status is returned.
        """
        if db.in_transaction.get():
            raise RuntimeError(f"a call to {self.name} inside a transaction")
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"not a path of {self.name}: {path!r}")
        if time.monotonic() < self._open_until:
            raise NotReached(f"{self.name} is not answering.", peer=self.name)
        repeat = method == "GET" if safe is None else safe
        for attempt in range(3 if repeat else 1):
            if attempt:
                await asyncio.sleep(random.uniform(0.05, 0.15) * 2**attempt)
            last = attempt == (2 if repeat else 0)
            try:
                response = await self._whole(method, path, request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                self._failed("unreachable")
                if last:
                    raise NotReached(f"{self.name} cannot be reached.", peer=self.name) from error
            except (httpx.HTTPError, TimeoutError) as error:
                self._failed("unknown")
                if last:
                    raise OutcomeUnknown(f"{self.name} did not answer.", peer=self.name) from error
            else:
                if response.status_code < 500:
                    self._failures = 0
                    observe.outside_calls.labels(self.name, "answered").inc()
                    return response
                self._failed("server_error")
                if last:
                    return response
        raise AssertionError("unreachable")

    async def _whole(self, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        async with (
            asyncio.timeout(self._timeout_s),
            self._client.stream(method, path, **request) as response,
        ):
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > RESPONSE_BYTES:
                    raise httpx.RemoteProtocolError(f"more than {RESPONSE_BYTES} bytes")
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(
            response.status_code, headers=headers, content=bytes(body), request=response.request
        )

    def _failed(self, outcome: str) -> None:
        observe.outside_calls.labels(self.name, outcome).inc()
        self._failures += 1
        if self._failures >= BREAKER_FAILURES:
            self._open_until = time.monotonic() + self._open_s
            self._failures = 0

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()


class _PublicOnly(httpx.AsyncBaseTransport):
    """Connects to public addresses only, and to the very address that was looked at.

    A name that a user gave may point into our own network, now or a moment later.
    """

    def __init__(self, *, is_dev: bool) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._is_dev = is_dev

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = await self._address(host, request.url.port)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def _address(self, host: str, port: int | None) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port or 443, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise httpx.ConnectError(f"{host} has no address") from error
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for each in addresses:
            if not is_public(each) and not (self._is_dev and each.is_loopback):
                raise httpx.ConnectError(f"{host} is not public")
        return str(addresses[0])

    async def aclose(self) -> None:
        await self._inner.aclose()


def stranger(
    name: str, base_url: str, *, headers: Mapping[str, str] | None = None, is_dev: bool = False
) -> Peer:
    """A server whose address a user gave: https, public, no redirects, bounded in size and time.

    In development this very machine is allowed too. Raises ``ValueError`` for another scheme.
    """
    scheme = httpx.URL(base_url).scheme
    if scheme != "https" and not (is_dev and scheme == "http"):
        raise ValueError(f"not an https address: {base_url!r}")
    return Peer(name, base_url, headers=headers, transport=_PublicOnly(is_dev=is_dev))
