"""Sessions: seen, ended, confirmed, bound to a device's key; and the password changed."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract.sessions import sessions
from fahrwerk.identity.rules import binding
from fahrwerk.kernel import clock, ids
from tests.identity.clients import LOGIN, REFRESH, bearer, error_of
from tests.identity.doorstep import entered, here, later, news, staff, usr
from tests.identity.people import EMAIL, ada, tried
from tests.world import PASSWORD, World, make_world

MINE = "/api/v1/me/sessions"
NEW = "another horse and battery"


async def test_everybody_sees_where_he_is_logged_in(world: World) -> None:
    """Device, place, time, which one this is; one or all others are ended at once."""
    await ada(world)
    agents = ({"User-Agent": name} for name in ("Phone", "Laptop", "Cafe"))
    phone, laptop, cafe = [world.client(None, **agent) for agent in agents]
    async with phone, laptop, cafe:
        for client in (phone, laptop, cafe):
            await entered(client)
        found = (await phone.get(MINE)).json()["sessions"]
        assert {each["device"] for each in found} == {"Phone", "Laptop", "Cafe"}
        assert [each["device"] for each in found if each["is_current"]] == ["Phone"]
        assert all(each["address"] == "127.0.0.1" for each in found)
        name = {each["device"]: each["id"] for each in found}
        assert (await phone.delete(f"{MINE}/{name['Cafe']}")).status_code == 204
        error_of(await cafe.get(MINE), 401, "AUTHENTICATION_FAILED")
        error_of(await phone.delete(f"{MINE}/{name['Cafe']}"), 404, "NOT_FOUND")
        answer = await phone.post(f"{MINE}/end-others")
        assert answer.json() == {"ended": 1}
        error_of(await laptop.get(MINE), 401, "AUTHENTICATION_FAILED")
        assert len((await phone.get(MINE)).json()["sessions"]) == 1


async def test_sessions_are_nobody_elses(world: World) -> None:
    """Not another rider's, not another operator's; staff ends them, but not who may more."""
    person, other = await ada(world), await make_world()
    await ada(world, email="bo@example.org")
    me = await here(world)
    own = ids.public("ses", me.session or world.tenant)
    async with world.client() as bo, other.client(other.admin()) as elsewhere:
        await entered(bo, "bo@example.org")
        error_of(await bo.delete(f"{MINE}/{own}"), 404, "NOT_FOUND")
        path = f"/api/v1/users/{usr(person.id)}/sessions"
        error_of(await bo.get(path), 403, "PERMISSION_DENIED")
        error_of(await elsewhere.get(path), 404, "NOT_FOUND")
        error_of(await elsewhere.post(f"{path}/end"), 404, "NOT_FOUND")
    async with world.client(world.admin()) as admin:
        assert len((await admin.get(path)).json()["sessions"]) == 1
        assert (await admin.post(f"{path}/end")).json() == {"ended": 1}
    boss = await staff(world, "admin", email="boss@example.org")
    async with world.client(world.call("support")) as support:
        answer = await support.post(f"/api/v1/users/{usr(boss.id)}/sessions/end")
        assert answer.status_code == 403
    assert await sessions(world.admin(), person.id) == []


async def test_the_password_is_changed_by_who_knows_it(world: World) -> None:
    """The other sessions end, this one goes on, the owner is told; guesses are counted."""
    person = await ada(world)
    async with world.client() as client, world.client() as other:
        await entered(client)
        await entered(other)
        path, body = "/api/v1/me/password", {"old_password": "wrong", "new_password": NEW}
        error_of(await client.post(path, json=body), 401, "AUTHENTICATION_FAILED")
        body = {"old_password": PASSWORD, "new_password": EMAIL}
        error_of(await client.post(path, json=body), 400, "VALIDATION_ERROR")
        body["new_password"] = NEW
        assert (await client.post(path, json=body)).status_code == 204
        assert (await client.get(MINE)).status_code == 200
        error_of(await other.get(MINE), 401, "AUTHENTICATION_FAILED")
        for _ in range(10):
            await client.post(path, json=body | {"old_password": "wrong"})
        error_of(await client.post(path, json=body), 429, "TOO_MANY_TRIES")
    assert (await news(world, person.id))[-1] == "password_changed"
    assert await identity.log_in(world.call(), EMAIL, NEW)


async def test_a_new_device_is_told_of(world: World) -> None:
    """Not the first one, not one seen before, not one that says it is known."""
    person = await ada(world)
    await here(world, name="Phone", remember=True)
    await here(world, name="Phone")
    assert await news(world, person.id) == []
    done = await identity.log_in(
        world.call(), EMAIL, PASSWORD, client=identity.Client(name="Laptop", remember=True)
    )
    assert await news(world, person.id) == ["new_device"]
    await here(world, name="Renamed", known=done.device_token)
    assert await news(world, person.id) == ["new_device"]


def proof(key: Any, path: str, **said: Any) -> str:
    """A DPoP proof (RFC 9449)."""
    alg = "Ed25519" if isinstance(key, OKPKey) else "ES256"
    header = {"typ": "dpop+jwt", "alg": alg, "jwk": key.as_dict(private=False)}
    now = int(clock.now().timestamp())
    claims = {"htm": "POST", "htu": f"https://test{path}", "iat": now, "jti": ids.new().hex}
    header |= said.pop("header", {})
    return jwt.encode(header, claims | said, key, algorithms=["ES256", "Ed25519"])


@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")], ids=["ES256", "Ed25519"]
)
async def test_a_bound_session_needs_its_devices_key(world: World, key: Any) -> None:
    """A stolen refresh token alone is worth nothing, and does not end the owner's session."""
    await ada(world)
    async with world.client() as client:
        body = {"email": EMAIL, "password": PASSWORD}
        answer = await client.post(LOGIN, json=body, headers={"DPoP": proof(key, LOGIN)})
        assert answer.status_code == 200, answer.text
        token = bearer(answer.json()["refresh_token"])
        client.headers.update(bearer(answer.json()["access_token"]))
        assert (await client.get(MINE)).json()["sessions"][0]["is_bound"]
        thief = ECKey.generate_key("P-256")
        for lie in ({}, {"DPoP": proof(thief, REFRESH)}, {"DPoP": proof(key, LOGIN)},
                    {"DPoP": proof(key, REFRESH, iat=1)}, {"DPoP": "nonsense"}):  # fmt: skip
            refused = await client.post(REFRESH, headers=token | lie)
            error_of(refused, 401, "DEVICE_PROOF_FAILED")
        mine = token | {"DPoP": proof(key, REFRESH)}
        renewed = await client.post(REFRESH, headers=mine)
        assert renewed.status_code == 200, renewed.text
        # A proof is good once, also with the next token; a new one goes on.
        token = bearer(renewed.json()["refresh_token"])
        error_of(await client.post(REFRESH, headers=mine | token), 401, "DEVICE_PROOF_FAILED")
        again = token | {"DPoP": proof(key, REFRESH)}
        assert (await client.post(REFRESH, headers=again)).status_code == 200
        used = {"DPoP": proof(key, LOGIN)}
        assert (await client.post(LOGIN, json=body, headers=used)).status_code == 200
        error_of(await client.post(LOGIN, json=body, headers=used), 401, "DEVICE_PROOF_FAILED")


