"""Where one is logged in, and who tried to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar import Response, get, post

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import sessions
from fahrwerk.identity.pages.deeds import done
from fahrwerk.identity.pages.own import KEYS, who
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

PATH = "/account/sessions"
A_PAGE = 25
OUTCOMES = {
    "logged_in": "logged in",
    "wrong": "wrong password",
    "attacked": "refused: too many tries",
    "blocked": "refused: the account is blocked",
    "sso_required": "refused: log in at your organisation",
    "second_factor_asked": "asked for a second factor",
    "second_factor_wrong": "wrong code",
}
WAYS = {
    "password": "password",
    "totp": "code of the app",
    "recovery_code": "recovery code",
    "passkey": "passkey",
    "link": "link by e-mail",
    "sso": "organisation",
}


async def _page(
    call: Call, visit: Visit, offset: int, problem: Problem | None = None
) -> Response[str]:
    me = who(call)
    tried = await sessions.attempts(call, me, A_PAGE, offset)
    found = [
        msgspec.structs.asdict(each) | {"public_id": ids.public(sessions.SESSION_PREFIX, each.id)}
        for each in await sessions.sessions(call, me)
    ]
    return await shell.page(
        visit,
        "identity/sessions.html",
        status=problem.status if problem else 200,
        sessions=found,
        attempts=tried.attempts,
        outcomes=OUTCOMES,
        ways=WAYS,
        total=tried.total,
        limit=A_PAGE,
        offset=offset,
        may_keys=call.may(KEYS),
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get(
    "/account/sessions",
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def log_ins(call: web.Caller, visit: web.Visitor, offset: web.Offset = 0) -> Response[str]:
    """Open sessions, and the log-ins of 90 days."""
    return await _page(call, visit, offset)


@post(
    "/account/sessions/end",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def end(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """End one session, at once and everywhere."""
    chosen = ids.parse(form.get("session", ""), sessions.SESSION_PREFIX)
    deed = sessions.end_session(call, chosen)
    return await done(visit, deed, PATH, "It is logged out.", lambda p: _page(call, visit, 0, p))


@post(
    "/account/sessions/end-all",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def end_all(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """End all other sessions, or this one too."""
    if form.get("which") == "all":
        await identity.log_out(call, None)
        visit.sign_out()
        return shell.go(visit, "/login", "You are logged out.")
    await sessions.end_other_sessions(call)
    return shell.go(visit, PATH, "All other devices are logged out.")


handlers = [log_ins, end, end_all]
