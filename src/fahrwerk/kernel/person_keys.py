"""A key for each person: forget the key, and what was sealed with it tells nothing any more.

For what has to outlive its person (events above all, which nobody may change) and would still tell
something about him. Sealed text begins with ``pk1.``; AES-256-GCM. Keys are not remembered in the
process: one that was forgotten is forgotten everywhere at once.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fahrwerk.kernel import crypto, db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

_HEAD = "pk1."
_PURPOSE = "person"

_MAKE = """
WITH made AS (
    INSERT INTO kernel.person_key (person_id, sealed) VALUES ($1, $2)
    ON CONFLICT DO NOTHING RETURNING sealed
)
SELECT sealed FROM made UNION ALL SELECT kernel.sealed_key_of($1) LIMIT 1
"""
_KEY = "SELECT kernel.sealed_key_of($1) AS sealed"


async def key_of(call: Call, person_id: UUID) -> bytes | None:
    """Somebody's key, made if need be; None for who was erased: then keep nothing of him."""
    row = await db.one("kernel", call, _KEY, person_id)
    if row is None or row["sealed"] is None:
        anew = crypto.seal(_PURPOSE, base64.b64encode(os.urandom(32)).decode())
        row = await db.one("kernel", call, _MAKE, person_id, anew)
        if row is not None and row["sealed"] is None:  # another one made it in the same moment
            row = await db.one("kernel", call, _KEY, person_id)
    return _opened(row)


async def known_key_of(call: Call, person_id: UUID) -> bytes | None:
    """Somebody's key, or None when he has none (any more)."""
    return _opened(await db.one("kernel", call, _KEY, person_id))


async def key_within(tx: Tx, person_id: UUID) -> bytes | None:
    """The same inside a handler's transaction, whatever its room."""
    return _opened(await tx.one(_KEY, person_id))


def _opened(row: db.Row | None) -> bytes | None:
    if row is None or row["sealed"] is None:
        return None
    return base64.b64decode(crypto.unseal(_PURPOSE, bytes(row["sealed"])))


_FORGET = "SELECT kernel.forget_key_of($1)"


async def forget(tx: Tx, person_id: UUID) -> None:
    """Forget somebody's key for ever; identity's erasure alone may."""
    await tx.run(_FORGET, person_id)


def seal(key: bytes, data: bytes, about: bytes = b"") -> bytes:
    """Seal with a person's key; ``about`` says what for, and has to be said again to open it."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, data, about)


def unseal(key: bytes, sealed: bytes, about: bytes = b"") -> bytes:
    """The reverse of :func:`seal`. Raises ``ValueError``."""
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], about)
    except InvalidTag:
        raise ValueError("sealed with another key") from None


def seal_text(key: bytes | None, text: str) -> str | None:
    """A text for an event; None where there is no key: then it is not to be kept at all."""
    if key is None:
        return None
    return _HEAD + base64.b64encode(seal(key, text.encode())).decode()


def unseal_text(key: bytes | None, sealed: str | None) -> str | None:
    """The text again; None when there is none, or its person's key is gone."""
    if key is None or sealed is None or not sealed.startswith(_HEAD):
        return None
    try:
        return unseal(key, base64.b64decode(sealed[len(_HEAD) :])).decode()
    except ValueError:
        return None
