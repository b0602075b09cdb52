"""The front door: errors, callers, limits, idempotency keys, ETags (API-01..10, 20..25, PAY-29)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import get, post
from litestar.params import JSONBody

from fahrwerk.kernel import clock, crypto, db, ids, web
from fahrwerk.kernel.call import Rights
from fahrwerk.kernel.errors import Conflict
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
    """Two operators and two roles."""

    def __init__(self) -> None:
        self.all = [Shop(ids.new(), "one"), Shop(ids.new(), "two")]

    async def operator_by_slug(self, slug: str) -> Shop | None:
        return next((o for o in self.all if o.slug == slug), None)

    async def operator_by_host(self, host: str) -> Shop | None:
        return next((o for o in self.all if host == f"{o.slug}.example"), None)

    async def operator_by_id(self, tenant: UUID) -> Shop | None:
        return next((o for o in self.all if o.id == tenant), None)

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
        allowed = {"customer": {"tests.thing.create", "tests.thing.read"}, "recorder": {"*"}}
        may = frozenset().union(*(allowed.get(role, set()) for role in roles))
        return Rights(roles, may)


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    amount_minor: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


runs: list[str] = []


@post("/things", permission="tests.thing.create")
async def create(call: web.Caller, data: JSONBody[Thing]) -> dict[str, Any]:
    runs.append(data.name)
    if data.name == "slow":
        await asyncio.sleep(0.3)
    if data.name == "bug":
        raise ZeroDivisionError
    if data.name == "taken":
        raise Conflict(holder="somebody")
    return {"name": data.name, "run": len(runs), "tenant": call.tenant_slug}


@get("/things", permission="tests.thing.read", conditional=True)
async def things(limit: web.Limit = 50, offset: web.Offset = 0) -> dict[str, Any]:
    return {"things": [], "pagination": web.pagination(7, limit, offset, 0)}


@get("/admin", permission="tests.admin.read")
async def admin() -> dict[str, str]:
    return {}


@get("/time", permission="tests.thing.read")
async def time_now() -> dict[str, str]:
    return {"now": clock.stamp(clock.now())}


@get("/open", public=True, limit="auth")
async def open_to_all(call: web.Caller) -> dict[str, Any]:
    return {"tenant": call.tenant_slug, "locale": call.locale}


FRONT = Front()
APP = web.create_app(Settings(), [create, things, admin, time_now, open_to_all], FRONT)


@pytest.fixture
def client(database: db.Database) -> httpx.AsyncClient:
    """A customer of operator one, with a fresh limiter."""
    return _client(ids.new())


def _client(user: UUID, *roles: str, **headers: str) -> httpx.AsyncClient:
    token = crypto.issue_token(user, FRONT.all[0].id, roles or ("customer",), ids.new())
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=APP, raise_app_exceptions=False),  # type: ignore[arg-type]
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}", **headers},
    )


def _error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details", "request_id"}
    assert body["error"]["code"] == code
    # A replayed answer is the first one to the letter, its request id included.
    if "idempotent-replayed" not in response.headers:
        assert body["error"]["request_id"] == response.headers["x-request-id"]
    return dict(body["error"])


async def test_one_error_format_for_every_refusal(client: httpx.AsyncClient) -> None:
    """API-02..04, C-48: whatever goes wrong, the envelope is the same and has the request id."""
    _error(await client.get("/nowhere"), 404, "NOT_FOUND")
    _error(await client.delete("/things"), 405, "METHOD_NOT_ALLOWED")
    _error(await client.get("/admin"), 403, "PERMISSION_DENIED")
    error = _error(await client.post("/things", json={"name": ""}), 400, "VALIDATION_ERROR")
    assert error["message"] == "Request validation failed"
    assert error["details"]["field"] == "name"
    assert "length >= 1" in error["details"]["issue"]
    error = _error(
        await client.post("/things", json={"name": "x", "amount_minor": -1}),
        400,
        "VALIDATION_ERROR",
    )
    assert error["details"]["field"] == "amount_minor"
    error = _error(
        await client.post("/things", json={"name": "x", "evil": 1}), 400, "VALIDATION_ERROR"
    )
    assert "evil" in error["details"]["issue"]
    _error(await client.post("/things", content=b"{not json"), 400, "VALIDATION_ERROR")
    _error(await client.post("/things", content=b""), 400, "VALIDATION_ERROR")
    _error(await client.post("/things", content=b"x" * (2 << 20)), 413, "PAYLOAD_TOO_LARGE")
    _error(await client.get("/things?limit=0"), 400, "VALIDATION_ERROR")
    _error(await client.get("/things?limit=101"), 400, "VALIDATION_ERROR")
    _error(await client.get("/things?offset=-1"), 400, "VALIDATION_ERROR")
    error = _error(await client.post("/things", json={"name": "taken"}), 409, "CONFLICT")
    assert error["details"] == {"holder": "somebody"}


async def test_a_bug_shows_nothing_of_its_inside(client: httpx.AsyncClient) -> None:
    """API-02: 500 with the request id, no traceback."""
    response = await client.post("/things", json={"name": "bug"})
    _error(response, 500, "INTERNAL_ERROR")
    assert "ZeroDivision" not in response.text


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "Bearer", "é"])
async def test_missing_and_malformed_tokens(client: httpx.AsyncClient, token: str) -> None:
    """IDN-12: 401 with the contract's words."""
    header = f"Bearer {token}".encode()
    error = _error(
        await client.get("/things", headers={b"Authorization": header}),
        401,
        "AUTHENTICATION_FAILED",
    )
    assert error["message"] == "Invalid or expired token"
    assert error["details"] == {"token_expired": False}


