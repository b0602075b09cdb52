"""API keys at the front door: whose key is whose, remembered for a moment.

A revoked key is forgotten at once here, and elsewhere as soon as the signal arrives; if it is lost,
after ``KEEP_S``. While the database is away, what was known last still counts.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fahrwerk.kernel.crypto import Claims

PREFIX = "fwk_"
"""What every key begins with, and no token does."""
CHANGED = "identity.key"
"""Signalled with the operator's id when a key of its was revoked or rotated."""
KEEP_S = 3.0
MOST_KEPT = 20_000
LONGEST = 200


class Ring:
    """The keys this process has seen lately, by their hash; nonsense too, for a moment."""

    def __init__(self, ask: Callable[[str, str], Awaitable[Claims | None]]) -> None:
        self._ask = ask
        self._kept: dict[bytes, tuple[float, Claims | None]] = {}
        self._changes = 0
        hub.hear(CHANGED, self._forget)

    def _forget(self, _: str) -> None:
        self._changes += 1
        self._kept.clear()

    def find(self, key: str) -> Claims | None:
        """Who had this key when it was last asked for, to count requests by; maybe not any more."""
        return self._kept.get(_digest(key), (0.0, None))[1]

    async def claims(self, key: str, address: str) -> Claims | None:
        """Who acts with this key, within which scopes; None for one that is not good."""
        if len(key) > LONGEST:
            return None
        digest, now = _digest(key), time.monotonic()
        until, known = self._kept.get(digest, (0.0, None))
        if now < until:
            return known
        before = self._changes
        try:
            found = await self._ask(key, address)
        except db.DatabaseDown:
            if known is None:
                raise
            return known
        if before == self._changes:  # else it may have been read before the change
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[digest] = (now + KEEP_S, found)
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
