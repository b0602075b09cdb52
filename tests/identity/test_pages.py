"""Browsers: sessions by cookie, and what foreign sites, thieves and tabs try with them (C-54)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import crypto, db
from tests.identity.clients import error_of
from tests.identity.doorstep import entered, later
from tests.identity.people import EMAIL, ada
from tests.identity.test_factors import code, enrolled
from tests.world import PASSWORD, World, http_app, make_world

HOME = {"origin": "https://test"}


def browser(world: World | None = None, base: str = "https://test") -> httpx.AsyncClient:
    """A browser: keeps cookies, says where a request comes from, has no token."""
    headers = {"origin": base}
    if world is not None:
        headers["X-Tenant-ID"] = world.operator.slug
    transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=base, headers=headers)


async def logged_in(world: World, **more: Any) -> tuple[httpx.AsyncClient, dict[str, Any]]:
    """A rider's browser and the answer to the log-in."""
    rider = await world.rider()
    assert rider.user is not None
    person = await identity.person(world.system(), rider.user)
    client = browser(world, **more)
    body = {"email": person.email, "password": PASSWORD, "tenant": world.operator.slug}
    answer = await client.post("/session", json=body)
    assert answer.status_code == 200, answer.text
    return client, answer.json() | {"cookie": answer.headers["set-cookie"]}


async def test_a_browser_gets_a_cookie_and_its_scripts_get_short_tokens(world: World) -> None:
    """C-54, IDN-18: the cookie is out of reach of scripts, of other hosts and of plain HTTP."""
    client, begun = await logged_in(world)
    cookie = begun["cookie"]
    assert cookie.startswith("__Host-fahrwerk=pgs_")
    for part in ("Path=/", "HttpOnly", "SameSite=Lax", "Secure"):
        assert f"; {part}" in cookie
    assert "refresh_token" not in begun
    api = world.client()
    token = (await client.post("/session/access")).json()["access_token"]
    me = await api.get("/api/v1/users/me", headers={"authorization": f"Bearer {token}"})
    assert me.json() == begun["user"]
    value = client.cookies["__Host-fahrwerk"]
    row = await db.one(
        "identity", world.system(), "SELECT * FROM identity.session WHERE kind = 'page'"
    )
    assert row is not None
    assert row["token_hash"] == crypto.digest_of(value)


async def test_no_cookie_counts_below_api(world: World) -> None:
    """RELIABILITY 4: a bearer API takes no cookies, so no foreign site can use one there."""
    client, _ = await logged_in(world)
    for path in ("/api/v1/users/me", "/api/v1/wallet", "/api/v1/portal/balance/stream"):
        assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://test.evil.example"},
        {"origin": "https://test:444"},
        {"origin": "http://test"},
        {"origin": "https://test@evil.example"},
        {"origin": "https://[test"},
        {"origin": "", "referer": "https://evil.example/https://test"},
        {"origin": ""},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_foreign_pages_change_nothing(world: World, said: dict[str, str]) -> None:
    """Another origin, none, or one that only looks like ours: 403, and the session stays."""
    client, begun = await logged_in(world)
    for method, path in (("POST", "/session/access"), ("DELETE", "/session")):
        answer = await client.request(method, path, headers=said)
        assert answer.status_code == 403, (said, answer.text)
        assert answer.json()["error"]["code"] == "FOREIGN_ORIGIN"
    body = {"email": begun["user"]["email"], "password": PASSWORD}
    assert (await client.post("/session", json=body, headers=said)).status_code == 403
    assert (await client.post("/session/access")).status_code == 200


async def test_two_origins_or_cookies_are_refused(world: World) -> None:
    """What a proxy and we could read differently is not read."""
    client, _ = await logged_in(world)
    cookie = f"__Host-fahrwerk={client.cookies['__Host-fahrwerk']}"
    twice = [("origin", "https://test"), ("origin", "https://evil.example"), ("cookie", cookie)]
    plain = httpx.AsyncClient(transport=client._transport, base_url="https://test")
    assert (await plain.post("/session/access", headers=twice)).status_code == 400
    both = [("origin", "https://test"), ("cookie", cookie), ("cookie", "__Host-fahrwerk=pgs_x")]
    assert (await plain.post("/session/access", headers=both)).status_code == 401


