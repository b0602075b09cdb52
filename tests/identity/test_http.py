"""Accounts and log-in as clients see them: fields to the letter, one error format, no leaks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity import queries
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.tenancy import contract as tenancy
from tests.identity.clients import LOGIN, ME, REFRESH, bare, bearer, error_of, unpadded
from tests.identity.people import EMAIL, ada, facts
from tests.world import PASSWORD, World, make_world


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
        header = msgspec.json.decode(unpadded(tokens["access_token"].split(".")[0]))
        assert header == {"alg": "HS256", "typ": "JWT"}  # IDN-09
        me = (await client.get(ME, headers=bearer(tokens["access_token"]))).json()
        assert me == made.json()
        assert tokens["user"].items() <= me.items()
        assert me.keys() - tokens["user"].keys() == {
            *("phone", "first_name", "last_name", "locale", "status", "created_at")
        }
        assert PASSWORD not in made.text + answer.text


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
    async with bare() as client:
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
                error_of(answer, status, code)


@pytest.mark.parametrize(
    ("body", "field", "issue"),
    [
        ({"email": "ada(at)example", "password": PASSWORD}, "email", "Invalid email format"),
        ({"email": EMAIL, "password": "short"}, "password", None),
        ({"password": PASSWORD}, "email", None),
        ({"email": EMAIL}, "password", None),
        ({"email": EMAIL, "password": PASSWORD, "roles": ["admin"]}, "roles", None),
        ({"email": EMAIL, "password": 1234567890}, "password", None),
        ({"phone": "12", "password": PASSWORD}, "phone", None),
    ],
)
async def test_validation_names_the_field(
    world: World, body: dict[str, Any], field: str, issue: str | None
) -> None:
    """API-03: 400 VALIDATION_ERROR; nobody makes himself an administrator."""
    async with world.client() as client:
        error = error_of(
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
        error_of(await client.post("/api/v1/auth/register", json=body), 409, "ALREADY_REGISTERED")


async def test_refresh_over_http(world: World) -> None:
    """IDN-07: the refresh token in Authorization, no X-Tenant-ID needed; used up by its use."""
    await ada(world)
    login = await identity.log_in(world.call(), EMAIL, PASSWORD)
    async with bare() as client:
        answer = await client.post(REFRESH, headers=bearer(login.refresh_token))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        pair = answer.json()
        assert pair.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert pair["expires_in"] == 3600
        again = await client.post(REFRESH, headers=bearer(login.refresh_token))
        assert again.json() == pair
        me = await client.get(ME, headers=bearer(pair["access_token"]))
        assert me.json()["email"] == EMAIL
        for wrong in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}):
            error = error_of(
                await client.post(REFRESH, headers=wrong), 401, "AUTHENTICATION_FAILED"
            )
            assert error["message"] == "Invalid or expired token"
            assert error["details"] == {"token_expired": True}


async def test_log_out_over_http(world: World) -> None:
    await ada(world)
    login = await identity.log_in(world.call(), EMAIL, PASSWORD)
    async with bare(**bearer(login.access_token)) as client:
        body = {"refresh_token": login.refresh_token}
        assert (await client.post("/api/v1/auth/logout", json=body)).status_code == 204
        for path in ("/api/v1/auth/logout", ME):  # the access token beside it is void as well
            method = "POST" if path != ME else "GET"
            said = await client.request(method, path, json={})
            error = error_of(said, 401, "AUTHENTICATION_FAILED")
            assert error["details"] == {"token_expired": True}
    async with bare() as client:
        error_of(await client.post("/api/v1/auth/logout", json={}), 401, "AUTHENTICATION_FAILED")
        refused = await client.post(REFRESH, headers=bearer(login.refresh_token))
        error_of(refused, 401, "AUTHENTICATION_FAILED")


async def test_who_is_blocked_is_out_at_once(world: World) -> None:
    """IDN-30: not an hour later, when the access token runs out; others stay in."""
    admin = world.admin()
    await identity.add_person(admin, "bo@example.org", PASSWORD, frozenset({"support"}), "Bo", "B")
    await ada(world)
    bo, also_bo = [await identity.log_in(world.call(), "bo@example.org", PASSWORD) for _ in "12"]
    rider = await identity.log_in(world.call(), EMAIL, PASSWORD)
    async with bare() as client:
        for login in (bo, also_bo, rider):
            answer = await client.get(ME, headers=bearer(login.access_token))
            assert answer.status_code == 200
        await identity.block_person(admin, bo.person.id)
        for login in (bo, also_bo):
            answer = await client.get("/api/v1/users", headers=bearer(login.access_token))
            error_of(answer, 401, "AUTHENTICATION_FAILED")
        assert (await client.get(ME, headers=bearer(rider.access_token))).status_code == 200
        await identity.unblock_person(admin, bo.person.id)
        answer = await client.get(ME, headers=bearer(bo.access_token))
        error_of(answer, 401, "AUTHENTICATION_FAILED")
        again = await identity.log_in(world.call(), "bo@example.org", PASSWORD)
        assert (await client.get(ME, headers=bearer(again.access_token))).status_code == 200


async def test_ended_sessions_are_remembered_while_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets in again by an outage, and nobody is thrown out by one."""
    await ada(world)
    login = await identity.log_in(world.call(), EMAIL, PASSWORD)
    await identity.log_out(world.call(), login.refresh_token)
    known = await identity.ended_sessions(world.system())
    assert len(known) == 1

    async def away(*_: Any) -> Any:
        raise db.DatabaseDown

    monkeypatch.setattr(db, "run", away)
    queries._forget(queries.ended(world.tenant))
    assert await identity.ended_sessions(world.system()) == known
    with pytest.raises(db.DatabaseDown):
        await identity.ended_sessions(system(ids.new(), "tests"))


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
            error_of(await client.patch(ME, json=body), 400, "VALIDATION_ERROR")


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
        error_of(await client.post("/api/v1/users", json=new), 409, "ALREADY_REGISTERED")
        above = await client.post("/api/v1/users", json=new | {"roles": ["platform"]})
        error_of(above, 403, "PERMISSION_DENIED")
        unknown = await client.post("/api/v1/users", json=new | {"roles": ["king"]})
        assert error_of(unknown, 400, "VALIDATION_ERROR")["details"]["field"] == "roles"
        page = (await client.get("/api/v1/users", params={"q": "berg", "limit": 10})).json()
        assert page == {
            "users": [bo],
            "pagination": {"total": 1, "limit": 10, "offset": 0, "has_more": False},
        }
        barred = await client.post(f"/api/v1/users/{bo['id']}/block")
        assert (barred.status_code, barred.json()["status"]) == (200, "blocked")
        said = {"email": "bo@example.org", "password": PASSWORD}
        error_of(await client.post(LOGIN, json=said), 403, "ACCOUNT_BLOCKED")
        free = await client.post(f"/api/v1/users/{bo['id']}/unblock")
        assert (free.status_code, free.json()["status"]) == (200, "active")
        assert (await client.post(LOGIN, json=said)).status_code == 200
        nobody = ids.public("usr", ids.new())
        for missing in (nobody, "usr_1", "nonsense", str(ids.new())):
            error_of(await client.post(f"/api/v1/users/{missing}/block"), 404, "NOT_FOUND")
    async with world.client(await world.rider()) as client:
        for method, path in (
            ("POST", "/api/v1/users"),
            ("GET", "/api/v1/users"),
            ("POST", f"/api/v1/users/{bo['id']}/block"),
            ("POST", f"/api/v1/users/{bo['id']}/unblock"),
            ("POST", "/api/v1/tenants"),
        ):
            error_of(await client.request(method, path, json={}), 403, "PERMISSION_DENIED")


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
    async with bare(**{"Idempotency-Key": "k1", "X-Tenant-ID": world.operator.slug}) as client:
        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201
        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 409
        login = (await client.post(LOGIN, json=body)).json()
        await client.post(REFRESH, headers=bearer(login["refresh_token"]))
    kept = await db.run("kernel", world.system(), "SELECT 1 FROM kernel.idempotency")
    assert kept == []


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
    with_roles = wanted["admin_user"] | {"roles": ["recorder", "admin"]}  # type: ignore[operator]
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
            error_of(await client.post("/api/v1/tenants", json=other), 409, "SLUG_TAKEN")
        more = wanted | {"slug": f"{slug}-3", "domain": None, "admin_user": with_roles}
        answer = await client.post("/api/v1/tenants", json=more)
        assert answer.json()["admin_user"]["roles"] == ["admin", "recorder"]
        taken = wanted | {"slug": f"{slug}-2"}
        error_of(await client.post("/api/v1/tenants", json=taken), 409, "DOMAIN_TAKEN")
    async with bare(**{"X-Tenant-ID": slug}) as client:
        said = {"email": "admin@mobility.de", "password": "a rather good one", "tenant": slug}
        token = (await client.post(LOGIN, json=said)).json()["access_token"]
        assert (await client.get("/api/v1/users", headers=bearer(token))).status_code == 200
        refused = await client.post("/api/v1/tenants", json=wanted, headers=bearer(token))
        error_of(refused, 403, "PERMISSION_DENIED")
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
    for roles in (frozenset({"support"}), frozenset[str](), frozenset({"admin", "king"})):
        with pytest.raises(Exception, match="validation failed"):
            wrong = msgspec.structs.replace(admin, roles=roles)
            await identity.open_operator(platform, wanted, wrong)
    second = await identity.open_operator(platform, wanted, admin)
    assert second.operator == first.operator
    assert second.admin is not None
    assert second.admin.roles == {"admin"}
    assert await identity.open_operator(platform, wanted, admin) == second
