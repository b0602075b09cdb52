"""Lists of leaked passwords, asked by k-anonymity (``FAHRWERK_BREACH_URL``, off by default).

The protocol is that of Pwned Passwords: ``GET <url>/range/<first five of the SHA-1>`` answers lines
``<the other 35>:<how often>``; padding lines have 0. ``sandbox:`` answers from a handful of
passwords of our own instead, for tests and demonstrations.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import product

from fahrwerk.kernel.outside import NotReached, Peer

SANDBOX = "sandbox:"
TIMEOUT_S = 3.0
_peers: dict[str, Peer] = {}


async def suffixes(url: str, prefix: str) -> frozenset[str]:
    """The rest of the hashes that begin with ``prefix`` (five hexadecimal digits) and have leaked.

    Raises ``Unavailable`` (``NotReached``, ``OutcomeUnknown``) when the list does not answer.
    """
    if url == SANDBOX:
        return _sandbox().get(prefix, frozenset())
    if (peer := _peers.get(url)) is None:
        # With padding, the length of an answer does not tell which prefix was asked for.
        peer = _peers[url] = Peer(
            "breaches", url.rstrip("/"), timeout_s=TIMEOUT_S, headers={"Add-Padding": "true"}
        )
    answer = await peer.call("GET", f"/range/{prefix}")
    if answer.status_code != 200:
        raise NotReached(f"the list of leaked passwords answers {answer.status_code}")
    pairs = (line.strip().partition(":") for line in answer.text.splitlines())
    return frozenset(rest.upper() for rest, _, count in pairs if count.strip() not in ("", "0"))


@lru_cache(maxsize=1)
def _sandbox() -> dict[str, frozenset[str]]:
    """Passwords as people make them: long enough for our rules, and nevertheless known."""
    words = ("correct horse battery", "mein hund heisst", "roller fahren ist", "unlock my scooter")
    ends = ("", "!", "1", "123", "2024", "2025", "2026")
    found: dict[str, set[str]] = {}
    for word, end in product(words, ends):
        for said in (f"{word}{end}", f"{word.title()}{end}", f"{word.replace(' ', '')}{end}"):
            digest = hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest().upper()
            found.setdefault(digest[:5], set()).add(digest[5:])
    return {prefix: frozenset(rest) for prefix, rest in found.items()}
