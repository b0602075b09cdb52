"""One's rights, consents and data: ``gdpr_rights`` and ``gdpr_data_view`` (WEB-19, GDP-01..04)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import FromPath, HeaderParameter
from litestar.response import Stream

from fahrwerk.identity.contract import privacy as contract
from fahrwerk.identity.contract.privacy import REQUEST_PREFIX
from fahrwerk.identity.http.privacy import file_of
from fahrwerk.identity.pages.deeds import done
from fahrwerk.identity.pages.own import KEYS, who
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Invalid, Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

UserAgent = Annotated[str, HeaderParameter(name="User-Agent", required=False)]
PATH = "/account/privacy"
SHOWN = 20
KINDS = {"export": "Copy of my data", "erasure": "Deletion of my account"}
STATES = {
    "waiting": "waits",
    "running": "is put together",
    "erasing": "is being done",
    "ready": "ready",
    "done": "done",
    "refused": "not possible",
    "cancelled": "called off",
    "failed": "failed",
    "expired": "over",
}


async def _page(call: Call, visit: Visit, problem: Problem | None = None) -> Response[str]:
    me = who(call)
    found = (await contract.requests(call, me, None, SHOWN, 0)).requests
    against = problem.details.get("obstacles", []) if problem is not None else []
    return await shell.page(
        visit,
        "identity/privacy.html",
        status=problem.status if problem else 200,
        consents=await contract.consents(call, me),
        choices=[each for each in rules.PURPOSES if each not in rules.OF_SITE],
        requests=[(ids.public(REQUEST_PREFIX, each.id), each) for each in found],
        kinds=KINDS,
        states=STATES,
        restricted=await contract.restricted_since(call, me),
        setting=await contract.privacy_setting(call),
        may_keys=call.may(KEYS),
        against=[each["message"] for each in against],
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get(
    ["/account/privacy", "/gdpr/rights"],
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def gdpr_rights(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """Which rights one has, and how to use them here."""
    return await _page(call, visit)


@get(
    ["/account/privacy/data", "/gdpr/data"],
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def gdpr_data_view(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """What is held about oneself, kind by kind."""
    who(call)
    return await shell.page(
        visit,
        "identity/privacy_data.html",
        sections=await contract.own_data(call, SHOWN),
        may_keys=call.may(KEYS),
    )


@post(
    "/account/privacy/consents",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def answer(
    call: web.Caller, visit: web.Visitor, form: web.Form, agent: UserAgent = ""
) -> Response[str]:
    """Agree, or take it back."""
    purpose = rules.purpose_of(form.get("purpose", ""))
    version = form.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 7):
        raise Invalid(field="version", issue="is not a number")
    is_given = form.get("answer") == "yes"
    deed = contract.answer_consent(call, purpose, is_given, int(version), "page", agent)
    return await done(visit, deed, PATH, "It is saved.", lambda p: _page(call, visit, p))


@post(
    "/account/privacy/export",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def ask_export(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Have a copy made."""
    deed = contract.ask_export(call, who(call))
    said = "Your copy is being made. We write to you when it is ready."
    return await done(visit, deed, PATH, said, lambda p: _page(call, visit, p))


@post(
    "/account/privacy/erasure",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def ask_erasure(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Have the account deleted."""
    if form.get("is_agreed") != "on":
        return await _page(
            call, visit, Invalid(field="is_agreed", issue="please tick this if you mean it")
        )
    deed = contract.ask_erasure(call, who(call))
    said = "Your account will be deleted."
    return await done(visit, deed, PATH, said, lambda p: _page(call, visit, p))


@post(
    "/account/privacy/cancel",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def cancel(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Call off what has not begun."""
    deed = contract.cancel_request(call, ids.parse(form.get("request", ""), REQUEST_PREFIX))
    return await done(visit, deed, PATH, "It is called off.", lambda p: _page(call, visit, p))


@post(
    "/account/privacy/restriction",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def restrict(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Have data kept only, or used again."""
    is_wanted = form.get("is_restricted") == "yes"
    deed = contract.restrict(call, who(call), is_wanted, "")
    return await done(visit, deed, PATH, "It is saved.", lambda p: _page(call, visit, p))


@get(
    "/account/privacy/files/{asked:str}",
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
    media_type="application/zip",
)
async def download(call: web.Caller, asked: FromPath[str]) -> Stream:
    """The copy, as a file."""
    return await file_of(call, ids.parse(asked, REQUEST_PREFIX))


handlers = [
    *(gdpr_rights, gdpr_data_view, answer, ask_export, ask_erasure, cancel, restrict, download),
]
