"""How one process of this installation proves to another that it is one (GDP-11).

What a service asks another goes with a token that is good for this one request: signed with a key
of the installation, for one room, for seconds, and bound to the body by its hash. So nothing that
was overheard opens anything else, and each is taken once: whoever answers remembers its id while it
lives (:func:`taken`). What is not in the body is not bound: put the call's name there too.

Whoever reads metrics is a program that cannot sign: it has one token of its own, which opens
nothing but them (:func:`scraper_token`), and changes with the installation's secret.
"""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from fahrwerk.kernel import clock, crypto
from fahrwerk.kernel.errors import Busy, Unauthenticated
from fahrwerk.kernel.limits import Limit

if TYPE_CHECKING:
    from fahrwerk.kernel.limits import Limiter

LONGEST_S = 60
LIVES_S = 30
SKEW_S = 5
"""By how much the clocks of two machines may differ."""
LONGEST_TOKEN = 1_000
_PURPOSE, _TYPE = "service", "service+jwt"
_ALGORITHM = "HS256"
_SCRAPE = "metrics"


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    iat: int
    exp: int
    jti: str
    body: str


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["HS256"]
    typ: Literal["service+jwt"]


def token(service: str, room: str, body: bytes, *, lives_s: int = LIVES_S) -> str:
    """What ``service`` sends with ``body`` to whoever answers for ``room``; good for a while."""
    if not 0 < lives_s <= LONGEST_S:
        raise ValueError(f"a token of a service lives for at most {LONGEST_S} s")
    # The real time: a request that is recorded later has moved ours, but nobody else's.
    now = int(clock.real().timestamp())
    claims: dict[str, Any] = {
        "iss": service, "aud": room, "iat": now, "exp": now + lives_s,
        "jti": secrets.token_urlsafe(12), "body": _hash(body),
    }  # fmt: skip
    return jwt.encode({"alg": _ALGORITHM, "typ": _TYPE}, claims, _key(crypto.key_for(_PURPOSE)))


async def taken(token: str, room: str, body: bytes, seen: Limiter) -> str:
    """:func:`checked`, once for each token. Raises ``Unauthenticated`` for one that was ``seen``.

    A token is one request of its own, so its count is that of a rate limit of one in its life:
    remembered by this process, by all of them where there is Redis, and never too many.
    """
    said = _checked(token, room, body)
    lives_s = math.ceil(said.exp + SKEW_S - clock.real().timestamp()) + 1
    try:
        await seen.count(_PURPOSE, said.jti, Limit(1, lives_s))
    except Busy:
        raise Unauthenticated from None
    return said.iss


def checked(token: str, room: str, body: bytes) -> str:
    """Which service sent ``body`` to ``room``. Raises ``Unauthenticated``.

    While the installation's secret is being changed, tokens made with the one before count too.
    """
    return _checked(token, room, body).iss


def _checked(token: str, room: str, body: bytes) -> _Said:
    said = next(filter(None, (_read(token, key) for key in crypto.keys_for(_PURPOSE))), None)
    now = clock.real().timestamp()
    if (
        said is None
        or said.aud != room
        or not said.iss
        or not said.jti
        or not 0 < said.exp - said.iat <= LONGEST_S
        or not said.iat - SKEW_S <= now < said.exp + SKEW_S
        or not crypto.same(said.body, _hash(body))
    ):
        raise Unauthenticated(token_expired=said is not None and now >= said.exp + SKEW_S)
    return said


def _read(token: str, key: bytes) -> _Said | None:
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        read = jwt.decode(token, _key(key), algorithms=[_ALGORITHM])
        msgspec.convert(read.header, _Head)
        return msgspec.convert(read.claims, _Said)
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, AttributeError):
        return None


def _key(key: bytes) -> OctKey:
    return OctKey.import_key(key)


def _hash(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def scraper_token() -> str:
    """What Prometheus sends as its bearer token: the same in all processes, for metrics alone."""
    return _scraper(crypto.key_for(_SCRAPE))


def may_scrape(authorization: str) -> bool:
    """True for the ``Authorization`` header of whoever reads metrics."""
    scheme, _, given = authorization.partition(" ")
    known = map(_scraper, crypto.keys_for(_SCRAPE))
    return scheme.lower() == "bearer" and any(crypto.same(given.strip(), each) for each in known)


def _scraper(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()
