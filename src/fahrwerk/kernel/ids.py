"""Ids: UUIDv7 inside, prefixed and short outside (API-10, C-04).

``rent_4Fp0...`` is the base-62 form of the UUID behind a prefix that says what it names. Where a
contract of another system used bare UUIDs, those are accepted too.
"""

from __future__ import annotations

import hashlib
import os
import time
from uuid import UUID

from fahrwerk.kernel.errors import NotFound

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {c: i for i, c in enumerate(_ALPHABET)}
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]  # two digits a step: a list shows 50 ids


def new() -> UUID:
    """A new UUIDv7 (RFC 9562): sorts by time, so indexes grow at one end."""
    ms = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    value = (ms << 80) | tail
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def derived(*parts: object) -> UUID:
    """A UUID that is the same for the same parts: how a repeated request finds its first try."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    value = int.from_bytes(digest[:16], "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def public(prefix: str, value: UUID) -> str:
    """The id as the world sees it: ``public("rent", uuid) == "rent_..."``."""
    number, pairs = value.int, []
    for _ in range(11):
        number, rest = divmod(number, 3844)
        pairs.append(_PAIRS[rest])
    pairs.reverse()
    return f"{prefix}_{''.join(pairs)}"


def parse(text: str, *prefixes: str) -> UUID:
    """Read a public id (any of ``prefixes``) or a bare UUID.

    Raises ``NotFound`` for anything else: an id that cannot exist names nothing.
    """
    prefix, _, digits = text.rpartition("_")
    if prefix in prefixes and len(digits) == 22:
        number = 0
        for digit in digits:
            if (value := _VALUE.get(digit)) is None:
                raise NotFound
            number = number * 62 + value
        if number < 1 << 128:
            return UUID(int=number)
    elif not prefix and len(text) == 36:
        try:
            found = UUID(text)
        except ValueError:
            raise NotFound from None
        if str(found) == text.lower():  # UUID() takes hyphens anywhere, and underscores for nothing
            return found
    raise NotFound


def request_id() -> str:
    """A fresh id for a request that did not bring one."""
    return f"req_{os.urandom(8).hex()}"
