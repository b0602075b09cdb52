"""Passkeys in a browser: log in by one, add one. The one thing here that needs a script.

Two steps each: a form asks to begin, and the page that comes then has what the browser is to be
asked (``passkey.js``); its answer is sent by the page's own form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response, post

from fahrwerk.identity.contract import pages, passkeys
from fahrwerk.identity.http.ways_in import MOST_BYTES, Host
from fahrwerk.identity.pages.deeds import done, refused
from fahrwerk.identity.pages.own import SECURITY
from fahrwerk.identity.pages.ways_in import FIRST_PAGE, UserAgent, entered
from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit


def _credential(form: dict[str, str]) -> dict[str, Any]:
    """What the browser answered. Raises ``PasskeyRefused``."""
    said = form.get("credential", "")
    try:
        return msgspec.json.decode(said[:MOST_BYTES], type=dict[str, Any])
    except msgspec.DecodeError:
        raise passkeys.PasskeyRefused from None


async def _ceremony(
    visit: Visit, begun: passkeys.Ceremony, deed: str, action: str, after: str,
    problem: Problem | None = None,
) -> Response[str]:  # fmt: skip
    return await shell.page(
        visit,
        "identity/passkey.html",
        status=problem.status if problem else 200,
        deed=deed,
        action=action,
        after=after,
        challenge=begun.challenge,
        options=msgspec.json.encode(begun.options).decode(),
        issues=shell.issues_of(visit, problem) if problem else {},
    )


async def _log_in_page(
    call: Call, visit: Visit, host: str, after: str, problem: Problem | None = None
) -> Response[str]:
    begun = await passkeys.begin_passkey_log_in(call, host)
    return await _ceremony(visit, begun, "use", "/account/passkey/log-in", after, problem)


@post(
    "/account/passkey",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def begin(
    call: web.Caller, visit: web.Visitor, form: web.Form, host: Host = ""
) -> Response[str]:
    """Begin to log in by passkey; also for who is logged in and has to prove himself anew."""
    return await _log_in_page(call, visit, host, form.get("next", FIRST_PAGE))


@post(
    "/account/passkey/log-in",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def log_in(
    call: web.Caller,
    visit: web.Visitor,
    form: web.Form,
    host: Host = "",
    agent: UserAgent = "",
) -> Response[str]:
    """The browser's answer: logged in. A session that was there before ends."""
    after, challenge = form.get("next", FIRST_PAGE), form.get("challenge", "")[:200]
    try:
        begun = await passkeys.log_in_page_with_passkey(call, challenge, _credential(form), agent)
    except Problem as problem:
        return await _log_in_page(call, visit, host, after, problem)
    if visit.session is not None and call.user is not None:
        await pages.close_page_session(call, visit.session)
    return entered(visit, begun, after)


async def _add_page(
    call: Call, visit: Visit, host: str, problem: Problem | None = None
) -> Response[str]:
    begun = await passkeys.begin_passkey(call, host)
    return await _ceremony(visit, begun, "make", "/account/passkeys", SECURITY, problem)


@post(
    "/account/passkeys/begin",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def begin_adding(
    call: web.Caller, visit: web.Visitor, form: web.Form, host: Host = ""
) -> Response[str]:
    """Begin to add a passkey for this host."""
    try:
        return await _add_page(call, visit, host)
    except Problem as problem:
        return await refused(visit, problem, SECURITY, lambda p: _sent_back(visit, p))


async def _sent_back(visit: Visit, problem: Problem | None) -> Response[str]:
    """There can be no passkey here: said on the page it was asked for."""
    return shell.go(visit, SECURITY, problem.text if problem else "", "warning")


@post(
    "/account/passkeys",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def add(
    call: web.Caller, visit: web.Visitor, form: web.Form, host: Host = ""
) -> Response[str]:
    """The browser's answer: a passkey more."""
    challenge, name = form.get("challenge", "")[:200], form.get("name", "")[:101]
    try:
        credential = _credential(form)
    except passkeys.PasskeyRefused as problem:
        return await _add_page(call, visit, host, problem)
    deed = passkeys.add_passkey(call, challenge, name, credential)
    said = "The passkey is added."
    return await done(visit, deed, SECURITY, said, lambda p: _add_page(call, visit, host, p))


handlers = [begin, log_in, begin_adding, add]
