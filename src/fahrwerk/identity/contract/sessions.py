"""Sessions and log-ins of a person: who is logged in where, who tried, and how one proves oneself
again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound

SESSION_PREFIX = "ses"
"""Of public ids: ``ses_...``."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One log-in that is still open."""

    id: UUID
    device: str
    """As an app named it; of a browser its name and its system."""
    address: str
    """Where the log-in or the last refresh came from; empty when unknown."""
    methods: list[str]
    """password | totp | recovery_code | passkey | link | sso"""
    kind: str
    """tokens (an app) | page (a browser)"""
    is_bound: bool
    """Bound to a key of the device."""
    is_current: bool
    """The one this call belongs to."""
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in that was tried.

    ``outcome``: logged_in | wrong | attacked (refused whatever the password was) | blocked |
    second_factor_asked | second_factor_wrong.
    """

    id: UUID
    outcome: str
    address: str
    device: str
    is_known_device: bool
    at: datetime


class AttemptPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    attempts: list[Attempt]
    total: int


class UnknownSession(NotFound):
    """No such session of this person."""

    message = "There is no such session."


@query
async def sessions(call: Call, person_id: UUID) -> list[Session]:
    """The open sessions of a person, last used first, at most 200.

    One's own, or anybody's with permission ``identity.session.read``: ``Forbidden`` otherwise.
    """
    raise AssertionError


@query
async def attempts(call: Call, person_id: UUID, limit: int, offset: int) -> AttemptPage:
    """Who tried to log in to this account within 90 days, newest first.

    One's own, or anybody's with permission ``identity.session.read``: ``Forbidden`` otherwise.
    """
    raise AssertionError


@action
async def end_session(call: Call, session_id: UUID) -> None:
    """End one of the caller's own sessions. Raises ``UnknownSession``, also when it is over."""
    raise AssertionError


@action
async def end_other_sessions(call: Call) -> int:
    """End all of the caller's sessions but this one; how many there were."""
    raise AssertionError


@action
async def end_sessions_of(call: Call, person_id: UUID) -> int:
    """End all sessions of somebody (permission ``identity.session.end``); how many there were.

    Nobody ends those of somebody who may more than he: ``Forbidden``. Raises ``UnknownPerson``.
    """
    raise AssertionError


@action
async def confirm(call: Call, password: str | None, code: str | None) -> None:
    """Prove again that it is you, by password or authenticator code: good for 15 minutes.

    Raises ``WrongCredentials``, ``TooManyTries``, ``Unauthenticated`` without a session.
    """
    raise AssertionError


@action
async def change_password(call: Call, old: str, new: str) -> None:
    """Another password for the caller, who must know the old one; ends his other sessions.

    Raises ``WrongCredentials``, ``TooManyTries``, ``Invalid`` (weak), ``Unauthenticated``.
    """
    raise AssertionError
