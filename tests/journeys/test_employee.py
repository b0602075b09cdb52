"""TST-01: an employee comes in by the organisation's own identity provider, and goes when its
directory says so: at once, on every process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.identity.idp import FakeSaml, fake_oidc
from tests.identity.sso import BACK, CHALLENGE, VERIFIER, told
from tests.identity.test_scim import PATCH, ada
from tests.identity.test_sso_ldap import fake_directory
from tests.journeys.people import City
from tests.journeys.platform import Platform, free_port

pytestmark = pytest.mark.process

SECOND = "serve-2"
Entry = Callable[[str], Awaitable[httpx.Response]]
"""Logs in at a provider (its public id); the answer with the tokens."""


@pytest.fixture(scope="module")
async def second(running: Platform) -> str:
    """The address of a second HTTP server of the same installation."""
    port = free_port()
    running.always(SECOND, FAHRWERK_HTTP_PORT=str(port))
    running.spawn(SECOND)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    async with httpx.AsyncClient(base_url=url) as client:
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/ready")).status_code == 200:
                    return url
            await asyncio.sleep(0.1)
    raise AssertionError(running.log(SECOND))


def browser(city: City) -> httpx.AsyncClient:
    """Somebody's browser; to pages the laptop is ``localhost``."""
    return httpx.AsyncClient(base_url=f"http://localhost:{city.platform.port}", timeout=30)


def app(city: City) -> httpx.AsyncClient:
    """The operator's app before anybody has logged in."""
    return httpx.AsyncClient(
        base_url=city.platform.url, headers={"X-Tenant-ID": city.slug}, timeout=30
    )


async def opened(client: httpx.AsyncClient, url: str) -> str:
    """Where a page of ours leads on to."""
    parts = urlsplit(url)
    answer = await client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def left(city: City, client: httpx.AsyncClient, chosen: str) -> str:
    """Begun in the app: where the provider wants the browser."""
    wish = {"provider": chosen, "redirect_uri": BACK, "code_challenge": CHALLENGE, "state": "s"}
    async with app(city) as ride:
        started = await ride.post("/api/v1/auth/sso/start", json=wish)
    assert started.status_code == 200, started.text
    return await opened(client, started.json()["url"])


async def redeemed(city: City, back: str) -> httpx.Response:
    """The app fetches its tokens; or what it was told instead."""
    said = told(back)
    async with app(city) as ride:
        body = {"code": said.get("code", "none"), "code_verifier": VERIFIER}
        return await ride.post("/api/v1/auth/sso/token", json=body)


@contextlib.asynccontextmanager
async def by_oidc(city: City, folder: Path) -> AsyncIterator[tuple[dict[str, Any], Entry]]:
    """What the operator enters about the provider, and how people log in by it."""
    async with fake_oidc() as fake:
        fake.claims |= {"groups": ["Fleet"]}

        async def enter(chosen: str) -> httpx.Response:
            async with browser(city) as client:
                query = fake.authorize(await left(city, client, chosen))
                path = f"/sso/{city.slug}/{chosen}/callback?{query}"
                return await redeemed(city, await opened(client, path))

        yield (
            {
                "protocol": {"type": "oidc", "issuer": fake.issuer, "client_id": "fahrwerk"},
                "secret": "s3cret",
            },
            enter,
        )


@contextlib.asynccontextmanager
async def by_saml(city: City, folder: Path) -> AsyncIterator[tuple[dict[str, Any], Entry]]:
    fake = FakeSaml()

    async def enter(chosen: str) -> httpx.Response:
        async with browser(city) as client:
            request_id, acs, state = fake.asked(await left(city, client, chosen))
            response = fake.response(fake.signed(fake.assertion(request_id, acs)))
            form = {"SAMLResponse": response, "RelayState": state}
            async with httpx.AsyncClient(base_url=city.platform.url, timeout=30) as theirs:
                posted = await theirs.post(f"/sso/{city.slug}/{chosen}/acs", data=form)
            assert posted.status_code == 303, posted.text
            return await redeemed(city, await opened(client, posted.headers["location"]))

    mapping = {"email": "Email", "department": "Department", "role": "Role"}
    yield {"protocol": {"type": "saml", "metadata_xml": fake.metadata}, "mapping": mapping}, enter


@contextlib.asynccontextmanager
async def by_ldap(city: City, folder: Path) -> AsyncIterator[tuple[dict[str, Any], Entry]]:
    async with fake_directory(folder) as (_, protocol):

        async def enter(chosen: str) -> httpx.Response:
            body = {"provider": chosen, "login": "ada", "password": "engine"}
            async with app(city) as ride:
                return await ride.post("/api/v1/auth/sso/ldap", json=body)

        yield {"protocol": protocol, "secret": "r3ader"}, enter


@pytest.mark.parametrize("way", [by_oidc, by_saml, by_ldap])
async def test_an_employee_comes_and_goes(
    city: City, second: str, tmp_path: Path, way: Callable[..., Any]
) -> None:
    """TST-01, IDN-20..25, IDN-30: nobody before the directory says so; in with the roles of the
    groups; out within a second, on the process that was told and on the other one."""
    async with way(city, tmp_path) as (wanted, enter):
        body = {
            "name": "Corp", "redirect_uris": [BACK], "domains": ["corp.example"],
            "role_rules": [{"group": "Fleet", "role": "provider"}], "may_create": False, **wanted,
        }  # fmt: skip
        made = await city.admin.post("/api/v1/sso/providers", json=body)
        assert made.status_code == 201, made.text
        chosen = made.json()["id"]
        assert (await enter(chosen)).status_code == 401
        source = await city.admin.post(
            "/api/v1/scim/sources", json={"name": "Corp", "provider": chosen}
        )
        assert source.status_code == 201, source.text
        async with httpx.AsyncClient(
            base_url=f"{city.platform.url}/scim/v2/", timeout=30,
            headers={"Authorization": f"Bearer {source.json()['token']}",
                     "Content-Type": "application/scim+json"},
        ) as directory:  # fmt: skip
            user = (await directory.post("Users", json=ada())).json()
            done = await enter(chosen)
            assert done.status_code == 200, done.text
            assert "provider" in done.json()["user"]["roles"]
            me = {"Authorization": f"Bearer {done.json()['access_token']}"}
            async with (
                httpx.AsyncClient(base_url=city.platform.url, headers=me) as here,
                httpx.AsyncClient(base_url=second, headers=me) as there,
            ):
                for each in (here, there):
                    assert (await each.get("/api/v1/users/me")).status_code == 200
                gone = {"schemas": [PATCH], "Operations": [
                    {"op": "replace", "path": "active", "value": False}]}  # fmt: skip
                answer = await directory.patch(f"Users/{user['id']}", json=gone)
                assert answer.status_code == 200, answer.text
                told_at = time.monotonic()
                for each in (here, there):
                    while (await each.get("/api/v1/users/me")).status_code != 401:
                        assert time.monotonic() - told_at < 1, "still in after a second"
                        await asyncio.sleep(0.02)
                refresh = {"Authorization": f"Bearer {done.json()['refresh_token']}"}
                renewed = await there.post("/api/v1/auth/refresh", headers=refresh)
                assert renewed.status_code == 401
            assert (await enter(chosen)).status_code in (401, 403)
