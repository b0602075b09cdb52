"""Second factors: an authenticator app (TOTP, RFC 6238) and recovery codes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Unauthenticated


class TotpSetup(msgspec.Struct, frozen=True):
    """For the authenticator app; shown once."""

    secret: str
    """Base 32, to be typed in."""
    uri: str
    """``otpauth://...``"""
    qr_svg: str
    """The same as a picture: an SVG element."""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How an account is secured."""

    email: str | None
    is_email_verified: bool
    phone: str | None
    is_phone_verified: bool
    has_password: bool
    password_set_at: datetime | None
    has_totp: bool
    recovery_codes_left: int
    passkeys: int
    needs_second_factor: bool
    """The operator asks for one, because of a role."""


class WrongCode(Unauthenticated):
    """The code is wrong or was used before, or the challenge is over: then ``tries_left`` is 0."""

    code = "WRONG_CODE"
    message = "This code is wrong."


class TotpThere(Conflict):
    """There is an authenticator app already."""

    code = "TOTP_ALREADY_SET_UP"
    message = "An authenticator app is set up already. Remove it first."


class NoTotp(Conflict):
    """There is no authenticator app."""

    code = "TOTP_NOT_SET_UP"
    message = "No authenticator app is set up."


class SecondFactorRequired(Conflict):
    """The operator asks people of this role for a second factor, and it would be the last."""

    code = "SECOND_FACTOR_REQUIRED"
    message = "Your operator asks for a second factor. Add a passkey before you remove the app."


@query
async def security(call: Call) -> Security:
    """How the caller's account is secured."""
    raise AssertionError


@action
async def second_factor(
    call: Call, challenge: str, code: str | None, recovery_code: str | None, client: Client
) -> Login:
    """Finish a log-in: the challenge of ``SecondFactorNeeded`` and one of the two codes.

    A challenge is good for five minutes, five tries and one log-in; a code of the app is good once.
    The challenge names its operator itself. Raises ``WrongCode``, ``TooManyTries``,
    ``AccountBlocked``, ``DeviceKeyNeeded``.
    """
    raise AssertionError


@action
async def second_factor_page(
    call: Call, challenge: str, code: str | None, recovery_code: str | None, device: str
) -> PageSession:
    """The same for a browser: a session with a cookie. Raises as :func:`second_factor`."""
    raise AssertionError


@action
async def enrol_at_log_in(call: Call, challenge: str) -> TotpSetup:
    """Set up the authenticator app that the operator asks for, before the log-in is finished.

    The first right code for ``second_factor`` confirms it. Raises ``WrongCode`` when the challenge
    is over, or is none for which there is anything to set up.
    """
    raise AssertionError


@action
async def begin_totp(call: Call) -> TotpSetup:
    """Set up an authenticator app for the caller; it counts when ``confirm_totp`` is done.

    Raises ``TotpThere``, ``ConfirmationNeeded``, ``Unauthenticated``.
    """
    raise AssertionError


@action
async def confirm_totp(call: Call, code: str) -> list[str]:
    """The app's first code; answers ten recovery codes, shown once.

    Raises ``WrongCode``, ``NoTotp``, ``TotpThere``, ``TooManyTries``.
    """
    raise AssertionError


@action
async def remove_totp(call: Call) -> None:
    """Do without the app and its recovery codes. Harmless to repeat.

    Raises ``ConfirmationNeeded``, ``SecondFactorRequired``.
    """
    raise AssertionError


@action
async def new_recovery_codes(call: Call) -> list[str]:
    """Ten new recovery codes, shown once; those of before are worth nothing.

    Raises ``ConfirmationNeeded``, ``NoTotp``.
    """
    raise AssertionError
