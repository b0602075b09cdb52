"""The browser's way through single sign-on: out to the provider, back, and on.

These addresses name the operator themselves, so that a provider can be told them once. They are
pages and redirects for browsers, not API: the OpenAPI document does not list them.
"""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from litestar import MediaType, Response, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from fahrwerk.identity.contract import sso as identity
from fahrwerk.identity.http.sso import PREFIX, UserAgent
from fahrwerk.identity.rules.sso import cookie_of
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.cookies import Visit
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy

Param = Annotated[str, QueryParameter(max_length=4000)]
_PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><h1>{title}</h1><ol>{steps}</ol></body></html>"""
_TITLES = {
    "de": ("Probe der Anmeldung: in Ordnung", "Probe der Anmeldung: nicht in Ordnung"),
    "en": ("Test of the log-in: all is well", "Test of the log-in: something is wrong"),
}


async def _at(call: Call, slug: str) -> Call:
    """The call, for the operator that the path names."""
    operator = await tenancy.operator_by_slug(call, slug)
    if operator is None:
        raise tenancy.UnknownOperator
    return msgspec.structs.replace(
        call, tenant=operator.id, tenant_slug=operator.slug, currency=operator.currency
    )


def _to(url: str) -> Response[bytes]:
    """To another address; what brought the browser here is not told there."""
    headers = {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(b"", status_code=303, headers=headers, media_type=MediaType.TEXT)


def _begin_again(problem: identity.SsoRefused) -> Response[bytes]:
    """Nobody knows any more where this was to end: to where log-ins begin."""
    return _to(f"/login/sso?refused={problem.details.get('reason', 'refused')}")


def _begun(call: Call, ticket: str) -> str:
    return f"/sso/{call.tenant_slug}/go?ticket={ticket}"


@get(
    "/sso/{tenant:str}/{provider:str}/start",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def start_page_log_in(
    call: web.Caller,
    tenant: FromPath[str],
    provider: FromPath[str],
    to: Annotated[str, QueryParameter(name="next", max_length=500)] = "/",
) -> Response[bytes]:
    """Begin a log-in that ends with a page session, at a local path."""
    call = await _at(call, tenant)
    wish = identity.Wish(flow="page", redirect_uri=to)
    started = await identity.start_sso(call, ids.parse(provider, PREFIX), wish)
    return _to(_begun(call, started.ticket))


@get(
    "/sso/{tenant:str}/go",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def leave(
    call: web.Caller, visit: web.Visitor, tenant: FromPath[str], ticket: Param = ""
) -> Response[bytes]:
    """On to the provider, with a cookie by which this browser is known when it comes back."""
    call = await _at(call, tenant)
    try:
        leaving = await identity.leave_for_sso(call, ticket)
    except identity.SsoRefused as problem:
        return _begin_again(problem)
    if leaving.cookie:
        visit.jar.put(leaving.cookie, leaving.secret, 600)
    return _to(leaving.url) if leaving.url else _shown(call, [])


@get(
    "/sso/{tenant:str}/{provider:str}/callback",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def come_back(
    call: web.Caller,
    visit: web.Visitor,
    tenant: FromPath[str],
    provider: FromPath[str],
    stated: Annotated[str, QueryParameter(name="state", max_length=4000)] = "",
    code: Param = "",
    iss: Param = "",
    error: Param = "",
    error_description: Param = "",
    agent: UserAgent = "",
) -> Response[bytes]:
    """Back from an OIDC provider."""
    call = await _at(call, tenant)
    came = identity.Came(
        state=stated, code=code, issuer=iss, error=error, description=error_description
    )
    secret = visit.jar.get(cookie_of(stated))
    try:
        landing = await identity.return_from_sso(
            call, ids.parse(provider, PREFIX), came, secret, agent
        )
    except identity.SsoRefused as problem:
        return _begin_again(problem)
    return _landed(call, visit, landing)


# Not a page: a foreign site posts here, without cookies. What it brings is only looked at, and the
# browser sent on to where its cookie counts.
@post(
    "/sso/{tenant:str}/{provider:str}/acs",
    permission=None,
    public=True,
    limit="page",
    unkeyed=True,
    status_code=303,
    include_in_schema=False,
)
async def take_assertion(
    call: web.Caller, tenant: FromPath[str], provider: FromPath[str], body: RawBody
) -> Response[bytes]:
    """A SAML response (HTTP-POST binding)."""
    call = await _at(call, tenant)
    chosen = ids.parse(provider, PREFIX)
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=10, strict_parsing=True)
    except ValueError:
        raise Invalid(field="body", issue="is not a form") from None
    response, state = form.get("SAMLResponse", []), form.get("RelayState", [])
    if len(response) != 1 or len(state) != 1:
        # Without a RelayState nobody here asked for it: log-in begun at the provider.
        return _begin_again(identity.SsoRefused(reason="unasked"))
    try:
        token = await identity.take_assertion(call, chosen, response[0], state[0])
    except identity.SsoRefused as problem:
        return _begin_again(problem)
    return _to(f"/sso/{call.tenant_slug}/finish?token={token}")


@get(
    "/sso/{tenant:str}/finish",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def finish(
    call: web.Caller,
    visit: web.Visitor,
    tenant: FromPath[str],
    token: Param = "",
    agent: UserAgent = "",
) -> Response[bytes]:
    """The browser that left is back with a verified assertion."""
    call = await _at(call, tenant)
    secret = visit.jar.get(token.partition(".")[2])
    try:
        landing = await identity.finish_sso(call, token, secret, agent)
    except identity.SsoRefused as problem:
        return _begin_again(problem)
    return _landed(call, visit, landing)


@get(
    "/sso/{tenant:str}/{provider:str}/metadata",
    permission=None,
    public=True,
    limit="page",
    include_in_schema=False,
)
async def own_saml_metadata(
    call: web.Caller, tenant: FromPath[str], provider: FromPath[str]
) -> Response[bytes]:
    """Our SAML metadata for this provider: to be uploaded there."""
    call = await _at(call, tenant)
    xml = await identity.saml_metadata(call, ids.parse(provider, PREFIX))
    return Response(xml.encode(), media_type="application/samlmetadata+xml")


def _landed(call: Call, visit: Visit, landing: identity.Landing) -> Response[bytes]:
    if landing.cookie:
        visit.jar.drop(landing.cookie)
    if landing.session is not None:
        visit.sign_in(landing.session.token, landing.session.max_age_s)
    return _to(landing.url) if landing.url else _shown(call, landing.steps or [])


def _shown(call: Call, steps: list[identity.Step]) -> Response[bytes]:
    """How a test went, for who tests."""
    lang = call.locale if call.locale in _TITLES else "en"
    is_ok = bool(steps) and all(step.is_ok for step in steps)
    lines = "".join(
        f"<li>{'✓' if s.is_ok else '✗'} <b>{escape(s.name)}</b> {escape(s.detail)}</li>"
        for s in steps
    )
    page = _PAGE.format(lang=lang, title=_TITLES[lang][0 if is_ok else 1], steps=lines)
    return Response(page.encode(), media_type=MediaType.HTML, headers={"cache-control": "no-store"})


handlers = [
    start_page_log_in, leave, come_back, take_assertion, finish, own_saml_metadata,
]  # fmt: skip
