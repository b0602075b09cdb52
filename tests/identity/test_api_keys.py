"""API keys: within their scopes, until they expire, are rotated or revoked (IDN-36)."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.identity import contract as identity
from fahrwerk.identity import jobs
from fahrwerk.identity.contract.keys import use_key
from fahrwerk.kernel import api_keys, db, ids
from fahrwerk.kernel.call import Call, Rights, common
from fahrwerk.kernel.live import hub
from tests.identity.clients import bare, bearer, error_of
from tests.identity.doorstep import entered, later, news, staff
from tests.identity.people import ada
from tests.world import World, make_world

KEYS = "/api/v1/api-keys"
VEHICLES = "/api/v1/scooters"


async def provider(world: World, client: httpx.AsyncClient, *roles: str) -> identity.Person:
    """Somebody of the staff, logged in."""
    person = await staff(world, *(roles or ("provider",)))
    await entered(client, "staff@example.org")
    return person


async def key_of(client: httpx.AsyncClient, *scopes: str, **more: Any) -> dict[str, Any]:
    """A key with these scopes."""
    body = {"name": "Warehouse", "scopes": list(scopes), **more}
    answer = await client.post(KEYS, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, Any] = answer.json()
    return made


async def test_a_key_acts_within_its_scopes(world: World) -> None:
    """It names its operator itself; it does what was asked for, and nothing else."""
    async with world.client() as client, bare() as program:
        person = await provider(world, client)
        made = await key_of(client, "fleet.vehicle.read")
        secret = made["secret"]
        assert secret.startswith("fwk_")
        assert secret.partition(".")[2].startswith(made["api_key"]["hint"])
        program.headers.update(bearer(secret))
        assert (await program.get(VEHICLES)).status_code == 200
        error_of(await program.get("/api/v1/zones"), 403, "PERMISSION_DENIED")
        error_of(await program.get(KEYS), 403, "PERMISSION_DENIED")
        error_of(await program.get("/api/v1/users/me"), 403, "PERMISSION_DENIED")
        [shown] = (await client.get(KEYS)).json()["api_keys"]
        assert shown["last_used_at"]
        assert shown["last_address"] == "127.0.0.1"
        stored = await db.run("identity", world.system(), "SELECT * FROM identity.api_key")
        assert secret.partition(".")[2] not in str([dict(row) for row in stored])
    assert "key_made" in await news(world, person.id)


async def test_nobody_gives_a_key_more_than_he_has(world: World) -> None:
    """Scope exceeded, invented, or of the whole platform; and no key makes keys or changes what
    its maker logs in with."""
    async with world.client() as client:
        await provider(world, client)
        for scope in ("*", "payments.refund.create", "identity.*", "tenancy.operator.create"):
            answer = await client.post(KEYS, json={"name": "x", "scopes": [scope]})
            error_of(answer, 403, "PERMISSION_DENIED")
        for scopes in (["fleet"], ["fleet.*; DROP"], [], ["fleet..read"]):
            answer = await client.post(KEYS, json={"name": "x", "scopes": scopes})
            error_of(answer, 400, "VALIDATION_ERROR")
        mass = {"name": "x", "scopes": ["fleet.*"], "person_id": "usr_x", "expires_at": "2099"}
        error_of(await client.post(KEYS, json=mass), 400, "VALIDATION_ERROR")
        made = await key_of(client, "fleet.*", "identity.self", "identity.key.manage")
        other = await key_of(client, "fleet.vehicle.read")
    async with world.client(None, **bearer(made["secret"])) as program:
        body = {"name": "more", "scopes": ["fleet.*"]}
        error_of(await program.post(KEYS, json=body), 401, "AUTHENTICATION_FAILED")
        for path in ("totp", "passkeys/options", "sessions/end-others"):
            answer = await program.post(f"/api/v1/me/{path}")
            error_of(answer, 401, "AUTHENTICATION_FAILED")
        path = f"{KEYS}/{other['api_key']['id']}"
        error_of(await program.delete(path), 403, "PERMISSION_DENIED")
        error_of(await program.post(f"{path}/rotate", json={}), 404, "NOT_FOUND")


async def test_what_its_maker_loses_the_key_loses(world: World) -> None:
    """A role taken away, or the account blocked: the key is no way around."""
    async with world.client() as client:
        person = await provider(world, client, "provider", "support")
        made = await key_of(client, "fleet.*", "payments.payment.read_any")
        sql = "DELETE FROM identity.person_role WHERE person_id = $1 AND role = 'provider'"
        await db.run("identity", world.system(), sql, person.id)
    # As if it had never been used: what is remembered of a key is remembered for seconds.
    async with world.client(None, **bearer(made["secret"])) as program:
        answer = await program.post(VEHICLES, json={})
        error_of(answer, 403, "PERMISSION_DENIED")
        await identity.block_person(world.admin(), person.id)
        hub.signal(f"{api_keys.CHANGED}:{world.tenant}")
        error_of(await program.get(VEHICLES), 401, "AUTHENTICATION_FAILED")


async def test_a_key_is_revoked_everywhere_at_once(world: World) -> None:
    """By its maker, or by who manages all; it stays in the list."""
    async with world.client() as client:
        await provider(world, client)
        mine, other = await key_of(client, "fleet.*"), await key_of(client, "fleet.*")
        async with world.client(None, **bearer(mine["secret"])) as program:
            assert (await program.get(VEHICLES)).status_code == 200
            path = f"{KEYS}/{mine['api_key']['id']}"
            for _ in range(2):
                assert (await client.delete(path)).json()["revoked_at"]
            error_of(await program.get(VEHICLES), 401, "AUTHENTICATION_FAILED")
        error_of(await client.post(f"{path}/rotate", json={}), 404, "NOT_FOUND")
        async with world.client(world.admin()) as admin:
            page = (await admin.get(KEYS)).json()
            assert page["pagination"]["total"] == 2
            answer = await admin.delete(f"{KEYS}/{other['api_key']['id']}")
            assert answer.json()["revoked_at"]


async def test_a_rotated_key_overlaps(world: World) -> None:
    """IDN-36: both are good for a while, then the new one alone; a program rotates its own key."""
    async with world.client() as client:
        await provider(world, client)
        made = await key_of(client, "fleet.vehicle.read", "identity.key.manage")
        path = f"{KEYS}/{made['api_key']['id']}/rotate"
        async with world.client(None, **bearer(made["secret"])) as program:
            turned = (await program.post(path, json={"overlap_h": 2})).json()
            assert turned["api_key"]["previous_until"]
            assert (await program.get(VEHICLES)).status_code == 200
        old, new = [await use_key(world.system(), s["secret"]) for s in (made, turned)]
        assert old == new
        with later(hours=3):
            assert await use_key(world.system(), made["secret"]) is None
            assert await use_key(world.system(), turned["secret"])
        for hours in (-1, 169):
            answer = await client.post(path, json={"overlap_h": hours})
            error_of(answer, 400, "VALIDATION_ERROR")


async def test_keys_of_others_are_nothing(world: World) -> None:
    """Another operator's key, one that is invented, expired or cut: 401; another's key: 404."""
    other = await make_world()
    async with world.client() as client, other.client(other.admin()) as elsewhere:
        await provider(world, client)
        made = await key_of(client, "fleet.*", expires_in_days=1)
        secret = made["secret"]
        answer = await elsewhere.get(VEHICLES, headers=bearer(secret))
        error_of(answer, 400, "TENANT_MISMATCH")
        swapped = f"{ids.public('fwk', other.tenant)}.{secret.partition('.')[2]}"
        for bad in (swapped, secret[:-1], f"{secret}x", "fwk_", "fwk_x.y", "fwk_" + "z" * 300):
            error_of(await client.get(VEHICLES, headers=bearer(bad)), 401, "AUTHENTICATION_FAILED")
        path = f"{KEYS}/{made['api_key']['id']}"
        error_of(await elsewhere.delete(path), 404, "NOT_FOUND")
        with later(days=2):
            assert await use_key(world.system(), secret) is None
        await ada(world)
        async with world.client() as rider:
            await entered(rider)
            error_of(await rider.get(KEYS), 403, "PERMISSION_DENIED")


async def test_use_is_written_once_a_minute_and_asked_once_in_a_while(world: World) -> None:
    """The overhead is a look into a dictionary; the row is written at most once a minute."""
    async with world.client() as client:
        await provider(world, client)
        made = await key_of(client, "fleet.vehicle.read")
    async with world.client(None, **bearer(made["secret"])) as program:
        seen: list[str] = []
        token = db.statements.set(seen)
        for _ in range(5):
            assert (await program.get(VEHICLES)).status_code == 200
        db.statements.reset(token)
        assert sum("identity.api_key" in sql for sql in seen) == 1
    sql = "SELECT last_used_at, xmin FROM identity.api_key"
    before = await db.run("identity", world.system(), sql)
    assert await use_key(world.system(), made["secret"])
    assert await db.run("identity", world.system(), sql) == before
    with later(minutes=2):
        assert await use_key(world.system(), made["secret"])
        assert await db.run("identity", world.system(), sql) != before


async def test_a_key_that_expires_soon_is_told(world: World) -> None:
    """Once, a week ahead."""
    async with world.client() as client:
        person = await provider(world, client)
        await key_of(client, "fleet.*", expires_in_days=30)
        await key_of(client, "fleet.*", expires_in_days=3)
    for days, times in ((1, 0), (24, 1), (25, 1)):
        with later(days=days):
            await jobs.tell_of_keys()
        assert (await news(world, person.id)).count("key_expires") == times


PERMISSIONS = (
    "fleet.vehicle.read",
    "fleet.*",
    "fleet.zone.write",
    "pricing.*",
    "identity.self",
    "*",
)
some = st.frozensets(st.sampled_from(PERMISSIONS))


@given(some, some)
def test_what_two_allow_is_allowed_by_both(one: frozenset[str], other: frozenset[str]) -> None:
    """No more than either has, and all that both have."""
    both = common(one, other)
    assert both == common(other, one)
    for wanted in (*PERMISSIONS, "payments.refund.create"):
        alone = [Call(tenant=None, permissions=held).may(wanted) for held in (one, other)]
        assert Call(tenant=None, permissions=both).may(wanted) == all(alone)


@given(some, some)
def test_a_key_keeps_within_where_its_maker_may(one: frozenset[str], other: frozenset[str]) -> None:
    """Permissions for a part of the operator stay for that part."""
    where = frozenset({"area:1"})
    rights = Rights(frozenset(), frozenset(), dict.fromkeys(one, where))
    limited = rights.limited_to(other)
    assert limited.permissions == frozenset()
    assert set(limited.scoped) == common(one, other)
    assert all(each == where for each in limited.scoped.values())
