"""An operator's contact and legal texts over HTTP, for its staff; riders read them as pages. And
the views of its team, and how the installation is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import NotFound
from fahrwerk.site import contract as site
from fahrwerk.site import rules
from fahrwerk.site.contract import system, views

Text = Annotated[str, Meta(min_length=1, max_length=rules.LONGEST_TEXT)]
Language = Annotated[str, QueryParameter(name="locale", pattern="^(de|en)$")]


class ContactBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where riders find help, at the foot of every page. Name, colours and logo: `/brands`."""

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


def _contact(own: site.Contact) -> ContactBody:
    return ContactBody(own.support_email, own.support_phone)


@get("/api/v1/site/contact", permission="site.contact.read", tags=["site"])
async def get_contact(call: web.Caller) -> ContactBody:
    """Where riders find help."""
    return _contact(await site.contact(call))


@put("/api/v1/site/contact", permission="site.contact.write", tags=["site"])
async def put_contact(call: web.Caller, data: JSONBody[ContactBody]) -> ContactBody:
    """Replace it; pages show it within seconds."""
    return _contact(await site.change_contact(call, site.Contact(**msgspec.structs.asdict(data))))


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


class ViewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked at again and again: an address of the console under a name."""

    screen: Annotated[str, Meta(pattern=rules.SCREEN, examples=["fleet"])]
    name: Annotated[str, Meta(min_length=1, max_length=rules.LONGEST_VIEW_NAME)]
    query: Annotated[str, Meta(max_length=2000, examples=["status=offline&battery=0-20"])]
    is_shared: bool = False
    """The whole team sees it."""


class ViewShown(msgspec.Struct, frozen=True):
    """A view, your own or one that a colleague shares."""

    id: str
    screen: str
    name: str
    query: str
    is_shared: bool
    is_own: bool
    owner: str
    """``usr_...``"""


class Views(msgspec.Struct, frozen=True):
    """Views by name."""

    views: list[ViewShown]


def _view(found: views.SavedView) -> ViewShown:
    return ViewShown(
        ids.public(views.VIEW_PREFIX, found.id), found.screen, found.name, found.query,
        found.is_shared, found.is_own, ids.public("usr", found.owner_id),
    )  # fmt: skip


@get("/api/v1/views", permission="identity.self", tags=["site"])
async def list_views(
    call: web.Caller,
    screen: Annotated[
        str | None, QueryParameter(pattern=rules.SCREEN, description="Of this list only")
    ] = None,
) -> Views:
    """Your saved views of the console's lists, and those that colleagues share with the team."""
    return Views([_view(each) for each in await views.saved_views(call, screen)])


@put("/api/v1/views", permission="identity.self", tags=["site"])
async def put_view(call: web.Caller, data: JSONBody[ViewBody]) -> ViewShown:
    """Keep a view, or replace your own of this name; at most 50 each."""
    wanted = views.NewView(**msgspec.structs.asdict(data))
    return _view(await views.save_view(call, wanted))


@delete("/api/v1/views/{view_id:str}", permission="identity.self", tags=["site"])
async def delete_view(call: web.Caller, view_id: FromPath[str]) -> None:
    """Keep it no longer; administrators also what others share."""
    await views.delete_view(call, ids.parse(view_id, views.VIEW_PREFIX))


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """Events that a part of the platform has not handled yet."""

    name: str
    waiting: int
    oldest_seconds: float
    dead_letters: int
    """What it could not take: `fahrwerk events`."""


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A timed or single job."""

    name: str
    waiting: int
    running: int
    failed: int
    last_done_at: str | None
    last_failed_at: str | None


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """The process that answers."""

    started_at: str | None
    memory_bytes: int | None
    cpu_seconds: float | None
    open_files: int | None


class SystemHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the installation is doing."""

    queues: list[QueueView]
    jobs: list[JobView]
    connections: int
    """To the database, of all processes."""
    connections_most: int
    process: ProcessView
    broken_promises: int | None
    """Rows that are against what must always hold; null before a worker has looked."""
    promises_examined_at: str | None


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else clock.stamp(moment)


@get("/api/v1/system/health", permission="site.health.read", tags=["site"])
async def get_system_health(call: web.Caller) -> SystemHealth:
    """How the installation is doing: what waits, which jobs ran, what is used."""
    found = await system.system_health(call)
    return SystemHealth(
        queues=[
            QueueView(
                name=each.group,
                waiting=each.waiting,
                oldest_seconds=round(each.oldest_s, 1),
                dead_letters=each.dead,
            )
            for each in found.queues
        ],
        jobs=[
            JobView(
                name=each.name,
                waiting=each.waiting,
                running=each.running,
                failed=each.failed,
                last_done_at=_at(each.last_done_at),
                last_failed_at=_at(each.last_failed_at),
            )
            for each in found.jobs
        ],
        connections=found.connections,
        connections_most=found.connections_most,
        process=ProcessView(
            started_at=_at(found.started_at),
            memory_bytes=found.memory_bytes,
            cpu_seconds=found.cpu_s,
            open_files=found.open_files,
        ),
        broken_promises=found.broken_promises,
        promises_examined_at=_at(found.promises_examined_at),
    )


handlers = [
    get_contact,
    put_contact,
    get_legal,
    put_legal,
    list_views,
    put_view,
    delete_view,
    get_system_health,
]
