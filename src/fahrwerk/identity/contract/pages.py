"""Sessions of browsers: a cookie instead of tokens (C-54)."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.identity.contract import Person
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.crypto import Claims
from fahrwerk.kernel.doors import action, query


class PageSession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's session that has just begun."""

    token: str
    """What the cookie holds; only its hash is kept."""
    max_age_s: int
    """How long it lasts at most."""
    session_id: UUID
    person: Person


class Access(msgspec.Struct, frozen=True):
    """An access token for the scripts of a page, of its cookie's session."""

    access_token: str
    expires_in: int
    person: Person


@action
async def log_in_page(call: Call, login: str, password: str, device: str = "") -> PageSession:
    """Log a browser in with e-mail or phone and password.

    Raises ``WrongCredentials``, ``AccountBlocked``, ``UnknownOperator``, like ``log_in``.
    """
    raise AssertionError


@action
async def page_access(call: Call, session_id: UUID) -> Access:
    """A fresh access token for the caller, of this page session of his. Roles are read anew.

    It ends with the session. Raises ``Unauthenticated`` when that is over, or somebody else's.
    """
    raise AssertionError


@action
async def close_page_session(call: Call, session_id: UUID) -> None:
    """End one session of the caller: its cookie and its access tokens. Harmless to repeat."""
    raise AssertionError


@query
async def page_session(call: Call, token: str) -> Claims | None:
    """Whose cookie this is; None for one that is unknown, unused for too long, or has ended.

    For the front door, which remembers the answer for half a minute; asking counts as use, once a
    minute. The token names its operator itself: the call need not.
    """
    raise AssertionError
