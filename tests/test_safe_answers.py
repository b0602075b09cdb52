"""Every kind of answer says what a browser may do with it (GDP-17, TST-08)."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.furnished import PHOTO, posted
from tests.world import World

KINDS = {
    "a page": "/login",
    "the front page": "/",
    "a page for somebody else": "/portal",
    "no page": "/nothing/here",
    "an app": "/app/",
    "the console": "/console/vehicles",
    "its settings": "/web/config.json",
    "a file that is none": "/web/assets/none.js",
    "the document": "/api/openapi.json",
    "its page": "/api/docs",
    "a script of it": "/api/docs/start.js",
    "a list": "/api/v1/scooters",
    "nothing": "/api/v1/scooters/sco_none",
    "a mistake": "/api/v1/scooters?limit=x",
    "a file to save": "/api/v1/audit/export",
    "an open feed": "/gbfs/{slug}/3.0/gbfs",
    "a probe": "/health",
    "numbers": "/metrics",
    "letters": "/dev/mail",
    "a logo": "{logo}",
}
METHODS = ("GET", "HEAD", "OPTIONS", "DELETE")


@pytest.fixture
async def places(world: World) -> dict[str, str]:
    async with world.client(world.admin()) as admin:
        look = {"name": "Flitz", "primary_color": "#000000", "secondary_color": "#ffffff"}
        brand = (await posted(admin.post("/api/v1/brands", json=look)))["id"]
        logo = await posted(admin.put(f"/api/v1/brands/{brand}/logo", content=PHOTO.getvalue()))
    known = {"slug": world.operator.slug, "logo": logo["logo_url"]}
    return {kind: place.format(**known) for kind, place in KINDS.items()}


async def test_every_kind_of_answer(world: World, places: dict[str, str]) -> None:
    """Also errors, also other methods, also to strangers."""
    for call in (None, world.admin()):
        async with world.client(call, Accept="text/html,*/*") as client:
            for kind, place in places.items():
                for method in METHODS:
                    check(await client.request(method, place), f"{method} {place} ({kind})")


def check(answer: httpx.Response, about: str) -> None:
    headers = answer.headers
    assert answer.status_code < 500, about
    assert headers["x-content-type-options"] == "nosniff", about
    assert headers["x-frame-options"] == "DENY", about
    assert headers["referrer-policy"] in ("same-origin", "no-referrer"), about
    assert "x-request-id" in headers, about
    assert "cache-control" in headers, about
    assert not headers.keys() & {"server", "x-powered-by", "access-control-allow-origin"}, about
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'", about
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert policy.get("frame-ancestors") == "'none'", about
        assert policy.get("base-uri") == "'none'", about
        assert "form-action" in policy, about
        assert headers["cache-control"] != "public", about
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*\bnonce=)[^>]*>", answer.text), about
        assert not re.search(r"\son[a-z]+\s*=\s*[\"']", answer.text), about
    scripts = policy.get("script-src", "'none'").split()
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:", "data:"} & {*scripts}
    assert all(each.startswith(("'self'", "'none'", "'nonce-", "'sha256-")) for each in scripts)
    assert not re.search(r"(^|\s)(\*|https?:)(\s|$)", policy.get("connect-src", "")), about


async def test_no_name_and_version_is_told(world: World) -> None:
    """Neither ours nor that of what we are built with."""
    async with world.client() as client:
        for place in ("/", "/api/v1/nothing", "/health"):
            told = " ".join(f"{n}: {v}" for n, v in (await client.get(place)).headers.items())
            assert not re.search(r"litestar|uvicorn|python|postgres", told, re.IGNORECASE)
