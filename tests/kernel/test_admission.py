"""Strangers at the front door: counted before they are looked up, told nothing they could use."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from litestar import Response, get, post
from litestar.params import JSONBody

from fahrwerk.kernel import asgi, crypto, ids, observe, outside, web
from fahrwerk.kernel.call import Rights
from fahrwerk.kernel.errors import Busy, NotFound
from fahrwerk.kernel.limits import Limit, Limiter
from fahrwerk.kernel.settings import Settings


class Shop(msgspec.Struct, frozen=True):
    """An operator as the front door sees one."""

    id: UUID
    slug: str
    locale: str = "de"
    currency: str = "EUR"
    status: str = "active"
    max_requests_per_minute: int | None = None
    web_origins: tuple[str, ...] = ()


class Front:
    """One operator; counts how often it is asked."""

    def __init__(self) -> None:
        self.one = Shop(ids.new(), "one")
        self.asked = 0

    def _found(self, is_it: bool) -> Shop | None:
        self.asked += 1
        return self.one if is_it else None

    async def operator_by_slug(self, slug: str) -> Shop | None:
        return self._found(slug == "one")

    async def operator_by_host(self, host: str) -> Shop | None:
        return self._found(host == "one.example")

    async def operator_by_id(self, tenant: UUID) -> Shop | None:
        return self._found(tenant == self.one.id)

    async def is_web_origin(self, origin: str) -> bool:
        return False

    async def operator_of_pages(self) -> None:
        return None

    async def key_holder(self, key: str, address: str) -> None:
        return None

    async def page_session(self, token: str) -> None:
        return None

    async def has_ended(self, tenant: UUID, session: UUID) -> bool:
        return False

    async def rights_of(self, tenant: UUID, user: UUID, roles: frozenset[str]) -> Rights:
        return Rights(roles, frozenset({"tests.thing.read", "tests.thing.create"}))


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: str


@get("/open", public=True)
async def open_to_all() -> dict[str, str]:
    return {}


@get("/probe", public=True, limit=None)
async def probe(call: web.Caller) -> dict[str, str]:
    return {"tenant": call.tenant_slug}


@get("/things", permission="tests.thing.read")
async def things(call: web.Caller) -> dict[str, str]:
    return {"tenant": call.tenant_slug, "address": call.address, "request": call.request_id}


@post("/things", permission="tests.thing.create")
async def create(data: JSONBody[Thing]) -> dict[str, str]:
    return {"name": data.name}


@get("/own", public=True)
async def own_headers() -> Response[dict[str, str]]:
    return Response({}, headers={"referrer-policy": "no-referrer", "cache-control": "public"})


class Door:
    """An application of its own, with small limits, and requests just as a server hands them on."""

    def __init__(self, limits: str = "general=5/hour", **options: Any) -> None:
        crypto.set_signing_secret("tests")
        self.front = Front()
        settings = Settings(rate_limits=limits, **options)
        handlers = [open_to_all, probe, things, create, own_headers]
        self.app = web.create_app(settings, handlers, self.front)

    async def ask(
        self, path: str, *headers: tuple[str, str], address: str = "192.0.2.1", method: str = "GET",
        body: bytes = b"",
    ) -> httpx.Response:  # fmt: skip
        """Header names and values go in as they are: any bytes, as often as they are given."""
        sent: list[Any] = []
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
            "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers],
            "server": ("test", 80), "client": (address, 1), "state": {}, "extensions": {},
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        content = b"".join(m.get("body", b"") for m in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content)

    def token(self) -> tuple[str, str]:
        token = crypto.issue_token(ids.new(), self.front.one.id, ["customer"], ids.new())
        return "Authorization", f"Bearer {token}"


def _code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_strangers_are_counted_before_anybody_is_looked_up() -> None:
    """API-20, F23: made-up operators, hosts and tokens reach the database as often as allowed."""
    for header, name in (("X-Tenant-ID", "nobody-{}"), ("Host", "nobody-{}.example")):
        door = Door()
        answers = [await door.ask("/open", (header, name.format(n))) for n in range(20)]
        assert [a.status_code for a in answers[5:]] == [429] * 15
        assert door.front.asked == 5
    door = Door()
    answers = [await door.ask("/things", ("Authorization", f"Bearer x.y.{n}")) for n in range(20)]
    assert [a.status_code for a in answers] == [401] * 5 + [429] * 15
    assert door.front.asked == 0


async def test_a_person_is_counted_by_its_token_wherever_it_calls_from() -> None:
    """And does not use up what others at the same address have."""
    door = Door()
    first, second = door.token(), door.token()
    answers = [await door.ask("/things", first, address=f"192.0.2.{n}") for n in range(7)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    assert (await door.ask("/things", second)).status_code == 200
    assert (await door.ask("/open", ("X-Tenant-ID", "one"))).status_code == 200


async def test_one_owner_of_many_addresses_is_one() -> None:
    """IPv6: a customer has 2**64 addresses; a mapped IPv4 address is that address."""
    door = Door()
    answers = [await door.ask("/open", address=f"2001:db8:0:1::{n:x}") for n in range(8)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
    assert (await door.ask("/open", address="2001:db8:0:2::1")).status_code == 200
    for address in ("198.51.100.7", "::ffff:198.51.100.7", "::ffff:c633:6407"):
        assert asgi.network_of(address) == "198.51.100.7"
    assert asgi.network_of("fe80::1%eth0") == "fe80::/64"


async def test_probes_ask_for_nothing_and_are_not_counted() -> None:
    """OPS-20: whether the process lives does not hang on the database, or on who asks."""
    door = Door("general=1/hour")
    for n in range(5):
        answer = await door.ask("/probe", ("X-Tenant-ID", f"x{n}"), ("Host", "one.example"))
        assert (answer.status_code, answer.json()) == (200, {"tenant": ""})
        assert "ratelimit-limit" not in answer.headers
    assert door.front.asked == 0


@pytest.mark.parametrize(
    "header",
    [
        *("Authorization", "X-Tenant-ID", "Idempotency-Key", "Host", "Content-Type"),
        *("Content-Encoding", "X-Fahrwerk-Time"),
    ],
)
async def test_what_decides_something_comes_once(header: str) -> None:
    """Which of two is meant, a proxy in front may see differently."""
    door = Door()
    answer = await door.ask("/open", (header, "one"), (header, "two"))
    assert (answer.status_code, _code(answer)) == (400, "VALIDATION_ERROR")
    error = answer.json()["error"]
    assert error["details"] == {"field": header.lower(), "issue": "was sent more than once"}
    assert door.front.asked == 0


async def test_what_may_come_often_does_no_harm() -> None:
    """Lists are one list; of the rest the last counts, or none."""
    door = Door("general=100/hour")
    again = [("Accept-Language", "fr"), ("Accept-Language", "en"), ("X-Forwarded-For", "1.2.3.4")]
    again += [("X-Request-ID", "a"), ("X-Request-ID", "b"), ("Cookie", "a=b"), ("Cookie", "a=c")]
    answer = await door.ask("/things", door.token(), *again)
    assert answer.status_code == 200
    assert answer.json()["address"] == "192.0.2.1"
    assert answer.headers["x-request-id"] == answer.json()["request"] == "b"


@pytest.mark.parametrize(
    "text",
    [*("a\r\nX-Evil: 1", "a\n", "\0", "é", "x" * 81, "a b", "<script>", ""), "${jndi:ldap://x}"],
)
async def test_nothing_of_a_header_comes_back_unread(text: str) -> None:
    """Header injection: what is not a plain id is replaced."""
    door = Door("general=1000/hour")
    named = [(name, text) for name in ("X-Request-ID", "Traceparent", "Accept-Language", "Origin")]
    answer = await door.ask("/things", door.token(), *named)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
    assert not [v for v in answer.headers.values() if len(text) > 1 and text in v]
    assert "x-evil" not in answer.headers
    assert not [n for n in answer.headers if n.startswith("access-control")]


@pytest.mark.parametrize("key", ["", " ", "a\tb", "é", "\x7f", "x" * 256, "\0", " a", "a\r\nb"])
async def test_keys_that_are_none(key: str) -> None:
    """PAY-29: 400 before anything runs; also where no key is needed."""
    door = Door("general=1000/hour")
    for method in ("GET", "POST"):
        answer = await door.ask(
            "/things", door.token(), ("Idempotency-Key", key), method=method, body=b'{"name":"a"}'
        )
        assert (answer.status_code, _code(answer)) == (400, "VALIDATION_ERROR")
        assert answer.json()["error"]["details"]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("host", ["[::1", "a@b", "a b", "é", "a:b", "a:123456", "x" * 300, "[x]"])
async def test_hosts_that_are_none(host: str) -> None:
    """Refused before it is part of an address in somebody's receipt."""
    door = Door()
    answer = await door.ask("/open", ("Host", host))
    assert (answer.status_code, _code(answer)) == (400, "VALIDATION_ERROR")
    assert door.front.asked == 0


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1999-12-31T23:59:59Z", "0",
     "2026-01-01T00:00:00", "", "x"],
)  # fmt: skip
async def test_times_that_are_none(time: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may move the clock may still not move it anywhere."""
    door = Door("general=1000/hour")

    async def all_of_it(tenant: UUID, user: UUID, roles: frozenset[str]) -> Rights:
        return Rights(roles, frozenset({"*"}))

    monkeypatch.setattr(door.front, "rights_of", all_of_it)
    answer = await door.ask("/things", door.token(), ("X-Fahrwerk-Time", time))
    assert (answer.status_code, _code(answer)) == (400, "VALIDATION_ERROR")


async def test_every_answer_is_safe_to_show() -> None:
    """GDP-17: also errors, and what no endpoint is; an endpoint's own headers stand."""
    door = Door("general=1000/hour", public_url="https://rides.example")
    for path in ("/open", "/nowhere", "/things"):
        headers = (await door.ask(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] in ("private, no-cache", "no-store")
    assert "max-age" in (await door.ask("/open")).headers["strict-transport-security"]
    assert "strict-transport-security" not in (await Door().ask("/open")).headers
    own = (await door.ask("/own")).headers.multi_items()
    assert [v for n, v in own if n == "referrer-policy"] == ["no-referrer"]
    assert [v for n, v in own if n == "cache-control"] == ["public"]


async def test_another_method_says_which_there_are() -> None:
    """RFC 9110: 405 with Allow."""
    answer = await Door().ask("/things", method="DELETE")
    assert (answer.status_code, _code(answer)) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


async def test_a_missing_parameter_is_named() -> None:
    """API-03."""

    @get("/near", public=True)
    async def near(lat: web.Limit) -> None: ...

    app = web.create_app(Settings(), [near], Front())
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        error = (await client.get("/near")).json()["error"]
    assert error["details"] == {"field": "lat", "issue": "is missing"}


def test_a_limit_that_does_not_exist_does_not_start() -> None:
    """A wrong word must not mean no limit, nor a 500 for each request."""

    @get("/fast", public=True, limit="fast")
    async def fast() -> None: ...

    with pytest.raises(RuntimeError, match="fast"):
        web.create_app(Settings(), [fast], Front())


def test_a_flood_of_callers_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not gone through again for every one of them."""
    monkeypatch.setattr("fahrwerk.kernel.limits._MOST_CALLERS", 100)
    limiter = Limiter({"general": Limit(2, 3600)})
    for n in range(1000):
        limiter.take("general", n)
        assert len(limiter._arrivals) <= 100
    limiter.take("general", 999)
    with pytest.raises(Busy):
        limiter.take("general", 999)


def test_logs_say_where_it_happened_but_not_with_what() -> None:
    """GDP-05: local variables are passwords, tokens and names."""

    def log_in(password: str) -> None:
        raise ZeroDivisionError

    written = io.StringIO()
    log = structlog.wrap_logger(
        structlog.WriteLogger(written),
        processors=[observe._traceback, structlog.processors.JSONRenderer()],
    )
    try:
        log_in("a secret of somebody's")
    except ZeroDivisionError as error:
        log.error("request failed", exc_info=error)
    said = json.loads(written.getvalue())
    assert said["exception"][0]["frames"][-1]["name"] == "log_in"
    assert "a secret" not in written.getvalue()


# --- the other way: servers that we ask


@pytest.fixture
async def peer() -> AsyncIterator[outside.Peer]:
    """A server that answers without end, or drop by drop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1]
        size = {b"/base/good": 2, b"/base/drip": 50}.get(path, 1 << 40)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        try:
            for n in range(size):
                writer.write(b"{}"[n : n + 1] if size == 2 else b"x" * (1 if size == 50 else 65536))
                await writer.drain()
                await asyncio.sleep(0.1 if size == 50 else 0)
            if b"accept-encoding: identity" not in head.lower():
                writer.write(b"not asked for")
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = outside.Peer("hostile", f"http://127.0.0.1:{port}/base", timeout_s=1)
    yield made
    await made.close()
    server.close()


async def test_answers_without_end_are_cut(peer: outside.Peer) -> None:
    """Memory and time of a call to the outside are bounded whatever the other side does."""
    assert (await peer.call("POST", "/good")).json() == {}
    for path in ("/endless", "/drip"):
        with pytest.raises(outside.OutcomeUnknown):
            await peer.call("POST", path)


@pytest.mark.parametrize("path", ["http://evil.example/", "//evil.example/x", "good", ""])
async def test_a_peer_is_asked_at_its_own_address_only(peer: outside.Peer, path: str) -> None:
    """A path put together from what somebody sent must not send our keys elsewhere."""
    with pytest.raises(ValueError, match="not a path"):
        await peer.call("GET", path)


# --- laws

_BYTES = st.binary(max_size=40)


@given(st.lists(st.tuples(st.sampled_from([b"host", b"x-a", b"if-none-match"]), _BYTES)))
def test_headers_are_read_whatever_they_are(headers: list[tuple[bytes, bytes]]) -> None:
    """Never an exception; a decisive one twice is told."""
    found, twice = asgi.headers_of({"headers": headers})
    assert found.keys() == {name for name, _ in headers}
    assert (twice == "host") == ([n for n, _ in headers].count(b"host") > 1)


@given(st.text() | st.ip_addresses().map(str))
def test_a_network_is_its_own_network(address: str) -> None:
    """Counting by it is stable: a network is counted as itself."""
    network = asgi.network_of(address)
    assert asgi.network_of(network) == network


@given(st.text(max_size=60) | st.uuids().map(str) | st.text("0123456789abcdef-_", max_size=36))
def test_an_id_has_one_spelling(text: str) -> None:
    """What is read as an id is written the same again; all else is nothing's (I7)."""
    try:
        found = ids.parse(text, "rent")
    except NotFound:
        return
    assert text in (ids.public("rent", found), str(found), str(found).upper()) or (
        text.lower() == str(found)
    )


@given(st.text(max_size=80))
def test_media_types_are_json_or_refused(kind: str) -> None:
    """Whatever stands there: it passes as JSON's name, or is refused as what it is."""
    with contextlib.suppress(asgi.NotThisMedia):
        asgi.check_media({b"content-type": kind}, is_json=True)
        assert "json" in kind.lower()
