"""What other rooms may ask of identity."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Busy, Conflict, Forbidden, NotFound, Refused, Unauthenticated
from fahrwerk.tenancy.contract import Operator


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
    barred_types: frozenset[str] = frozenset()
    """Vehicle types for which an ID check is missing (``id_check_missing``); the others he may."""


class Login(msgspec.Struct, frozen=True):
    """A fresh pair of tokens (IDN-06)."""

    access_token: str
    refresh_token: str
    expires_in: int
    person: Person
    device_token: str | None = None
    """For ``Client.known`` at the next log-in; only when the client asked to be remembered."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says about itself when somebody logs in on it."""

    name: str = ""
    """Its User-Agent, so that people recognise their sessions."""
    known: str | None = None
    """The device token of an earlier log-in: attacks from elsewhere do not slow this one down."""
    remember: bool = False
    """True: answer a new device token."""
    thumbprint: str | None = None
    """Of the key that proved itself with this request (RFC 9449): the session is bound to it."""
    proof_id: str = ""
    """``jti`` of that proof: it is good once."""


class PersonPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    persons: list[Person]
    total: int


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What people may change about themselves; left out = as it is, None = removed."""

    first_name: str | msgspec.UnsetType | None = msgspec.UNSET
    last_name: str | msgspec.UnsetType | None = msgspec.UNSET
    locale: str | msgspec.UnsetType | None = msgspec.UNSET
    phone: str | msgspec.UnsetType | None = msgspec.UNSET


class FirstAdmin(msgspec.Struct, frozen=True):
    """Who administers a new operator (TEN-04). ``roles``: ``admin``, and more if wished."""

    email: str
    password: str
    first_name: str | None = None
    last_name: str | None = None
    roles: frozenset[str] = frozenset({"admin"})


class Opened(msgspec.Struct, frozen=True):
    """A new operator and its administrator, if one was named."""

    operator: Operator
    admin: Person | None


class AlreadyRegistered(Conflict):
    """The e-mail address or phone number has an account with this operator."""

    code = "ALREADY_REGISTERED"
    message = "There is already an account with this e-mail address or phone number."


class WrongCredentials(Unauthenticated):
    """Unknown account or wrong password: the two look and take the same."""

    message = "E-mail or password is wrong."


class TooManyTries(Busy):
    """Too many wrong passwords or codes from here; ``retry_after`` in seconds. Said of unknown
    accounts too, and never to a device because of what others did elsewhere."""

    code = "TOO_MANY_TRIES"
    message = "Too many tries. Please wait a moment."


class SecondFactorNeeded(Unauthenticated):
    """The first factor is right and a second one is needed: go on with ``challenge``.

    ``methods``: ``totp`` and ``recovery_code`` (``factors.second_factor``), ``passkey`` (log in
    with one instead), ``enrol_totp`` (set up an app first: ``factors.enrol_at_log_in``).
    ``expires_in`` seconds.
    """

    code = "SECOND_FACTOR_NEEDED"
    message = "A second factor is needed to log in."


class DeviceKeyNeeded(Unauthenticated):
    """This operator binds sessions to device keys: log in with a DPoP proof."""

    code = "DEVICE_KEY_NEEDED"
    message = "This app must be updated: the operator asks for a key of the device."


class ConfirmationNeeded(Forbidden):
    """So sensitive that who is logged in must have proven himself within the last 15 minutes."""

    code = "CONFIRMATION_NEEDED"
    message = "Please confirm first that it is you."


class AccountBlocked(Forbidden):
    """The password is right, but the operator has blocked the account."""

    code = "ACCOUNT_BLOCKED"
    message = "This account is blocked. Please ask customer service."


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

    Where the operator wants ``quiet_registration`` (policy), an address that has an account is
    answered like any other, with a person that there is not.

    Raises ``AlreadyRegistered``, ``Invalid`` (neither e-mail nor phone, malformed, weak password),
    ``UnknownOperator``.
    """
    raise AssertionError


@action
async def add_person(
    call: Call, email: str, password: str, roles: frozenset[str], first_name: str, last_name: str
) -> Person:
    """Create an account with given roles (permission ``identity.person.create``); for staff.

    Nobody can give a role that may more than he may himself: ``Forbidden``. Raises
    ``AlreadyRegistered``, ``Invalid``.
    """
    raise AssertionError


