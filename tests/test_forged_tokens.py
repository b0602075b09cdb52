"""Tokens that nobody issued, or not for this: none of them is anybody."""

from __future__ import annotations

import base64
import json
from typing import Any

from joserfc import jwt

from fahrwerk.kernel import crypto, ids
from tests.openapi import checked
from tests.world import World, make_world


def _token(world: World, *, key: str = "tests", without: str = "", **changes: Any) -> str:
    """An access token of a rider, with other claims or another key."""
    call = world.call("admin")
    crypto.set_signing_secret(key)
    try:
        assert call.user is not None
        given = crypto.issue_token(call.user, world.tenant, call.roles, ids.new())
        if changes or without:
            claims = json.loads(base64.urlsafe_b64decode(given.split(".")[1] + "=="))
            said = {k: v for k, v in (claims | changes).items() if k != without}
            given = jwt.encode({"alg": "HS256"}, said, crypto._keys[0])
        return given
    finally:
        crypto.set_signing_secret("tests")


def _part(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_forged_tokens(world: World) -> None:
    """TST-08.1, IDN-12, IDN-38: none of them is anybody."""
    good = _token(world)
    head, claims, sign = good.split(".")
    another = await make_world()
    forged = [
        _token(world, key="another key"),
        *(_token(world, without=claim) for claim in ("iss", "aud", "sub", "tenant", "exp", "sid")),
        *(_token(world, iss="evil"), _token(world, aud=["fahrwerk"]), _token(world, exp="never")),
        *(_token(world, exp=1e400), _token(world, exp=1), _token(world, sub="usr_1")),
        *(_token(world, roles=None), _token(world, tenant="*")),
        *(f"{_part({'alg': alg})}.{claims}." for alg in ("none", "None", "NONE", "")),
        *(f"{_part({'alg': alg})}.{claims}.{sign}" for alg in ("none", "HS512", "RS256", None, 1)),
        f"{_part({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{claims}.{sign}",
        f"{_part({'alg': 'HS256', 'jwk': {'k': 'A'}, 'kid': '../x'})}.{claims}.{sign}",
        f"{_part(b'[' * 2900)}.{claims}.{sign}",
        f"{_part(b'1' * 2900)}.{claims}.{sign}",
        f"{head}.{_part({'sub': str(ids.new()), 'tenant': str(world.tenant)})}.{sign}",
        f"{_part({'alg': 'dir', 'enc': 'A128GCM'})}..{_part(b'0' * 12)}.{claims}.{sign}",
        *(good[:-1], good + "x", good + ".", "." + good, f"{good} {good}", good.replace(".", "..")),
        *("..", "....", "null", "é", "\x7f", "x" * 4097, "x" * 60_000),
    ]
    async with world.client() as client:
        assert (await client.get("/api/v1/users", headers=_bearer(good))).status_code == 200
        for token in forged:
            for path in ("/api/v1/users", "/api/v1/users/me", "/vehicles/search"):
                error = checked(await client.get(path, headers=_bearer(token)), 401, about=token)
                assert error["code"] == "AUTHENTICATION_FAILED"
        for scheme in ("Basic", "bearer:", "Token", "Bearer,", "Digest"):
            headers = {"Authorization": f"{scheme} {good}"}
            checked(await client.get("/api/v1/users", headers=headers), 401)
        other = {**_bearer(_token(another)), b"X-Tenant-ID": world.operator.slug.encode()}
        error = checked(await client.get("/api/v1/users", headers=other), 400)
        assert error["code"] == "TENANT_MISMATCH"


def _bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + token.encode("latin-1", "replace")}


async def test_roles_are_names_and_nothing_more(world: World) -> None:
    """A role nobody knows adds nothing; one's own tenant is where roles count."""
    async with world.client() as client:
        for roles in ([], ["root"], ["*"], ["fleet.*"], "admin", {"admin": 1}, [["admin"]], [None]):
            answer = await client.get("/api/v1/users", headers=_bearer(_token(world, roles=roles)))
            checked(answer, 403, 401, about=repr(roles))
