"""ID checks: age or driving licence, looked at by a provider (IDN-02)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Busy, Refused, Unavailable

CHECK_PREFIX = "idc"
"""Of public ids: ``idc_...``."""


class IdCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check. Documents and dates of birth stay with the provider.

    ``state``: pending -> verified | rejected; verified -> expired.
    """

    id: UUID
    person_id: UUID
    kind: str
    """age | licence"""
    provider: str
    state: str
    reason: str | None
    """Why it was rejected, as the provider says it."""
    classes: list[str]
    """Of a licence."""
    good_until: datetime | None
    created_at: datetime
    decided_at: datetime | None


class ChecksTooOften(Busy):
    """A person has five a day: each costs money."""

    code = "TOO_MANY_CHECKS"
    message = "You have tried too often today. Please try again tomorrow."


class CheckRefused(Refused):
    """The provider does not take this document."""

    code = "ID_CHECK_REFUSED"
    message = "The document was not accepted."


class ProviderSilent(Unavailable):
    """The provider does not answer."""

    code = "ID_PROVIDER_UNAVAILABLE"
    message = "The check is not possible at the moment. Please try again shortly."


@action
async def start_check(call: Call, kind: str, document: str) -> IdCheck:
    """Have the caller's age or licence checked. ``document`` is the token that the provider's
    own page or library gave for it; pictures never come to us.

    Raises ``ChecksTooOften``, ``CheckRefused``, ``ProviderSilent``, ``Invalid``.
    """
    raise AssertionError


@query
async def checks(call: Call, person_id: UUID) -> list[IdCheck]:
    """A person's newest checks, at most 50. One's own, or with ``identity.check.read``."""
    raise AssertionError