async def test_the_name_without_prefix_is_for_laptops_alone(world: World) -> None:
    """A cookie that any sub-domain could have set is not taken over TLS; on localhost it is."""
    client, _ = await logged_in(world)
    tossed = {"cookie": f"fahrwerk={client.cookies['__Host-fahrwerk']}", "origin": "https://test"}
    plain = httpx.AsyncClient(transport=client._transport, base_url="https://test")
    assert (await plain.post("/session/access", headers=tossed)).status_code == 401
    laptop, begun = await logged_in(world, base="http://localhost:8080")
    assert begun["cookie"].startswith("fahrwerk=pgs_")
    assert "Secure" not in begun["cookie"]
    assert (await laptop.post("/session/access")).status_code == 200


async def test_log_out_ends_cookie_and_tokens_at_once(world: World) -> None:
    """The cookie is taken back, and what a thief copied of it is worth nothing."""
    client, begun = await logged_in(world)
    copied = client.cookies["__Host-fahrwerk"]
    assert (await client.delete("/session")).status_code == 204
    assert "__Host-fahrwerk" not in client.cookies
    client.cookies.set("__Host-fahrwerk", copied)
    assert (await client.post("/session/access")).status_code == 401
    token = {"authorization": f"Bearer {begun['access_token']}"}
    assert (await world.client().get("/api/v1/users/me", headers=token)).status_code == 401
    assert (await client.delete("/session")).status_code == 204


async def test_log_out_everywhere_and_a_block_end_browsers_too(world: World) -> None:
    """One table of sessions: an app's log-out everywhere, and a block, are about browsers too."""
    client, begun = await logged_in(world)
    token = {"authorization": f"Bearer {begun['access_token']}"}
    answer = await world.client().post("/api/v1/auth/logout", json={}, headers=token)
    assert answer.status_code == 204
    assert (await client.post("/session/access")).status_code == 401
    client, begun = await logged_in(world)
    staff = world.client(world.admin())
    user = begun["user"]["id"]
    assert (await staff.post(f"/api/v1/users/{user}/block")).status_code == 200
    assert (await client.post("/session/access")).status_code == 401


async def test_a_session_runs_out_idle_and_in_all(world: World) -> None:
    """Without use after its idle time, with use at its end (database clock)."""
    client, _ = await logged_in(world)
    token = client.cookies["__Host-fahrwerk"]
    from fahrwerk.identity.contract.pages import page_session

    house = world.system()
    assert await page_session(house, token) is not None
    used = "UPDATE identity.session SET last_accessed_at = now() - interval '2 days'"
    await db.run("identity", house, used)
    await page_session(house, token)
    seen = """SELECT last_accessed_at > now() - interval '1 minute' AS used,
                     expires_at <= ends_at AS within FROM identity.session"""
    row = await db.one("identity", house, seen)
    assert row is not None
    assert row["used"]
    assert row["within"]
    for column in ("expires_at = now()", "expires_at = now() + interval '1 day', ends_at = now()"):
        await db.run("identity", house, f"UPDATE identity.session SET {column}")
    assert await page_session(house, token) is None


async def test_a_cookie_is_one_operators(world: World) -> None:
    """I7: asked for another operator by host or header, a cookie is none."""
    client, _ = await logged_in(world)
    other_world = await make_world()
    answer = await client.post(
        "/session/access", headers={"X-Tenant-ID": other_world.operator.slug}
    )
    assert answer.status_code == 401
    forged = client.cookies["__Host-fahrwerk"].partition(".")[2]
    from fahrwerk.kernel import ids

    client.cookies.set("__Host-fahrwerk", f"{ids.public('pgs', other_world.tenant)}.{forged}")
    assert (await client.post("/session/access")).status_code == 401