async def test_an_operator_may_ask_for_device_keys(world: World) -> None:
    await ada(world)
    async with world.client(world.admin()) as admin:
        await admin.patch("/api/v1/identity/policy", json={"bind_sessions": True})
    key = ECKey.generate_key("P-256")
    async with world.client() as client:
        body = {"email": EMAIL, "password": PASSWORD}
        error_of(await client.post(LOGIN, json=body), 401, "DEVICE_KEY_NEEDED")
        answer = await client.post(LOGIN, json=body, headers={"DPoP": proof(key, LOGIN)})
        assert answer.status_code == 200


def test_only_good_proofs_count() -> None:
    """The algorithm is fixed, the key is public, and nothing else is signed by it."""
    key, now = ECKey.generate_key("P-256"), clock.now().timestamp()

    def said(text: str, path: str = LOGIN) -> Any:
        return tried(binding.read, text, "POST", path, now)

    assert said(proof(key, LOGIN)).thumbprint == key.thumbprint()
    good = proof(key, LOGIN)
    secret = {"jwk": key.as_dict(private=True)}
    for bad in (
        proof(key, LOGIN, header=secret), proof(key, LOGIN, header={"typ": "JWT"}),
        proof(key, LOGIN, htm="GET"), proof(key, LOGIN, iat=now + 120), proof(key, LOGIN, jti=""),
        proof(key, LOGIN, header={"jwk": ECKey.generate_key("P-256").as_dict(private=False)}),
        good.rpartition(".")[0] + ".", good.rpartition(".")[0] + ".AAAA", "x" * 3000, "..", "é",
    ):  # fmt: skip
        assert isinstance(said(bad), binding.BadProof), bad
    assert isinstance(said(good, REFRESH), binding.BadProof)


async def test_confirming_takes_a_password_or_a_code(world: World) -> None:
    await ada(world)
    async with world.client() as client:
        await entered(client)
        path = "/api/v1/me/confirm"
        for body in ({}, {"password": PASSWORD, "code": "123456"}):
            error_of(await client.post(path, json=body), 400, "VALIDATION_ERROR")
        error_of(await client.post(path, json={"code": "123456"}), 401, "AUTHENTICATION_FAILED")
        with later(minutes=20):
            error_of(await client.post("/api/v1/me/totp"), 403, "CONFIRMATION_NEEDED")
            assert (await client.post(path, json={"password": PASSWORD})).status_code == 204
            assert (await client.post("/api/v1/me/totp")).status_code == 200
