"""Log in at one's organisation: which one, and for directories name and password (IDN-25)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.identity.contract import sso as identity
from fahrwerk.identity.pages.accounts import Next
from fahrwerk.identity.pages.ways_in import FIRST_PAGE, UserAgent, entered
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Problem, Unauthenticated
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

PREFIX = "sso"
REASONS = {
    "blocked": "This account is blocked. Please ask customer service.",
    "account_exists": "There is already an account with your address. Please log in to that one.",
    "email_unverified": "Your organisation has not confirmed your e-mail address.",
    "email_missing": "Your organisation gave no e-mail address.",
    "no_role": "You have no access here yet. Please ask your organisation.",
    "not_provisioned": "You have no access here yet. Please ask your organisation.",
    "credentials": "Name or password is wrong.",
    "denied": "The log-in at your organisation was not completed.",
    "state": "This log-in is over. Please begin again.",
}
"""What people are told; all else is for who set it up, and stands in the test of the provider."""
OTHERWISE = "The log-in at your organisation did not work. Please try again."


async def _choices(
    call: Call, visit: Visit, after: str, email: str, reason: str, status: int = 200
) -> Response[str]:
    found = await identity.sso_choices(call, email)
    ways = [(ids.public(PREFIX, each.id), each.name, each.protocol) for each in found]
    said = REASONS.get(reason, OTHERWISE) if reason else ""
    return await shell.page(
        visit, "identity/sso.html", status=status, after=after, email=email, ways=ways, said=said,
        tenant=call.tenant_slug,
    )  # fmt: skip


@get("/login/sso", permission=None, public=True, page=True, limit="page", include_in_schema=False)
async def sso_page(
    call: web.Caller,
    visit: web.Visitor,
    after: Next = FIRST_PAGE,
    email: Annotated[str, QueryParameter(max_length=255)] = "",
    refused: Annotated[str, QueryParameter(max_length=50)] = "",
) -> Response[str]:
    """The organisations to choose from; with an address those of its domain."""
    return await _choices(call, visit, after, email.replace("\0", ""), refused)


@post(
    "/login/sso",
    permission=None,
    public=True,
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def sso_by_directory(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """Name and password at a directory."""
    after = form.get("next", FIRST_PAGE)
    try:
        begun = await identity.log_in_page_by_directory(
            call, ids.parse(form.get("provider", ""), PREFIX), form.get("login", "")[:256],
            form.get("password", "")[:256], agent,
        )  # fmt: skip
    except Unauthenticated as problem:
        reason = str(problem.details.get("reason", "other"))
        return await _choices(call, visit, after, "", reason, problem.status)
    except Problem as problem:
        return await _choices(call, visit, after, "", "other", problem.status)
    return entered(visit, begun, after)


handlers = [sso_page, sso_by_directory]
