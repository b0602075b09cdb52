"""In which order the states of a dispute follow each other. Pure."""

from __future__ import annotations

_RANK = {"needs_response": 0, "under_review": 1, "won": 2, "lost": 2}


def is_closed(state: str) -> bool:
    """True when the bank has decided."""
    return _RANK[state] == 2


def is_ahead(state: str, of: str) -> bool:
    """True when ``state`` comes after ``of``; a bank may still overturn what it decided."""
    return _RANK[state] > _RANK[of] or (is_closed(of) and is_closed(state) and state != of)
