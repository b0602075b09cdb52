"""What an API key may do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fahrwerk.kernel.call import common
from fahrwerk.kernel.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Collection

PREFIX = "fwk"
LONGEST_DAYS = 366
MOST_SCOPES = 100
MOST_KEYS = 50
"""Of one person, those that still work."""
LONGEST_OVERLAP_H = 168
TOLD_DAYS = 7
"""Before a key expires its maker is told."""
_SCOPE = re.compile(r"[a-z_]{2,40}\.(?:\*|[a-z_]{2,40}\.[a-z_]{2,40}|[a-z_]{2,40})|\*")


def check_scopes(scopes: Collection[str], held: frozenset[str]) -> list[str]:
    """The scopes, sorted. Raises ``Invalid``, or ``Forbidden`` for what its maker may not do."""
    if not 0 < len(scopes) <= MOST_SCOPES:
        raise Invalid(field="scopes", issue=f"1 to {MOST_SCOPES} are needed")
    for scope in sorted(scopes):
        if not _SCOPE.fullmatch(scope):
            raise Invalid(field="scopes", issue=f"{scope[:80]!r} is no permission")
        if scope not in common(held, frozenset({scope})):
            raise Forbidden("A key cannot do what its maker may not do.", permission=scope)
    return sorted(set(scopes))
