"""Going through single sign-on as a browser and an app do."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.world import World, http_app

BACK = "com.example.ride:/signed-in"
OVER = "/login/sso?refused=state"
VERIFIER = secrets.token_urlsafe(40)
_digest = hashlib.sha256(VERIFIER.encode()).digest()
CHALLENGE = base64.urlsafe_b64encode(_digest).rstrip(b"=").decode()


class Person:
    """Somebody with a browser and the app."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.browser = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=http_app(), raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="https://fahrwerk.test",
        )
        self.app = world.client()

    async def open(self, url: str) -> httpx.Response:
        """A page of ours, wherever the installation says it is."""
        parts = urlsplit(url)
        return await self.browser.get(f"{parts.path}?{parts.query}")

    async def leave(self, provider: str, state: str = "s1") -> str:
        """Begin in the app, go on in the browser: the provider's address it is sent to."""
        wish = {"provider": provider, "redirect_uri": BACK, "code_challenge": CHALLENGE}
        started = await self.app.post("/api/v1/auth/sso/start", json=wish | {"state": state})
        assert started.status_code == 200, started.text
        answer = await self.open(started.json()["url"])
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def redeem(self, back: str, verifier: str = VERIFIER) -> httpx.Response:
        """The app fetches its tokens with what came back to it."""
        body = {"code": told(back)["code"], "code_verifier": verifier}
        return await self.app.post("/api/v1/auth/sso/token", json=body)


def told(url: str) -> dict[str, str]:
    """What a redirect tells the app."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def provider(world: World, protocol: dict[str, Any], **more: Any) -> str:
    """An identity provider of this operator; its id."""
    body = {
        "name": "Corp", "protocol": protocol, "redirect_uris": [BACK], "domains": ["corp.example"],
        "role_rules": [{"group": "Fleet", "role": "provider"}],
    }  # fmt: skip
    async with world.client(world.admin()) as admin:
        answer = await admin.post("/api/v1/sso/providers", json=body | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
