"""Processes of one installation know each other, and nobody else (GDP-11)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from fahrwerk import app as composition
from fahrwerk import doctor
from fahrwerk.kernel import clock, crypto, db, ids, limits, observe
from fahrwerk.kernel import service_tokens as service
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.kernel.limits import limiter
from fahrwerk.kernel.settings import Settings
from tests.servers import free_port, has_redis, redis_here

BODY = b'{"door":"pricing.quote","call":{}}'
NOW, OTHER = "a secret of this installation, long enough", "another installation's secret"


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    crypto.set_signing_secret(NOW)
    yield
    crypto.set_signing_secret("tests")


def forged(head: dict[str, Any], key: bytes | None = None, **claims: Any) -> str:
    """A token with other words in it, signed with our key or another."""
    now = int(time.time())
    good = {"iss": "web", "aud": "pricing", "iat": now, "exp": now + 30,
            "jti": "one", "body": service._hash(BODY)}  # fmt: skip
    said = {name: value for name, value in (good | claims).items() if value is not None}
    signed = OctKey.import_key(key or crypto.key_for("service"))
    return jwt.encode(
        {"alg": "HS256", "typ": "service+jwt"} | head, said, signed,
        algorithms=["HS256", "HS384", "HS512"],
    )  # fmt: skip


def unsigned(alg: str = "none") -> str:
    """Without a signature at all."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"iss": "web", "aud": "pricing", "iat": now, "exp": now + 30,
              "jti": "one", "body": service._hash(BODY)}  # fmt: skip
    return f"{part({'alg': alg, 'typ': 'service+jwt'})}.{part(claims)}."


def test_a_service_is_known_by_its_token() -> None:
    made = service.token("web", "pricing", BODY)
    assert service.checked(made, "pricing", BODY) == "web"
    assert service.checked(forged({}), "pricing", BODY) == "web"


def test_the_secret_may_be_changed_meanwhile() -> None:
    made = service.token("web", "pricing", BODY)
    crypto.set_signing_secret(OTHER, NOW)
    assert service.checked(made, "pricing", BODY) == "web"
    crypto.set_signing_secret(OTHER)
    with pytest.raises(Unauthenticated):
        service.checked(made, "pricing", BODY)


async def test_each_token_is_taken_once() -> None:
    """Also when all are asked at once, and until it would be too old anyway."""
    seen = limiter({}, None)
    made = [service.token("web", "pricing", BODY) for _ in range(3)]
    assert len(set(made)) == 3
    asked = (service.taken(each, "pricing", BODY, seen) for each in made * 5)
    said = await asyncio.gather(*asked, return_exceptions=True)
    assert said.count("web") == 3
    assert sum(isinstance(each, Unauthenticated) for each in said) == 12
    late = forged({}, iat=int(time.time()) - 30, exp=int(time.time()) + 1)
    assert await service.taken(late, "pricing", BODY, seen) == "web"
    with pytest.raises(Unauthenticated):
        await service.taken(late, "pricing", BODY, seen)


async def test_what_is_forged_is_not_remembered() -> None:
    """Nobody fills the memory, or has a token refused, who could not have made it."""
    seen = limiter({}, None)
    with pytest.raises(Unauthenticated):
        await service.taken(forged({}, key=b"k" * 32), "pricing", BODY, seen)
    assert await service.taken(forged({}), "pricing", BODY, seen) == "web"


@pytest.mark.skipif(not has_redis(), reason="redis-server is not installed")
async def test_processes_remember_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_REDIS_WITHIN_S", 20.0)
    with redis_here() as (url, _):
        here, there = limiter({}, url), limiter({}, url)
        made = good()
        assert await service.taken(made, "pricing", BODY, here) == "web"
        for each in (here, there):
            with pytest.raises(Unauthenticated):
                await service.taken(made, "pricing", BODY, each)
            await each.close()


def good() -> str:
    return service.token("web", "pricing", BODY)


def aged(begun_s: int, ended_s: int) -> str:
    now = int(time.time())
    return forged({}, iat=now + begun_s, exp=now + ended_s)


