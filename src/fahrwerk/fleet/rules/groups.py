"""How groups may be called."""

from __future__ import annotations

from fahrwerk.kernel.errors import Invalid

_LONGEST = {"name": 50, "description": 500}


def check(field: str, text: str) -> str:
    """The text without spaces around it. Raises ``Invalid``."""
    found = text.strip()
    if not 1 <= len(found) <= _LONGEST[field]:
        raise Invalid(field=field, issue=f"must have 1 to {_LONGEST[field]} characters")
    if not found.isprintable():
        raise Invalid(field=field, issue="must not have control characters")
    return found
