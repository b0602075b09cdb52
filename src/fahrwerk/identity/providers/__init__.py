"""The port to providers of ID checks: one small file per provider, found by its name.

A provider looks at a document and says whether it is good. What it is given is a token that its own
page or library made in the rider's hands; what it answers is a verdict. A file here is a provider
when it has a ``provider``. (``breaches`` is none: it is the list of leaked passwords.)
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from fahrwerk.kernel.errors import Invalid

_NAME = re.compile(r"^[a-z][a-z0-9_]{1,39}$")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked. The same ``key`` again is the same check, however often it is sent."""

    key: UUID
    kind: Literal["age", "licence"]
    document: str
    """The provider's token for it."""
    oldest_birth: datetime
    """Whoever was born later is too young."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says; ``reference`` names the check there."""

    state: Literal["pending", "verified", "rejected"]
    reference: str
    reason: str | None = None
    classes: list[str] = []
    good_until: datetime | None = None


class Refused(Exception):
    """The provider does not know this token, or will not check it; the text says why."""


class Provider(Protocol):
    """Raises ``Refused``, or ``kernel.errors.Unavailable`` when it does not answer."""

    async def start(self, question: Question, now: datetime) -> Verdict:
        """Have it checked; the verdict may be pending."""
        ...

    async def verdict(self, reference: str, now: datetime) -> Verdict:
        """Ask again after one that was pending."""
        ...


@functools.cache
def by_name(name: str) -> Provider:
    """The provider of this name. Raises ``Invalid`` when there is none."""
    module = f"fahrwerk.identity.providers.{name}"
    if _NAME.fullmatch(name) and importlib.util.find_spec(module):
        found: Provider | None = getattr(importlib.import_module(module), "provider", None)
        if found is not None:
            return found
    raise Invalid(field="id_provider", issue="there is no provider of this name")
