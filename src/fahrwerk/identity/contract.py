"""What other rooms may ask of identity."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused, Unauthenticated


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An account, without its secrets. ``email`` or ``phone`` is always there (C-05)."""

    id: UUID
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    locale: str | None
    status: str
    """active | blocked | deleted"""
    roles: frozenset[str]
    """customer | business_user | provider | admin | support (IDN-27)"""
    created_at: datetime


class Contact(msgspec.Struct, frozen=True):
    """How to reach a person, in which language."""

    name: str
    email: str | None
    phone: str | None
    locale: str


class Standing(msgspec.Struct, frozen=True):
    """Whether a person may ride now; ``reason`` is a code when not."""

    may_ride: bool
    reason: str | None = None


class Login(msgspec.Struct, frozen=True):
    """A fresh pair of tokens (IDN-06)."""

    access_token: str
    refresh_token: str
    expires_in: int
    person: Person


class AlreadyRegistered(Conflict):
    """The e-mail address or phone number has an account with this operator."""

    code = "ALREADY_REGISTERED"
    message = "There is already an account with this e-mail address or phone number."


class WrongCredentials(Unauthenticated):
    """Unknown account or wrong password: the two look and take the same."""

    message = "E-mail or password is wrong."


class UnknownPerson(NotFound):
    """No such person with this operator."""

    message = "There is no such person."


class MayNotRide(Refused):
    """The rider's account does not allow a ride now; ``reason`` says why."""

    status = 403
    code = "RIDER_NOT_ALLOWED"
    message = "Your account does not allow a ride at the moment."


@action
async def register(
    call: Call,
    email: str | None,
    phone: str | None,
    password: str,
    first_name: str | None = None,
    last_name: str | None = None,
    locale: str | None = None,
) -> Person:
    """Register a rider with the call's operator (IDN-01). Role ``customer``.

    Raises ``AlreadyRegistered``, ``Invalid`` (neither e-mail nor phone, malformed, weak password).
    """
    raise AssertionError


@action
async def add_person(
    call: Call, email: str, password: str, roles: frozenset[str], first_name: str, last_name: str
) -> Person:
    """Create an account with given roles (permission ``identity.person.create``); for staff."""
    raise AssertionError


@action
async def log_in(call: Call, login: str, password: str, device: str = "") -> Login:
    """Log in with e-mail or phone and password. Raises ``WrongCredentials``."""
    raise AssertionError


@action
async def refresh(call: Call, refresh_token: str) -> Login:
    """Exchange a refresh token for new ones (IDN-07): rotated at each use.

    The token just replaced is honoured for 10 s with the same answer; any older one revokes the
    whole session. Raises ``Unauthenticated``.
    """
    raise AssertionError


@action
async def log_out(call: Call, refresh_token: str | None) -> None:
    """End the session of this refresh token, or all sessions of the caller when None."""
    raise AssertionError


@query
async def person(call: Call, person_id: UUID) -> Person:
    """A person of this operator. Raises ``UnknownPerson``."""
    raise AssertionError


@query
async def contact(call: Call, person_id: UUID) -> Contact | None:
    """How to reach a person; None when the account is deleted or unknown."""
    raise AssertionError


@query
async def rider_standing(call: Call, person_id: UUID) -> Standing:
    """Whether this person may start a ride: active account. One statement."""
    raise AssertionError
