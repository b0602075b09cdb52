"""Tokens from outside: forged, expired, of other operators, and too many tries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk import app as composition
from fahrwerk.identity import contract as identity
from fahrwerk.identity import http as identity_http
from fahrwerk.kernel import clock, crypto, web
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.kernel.settings import Settings
from tests.identity.clients import LOGIN, ME, REFRESH, bare, bearer, error_of, unpadded
from tests.identity.people import EMAIL, ada
from tests.world import PASSWORD, World, make_world


def _signed(secret: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=")
        for part in (header, claims)
    ]
    mark = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    parts.append(base64.urlsafe_b64encode(mark).rstrip(b"="))
    return b".".join(parts).decode()


async def test_forged_tokens_are_refused(world: World) -> None:
    """IDN-10, IDN-38, API-04: alg none, other keys, other algorithms, changed claims: all 401."""
    good = world.token(await world.rider())
    head, claims, mark = good.split(".")
    said = msgspec.json.decode(unpadded(claims))
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
        assert (await client.get(ME, headers=bearer(good))).status_code == 200
        for what, token in forged.items():
            answer = await client.get(ME, headers=bearer(token))
            assert answer.status_code == 401, what
            error = error_of(answer, 401, "AUTHENTICATION_FAILED")
            assert error["message"] == "Invalid or expired token", what
        error_of(await client.get(ME), 401, "AUTHENTICATION_FAILED")
        basic = await client.get(ME, headers={"Authorization": f"Basic {good}"})
        error_of(basic, 401, "AUTHENTICATION_FAILED")


async def test_an_expired_token_is_told_to_the_letter(world: World) -> None:
    """IDN-12, API-04: code, message and details exactly as the contract has them."""
    rider = await world.rider()
    token = world.token(rider)
    async with world.client() as client:
        with clock.moved_to(clock.now() + timedelta(seconds=3590)):
            assert (await client.get(ME, headers=bearer(token))).status_code == 200
        with clock.moved_to(clock.now() + timedelta(seconds=3601)):
            answer = await client.get(ME, headers=bearer(token))
    error = error_of(answer, 401, "AUTHENTICATION_FAILED")
    assert error["message"] == "Invalid or expired token"
    assert error["details"] == {"token_expired": True}
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_is_good_at_its_own_operator_only(world: World) -> None:
    """I7, C-80: another operator's token with a foreign X-Tenant-ID is 400 TENANT_MISMATCH."""
    other = await make_world()
    stranger = other.token(await other.rider())
    async with world.client() as client:
        error = error_of(await client.get(ME, headers=bearer(stranger)), 400, "TENANT_MISMATCH")
        assert error["details"]["field"] == "X-Tenant-ID"
        login = await _logged_in_at(other)
        mixed = await client.post(REFRESH, headers=bearer(login.refresh_token))
        error_of(mixed, 400, "TENANT_MISMATCH")
    async with bare(**bearer(stranger)) as client:
        assert (await client.get(ME)).json()["tenant"] == other.operator.slug


async def _logged_in_at(world: World) -> identity.Login:
    await ada(world)
    return await identity.log_in(world.call(), EMAIL, PASSWORD)


async def test_an_old_token_keeps_nobody_out(world: World) -> None:
    """Apps send what they have: an expired or broken token does not stop a log-in."""
    await ada(world)
    token = world.token(await world.rider())
    with clock.moved_to(clock.now() + timedelta(hours=2)):
        async with world.client() as client:
            for old in (token, "broken"):
                said = {"email": EMAIL, "password": PASSWORD}
                answer = await client.post(LOGIN, json=said, headers=bearer(old))
                assert answer.status_code == 200


async def test_log_in_is_limited(world: World) -> None:
    """IDN-35, API-21: ten tries a minute from one address, over all endpoints of the class."""
    contract = web.create_app(Settings(), identity_http.handlers, composition.HouseFront())
    async with bare(contract, **{"X-Tenant-ID": world.operator.slug}) as client:
        for _ in range(9):
            body = {"email": EMAIL, "password": "a wrong password"}
            error_of(await client.post(LOGIN, json=body), 401, "AUTHENTICATION_FAILED")
        error_of(await client.post(REFRESH), 401, "AUTHENTICATION_FAILED")
        began = time.monotonic()
        for path in (LOGIN, REFRESH, "/api/v1/auth/register"):
            answer = await client.post(path, json={"email": EMAIL, "password": PASSWORD})
            error = error_of(answer, 429, "RATE_LIMIT_EXCEEDED")
            assert error["details"].keys() == {"limit", "window", "retry_after"}
            assert (error["details"]["limit"], error["details"]["window"]) == (10, "1m")
        assert time.monotonic() - began < 5


async def test_a_new_secret_ends_nobodys_session(world: World) -> None:
    """Keys rotate: what the secret of before signed and sealed is read until it is taken out."""
    rider = await world.rider()
    before, sealed = world.token(rider), crypto.seal("test", "told")
    lasting = crypto.lasting_key_for("test")
    try:
        crypto.set_signing_secret("new", "tests")
        after = world.token(rider)
        async with world.client() as client:
            for token in (before, after):
                assert (await client.get(ME, headers=bearer(token))).status_code == 200
        assert crypto.unseal("test", sealed) == "told"
        assert crypto.is_stale("test", sealed)
        assert not crypto.is_stale("test", crypto.seal("test", "told"))
        assert crypto.lasting_key_for("test") == lasting != crypto.key_for("test")
        crypto.set_signing_secret("new")
        with pytest.raises(Unauthenticated):
            crypto.read_token(before)
        with pytest.raises(ValueError, match="another secret"):
            crypto.unseal("test", sealed)
    finally:
        crypto.set_signing_secret("tests")


async def test_a_key_of_another_installation_opens_nothing(world: World) -> None:
    """IDN-09: tokens are bound to this installation's secret."""
    rider = await world.rider()
    crypto.set_signing_secret("another installation")
    token = world.token(rider)
    crypto.set_signing_secret("tests")
    async with world.client() as client:
        error_of(await client.get(ME, headers=bearer(token)), 401, "AUTHENTICATION_FAILED")
