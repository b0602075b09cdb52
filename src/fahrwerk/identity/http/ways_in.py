"""Ways in besides the password: second factor, links and codes, passkeys, password reset.

Who asks for a link is answered the same, after the same work, whoever has an account. Nothing here
is keyed: see ``accounts``.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta

from fahrwerk.identity.contract import factors, passkeys, proofs
from fahrwerk.identity.http.accounts import (
    NOT_KEPT,
    Device,
    DeviceProof,
    Email,
    LoggedIn,
    Password,
    Phone,
    Slug,
    UserAgent,
    at_operator,
    client_of,
    logged_in,
)
from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Invalid

Token = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[str, Meta(min_length=1, max_length=40)]
Host = Annotated[str, HeaderParameter(name="Host", required=False)]
Credential = Annotated[
    dict[str, Any], Meta(description="what the browser answered, as JSON (WebAuthn level 3)")
]
MOST_BYTES = 16_384
"""Of a credential: those of real authenticators have some hundred."""


class Asked(msgspec.Struct, frozen=True):
    """It is written down; if there is such an account, a message is on its way."""

    status: str = "accepted"


class LinkWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose account: ``email`` or ``phone``."""

    email: Email | None = None
    phone: Phone | None = None
    tenant: Slug | None = None


class LinkLogin(Device, frozen=True, forbid_unknown_fields=True):
    """``token`` of the link; or ``email`` or ``phone``, and ``code``."""

    token: Token | None = None
    email: Email | None = None
    phone: Phone | None = None
    code: Code | None = None
    tenant: Slug | None = None


class PasswordReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``token`` of the link; or ``email`` or ``phone``, and ``code``."""

    password: Password
    token: Token | None = None
    email: Email | None = None
    phone: Phone | None = None
    code: Code | None = None
    tenant: Slug | None = None


class LinkToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the link in a letter."""

    token: Token


class LinkUsed(msgspec.Struct, frozen=True):
    """``what``: email | phone | email_change. ``is_done`` false: the other address has to agree."""

    what: str
    is_done: bool


