"""Register, log in, log out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import pages
from fahrwerk.identity.pages import ways_in
from fahrwerk.identity.pages.ways_in import FIRST_PAGE, UserAgent
from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.cookies import Visit

Next = Annotated[str, QueryParameter(name="next", max_length=1000)]
_KEPT = ("login", "email", "phone", "first_name", "last_name")
"""What is shown again when something was wrong: everything but secrets."""


async def _form(
    visit: Visit, name: str, after: str, form: dict[str, str], problem: Problem | None = None
) -> Response[str]:
    return await shell.page(
        visit,
        f"identity/{name}.html",
        status=problem.status if problem else 200,
        after=after,
        given={each: form.get(each, "") for each in _KEPT},
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get("/login", permission=None, public=True, page=True, limit="page", include_in_schema=False)
async def login_page(visit: web.Visitor, after: Next = FIRST_PAGE) -> Response[str]:
    """The form to log in; whoever is logged in already goes on."""
    if visit.session is not None:
        return shell.go(visit, after)
    return await _form(visit, "login", after, {})


@post(
    "/login",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def login(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """Log in, and on to where one wanted to go."""
    after = form.get("next", FIRST_PAGE)
    try:
        begun = await pages.log_in_page(
            call, form.get("login", "")[:255], form.get("password", "")[:200], agent
        )
    except Problem as problem:
        if problem.error_code == ways_in.NEEDED:
            return await ways_in.second_step(call, visit, problem, after)
        return await _form(visit, "login", after, form, problem)
    return ways_in.entered(visit, begun, after)


@get("/register", permission=None, public=True, page=True, limit="page", include_in_schema=False)
async def register_page(visit: web.Visitor, after: Next = FIRST_PAGE) -> Response[str]:
    """The form to register."""
    if visit.session is not None:
        return shell.go(visit, after)
    return await _form(visit, "register", after, {})


@post(
    "/register",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def register(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """Register by e-mail or phone (IDN-01), and log in."""
    after = form.get("next", FIRST_PAGE)
    email, phone = form.get("email", "").strip(), form.get("phone", "").strip()
    password = form.get("password", "")
    # Somebody else who is logged in on this device must not become the author of the account.
    nobody = msgspec.structs.replace(call, user=None, roles=frozenset(), permissions=frozenset())
    try:
        await identity.register(
            nobody,
            email or None,
            phone or None,
            password,
            form.get("first_name", ""),
            form.get("last_name", ""),
            call.locale[:2],
        )
        begun = await pages.log_in_page(nobody, email or phone, password, agent)
    except identity.WrongCredentials:
        # Registered quietly: it counts when the address is proven, and nobody is told more.
        return shell.go(visit, "/login", "A message is on its way. Open its link, then log in.")
    except Problem as problem:
        return await _form(visit, "register", after, form, problem)
    return ways_in.entered(visit, begun, after)


@post(
    "/logout",
    permission=None,
    public=True,
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def logout(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Log this browser out."""
    if visit.session is not None:
        await pages.close_page_session(call, visit.session)
    visit.sign_out()
    return shell.go(visit, "/login", "You are logged out.")


handlers = [login_page, login, register_page, register, logout]
