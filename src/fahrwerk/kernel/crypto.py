"""Tokens, hashes and keys, all by proven libraries (IDN-38); no cryptography of our own.

Access tokens are JWTs with a fixed algorithm list; a token once verified is remembered by its hash
until it expires, so that the check costs a dictionary look-up on the hot path. Passwords are
Argon2id, hashed in threads, at most one per core at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING, Any, Literal, TypeVar
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
    from collections.abc import Iterable, Iterator

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
    scopes: frozenset[str] | None = None
    """Of an API key, whose id is then ``session``: the permissions it is limited to."""


_Kept = TypeVar("_Kept")
_keys: list[OctKey] = []
_roots: list[bytes] = []
_remembered: dict[bytes, Claims] = {}


def set_signing_secret(*secrets_: str) -> None:
    """Use the first for all tokens and seals of this process; forgets tokens verified with others.

    The rest are secrets of before, newest first: what was signed or sealed with them is still
    read, until :func:`is_stale` finds nothing more and they are taken out of the settings.
    """
    _keys[:] = [
        OctKey.import_key(hashlib.sha256(f"jwt:{each}".encode()).digest()) for each in secrets_
    ]
    _roots[:] = [hashlib.sha256(f"root:{each}".encode()).digest() for each in secrets_]
    _remembered.clear()


def _ready(kept: list[_Kept]) -> list[_Kept]:
    if not kept:
        raise RuntimeError("set_signing_secret() was not called in this process")
    return kept


def key_for(purpose: str) -> bytes:
    """32 bytes for one purpose, the same in all processes of this installation, told to nobody."""
    return _derived(_ready(_roots)[0], purpose)


def keys_for(purpose: str) -> list[bytes]:
    """That of now and those of before, newest first: to check what was made with any of them."""
    return [_derived(root, purpose) for root in _ready(_roots)]


def lasting_key_for(purpose: str) -> bytes:
    """Like :func:`key_for`, and still the same after the secret was changed, for names given to
    others that must not change with it: made from the oldest secret there is."""
    return _derived(_ready(_roots)[-1], purpose)


def _derived(root: bytes, purpose: str) -> bytes:
    return hmac.digest(root, purpose.encode(), "sha256")


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
    return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, _ready(_keys)[0])


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
    for key in _ready(_keys):
        try:
            read = jwt.decode(token, key, algorithms=_ALGORITHMS).claims
            said = msgspec.convert(read, _Payload)
        except (JoseError, msgspec.ValidationError, ValueError, TypeError, AttributeError):
            continue
        return Claims(said.sub, said.tenant, frozenset(said.roles), said.sid, said.exp)
    raise Unauthenticated(token_expired=False)


@contextlib.contextmanager
def sealing_also_with(secret: str, *, first: bool) -> Iterator[None]:
    """Within the block one more secret opens what is sealed; ``first``: and seals what is new.

    Only that: no token is signed with it, or read.
    """
    root, before = hashlib.sha256(f"root:{secret}".encode()).digest(), list(_ready(_roots))
    _roots[:] = [root, *before] if first else [*before, root]
    try:
        yield
    finally:
        _roots[:] = before


def seal(purpose: str, secret: str) -> bytes:
    """A secret that has to be shown to others later (their token), for the database: AES-256-GCM.

    Without the installation's secret of that time it cannot be opened any more.
    """
    nonce = os.urandom(12)
    return nonce + AESGCM(key_for(purpose)).encrypt(nonce, secret.encode(), purpose.encode())


def unseal(purpose: str, sealed: bytes) -> str:
    """The reverse of :func:`seal`. Raises ``ValueError`` when it was sealed with another key."""
    return _opened(purpose, sealed)[0]


def is_stale(purpose: str, sealed: bytes) -> bool:
    """True when it was sealed with a secret of before: seal it anew."""
    return _opened(purpose, sealed)[1] > 0


def _opened(purpose: str, sealed: bytes) -> tuple[str, int]:
    """What was sealed, and with which secret: 0 is the one of now."""
    nonce, rest = sealed[:12], sealed[12:]
    for age, root in enumerate(_ready(_roots)):
        with contextlib.suppress(InvalidTag):
            box = AESGCM(_derived(root, purpose))
            return box.decrypt(nonce, rest, purpose.encode()).decode(), age
    raise ValueError("sealed with another secret")


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
