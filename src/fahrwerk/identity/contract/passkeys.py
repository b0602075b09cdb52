"""Passkeys (WebAuthn level 3): log-in with the device's own lock instead of a password.

A passkey is good for one host name (RP id): the one its owner was at when it was made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Unauthenticated

PASSKEY_PREFIX = "psk"
"""Of public ids: ``psk_...``."""
MOST_PASSKEYS = 25
"""Of one person."""


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """One passkey of a person."""

    id: UUID
    name: str
    rp_id: str
    """The host it is good for."""
    is_synced: bool
    """Backed up by its maker, so it may be on several devices."""
    is_suspected: bool
    """Its counter went back, as a copy's does: it does not log in any more."""
    created_at: datetime
    last_used_at: datetime | None


class Ceremony(msgspec.Struct, frozen=True):
    """What the browser is to be asked: ``options`` for ``navigator.credentials``."""

    challenge: str
    """Send it back with the browser's answer; good once, for five minutes."""
    options: dict[str, Any]


class PasskeyRefused(Unauthenticated):
    """Unknown, of another host or operator, a challenge that is over, or a wrong signature."""

    code = "PASSKEY_REFUSED"
    message = "This passkey was not accepted."


class PasskeyThere(Conflict):
    """This authenticator has one already, or there are too many."""

    code = "PASSKEY_ALREADY_THERE"
    message = "This passkey cannot be added: it is there already, or there are too many."


class UnknownPasskey(NotFound):
    """No such passkey of this person."""

    message = "There is no such passkey."


@action
async def begin_passkey(call: Call, host: str) -> Ceremony:
    """Begin to add a passkey for the caller at this host (the request's own).

    Raises ``ConfirmationNeeded``, ``PasskeyThere`` (too many), ``Invalid`` (host).
    """
    raise AssertionError


@action
async def add_passkey(call: Call, challenge: str, name: str, credential: dict[str, Any]) -> Passkey:
    """The browser's answer. Raises ``PasskeyRefused``, ``PasskeyThere``, ``Invalid``."""
    raise AssertionError


@action
async def begin_passkey_log_in(call: Call, host: str) -> Ceremony:
    """Begin to log in with a passkey that the browser finds by itself. Raises ``Invalid`` (host),
    ``UnknownOperator``."""
    raise AssertionError


@action
async def log_in_with_passkey(
    call: Call, challenge: str, credential: dict[str, Any], client: Client
) -> Login:
    """The browser's answer: a new session. No second factor is asked for: a passkey is two.

    Raises ``PasskeyRefused``, ``AccountBlocked``, ``DeviceKeyNeeded``.
    """
    raise AssertionError


@action
async def log_in_page_with_passkey(
    call: Call, challenge: str, credential: dict[str, Any], device: str
) -> PageSession:
    """The same for a browser: a session with a cookie."""
    raise AssertionError


@query
async def passkeys(call: Call) -> list[Passkey]:
    """The caller's passkeys, oldest first."""
    raise AssertionError


@action
async def rename_passkey(call: Call, passkey_id: UUID, name: str) -> Passkey:
    """Another name for one of the caller's passkeys. Raises ``UnknownPasskey``, ``Invalid``."""
    raise AssertionError


@action
async def delete_passkey(call: Call, passkey_id: UUID) -> None:
    """Do without one of the caller's passkeys. Raises ``UnknownPasskey``, ``ConfirmationNeeded``,
    ``SecondFactorRequired`` (the last second factor of somebody who needs one)."""
    raise AssertionError