@action
async def log_in(
    call: Call, login: str, password: str, device: str = "", client: Client | None = None
) -> Login:
    """Log in with e-mail or phone and password; a new session, good for 30 days without use.

    ``device`` is short for a ``client`` of this name. Raises ``SecondFactorNeeded`` when the
    password is right but not enough, ``WrongCredentials``, ``TooManyTries``, ``AccountBlocked``,
    ``DeviceKeyNeeded``, ``UnknownOperator``.
    """
    raise AssertionError


@action
async def refresh(
    call: Call, refresh_token: str, thumbprint: str | None = None, proof_id: str = ""
) -> Login:
    """Exchange a refresh token for new ones (IDN-07): rotated at each use.

    The token just replaced is honoured for 10 s with the same answer; any older one revokes the
    whole session. Roles are read anew. The token names its operator itself: the call need not.
    ``thumbprint`` is of the key that proved itself with the request, ``proof_id`` the ``jti`` of
    that proof, which is good once; a session bound to another key is refused (``BadProof``), and
    goes on. Raises ``Unauthenticated``, or ``Invalid`` when call and token name different operators
    (C-80).
    """
    raise AssertionError


@action
async def log_out(call: Call, refresh_token: str | None) -> None:
    """End the session of this refresh token, or all sessions of the caller when None.

    Harmless to repeat, and silent about tokens that mean nothing. Access tokens of an ended session
    are refused at once: see :func:`ended_sessions`.
    """
    raise AssertionError


@action
async def change_profile(call: Call, change: ProfileChange) -> Person:
    """Change the caller's own names, language or phone number (IDN-31).

    Raises ``Invalid`` (malformed; the last way to log in removed), ``AlreadyRegistered`` (phone),
    ``UnknownPerson``.
    """
    raise AssertionError


@action
async def block_person(call: Call, person_id: UUID) -> Person:
    """Block an account and end its sessions (permission ``identity.person.block``). Repeatable.

    Nobody can block himself, or somebody who may more than he may: ``Forbidden``. Raises
    ``UnknownPerson``.
    """
    raise AssertionError


@action
async def unblock_person(call: Call, person_id: UUID) -> Person:
    """Let a blocked account log in again (permission ``identity.person.block``). Repeatable.

    Raises ``UnknownPerson``, ``Forbidden`` as :func:`block_person`.
    """
    raise AssertionError


@action
async def open_operator(call: Call, wanted: Operator, admin: FirstAdmin | None) -> Opened:
    """Create an operator and its first administrator (permission ``tenancy.operator.create``).

    ``wanted.id`` is not regarded: the same short name always gets the same id, so a repeat finishes
    what a crash left half done (TEN-03, TEN-04). Raises ``SlugTaken``, ``DomainTaken``,
    ``Invalid``.
    """
    raise AssertionError


@query
async def person(call: Call, person_id: UUID) -> Person:
    """A person of this operator. Raises ``UnknownPerson``."""
    raise AssertionError


@query
async def persons(
    call: Call, q: str | None, limit: int, offset: int, is_staff: bool | None = None
) -> PersonPage:
    """The operator's people, newest first (permission ``identity.person.read``).

    ``q``: a part of name, e-mail or phone, small and capital letters alike. ``is_staff``: only
    those who have a role that riders do not have, or only those who have none.
    """
    raise AssertionError


@query
async def contact(call: Call, person_id: UUID) -> Contact | None:
    """How to reach a person; None when the account is deleted or unknown."""
    raise AssertionError


@query
async def holders(call: Call, roles: list[str]) -> list[UUID]:
    """Active people with an e-mail address who have any of these roles; at most 200.

    For the house itself, to tell staff something (permission ``identity.person.read``).
    """
    raise AssertionError


@query
async def rider_standing(call: Call, person_id: UUID, vehicle_type: str | None = None) -> Standing:
    """Whether this person may start a ride: active account, with a name (C-05). One statement.

    ``reason`` when not: ``unknown``, ``blocked``, ``restricted``, ``name_missing``; where the
    operator asks for it
    (``policy``): ``contact_not_verified``, ``id_check_missing`` (for vehicles of this type).
    """
    raise AssertionError


@query
async def ended_sessions(call: Call) -> frozenset[UUID]:
    """The operator's sessions that ended while access tokens of theirs may still be about.

    Remembered for seconds: every request asks. When the database is away, what was known last.
    """
    raise AssertionError
