"""Forgotten passwords, links from letters, and the second step of a log-in; without JavaScript.

Opening a link changes nothing: programs that look at mail do that. The page it leads to has a
button, and that uses the link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, post
from litestar.params import HeaderParameter, QueryParameter

from fahrwerk.identity.contract import factors, proofs
from fahrwerk.identity.http.pages import unguessed
from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.identity.contract.pages import PageSession
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

Token = Annotated[str, QueryParameter(max_length=200)]
UserAgent = Annotated[str, HeaderParameter(name="User-Agent", required=False)]
FIRST_PAGE = "/portal/"
NEEDED = "SECOND_FACTOR_NEEDED"
_DONE = {
    "email": "Your e-mail address is confirmed.",
    "phone": "Your phone number is confirmed.",
    "email_change": "Your new e-mail address counts from now on.",
}
_HALF = "Thank you. The other address has to agree too."


async def _shown(
    visit: Visit, name: str, problem: Problem | None = None, **facts: Any
) -> Response[str]:
    return await shell.page(
        visit,
        f"identity/{name}.html",
        status=problem.status if problem else 200,
        issues=shell.issues_of(visit, problem) if problem else {},
        **facts,
    )


def entered(visit: Visit, begun: PageSession, after: str) -> Response[str]:
    """Give the browser its cookie and go on."""
    visit.sign_in(begun.token, begun.max_age_s)
    return shell.go(visit, after)


async def second_step(
    call: Call, visit: Visit, needed: Problem, after: str, refused: Problem | None = None
) -> Response[str]:
    """Ask for the second factor that ``needed`` (``SecondFactorNeeded``) speaks of."""
    challenge, methods = str(needed.details["challenge"]), list(needed.details["methods"])
    setup = None
    if "enrol_totp" in methods:
        setup = await factors.enrol_at_log_in(unguessed(call, visit), challenge)
    return await _shown(
        visit, "second_factor", refused,
        challenge=challenge, methods=methods, after=after, setup=setup,
    )  # fmt: skip


@post(
    "/account/second-factor",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def finish(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """The second step: a code of the app, or a recovery code."""
    challenge, after = form.get("challenge", "")[:200], form.get("next", FIRST_PAGE)
    said = form.get("code", "")[:40]
    # Codes of an app are digits, recovery codes have letters too, and are longer.
    is_app = len("".join(c for c in said if c.isalnum())) <= 6
    code, recovery = (said, None) if is_app else (None, said)
    try:
        begun = await factors.second_factor_page(
            unguessed(call, visit), challenge, code, recovery, agent
        )
    except Problem as problem:
        return await _shown(
            visit, "second_factor", problem,
            challenge=challenge, methods=["totp", "recovery_code"], after=after, setup=None,
        )  # fmt: skip
    return entered(visit, begun, after)


@get("/account/forgot", permission=None, public=True, page=True, limit="page",
     include_in_schema=False)  # fmt: skip
async def forgot_page(visit: web.Visitor) -> Response[str]:
    """The form to ask for a link."""
    return await _shown(visit, "forgot", is_sent=False, login="", purpose="")


@post(
    "/account/forgot",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def forgot(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Ask for a link: the same answer whoever has an account (IDN-05)."""
    login = form.get("login", "")[:255]
    purpose = "magic" if form.get("purpose") == "magic" else "reset"
    try:
        await proofs.ask_link(call, login, purpose)
    except Problem as problem:
        return await _shown(visit, "forgot", problem, is_sent=False, login=login, purpose="")
    return await _shown(visit, "forgot", is_sent=True, login=login, purpose=purpose)


@post(
    "/account/code",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def use_code(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """The code of a message instead of its link: an SMS has no link."""
    login, code = form.get("login", "")[:255], form.get("code", "")[:40]
    purpose = "magic" if form.get("purpose") == "magic" else "reset"
    try:
        if purpose == "magic":
            begun = await proofs.log_in_page_by_link(call, None, agent, login, code)
            return entered(visit, begun, FIRST_PAGE)
        await proofs.reset_password(call, None, login, code, form.get("password", "")[:201])
    except Problem as problem:
        if problem.error_code == NEEDED:
            return await second_step(call, visit, problem, FIRST_PAGE)
        return await _shown(visit, "forgot", problem, is_sent=True, login=login, purpose=purpose)
    return shell.go(visit, "/login", "Your password is set. Please log in.")


@get("/account/reset", permission=None, public=True, page=True, limit="page",
     include_in_schema=False)  # fmt: skip
async def reset_page(visit: web.Visitor, token: Token = "") -> Response[str]:
    """The form to set a new password."""
    return await _shown(visit, "reset", token=token)


@post(
    "/account/reset",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def reset(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Set it, and go to log in."""
    token, password = form.get("token", "")[:200], form.get("password", "")[:200]
    try:
        await proofs.reset_password(unguessed(call, visit), token, None, None, password)
    except Problem as problem:
        return await _shown(visit, "reset", problem, token=token)
    return shell.go(visit, "/login", "Your password is set. Please log in.")


@get("/account/verify", permission=None, public=True, page=True, limit="page",
     include_in_schema=False)  # fmt: skip
async def verify_page(visit: web.Visitor, token: Token = "") -> Response[str]:
    """The button that proves an address, or agrees to a new one."""
    return await _shown(visit, "use_link", token=token, action="/account/verify", done="")


@post(
    "/account/verify",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def verify(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Use the link."""
    token, action = form.get("token", "")[:200], "/account/verify"
    try:
        used = await proofs.verify(unguessed(call, visit), token)
    except Problem as problem:
        return await _shown(visit, "use_link", problem, token=token, action=action, done="")
    done = _DONE[used.what] if used.is_done else _HALF
    return await _shown(visit, "use_link", token="", action=action, done=done)


@get("/account/magic", permission=None, public=True, page=True, limit="page",
     include_in_schema=False)  # fmt: skip
async def magic_page(visit: web.Visitor, token: Token = "") -> Response[str]:
    """The button that logs in."""
    return await _shown(visit, "use_link", token=token, action="/account/magic", done="")


@post(
    "/account/magic",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def magic(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """Log in by the link, or go on to the second step."""
    token, action = form.get("token", "")[:200], "/account/magic"
    try:
        begun = await proofs.log_in_page_by_link(unguessed(call, visit), token, agent)
    except Problem as problem:
        if problem.error_code == NEEDED:
            return await second_step(call, visit, problem, FIRST_PAGE)
        return await _shown(visit, "use_link", problem, token=token, action=action, done="")
    return entered(visit, begun, FIRST_PAGE)


handlers = [
    finish,
    forgot_page,
    forgot,
    use_code,
    reset_page,
    reset,
    verify_page,
    verify,
    magic_page,
    magic,
]
