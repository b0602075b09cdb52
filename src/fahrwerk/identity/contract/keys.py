"""API keys: programs act for a person, within scopes, until they expire (IDN-36)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

KEY_PREFIX = "key"
"""Of public ids: ``key_...``; the secrets begin with ``fwk_``."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: UUID
    person_id: UUID
    """Its maker, for whom it acts."""
    name: str
    hint: str
    """The first characters of the secret."""
    scopes: list[str]
    created_at: datetime
    rotated_at: datetime | None
    previous_until: datetime | None
    """How long the secret that was replaced is still good."""
    expires_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    last_address: str | None
    revoked_at: datetime | None


class NewKey(msgspec.Struct, frozen=True):
    """A key and its secret, which is shown this once."""

    key: ApiKey
    secret: str


class ApiKeyPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    keys: list[ApiKey]
    total: int


class KeyHolder(msgspec.Struct, frozen=True):
    """Who acts with a key, and within what."""

    key_id: UUID
    tenant: UUID
    user: UUID
    roles: frozenset[str]
    scopes: frozenset[str]


class UnknownKey(NotFound):
    """No such key, or not the caller's."""

    message = "There is no such API key."


class TooManyKeys(Conflict):
    """A person has at most 50 that work."""

    code = "TOO_MANY_KEYS"
    message = "There are too many API keys. Revoke one first."


@action
async def make_key(call: Call, name: str, scopes: list[str], days: int) -> NewKey:
    """A key for the caller (permission ``identity.key.manage``), good for 1 to 366 ``days``.

    ``scopes`` are permissions the caller has. Raises ``Forbidden`` (one he has not), ``Invalid``,
    ``ConfirmationNeeded``, ``TooManyKeys``. No key makes keys: ``Unauthenticated``.
    """
    raise AssertionError


@action
async def rotate_key(call: Call, key_id: UUID, overlap_h: int) -> NewKey:
    """A new secret for a key; the one of before is good for ``overlap_h`` hours (0 to 168) more.

    By its maker, or by a program that calls with this very key. Raises ``UnknownKey`` (revoked or
    expired too), ``ConfirmationNeeded``, ``Invalid``.
    """
    raise AssertionError


@action
async def revoke_key(call: Call, key_id: UUID) -> ApiKey:
    """End a key: refused everywhere within seconds. Repeatable. By its maker, or with permission
    ``identity.key.manage_any``. Raises ``UnknownKey``."""
    raise AssertionError


@query
async def keys(call: Call, limit: int, offset: int) -> ApiKeyPage:
    """The caller's keys, newest first; with ``identity.key.manage_any`` all of the operator."""
    raise AssertionError


@action
async def use_key(call: Call, secret: str) -> KeyHolder | None:
    """Whose key this is; None for one that is unknown, revoked, expired, or of a blocked person.

    For the front door, which remembers the answer for three seconds. Use is written down at most
    once a minute. The key names its operator itself: the call need not.
    """
    raise AssertionError