async def test_wrong_and_hostile_log_ins(world: World) -> None:
    """401 alike for unknown and wrong; garbage is an error of the one format, never a 500."""
    client = browser(world)
    wrong = await client.post("/session", json={"email": "a@b.example", "password": "x" * 12})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    for body in ("", "[]", '{"email":1}', '{"password":"x"}', "\xff"):
        answer = await client.post(
            "/session", content=body.encode("latin-1"), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, (body, answer.text)
    for cookie in ("x", "pgs_x.y", "pgs_" + "0" * 22 + ".\x01", "=;;;==", "a" * 5000):
        answer = await client.post(
            "/session/access", headers={"cookie": f"__Host-fahrwerk={cookie}"}
        )
        assert answer.status_code == 401, (cookie, answer.text)


async def test_a_page_costs_no_look_at_the_session_each_time(world: World) -> None:
    """The cookie is looked up once in half a minute; then requests stay without that statement."""
    client, _ = await logged_in(world)
    await client.post("/session/access")
    seen: list[str] = []
    token = db.statements.set(seen)
    await client.get("/login")
    db.statements.reset(token)
    assert not [sql for sql in seen if "identity.session" in sql]


async def test_a_browser_logs_in_in_two_steps(world: World) -> None:
    """Issue 5: what the page asks for, the apps' session asks for too: same tries, same locks."""
    await ada(world)
    async with world.client() as app:
        await entered(app)
        secret, recovery = await enrolled(app)
    body = {"email": EMAIL, "password": PASSWORD, "tenant": world.operator.slug}
    client, path = browser(), "/session/second-factor"
    with later(seconds=31):
        wanted = await client.post("/session", json=body)
        details = error_of(wanted, 401, "SECOND_FACTOR_NEEDED")["details"]
        assert details["methods"] == ["totp", "recovery_code"]
        assert "__Host-fahrwerk" not in client.cookies
        step = {"challenge": details["challenge"], "code": code(secret)}
        for origin in ("https://evil.example", "null", ""):
            answer = await client.post(path, json=step, headers={"origin": origin})
            assert answer.status_code == 403
        elsewhere = {"X-Tenant-ID": (await make_world()).operator.slug}
        error_of(await client.post(path, json=step, headers=elsewhere), 401, "WRONG_CODE")
        for wrong in ({}, {"code": code(secret), "recovery_code": recovery[0]}):
            said = {"challenge": step["challenge"], **wrong}
            assert (await client.post(path, json=said)).status_code == 400
        answer = await client.post(path, json=step | {"code": "abcdef"})
        assert error_of(answer, 401, "WRONG_CODE")["details"]["tries_left"] == 4
        answer = await client.post(path, json=step)
        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["tenant"] == world.operator.slug
        assert client.cookies["__Host-fahrwerk"].startswith("pgs_")
        assert client.cookies["__Host-fahrwerk-operator"] == world.operator.slug
        assert (await client.post("/session/access")).status_code == 200
        thief = browser()
        error_of(await thief.post(path, json=step), 401, "WRONG_CODE")  # good once
        # By a recovery code, from the operator's own address; then guessed at until it is over.
        named = browser(world)
        again = (await named.post("/session", json=body)).json()["error"]["details"]["challenge"]
        said = {"challenge": again, "recovery_code": recovery[0]}
        assert (await named.post(path, json=said)).status_code == 200
        last = (await thief.post("/session", json=body)).json()["error"]["details"]["challenge"]
        left = []
        for _ in range(6):
            answer = await thief.post(path, json={"challenge": last, "code": "abcdef"})
            left.append(error_of(answer, 401, "WRONG_CODE")["details"]["tries_left"])
        assert left == [4, 3, 2, 1, 0, 0]
    sessions = await db.run(
        "identity",
        world.system(),
        "SELECT methods FROM identity.session WHERE kind = 'page' ORDER BY created_at",
    )
    assert [row["methods"] for row in sessions] == [
        ["password", "totp"],
        ["password", "recovery_code"],
    ]