class SecondFactor(Device, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The challenge of ``SECOND_FACTOR_NEEDED``, and one of the two codes."""

    challenge: Token
    code: Code | None = None
    recovery_code: Code | None = None


class Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The challenge of ``SECOND_FACTOR_NEEDED``."""

    challenge: Token


class AppSetup(msgspec.Struct, frozen=True):
    """For the authenticator app: shown once."""

    secret: str
    uri: str
    qr_svg: str


class Ceremony(msgspec.Struct, frozen=True):
    """``options`` are for ``navigator.credentials``; send ``challenge`` back with its answer."""

    challenge: str
    options: dict[str, Any]


class PasskeyLogin(Device, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The browser's answer to the options."""

    challenge: Token
    credential: Credential


def _login(email: str | None, phone: str | None) -> str:
    if (email is None) == (phone is None):
        raise Invalid(field="email", issue="either email or phone is needed")
    return email if email is not None else str(phone)


def _login_or_none(data: LinkLogin | PasswordReset) -> str | None:
    return _login(data.email, data.phone) if data.token is None else None


def small(credential: dict[str, Any]) -> dict[str, Any]:
    """The credential, unless it is larger than any real one."""
    if len(msgspec.json.encode(credential)) > MOST_BYTES:
        raise Invalid(field="credential", issue=f"must have at most {MOST_BYTES} bytes")
    return credential


@post(
    "/api/v1/auth/second-factor",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def second_factor(
    call: web.Caller, data: JSONBody[SecondFactor], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Finish a log-in by an authenticator app's code or a recovery code.

    401 ``WRONG_CODE`` with ``tries_left``: at 0 begin again. 429 ``TOO_MANY_TRIES``.
    """
    client = client_of(data, agent, proof, "/api/v1/auth/second-factor")
    done = await factors.second_factor(call, data.challenge, data.code, data.recovery_code, client)
    return await logged_in(call, done)


@post(
    "/api/v1/auth/second-factor/setup",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def set_up_second_factor(call: web.Caller, data: JSONBody[Challenge]) -> Response[AppSetup]:
    """Set up the authenticator app that the operator asks for (``enrol_totp``), then finish.

    401 for a challenge that is over, or none of ours.
    """
    made = await factors.enrol_at_log_in(call, data.challenge)
    return Response(AppSetup(made.secret, made.uri, made.qr_svg), headers=NOT_KEPT)


@post(
    "/api/v1/auth/magic-link",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=202,
)
async def ask_magic_link(call: web.Caller, data: JSONBody[LinkWish]) -> Asked:
    """Have a link to log in sent, to the account's e-mail address or, without one, its phone.

    202 whether or not there is such an account; at most one a minute goes out.
    """
    call = await at_operator(call, data.tenant)
    await proofs.ask_link(call, _login(data.email, data.phone), "magic")
    return Asked()


@post(
    "/api/v1/auth/magic-link/login",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def log_in_by_link(
    call: web.Caller, data: JSONBody[LinkLogin], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Log in by the link's token or the letter's code. 422 ``LINK_NOT_VALID``;
    401 ``SECOND_FACTOR_NEEDED``."""
    client = client_of(data, agent, proof, "/api/v1/auth/magic-link/login")
    call = await at_operator(call, data.tenant)
    done = await proofs.log_in_by_link(call, data.token, _login_or_none(data), data.code, client)
    return await logged_in(call, done)


@post(
    "/api/v1/auth/password/forgot",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=202,
)
async def forgot_password(call: web.Caller, data: JSONBody[LinkWish]) -> Asked:
    """Have a link to set a new password sent. 202 whether or not there is such an account."""
    call = await at_operator(call, data.tenant)
    await proofs.ask_link(call, _login(data.email, data.phone), "reset")
    return Asked()


@post(
    "/api/v1/auth/password/reset",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=204,
)
async def reset_password(call: web.Caller, data: JSONBody[PasswordReset]) -> None:
    """Set a new password by the link's token or the letter's code; all sessions end.

    422 ``LINK_NOT_VALID``. A weak password is 400, and the link stays good.
    """
    call = await at_operator(call, data.tenant)
    await proofs.reset_password(call, data.token, _login_or_none(data), data.code, data.password)


@post(
    "/api/v1/auth/verify",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def use_link(call: web.Caller, data: JSONBody[LinkToken]) -> LinkUsed:
    """Use the link of a letter that proves an address, or agrees to a new one.

    422 ``LINK_NOT_VALID``; 409 ``ALREADY_REGISTERED`` when the new address got an account.
    """
    done = await proofs.verify(call, data.token)
    return LinkUsed(done.what, done.is_done)


@post(
    "/api/v1/auth/passkey/options",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def begin_passkey_login(call: web.Caller, host: Host = "") -> Response[Ceremony]:
    """What the browser needs to log in with a passkey of this host, which it finds by itself."""
    made = await passkeys.begin_passkey_log_in(call, host)
    return Response(Ceremony(made.challenge, made.options), headers=NOT_KEPT)


@post(
    "/api/v1/auth/passkey/login",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    tags=["identity"],
    status_code=200,
)
async def passkey_login(
    call: web.Caller, data: JSONBody[PasskeyLogin], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Log in with a passkey. 401 ``PASSKEY_REFUSED``; no second factor is asked for."""
    client = client_of(data, agent, proof, "/api/v1/auth/passkey/login")
    credential = small(data.credential)
    done = await passkeys.log_in_with_passkey(call, data.challenge, credential, client)
    return await logged_in(call, done)


handlers = [
    second_factor,
    set_up_second_factor,
    ask_magic_link,
    log_in_by_link,
    forgot_password,
    reset_password,
    use_link,
    begin_passkey_login,
    passkey_login,
]
