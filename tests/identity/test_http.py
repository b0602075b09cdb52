"""Accounts and log-in as clients see them: fields to the letter, one error format, no leaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from fahrwerk import app as composition
from fahrwerk.identity import contract as identity
from fahrwerk.identity import http as identity_http
from fahrwerk.kernel import clock, crypto, db, ids, web
from fahrwerk.kernel.settings import Settings
from fahrwerk.tenancy import contract as tenancy
from tests.identity.people import EMAIL, ada, facts
from tests.world import PASSWORD, World, http_app, make_world

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"


def _bare(app: Any = None, **headers: str) -> httpx.AsyncClient:
    """A client that says nothing of operator or person by itself."""
    transport = httpx.ASGITransport(app=app or http_app(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"code", "message", "details", "request_id"}  # API-02, C-48
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    return error


async def test_register_log_in_look(world: World) -> None:
    """IDN-01, IDN-06, IDN-08: the answers have exactly the fields of the contract."""
    body = {"email": EMAIL, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"}
    async with world.client() as client:
        made = await client.post("/api/v1/auth/register", json=body)
        assert made.status_code == 201
        said = {"email": EMAIL, "password": PASSWORD, "tenant": world.operator.slug}
        answer = await client.post(LOGIN, json=said)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        tokens = answer.json()
        assert tokens.keys() == {
            *("access_token", "refresh_token", "token_type", "expires_in", "user")
        }
        assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
        assert tokens["user"] == {
            "id": made.json()["id"],
            "email": EMAIL,
            "tenant": world.operator.slug,
            "roles": ["customer"],
        }
        assert tokens["user"]["id"].startswith("usr_")
        header = msgspec.json.decode(_unpadded(tokens["access_token"].split(".")[0]))
        assert header == {"alg": "HS256", "typ": "JWT"}  # IDN-09
        me = (await client.get(ME, headers=_bearer(tokens["access_token"]))).json()
        assert me == made.json()
        assert tokens["user"].items() <= me.items()
        assert me.keys() - tokens["user"].keys() == {
            *("phone", "first_name", "last_name", "locale", "status", "created_at")
        }
        assert PASSWORD not in made.text + answer.text


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_the_language_of_a_new_rider_is_that_of_the_browser(world: World) -> None:
    body = {"phone": "+491512345678", "password": PASSWORD}
    async with world.client() as client:
        english = {"Accept-Language": "en-GB,en;q=0.9,de;q=0.8"}
        made = await client.post("/api/v1/auth/register", json=body, headers=english)
        assert (made.json()["locale"], made.json()["email"]) == ("en", None)
        assert (await client.post(LOGIN, json=body)).status_code == 200


async def test_header_and_body_must_agree(world: World) -> None:
    """C-80, TEN-02: header, body or both; both different is 400, unknown is 404, none is 404."""
    other = await make_world()
    await ada(world)
    said = {"email": EMAIL, "password": PASSWORD}
    slug = world.operator.slug
    async with _bare() as client:
        for header, body, status, code in (
            (slug, slug, 200, ""),
            (slug, None, 200, ""),
            (None, slug, 200, ""),
            (None, f" {slug.upper()} ", 200, ""),
            (slug, other.operator.slug, 400, "TENANT_MISMATCH"),
            (slug, "nobody-here", 400, "TENANT_MISMATCH"),
            ("nobody-here", slug, 404, "UNKNOWN_TENANT"),
            (None, "nobody-here", 404, "UNKNOWN_TENANT"),
            (None, None, 404, "UNKNOWN_TENANT"),
            (other.operator.slug, other.operator.slug, 401, "AUTHENTICATION_FAILED"),
        ):
            headers = {"X-Tenant-ID": header} if header else {}
            answer = await client.post(
                LOGIN, json=said | ({"tenant": body} if body else {}), headers=headers
            )
            if status == 200:
                assert answer.status_code == 200, (header, body, answer.text)
                assert answer.json()["user"]["tenant"] == slug
            else:
                _error(answer, status, code)


@pytest.mark.parametrize(
    ("body", "field", "issue"),
    [
        ({"email": "ada(at)example", "password": PASSWORD}, "email", "Invalid email format"),
        ({"email": EMAIL, "password": "short"}, "password", None),
        ({"password": PASSWORD}, "email", None),
        ({"email": EMAIL}, "password", None),
        ({"email": EMAIL, "password": PASSWORD, "roles": ["admin"]}, "body", None),
        ({"email": EMAIL, "password": 1234567890}, "password", None),
        ({"phone": "12", "password": PASSWORD}, "phone", None),
    ],
)
async def test_validation_names_the_field(
    world: World, body: dict[str, Any], field: str, issue: str | None
) -> None:
    """API-03: 400 VALIDATION_ERROR; nobody makes himself an administrator."""
    async with world.client() as client:
        error = _error(
            await client.post("/api/v1/auth/register", json=body), 400, "VALIDATION_ERROR"
        )
    assert error["message"] == "Request validation failed"
    named = error["details"]
    assert named["field"] == field or f"`{field}`" in named["issue"], named
    assert issue in (None, named["issue"])


@pytest.mark.parametrize("text", ['"\\ud800aaaaaaaaaaaa"', '"\\u0000aaaaaaaaaaaaa"', "[]", '"'])
async def test_strange_characters_are_no_bug(world: World, text: str) -> None:
    """Lone surrogates and NULs end as 4xx, never as 500."""
    async with world.client() as client:
        for body in (
            f'{{"email": {text}, "password": "{PASSWORD}"}}',
            f'{{"email": "{EMAIL}", "password": {text}}}',
            f'{{"phone": {text}, "password": "{PASSWORD}"}}',
        ):
            answer = await client.post(LOGIN, content=body)
            assert 400 <= answer.status_code < 500, answer.text
    async with world.client(world.admin()) as client:
        assert (await client.get("/api/v1/users", params={"q": "a\0b"})).status_code == 200


async def test_taken_address_is_a_conflict(world: World) -> None:
    """C-06 over HTTP, six at once: one 201, five 409."""
    body = {"email": EMAIL, "password": PASSWORD}
    async with world.client() as client:
        answers = await asyncio.gather(
            *(client.post("/api/v1/auth/register", json=body) for _ in range(6))
        )
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409, 409]
        _error(await client.post("/api/v1/auth/register", json=body), 409, "ALREADY_REGISTERED")


async def test_refresh_over_http(world: World) -> None:
    """IDN-07: the refresh token in Authorization, no X-Tenant-ID needed; used up by its use."""
    await ada(world)
    login = await identity.log_in(world.call(), EMAIL, PASSWORD)
    async with _bare() as client:
        answer = await client.post(REFRESH, headers=_bearer(login.refresh_token))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        pair = answer.json()
        assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert pair["expires_in"] == 3600
        again = await client.post(REFRESH, headers=_bearer(login.refresh_token))
        assert again.json() == pair
        me = await client.get(ME, headers=_bearer(pair["access_token"]))
        assert me.json()["email"] == EMAIL
        for wrong in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}):
            error = _error(await client.post(REFRESH, headers=wrong), 401, "AUTHENTICATION_FAILED")
            assert error["message"] == "Invalid or expired token"
            assert error["details"] == {"token_expired": True}


async def test_log_out_over_http(world: World) -> None:
    await ada(world)
    login = await identity.log_in(world.call(), EMAIL, PASSWORD)
    async with _bare(**_bearer(login.access_token)) as client:
        body = {"refresh_token": login.refresh_token}
        assert (await client.post("/api/v1/auth/logout", json=body)).status_code == 204
        assert (await client.post("/api/v1/auth/logout", json={})).status_code == 204
    async with _bare() as client:
        _error(await client.post("/api/v1/auth/logout", json={}), 401, "AUTHENTICATION_FAILED")
        refused = await client.post(REFRESH, headers=_bearer(login.refresh_token))
        _error(refused, 401, "AUTHENTICATION_FAILED")


def _signed(secret: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in (header, claims)
    ]
    mark = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    parts.append(base64.urlsafe_b64encode(mark).rstrip(b"="))
    return b".".join(parts).decode()


async def test_forged_tokens_are_refused(world: World) -> None:
    """IDN-10, IDN-38, API-04: alg none, other keys, other algorithms, changed claims: all 401."""
    good = world.token(await world.rider())
    head, claims, mark = good.split(".")
    said = msgspec.json.decode(_unpadded(claims))
    mighty = said | {"roles": ["platform"]}
    as_text = base64.urlsafe_b64encode(msgspec.json.encode(mighty)).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    forged = {
        "alg none": f"{none}.{as_text}.",
        "alg none, signed": f"{none}.{as_text}.{mark}",
        "claims changed": f"{head}.{as_text}.{mark}",
        "no signature": f"{head}.{claims}.",
        "wrong key": _signed(b"guess", {"alg": "HS256", "typ": "JWT"}, mighty),
        "empty key": _signed(b"", {"alg": "HS256", "typ": "JWT"}, mighty),
        "other algorithm": _signed(b"guess", {"alg": "HS512", "typ": "JWT"}, mighty),
        "key in the header": _signed(
            b"guess", {"alg": "HS256", "jwk": {"kty": "oct", "k": "Z3Vlc3M"}}, mighty
        ),
        "nonsense": "abc",
        "too long": "a" * 5000,
    }
    async with world.client() as client:
        assert (await client.get(ME, headers=_bearer(good))).status_code == 200
        for what, token in forged.items():
            answer = await client.get(ME, headers=_bearer(token))
            assert answer.status_code == 401, what
            error = _error(answer, 401, "AUTHENTICATION_FAILED")
            assert error["message"] == "Invalid or expired token", what
        _error(await client.get(ME), 401, "AUTHENTICATION_FAILED")
        basic = await client.get(ME, headers={"Authorization": f"Basic {good}"})
        _error(basic, 401, "AUTHENTICATION_FAILED")


async def test_an_expired_token_is_told_to_the_letter(world: World) -> None:
    """IDN-12, API-04: code, message and details exactly as the contract has them."""
    rider = await world.rider()
    token = world.token(rider)
    async with world.client() as client:
        with clock.moved_to(clock.now() + timedelta(seconds=3590)):
            assert (await client.get(ME, headers=_bearer(token))).status_code == 200
        with clock.moved_to(clock.now() + timedelta(seconds=3601)):
            answer = await client.get(ME, headers=_bearer(token))
    error = _error(answer, 401, "AUTHENTICATION_FAILED")
    assert error["message"] == "Invalid or expired token"
    assert error["details"] == {"token_expired": True}
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_is_good_at_its_own_operator_only(world: World) -> None:
    """I7, C-80: another operator's token with a foreign X-Tenant-ID is 400 TENANT_MISMATCH."""
    other = await make_world()
    stranger = other.token(await other.rider())
    async with world.client() as client:
        error = _error(await client.get(ME, headers=_bearer(stranger)), 400, "TENANT_MISMATCH")
        assert error["details"]["field"] == "X-Tenant-ID"
        login = await _logged_in_at(other)
        mixed = await client.post(REFRESH, headers=_bearer(login.refresh_token))
        _error(mixed, 400, "TENANT_MISMATCH")
    async with _bare(**_bearer(stranger)) as client:
        assert (await client.get(ME)).json()["tenant"] == other.operator.slug


