"""A browser's session, for single-page web apps (C-54).

The cookie is for the browser alone; scripts get short-lived access tokens for the API and never
hold anything that could renew them. Each of these must come from a page of this site (``Origin``).
"""

from __future__ import annotations

import msgspec
from litestar import Response, delete, post
from litestar.params import JSONBody

from fahrwerk.identity.contract import factors
from fahrwerk.identity.contract import pages as identity
from fahrwerk.identity.http.accounts import (
    NOT_KEPT,
    LoginBody,
    Profile,
    UserAgent,
    at_operator,
    profile_of,
)
from fahrwerk.identity.http.ways_in import Code, Token
from fahrwerk.kernel import web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.cookies import OPERATOR, Visit
from fahrwerk.kernel.errors import Invalid, Unauthenticated
from fahrwerk.tenancy import contract as tenancy


class AccessToken(msgspec.Struct, frozen=True):
    """For the ``Authorization`` header of API requests; fetch another before it expires."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
    user: Profile


class SecondStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The challenge of ``SECOND_FACTOR_NEEDED``, and one of the two codes."""

    challenge: Token
    code: Code | None = None
    recovery_code: Code | None = None


def unguessed(call: Call, visit: Visit) -> Call:
    """The call, without an operator that nothing named: links and challenges name their own."""
    return call if visit.is_named else msgspec.structs.replace(call, tenant=None, tenant_slug="")


async def _entered(call: Call, visit: Visit, begun: identity.PageSession) -> Response[AccessToken]:
    """Give the browser its cookie, and its scripts a first access token."""
    visit.sign_in(begun.token, begun.max_age_s)
    visit.jar.put(OPERATOR, call.tenant_slug, None)
    known = msgspec.structs.replace(call, user=begun.person.id, roles=begun.person.roles)
    return _shown(known, await identity.page_access(known, begun.session_id))


def _shown(call: Call, access: identity.Access) -> Response[AccessToken]:
    user = profile_of(call, access.person)
    body = AccessToken(access.access_token, "Bearer", access.expires_in, user)
    return Response(body, headers=NOT_KEPT)


@post(
    "/session",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def begin_page_session(
    call: web.Caller, visit: web.Visitor, data: JSONBody[LoginBody], agent: UserAgent = ""
) -> Response[AccessToken]:
    """Log a browser in: sets its cookie, and answers a first access token (C-54).

    The body of ``POST /api/v1/auth/login``. 401 for an unknown account and a wrong password alike;
    401 ``SECOND_FACTOR_NEEDED`` with ``challenge`` and ``methods``: go on at
    ``/session/second-factor``. 403 ``ACCOUNT_BLOCKED``, ``FOREIGN_ORIGIN``. Staff stay logged in
    for 8 hours without use and a day at most, riders for 14 and 90 days.
    """
    if (data.email is None) == (data.phone is None):
        raise Invalid(field="email", issue="either email or phone is needed")
    if data.tenant is not None:
        call = await at_operator(unguessed(call, visit), data.tenant)
    login = data.email if data.email is not None else str(data.phone)
    return await _entered(
        call, visit, await identity.log_in_page(call, login, data.password, agent)
    )


@post(
    "/session/second-factor",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def finish_page_session(
    call: web.Caller, visit: web.Visitor, data: JSONBody[SecondStep], agent: UserAgent = ""
) -> Response[AccessToken]:
    """The second step of ``POST /session``: a code of the authenticator app, or a recovery code.

    The challenge names its operator. 401 ``WRONG_CODE`` with ``tries_left``: at 0 begin again.
    429 ``TOO_MANY_TRIES``; 403 ``ACCOUNT_BLOCKED``, ``FOREIGN_ORIGIN``.
    """
    begun = await factors.second_factor_page(
        unguessed(call, visit), data.challenge, data.code, data.recovery_code, agent
    )
    claims = await identity.page_session(call, begun.token)
    operator = await tenancy.operator_by_id(call, claims.tenant) if claims else None
    if operator is None:  # ended again while this was being answered
        raise Unauthenticated(token_expired=True)
    there = msgspec.structs.replace(call, tenant=operator.id, tenant_slug=operator.slug)
    return await _entered(there, visit, begun)


@post(
    "/session/access",
    permission="identity.self",
    page=True,
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def renew_page_access(call: web.Caller, visit: web.Visitor) -> Response[AccessToken]:
    """A fresh access token for the scripts of a page, by its cookie (C-54). 401: log in again."""
    if visit.session is None:
        raise Unauthenticated(token_expired=True)
    return _shown(call, await identity.page_access(call, visit.session))


@delete("/session", permission=None, public=True, page=True, unkeyed=True, tags=["identity"])
async def end_page_session(call: web.Caller, visit: web.Visitor) -> None:
    """Log this browser out: its cookie and its access tokens are over. Harmless to repeat.

    403 ``FOREIGN_ORIGIN``.
    """
    if visit.session is not None:
        await identity.close_page_session(call, visit.session)
    visit.sign_out()


handlers = [begin_page_session, finish_page_session, renew_page_access, end_page_session]
