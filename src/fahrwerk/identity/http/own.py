"""What people see and change of their own account: how it is secured, sessions, passkeys, checks.

What answers a secret or carries a password is not keyed: see ``accounts``.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.identity.contract import factors, proofs, sessions
from fahrwerk.identity.http.accounts import Email, Password
from fahrwerk.identity.http.ways_in import (
    Asked,
    Code,
    LinkUsed,
)
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Unauthenticated

Channel = Literal["email", "phone"]
Label = Annotated[str, Meta(min_length=1, max_length=100)]


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How the account is secured."""

    email: str | None
    is_email_verified: bool
    phone: str | None
    is_phone_verified: bool
    has_password: bool
    password_set_at: str | None
    has_totp: bool
    recovery_codes_left: int
    passkeys: int
    needs_second_factor: bool


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One log-in that is still open; ``kind``: tokens (an app) | page (a browser)."""

    id: str
    device: str
    address: str
    methods: list[str]
    kind: str
    is_bound: bool
    is_current: bool
    created_at: str
    last_used_at: str
    expires_at: str


class SessionsShown(msgspec.Struct, frozen=True):
    """The open sessions, last used first."""

    sessions: list[SessionShown]


class AttemptShown(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in that was tried. ``outcome``: logged_in | wrong | attacked | blocked |
    second_factor_asked | second_factor_wrong."""

    id: str
    outcome: str
    address: str
    device: str
    is_known_device: bool
    at: str


class AttemptsShown(msgspec.Struct, frozen=True):
    """One page of log-ins, newest first."""

    log_ins: list[AttemptShown]
    pagination: web.Pagination


class Ended(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    ended: int


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either the password or a code of the authenticator app."""

    password: Password | None = None
    code: Code | None = None


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The old password and the new one."""

    old_password: Password
    new_password: Password


class NewEmail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The address that is to come."""

    email: Email


class VerificationWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which address is to be proven."""

    channel: Channel


class VerificationCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that was sent there."""

    channel: Channel
    code: Code


def own(call: Call) -> UUID:
    """Who calls. Raises ``Unauthenticated`` for nobody."""
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    return call.user


def session_shown(session: sessions.Session) -> SessionShown:
    """A session for its owner or staff."""
    return SessionShown(
        id=ids.public(sessions.SESSION_PREFIX, session.id),
        device=session.device,
        address=session.address,
        methods=session.methods,
        kind=session.kind,
        is_bound=session.is_bound,
        is_current=session.is_current,
        created_at=clock.stamp(session.created_at),
        last_used_at=clock.stamp(session.last_used_at),
        expires_at=clock.stamp(session.expires_at),
    )


def attempts_shown(page: sessions.AttemptPage, limit: int, offset: int) -> AttemptsShown:
    """A page of log-ins for their owner or staff."""
    shown = [
        AttemptShown(
            id=ids.public("try", each.id),
            outcome=each.outcome,
            address=each.address,
            device=each.device,
            is_known_device=each.is_known_device,
            at=clock.stamp(each.at),
        )
        for each in page.attempts
    ]
    return AttemptsShown(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/me/security", permission="identity.self", tags=["identity"])
async def security(call: web.Caller) -> Security:
    """How your account is secured: proven addresses, second factor, passkeys."""
    said = await factors.security(call)
    at = said.password_set_at
    values = msgspec.structs.asdict(said) | {"password_set_at": clock.stamp(at) if at else None}
    return Security(**values)


@get("/api/v1/me/sessions", permission="identity.self", tags=["identity"])
async def list_sessions(call: web.Caller) -> SessionsShown:
    """Where you are logged in; ``is_current`` is this session."""
    found = await sessions.sessions(call, own(call))
    return SessionsShown([session_shown(each) for each in found])


@delete("/api/v1/me/sessions/{session_id:str}", permission="identity.self", tags=["identity"])
async def end_session(call: web.Caller, session_id: FromPath[str]) -> None:
    """Log out one device: its tokens are refused at once."""
    await sessions.end_session(call, ids.parse(session_id, sessions.SESSION_PREFIX))


@post(
    "/api/v1/me/sessions/end-others",
    permission="identity.self",
    status_code=200,
    tags=["identity"],
)
async def end_other_sessions(call: web.Caller) -> Ended:
    """Log out everywhere but here."""
    return Ended(await sessions.end_other_sessions(call))


@get("/api/v1/me/log-ins", permission="identity.self", tags=["identity"])
async def list_log_ins(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> AttemptsShown:
    """Who tried to log in to your account within 90 days, newest first."""
    page = await sessions.attempts(call, own(call), limit, offset)
    return attempts_shown(page, limit, offset)


@post(
    "/api/v1/me/confirm",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=204,
    tags=["identity"],
)
async def confirm(call: web.Caller, data: JSONBody[Confirmation]) -> None:
    """Prove again that it is you; what is sensitive asks for it (403 ``CONFIRMATION_NEEDED``)."""
    await sessions.confirm(call, data.password, data.code)


@post(
    "/api/v1/me/password",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=204,
    tags=["identity"],
)
async def change_password(call: web.Caller, data: JSONBody[PasswordChange]) -> None:
    """Change your password; your other sessions end. 401 when the old one is wrong."""
    await sessions.change_password(call, data.old_password, data.new_password)


@post(
    "/api/v1/me/email",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=202,
    tags=["identity"],
)
async def change_email(call: web.Caller, data: JSONBody[NewEmail]) -> Asked:
    """Another e-mail address: the old one and the new one get a link, and both have to be used."""
    await proofs.ask_email_change(call, data.email)
    return Asked()


@post(
    "/api/v1/me/verification",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=202,
    tags=["identity"],
)
async def ask_verification(call: web.Caller, data: JSONBody[VerificationWish]) -> Asked:
    """Have a link and a code sent that prove your e-mail address or phone number.

    429 ``SENT_TOO_OFTEN``: at most one a minute, five an hour, ten a day.
    """
    await proofs.ask_verification(call, data.channel)
    return Asked()


@post(
    "/api/v1/me/verification/code",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def verify_by_code(call: web.Caller, data: JSONBody[VerificationCode]) -> LinkUsed:
    """Prove it by the code. 422 ``LINK_NOT_VALID``; five tries for each code."""
    done = await proofs.verify_code(call, data.channel, data.code)
    return LinkUsed(done.what, done.is_done)


handlers = [
    security,
    list_sessions,
    end_session,
    end_other_sessions,
    list_log_ins,
    confirm,
    change_password,
    change_email,
    ask_verification,
    verify_by_code,
]