ATTACKS: dict[str, Callable[[], str]] = {
    "another key": lambda: forged({}, key=b"k" * 32),
    "the key of another purpose": lambda: forged({}, key=crypto.key_for("form")),
    "an access token": lambda: crypto.issue_token(ids.new(), ids.new(), ["platform"], ids.new()),
    "alg none": unsigned,
    "alg None": lambda: unsigned("None"),
    "no signature": lambda: good().rpartition(".")[0] + ".",
    "another signature": lambda: good().rpartition(".")[0] + "." + "A" * 43,
    "another algorithm": lambda: forged({"alg": "HS512"}),
    "another kind of token": lambda: forged({"typ": "JWT"}),
    "a key it names itself": lambda: forged({"kid": "../../dev/null"}),
    "expired": lambda: aged(-60, -30),
    "of tomorrow": lambda: aged(86_400, 86_430),
    "good for too long": lambda: aged(0, 3_600),
    "good for ever": lambda: forged({}, exp=None),
    "over before it began": lambda: aged(0, -1),
    "another room": lambda: forged({}, aud="payments"),
    "several rooms": lambda: forged({}, aud=["pricing", "payments"]),
    "no room": lambda: forged({}, aud=None),
    "nobody": lambda: forged({}, iss=""),
    "no id": lambda: forged({}, jti=None),
    "an empty id": lambda: forged({}, jti=""),
    "no body": lambda: forged({}, body=None),
    "another body": lambda: service.token("web", "pricing", BODY + b" "),
    "an empty body": lambda: service.token("web", "pricing", b""),
    "more claims": lambda: forged({}, roles=["platform"]),
    "nothing": lambda: "",
    "no token": lambda: "Bearer x.y.z",
    "a long one": lambda: "x" * 100_000,
    "not ASCII": lambda: "ä.ö.ü",
}


@pytest.mark.parametrize("forge", ATTACKS.values(), ids=ATTACKS.keys())
def test_forged_tokens_of_services(forge: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated):
        service.checked(forge(), "pricing", BODY)


def test_no_service_is_a_person() -> None:
    """Its token opens no endpoint, and none is made that lives for long."""
    with pytest.raises(Unauthenticated):
        crypto.read_token(good())
    for lives_s in (0, -1, service.LONGEST_S + 1):
        with pytest.raises(ValueError, match="at most 60 s"):
            service.token("web", "pricing", BODY, lives_s=lives_s)


def test_a_moved_clock_moves_no_token() -> None:
    """A ride that is recorded later must be able to ask other services too."""
    with clock.moved_to(clock.now() - timedelta(days=900)):
        made = service.token("web", "pricing", BODY)
    assert service.checked(made, "pricing", BODY) == "web"


WRONG = ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer " + "A" * 43]


def test_metrics_of_a_worker_are_for_those_who_have_the_token() -> None:
    """GDP-11: in production 401 without it, whatever the path; on one's own machine as before."""
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    with observe.shown(Settings(work_metrics_port=port, dev=False)):
        for said in WRONG:
            for path in ("/metrics", "/", "/favicon.ico"):
                answer = httpx.get(at + path, headers={"authorization": said})
                assert answer.status_code == 401, (path, said)
                assert "fahrwerk_" not in answer.text
        known = {"authorization": f"Bearer {service.scraper_token()}"}
        page = httpx.get(f"{at}/metrics", headers=known)
        assert (page.status_code, "fahrwerk_" in page.text) == (200, True)
        crypto.set_signing_secret(OTHER, NOW)
        assert httpx.get(f"{at}/metrics", headers=known).status_code == 200
        crypto.set_signing_secret(OTHER)
        assert httpx.get(f"{at}/metrics", headers=known).status_code == 401


@pytest.mark.parametrize(
    ("setting", "url", "said"),
    [
        ("redis_url", "redis://10.0.0.5:6379/0", "without a password and in clear text"),
        ("redis_url", "rediss://10.0.0.5:6379/0", "without a password"),
        ("redis_url", "redis://:secret@10.0.0.5:6379/0", "in clear text"),
        ("redis_url", "rediss://:secret@10.0.0.5:6379/0", None),
        ("redis_url", "redis://127.0.0.1:6379/0", None),
        ("mqtt_url", "mqtt://broker.example", "without a password and in clear text"),
        ("mqtt_url", "mqtts://fahrwerk:secret@broker.example:8883", None),
        ("mqtt_url", "mqtt://[::1]:1883", None),
        ("database_url", "postgresql://app@db.example/f", "without a password and in clear text"),
        ("database_url", "postgresql://app:x@db.example/f?sslmode=prefer", "in clear text"),
        ("database_url", "postgresql://app:x@db.example/f?sslmode=verify-full", None),
        ("database_url", "postgresql:///f?host=/run/postgresql&user=app", None),
    ],
)
def test_doctor_names_peers_that_believe_anybody(setting: str, url: str, said: str | None) -> None:
    found = list(doctor.about_peers(msgspec.structs.replace(Settings(), **{setting: url})))
    assert [each.text.partition(" is spoken to ")[2] for each in found] == ([said] if said else [])
    assert "secret" not in "".join(map(str, found))


async def test_metrics_of_a_server_too(database: db.Database) -> None:
    shut = composition.create_http_app(Settings(dev=False, jwt_secret=NOW), own_ground=False)
    transport = httpx.ASGITransport(app=shut, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
        for said in WRONG:
            answer = await client.get("/metrics", headers={"authorization": said})
            assert answer.status_code == 401, said
        known = {"authorization": f"Bearer {service.scraper_token()}"}
        assert "fahrwerk_" in (await client.get("/metrics", headers=known)).text
        # It opens nothing else.
        assert (await client.get("/api/v1/users/me", headers=known)).status_code == 401
