"""Tokens, hashes and keys, all by proven libraries (IDN-38); no cryptography of our own.

Access tokens are JWTs with a fixed algorithm list; a token once verified is remembered by its hash
until it expires, so that the check costs a dictionary look-up on the hot path. Passwords are
Argon2id, hashed in threads, at most one per core at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from fahrwerk.kernel import clock
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterable

ACCESS_TOKEN_S = 3600  # IDN-09
ISSUER = "fahrwerk"
_ALGORITHMS = ["HS256"]
_MOST_REMEMBERED = 50_000


class Claims(msgspec.Struct, frozen=True):
    """What an access token says."""

    user: UUID
    tenant: UUID
    roles: frozenset[str]
    session: UUID
    expires: int


_key: OctKey | None = None
_root = b""
_remembered: dict[bytes, Claims] = {}


def set_signing_secret(secret: str) -> None:
    """Use ``secret`` for all tokens of this process; forgets tokens verified with another."""
    global _key, _root
    _key = OctKey.import_key(hashlib.sha256(f"jwt:{secret}".encode()).digest())
    _root = hashlib.sha256(f"root:{secret}".encode()).digest()
    _remembered.clear()


def _signing_key() -> OctKey:
    if _key is None:
        raise RuntimeError("set_signing_secret() was not called in this process")
    return _key


def key_for(purpose: str) -> bytes:
    """32 bytes for one purpose, the same in all processes of this installation, told to nobody."""
    if not _root:
        raise RuntimeError("set_signing_secret() was not called in this process")
    return hmac.digest(_root, purpose.encode(), "sha256")


def issue_token(user: UUID, tenant: UUID, roles: Iterable[str], session: UUID) -> str:
    """A signed access token, good for 3600 s."""
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": str(user),
        "tenant": str(tenant),
        "roles": sorted(roles),
        "sid": str(session),
        "iat": now,
        "exp": now + ACCESS_TOKEN_S,
        "jti": secrets.token_urlsafe(9),
    }
    return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, _signing_key())


def read_token(token: str) -> Claims:
    """Verify an access token. Raises ``Unauthenticated`` with ``token_expired`` (IDN-12)."""
    digest = hashlib.sha256(token.encode()).digest()
    now = clock.now().timestamp()
    claims = _remembered.get(digest)
    if claims is None:
        claims = _verify(token)
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[digest] = claims
    if claims.expires <= now:
        _remembered.pop(digest, None)
        raise Unauthenticated(token_expired=True)
    return claims


class _Payload(msgspec.Struct, frozen=True):
    iss: Literal["fahrwerk"]
    aud: Literal["fahrwerk"]
    sub: UUID
    tenant: UUID
    roles: list[str]
    sid: UUID
    exp: int


def _verify(token: str) -> Claims:
    try:
        read = jwt.decode(token, _signing_key(), algorithms=_ALGORITHMS).claims
        said = msgspec.convert(read, _Payload)
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, AttributeError):
        raise Unauthenticated(token_expired=False) from None
    return Claims(said.sub, said.tenant, frozenset(said.roles), said.sid, said.exp)


def seal(purpose: str, secret: str) -> bytes:
    """A secret that has to be shown to others later (their token), for the database: AES-256-GCM.

    With another installation secret it cannot be opened any more.
    """
    nonce = os.urandom(12)
    return nonce + AESGCM(key_for(purpose)).encrypt(nonce, secret.encode(), purpose.encode())


def unseal(purpose: str, sealed: bytes) -> str:
    """The reverse of :func:`seal`. Raises ``ValueError`` when it was sealed with another key."""
    try:
        nonce, rest = sealed[:12], sealed[12:]
        return AESGCM(key_for(purpose)).decrypt(nonce, rest, purpose.encode()).decode()
    except InvalidTag:
        raise ValueError("sealed with another secret") from None


def new_secret() -> str:
    """256 random bits, URL-safe: refresh tokens, API keys."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """How a random secret is stored. Not for passwords: those are guessable."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(a: str, b: str) -> bool:
    """Compare without telling by timing where two secrets differ."""
    return hmac.compare_digest(a.encode(), b.encode())


_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_hash_seats = asyncio.Semaphore(max(1, os.cpu_count() or 1))
# What an unknown user's password is compared with, so that the answer takes as long.
_nobody = _hasher.hash(secrets.token_urlsafe(16))


async def hash_password(password: str) -> str:
    """Argon2id, about 20 ms of one core, in a thread (IDN-13)."""
    async with _hash_seats:
        return await asyncio.to_thread(_hasher.hash, password)


async def password_fits(password: str, stored: str | None) -> bool:
    """Compare; takes as long for an unknown user (``stored`` None) as for a wrong password."""

    def check() -> bool:
        try:
            return _hasher.verify(stored or _nobody, password) and stored is not None
        except (VerifyMismatchError, InvalidHashError):
            return False

    async with _hash_seats:
        return await asyncio.to_thread(check)
