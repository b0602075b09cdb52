"""Pages of no room above: legal texts, cookies, language, theme; and the files of all pages."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from fahrwerk.kernel import ids, web
from fahrwerk.kernel.cookies import LANGUAGE
from fahrwerk.kernel.errors import NotFound
from fahrwerk.site import contract as site
from fahrwerk.site import rules
from fahrwerk.site.contract import shell

FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
YEAR_S = 365 * 86_400
CONSENT_S = 180 * 86_400
"""Then the browser's owner is asked again."""
KINDS: tuple[site.LegalKind, ...] = ("privacy", "terms", "imprint")
CHOICES: tuple[site.Choice, ...] = ("statistics", "comfort")
TITLES = {"privacy": "Privacy policy", "terms": "Terms of service", "imprint": "Imprint"}

Version = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)]
Next = Annotated[str, QueryParameter(name="next", max_length=1000)]


@get(
    "/site/{key:str}/{room:str}/{name:str}",
    permission=None,
    public=True,
    limit=None,
    include_in_schema=False,
)
async def part(key: FromPath[str], room: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A style, script or picture of a room's pages; its address changes with it."""
    body = shell.files().get(f"{room}/{name}")
    if body is None:
        raise NotFound
    is_it = shell.address_of(f"{room}/{name}").split("/")[2] == key
    headers = FOR_EVER if is_it else {"cache-control": "no-cache"}
    kind = shell.KINDS[f".{name.rpartition('.')[2]}"]
    return Response(body, media_type=kind, headers=headers)


@get("/site/brand/{name:str}", permission=None, public=True, limit=None, include_in_schema=False)
async def colours(name: FromPath[str]) -> Response[str]:
    """The colours of a brand, ``0a6b54.css``: readable on light and on dark ground."""
    code, _, ending = name.partition(".")
    if ending != "css" or rules.COLOUR.fullmatch(f"#{code}") is None:
        raise NotFound
    return Response(rules.style_of(f"#{code}"), media_type="text/css", headers=FOR_EVER)


@get(
    "/language/{language:str}",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def language(visit: web.Visitor, language: FromPath[str], after: Next = "/") -> Response[str]:
    """Speak another language from now on (WEB-27)."""
    if language not in rules.LANGUAGES:
        raise NotFound
    visit.jar.put(LANGUAGE, language, YEAR_S)
    return shell.go(visit, after)


@get(
    "/theme/{theme:str}",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def theme(visit: web.Visitor, theme: FromPath[str], after: Next = "/") -> Response[str]:
    """Light, dark, or as the device has it (WEB-24)."""
    if theme not in shell.THEMES:
        raise NotFound
    visit.jar.put(shell.THEME, theme, YEAR_S)
    return shell.go(visit, after)


@get(
    "/legal/{kind:str}",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def legal(
    call: web.Caller, visit: web.Visitor, kind: FromPath[str], version: Version = None
) -> Response[str]:
    """Privacy policy, terms or imprint (WEB-20), in the newest version or that of a number."""
    wanted = next((each for each in KINDS if each == kind), None)
    if wanted is None:
        raise NotFound
    text = await site.legal_text(call, wanted, call.locale[:2], version)
    return await shell.page(
        visit, "site/legal.html", title=TITLES[wanted], text=text, blocks=rules.blocks(text.body)
    )


@get("/cookies", permission=None, public=True, page=True, limit="page", include_in_schema=False)
async def cookies(visit: web.Visitor, after: Next = "/") -> Response[str]:
    """Which cookies there are, and what is allowed (WEB-22)."""
    chosen = shell.choice_of(visit)
    return await shell.page(
        visit,
        "site/cookies.html",
        allowed=chosen.allowed if chosen else frozenset(),
        choices=CHOICES,
        after=rules.safe_path(after),
    )


@post(
    "/cookies",
    permission=None,
    public=True,
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def choose(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Allow cookies beside the necessary ones, or none; what was chosen is written down."""
    everything = form.get("choice") == "all"
    allowed = frozenset(
        each for each in CHOICES if everything or (form.get("choice") == "own" and form.get(each))
    )
    before = shell.choice_of(visit)
    try:
        number = ids.parse(before.id if before else "", "cns")
    except NotFound:
        number = ids.new()
    await site.record_consent(call, number, allowed)
    value = ".".join([ids.public("cns", number), *sorted(allowed)])
    visit.jar.put(shell.CONSENT, value if allowed else f"{value}.", CONSENT_S)
    return shell.go(visit, form.get("next", "/"), "Your choice is saved.")


handlers = [part, colours, language, theme, legal, cookies, choose]