async def _logged_in_at(world: World) -> identity.Login:
    await ada(world)
    return await identity.log_in(world.call(), EMAIL, PASSWORD)


async def test_profile_over_http(world: World) -> None:
    """IDN-11, IDN-31: one's own profile; absent is not null; the id is never taken from a body."""
    rider = await world.rider()
    async with world.client(rider) as client:
        changed = await client.patch(ME, json={"phone": "+49 151 2345678", "locale": "de-AT"})
        assert changed.status_code == 200
        assert changed.json()["phone"] == "+491512345678"
        assert (await client.patch(ME, json={"locale": None})).json()["locale"] is None
        assert (await client.get(ME)).json()["phone"] == "+491512345678"
        for body in ({"id": "usr_1"}, {"roles": ["admin"]}, {"email": "x@y.de"}, {"status": "x"}):
            _error(await client.patch(ME, json=body), 400, "VALIDATION_ERROR")


async def test_staff_over_http(world: World) -> None:
    """IDN-26..28: create, list, search, block, unblock; riders are refused with 403 (C-47)."""
    new = {
        "email": "bo@example.org",
        "password": PASSWORD,
        "roles": ["provider", "support"],
        "first_name": "Bo",
        "last_name": "Berg",
    }
    async with world.client(world.admin()) as client:
        made = await client.post("/api/v1/users", json=new)
        assert made.status_code == 201
        bo = made.json()
        assert bo["roles"] == ["provider", "support"]
        _error(await client.post("/api/v1/users", json=new), 409, "ALREADY_REGISTERED")
        above = await client.post("/api/v1/users", json=new | {"roles": ["platform"]})
        _error(above, 403, "PERMISSION_DENIED")
        unknown = await client.post("/api/v1/users", json=new | {"roles": ["king"]})
        assert _error(unknown, 400, "VALIDATION_ERROR")["details"]["field"] == "roles"
        page = (await client.get("/api/v1/users", params={"q": "berg", "limit": 10})).json()
        assert page == {
            "users": [bo],
            "pagination": {"total": 1, "limit": 10, "offset": 0, "has_more": False},
        }
        barred = await client.post(f"/api/v1/users/{bo['id']}/block")
        assert (barred.status_code, barred.json()["status"]) == (200, "blocked")
        said = {"email": "bo@example.org", "password": PASSWORD}
        _error(await client.post(LOGIN, json=said), 403, "ACCOUNT_BLOCKED")
        free = await client.post(f"/api/v1/users/{bo['id']}/unblock")
        assert (free.status_code, free.json()["status"]) == (200, "active")
        assert (await client.post(LOGIN, json=said)).status_code == 200
        nobody = ids.public("usr", ids.new())
        for missing in (nobody, "usr_1", "nonsense", str(ids.new())):
            _error(await client.post(f"/api/v1/users/{missing}/block"), 404, "NOT_FOUND")
    async with world.client(await world.rider()) as client:
        for method, path in (
            ("POST", "/api/v1/users"),
            ("GET", "/api/v1/users"),
            ("POST", f"/api/v1/users/{bo['id']}/block"),
            ("POST", f"/api/v1/users/{bo['id']}/unblock"),
            ("POST", "/api/v1/tenants"),
        ):
            _error(await client.request(method, path, json={}), 403, "PERMISSION_DENIED")