async def test_an_expired_token_says_so(client: httpx.AsyncClient) -> None:
    """IDN-12: details.token_expired."""
    from datetime import timedelta

    assert (await client.get("/things")).status_code == 200
    with clock.moved_to(clock.now() + timedelta(seconds=3601), leases=False):
        error = _error(await client.get("/things"), 401, "AUTHENTICATION_FAILED")
    assert error["details"] == {"token_expired": True}


async def test_header_and_token_must_name_the_same_operator(client: httpx.AsyncClient) -> None:
    """C-80."""
    _error(await client.get("/things", headers={"X-Tenant-ID": "two"}), 400, "TENANT_MISMATCH")
    _error(await client.get("/things", headers={"X-Tenant-ID": "none"}), 404, "UNKNOWN_TENANT")
    assert (await client.get("/things", headers={"X-Tenant-ID": "one"})).status_code == 200


async def test_the_operator_is_found_by_host(client: httpx.AsyncClient) -> None:
    """TEN-23; and the language by what the browser asks for, else by the operator."""
    answer = await client.get("http://two.example/open", headers={"Accept-Language": "en-GB"})
    assert answer.json() == {"tenant": "two", "locale": "en"}
    answer = await client.get("http://two.example/open", headers={"Accept-Language": "fr"})
    assert answer.json() == {"tenant": "two", "locale": "de"}


async def test_limits_are_told_and_kept(client: httpx.AsyncClient) -> None:
    """API-05, API-21: ten a minute, then 429 with Retry-After; forged headers do not help."""
    answers = [
        await client.get("/open", headers={"X-Tenant-ID": "one", "X-Forwarded-For": f"1.2.3.{n}"})
        for n in range(12)
    ]
    assert [a.status_code for a in answers][-2:] == [429, 429]
    error = _error(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
    assert error["message"] == "Too many requests"
    assert set(error["details"]) == {"limit", "window", "retry_after"}
    assert answers[-1].headers["retry-after"] == str(error["details"]["retry_after"])
    assert answers[0].headers["ratelimit-limit"] == "10"


async def test_the_same_key_gets_the_same_answer(client: httpx.AsyncClient) -> None:
    """PAY-29, API-14: runs once; another body is 422; a refusal is kept too."""
    key = {"Idempotency-Key": ids.new().hex}
    before = len(runs)
    first = await client.post("/things", json={"name": "a"}, headers=key)
    again = await client.post("/things", json={"name": "a"}, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len(runs) == before + 1
    _error(
        await client.post("/things", json={"name": "b"}, headers=key), 422, "IDEMPOTENCY_KEY_REUSED"
    )
    key = {"Idempotency-Key": ids.new().hex}
    for _ in range(2):
        _error(await client.post("/things", json={"name": "taken"}, headers=key), 409, "CONFLICT")
    assert runs[before + 1 :] == ["taken"]


async def test_a_key_belongs_to_one_person(client: httpx.AsyncClient) -> None:
    """The same key of somebody else is another key."""
    key = {"Idempotency-Key": ids.new().hex}
    first = await client.post("/things", json={"name": "mine"}, headers=key)
    other = await _client(ids.new()).post("/things", json={"name": "mine"}, headers=key)
    assert other.json()["run"] != first.json()["run"]


async def test_a_key_in_flight_is_a_conflict(client: httpx.AsyncClient) -> None:
    """F13: many requests with one key at once: one runs, the others are told to wait."""
    key = {"Idempotency-Key": ids.new().hex}
    before = len(runs)
    answers = await asyncio.gather(
        *(client.post("/things", json={"name": "slow"}, headers=key) for _ in range(8))
    )
    codes = sorted(a.status_code for a in answers)
    assert codes == [201] + [409] * 7
    assert len(runs) == before + 1
    replay = await client.post("/things", json={"name": "slow"}, headers=key)
    assert replay.status_code == 201
    assert len(runs) == before + 1


async def test_a_bug_frees_its_key(client: httpx.AsyncClient) -> None:
    """A 500 is not kept: after the mend the same key runs."""
    key = {"Idempotency-Key": ids.new().hex}
    before = len(runs)
    for _ in range(2):
        await client.post("/things", json={"name": "bug"}, headers=key)
        await asyncio.sleep(0.01)
    assert len(runs) == before + 2


async def test_an_unchanged_list_is_304(client: httpx.AsyncClient) -> None:
    """RFC 9110: ETag and If-None-Match."""
    first = await client.get("/things")
    assert first.json()["pagination"] == {"total": 7, "limit": 50, "offset": 0, "has_more": True}
    again = await client.get("/things", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    changed = await client.get("/things?limit=3", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_time_moves_only_for_those_who_may(client: httpx.AsyncClient) -> None:
    """The replay's header: domain time of one request."""
    header = {"X-Fahrwerk-Time": "2014-05-05T00:02:00-07:00"}
    _error(await client.get("/time", headers=header), 403, "PERMISSION_DENIED")
    recorder = _client(ids.new(), "recorder")
    assert (await recorder.get("/time", headers=header)).json() == {"now": "2014-05-05T07:02:00Z"}
    _error(
        await recorder.get("/time", headers={"X-Fahrwerk-Time": "then"}), 400, "VALIDATION_ERROR"
    )
    assert (await recorder.get("/time")).json()["now"] > "2026"


def test_an_endpoint_without_permission_does_not_start() -> None:
    """IDN-28: declared at the endpoint, or the application refuses to start."""

    @get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match="forgotten"):
        web.create_app(Settings(), [forgotten], FRONT)
