"""Links and codes by e-mail or SMS: verification, password reset, log-in by link, a new address.

Each is good once, for a short time and for one purpose; only hashes are kept. A link's token names
its operator itself. Strangers get the same answer, after the same work, whether or not there is an
account: what they ask for is written down, and a job looks.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Busy, Refused


class Verified(msgspec.Struct, frozen=True):
    """What a link has proven: ``email``, ``phone``, or ``email_change``; of the last, whether both
    addresses have agreed by now and the new one counts."""

    what: str
    is_done: bool


class ProofLetter(msgspec.Struct, frozen=True):
    """What a letter or SMS has to say; asked when it is sent, so that no event holds a secret."""

    purpose: str
    channel: str
    address: str
    link: str
    code: str
    minutes: int
    new_address: str | None
    """Of ``email_old`` and ``email_new``: the address that is to come."""


class WrongLink(Refused):
    """Unknown, used, expired, guessed at too often, or another operator's: all look alike."""

    code = "LINK_NOT_VALID"
    message = "This link or code is not valid any more. Please ask for a new one."


class SentTooOften(Busy):
    """A letter went out a moment ago, or too many did today."""

    code = "SENT_TOO_OFTEN"
    message = "We have just sent you a message. Please wait a moment before you ask for another."


@action
async def ask_verification(call: Call, channel: str) -> None:
    """Send the caller a link and a code to prove his ``email`` or ``phone``.

    Raises ``SentTooOften``, ``Invalid`` (no such address in the account).
    """
    raise AssertionError


@action
async def verify(call: Call, token: str) -> Verified:
    """Use the link of a letter: proves an address, or agrees to a new one. Raises ``WrongLink``."""
    raise AssertionError


@action
async def verify_code(call: Call, channel: str, code: str) -> Verified:
    """Use the code of the newest letter that proves the caller's ``email`` or ``phone``.

    Raises ``WrongLink``; after five wrong ones the code is worth nothing.
    """
    raise AssertionError


@action
async def ask_link(call: Call, login: str, purpose: str) -> None:
    """Send whoever has this e-mail address or phone number a link: ``reset`` or ``magic``.

    Silent about whether there is anybody. Raises ``Invalid`` only for what is no address at all,
    ``UnknownOperator``.
    """
    raise AssertionError


@action
async def reset_password(
    call: Call, token: str | None, login: str | None, code: str | None, password: str
) -> None:
    """Set a new password by a link's ``token``, or by ``login`` and the letter's ``code``.

    Ends all sessions and forgets known devices. Raises ``WrongLink``, ``Invalid`` (weak password:
    the link stays good).
    """
    raise AssertionError


@action
async def log_in_by_link(
    call: Call, token: str | None, login: str | None, code: str | None, client: Client
) -> Login:
    """Log in by a link's ``token``, or by ``login`` and the letter's ``code``.

    Raises ``WrongLink``, ``SecondFactorNeeded``, ``AccountBlocked``, ``DeviceKeyNeeded``.
    """
    raise AssertionError


@action
async def log_in_page_by_link(
    call: Call, token: str | None, device: str, login: str | None = None, code: str | None = None
) -> PageSession:
    """The same for a browser: a session with a cookie. Raises as :func:`log_in_by_link`."""
    raise AssertionError


@action
async def ask_email_change(call: Call, email: str) -> None:
    """Another e-mail address for the caller: the old one and the new one get a link each, and when
    both were used it changes. Silent about whether somebody has the address already.

    Raises ``Invalid``, ``ConfirmationNeeded``, ``SentTooOften``, ``Unauthenticated``.
    """
    raise AssertionError


@query
async def proof_letter(call: Call, proof_id: UUID) -> ProofLetter | None:
    """For the house itself alone, ``Forbidden`` to people: what a letter says; None when it is
    used, replaced or expired by now."""
    raise AssertionError