async def test_what_staff_do_is_audited(world: World) -> None:
    """GDP-07: blocking somebody leaves a row with who, what and how it went."""
    rider, admin = await world.rider(), world.admin()
    async with world.client(admin) as client:
        await client.post(f"/api/v1/users/{ids.public('usr', rider.user)}/block")  # type: ignore[arg-type]
    rows = await db.run("kernel", world.system(), "SELECT actor, action, outcome FROM kernel.audit")
    assert (admin.actor, "identity.block_person", "done") in [tuple(row) for row in rows]


async def test_secrets_are_not_kept_for_keyed_requests(world: World) -> None:
    """PAY-29 must not make a copy of passwords and tokens: these endpoints take no key."""
    body = {"email": EMAIL, "password": PASSWORD}
    async with world.client(**{"Idempotency-Key": "k1"}) as client:
        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201
        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 409
        login = (await client.post(LOGIN, json=body)).json()
        await client.post(REFRESH, headers=_bearer(login["refresh_token"]))
    kept = await db.run("kernel", world.system(), "SELECT 1 FROM kernel.idempotency")
    assert kept == []


async def test_log_in_is_limited(world: World) -> None:
    """IDN-35, API-21: ten tries a minute from one address, over all endpoints of the class."""
    contract = web.create_app(Settings(), identity_http.handlers, composition.HouseFront())
    async with _bare(contract, **{"X-Tenant-ID": world.operator.slug}) as client:
        for _ in range(9):
            body = {"email": EMAIL, "password": "a wrong password"}
            _error(await client.post(LOGIN, json=body), 401, "AUTHENTICATION_FAILED")
        _error(await client.post(REFRESH), 401, "AUTHENTICATION_FAILED")
        began = time.monotonic()
        for path in (LOGIN, REFRESH, "/api/v1/auth/register"):
            answer = await client.post(path, json={"email": EMAIL, "password": PASSWORD})
            error = _error(answer, 429, "RATE_LIMIT_EXCEEDED")
            assert error["details"].keys() == {"limit", "window", "retry_after"}
            assert (error["details"]["limit"], error["details"]["window"]) == (10, "1m")
        assert time.monotonic() - began < 5


