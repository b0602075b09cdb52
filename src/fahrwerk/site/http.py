"""An operator's brand and legal texts over HTTP, for its staff; riders read them as pages."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, web
from fahrwerk.kernel.errors import NotFound
from fahrwerk.site import contract as site
from fahrwerk.site import rules

Text = Annotated[str, Meta(min_length=1, max_length=rules.LONGEST_TEXT)]
Language = Annotated[str, QueryParameter(name="locale", pattern="^(de|en)$")]


class BrandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the pages look. Texts on ``colour`` are chosen so that they can be read."""

    colour: Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$", examples=["#0a6b54"])]
    support_email: Annotated[str, Meta(min_length=3, max_length=255)] | None = None
    support_phone: Annotated[str, Meta(min_length=3, max_length=40)] | None = None


class LegalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole text. Lines beginning with # are headings, with - lists; nothing else is markup."""

    locale: Annotated[str, Meta(pattern="^(de|en)$")]
    body: Text


class LegalView(msgspec.Struct, frozen=True):
    """One version of a text; 0 is the default text."""

    kind: str
    locale: str
    version: int
    body: str
    published_at: str | None


def _kind(text: str) -> site.LegalKind:
    kinds: tuple[site.LegalKind, ...] = ("privacy", "terms", "imprint")
    for kind in kinds:
        if kind == text:
            return kind
    raise NotFound


def _legal(text: site.LegalText) -> LegalView:
    at = clock.stamp(text.published_at) if text.published_at else None
    return LegalView(text.kind, text.locale, text.version, text.body, at)


def _brand(own: site.Brand) -> BrandBody:
    return BrandBody(own.colour, own.support_email, own.support_phone)


@get("/api/v1/site/brand", permission="site.brand.read", tags=["site"])
async def get_brand(call: web.Caller) -> BrandBody:
    """How the operator's pages look."""
    return _brand(await site.brand(call))


@put("/api/v1/site/brand", permission="site.brand.write", tags=["site"])
async def put_brand(call: web.Caller, data: JSONBody[BrandBody]) -> BrandBody:
    """Replace the brand; pages show it within seconds."""
    return _brand(await site.change_brand(call, site.Brand(**msgspec.structs.asdict(data))))


@get("/api/v1/site/legal/{kind:str}", permission="site.legal.read", tags=["site"])
async def get_legal(
    call: web.Caller,
    kind: FromPath[str],
    locale: Language = "de",
    version: Annotated[
        int | None, QueryParameter(ge=1, le=2**31 - 1, description="the newest when left out")
    ] = None,
) -> LegalView:
    """A legal text (WEB-20): ``privacy``, ``terms`` or ``imprint``."""
    return _legal(await site.legal_text(call, _kind(kind), locale, version))


@put("/api/v1/site/legal/{kind:str}", permission="site.legal.write", tags=["site"])
async def put_legal(call: web.Caller, kind: FromPath[str], data: JSONBody[LegalBody]) -> LegalView:
    """Publish a new version; old ones stay readable. The same text again changes nothing."""
    return _legal(await site.publish_legal_text(call, _kind(kind), data.locale, data.body))


handlers = [get_brand, put_brand, get_legal, put_legal]