async def test_a_new_operator_with_its_administrator(world: World) -> None:
    """TEN-03, TEN-04, TEN-05: one request; the administrator logs in there at once."""
    slug = f"mobility-{ids.new().hex[-8:]}"
    wanted = {
        "name": "Mobility GmbH",
        "slug": slug,
        "domain": f"{slug}.scooter-share-pro.com",
        "plan": "Enterprise",
        "tax_rate_pct": 7.7,
        "admin_user": {"email": "admin@mobility.de", "password": "a rather good one"},
    }
    async with world.client(world.call("platform")) as client:
        answer = await client.post("/api/v1/tenants", json=wanted)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["slug"], made["plan"], made["tax_rate_pct"]) == (slug, "Enterprise", 7.7)
        assert made["admin_user"]["email"] == "admin@mobility.de"
        assert made["admin_user"]["tenant"] == slug
        assert (await client.post("/api/v1/tenants", json=wanted)).json() == made
        for other in (
            wanted | {"name": "Another GmbH"},
            wanted | {"admin_user": {"email": "eve@evil.example", "password": "a rather good one"}},
        ):
            _error(await client.post("/api/v1/tenants", json=other), 409, "SLUG_TAKEN")
        taken = wanted | {"slug": f"{slug}-2"}
        _error(await client.post("/api/v1/tenants", json=taken), 409, "DOMAIN_TAKEN")
    async with _bare(**{"X-Tenant-ID": slug}) as client:
        said = {"email": "admin@mobility.de", "password": "a rather good one", "tenant": slug}
        token = (await client.post(LOGIN, json=said)).json()["access_token"]
        assert (await client.get("/api/v1/users", headers=_bearer(token))).status_code == 200
        refused = await client.post("/api/v1/tenants", json=wanted, headers=_bearer(token))
        _error(refused, 403, "PERMISSION_DENIED")
    operator = await tenancy.operator_by_slug(world.system(), slug)
    assert operator is not None
    assert await tenancy.operator_by_host(world.system(), f"{slug}.scooter-share-pro.com")
    there = msgspec.structs.replace(world.system(), tenant=operator.id)
    admin = ids.parse(made["admin_user"]["id"], "usr")
    assert [name for name, *_ in await facts(there, f"person:{admin}")] == ["user.registered"]


async def test_a_half_made_operator_is_finished_by_a_repeat(world: World) -> None:
    """A crash between operator and administrator heals; a weak password makes neither."""
    slug = f"half-{ids.new().hex[-8:]}"
    wanted = tenancy.Operator(id=ids.new(), slug=slug, name="Half")
    platform = world.call("platform")
    with pytest.raises(Exception, match="validation failed"):
        await identity.open_operator(platform, wanted, identity.FirstAdmin(EMAIL, "weak"))
    assert await tenancy.operator_by_slug(platform, slug) is None
    first = await identity.open_operator(platform, wanted, None)
    assert first.admin is None
    admin = identity.FirstAdmin(EMAIL, PASSWORD, "Ada", "Lovelace")
    second = await identity.open_operator(platform, wanted, admin)
    assert second.operator == first.operator
    assert second.admin is not None
    assert second.admin.roles == {"admin"}
    assert await identity.open_operator(platform, wanted, admin) == second


async def test_a_key_of_another_installation_opens_nothing(world: World) -> None:
    """IDN-09: tokens are bound to this installation's secret."""
    rider = await world.rider()
    crypto.set_signing_secret("another installation")
    token = world.token(rider)
    crypto.set_signing_secret("tests")
    async with world.client() as client:
        _error(await client.get(ME, headers=_bearer(token)), 401, "AUTHENTICATION_FAILED")
