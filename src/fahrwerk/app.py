"""Composition: which rooms this process serves, and what they are given to stand on.

``serving`` is one HTTP process, ``working`` one worker process (events, jobs, vehicles). Both are
the same image; on a laptop ``fahrwerk up`` starts one of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, HeaderParameter

from fahrwerk.kernel import (
    audit,
    crypto,
    db,
    doors,
    elsewhere,
    invariants,
    jobs,
    live,
    observe,
    postgres,
    privacy,
    service_tokens,
    web,
)
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound, Unauthenticated
from fahrwerk.kernel.migrate import APP_LOGIN, create_database, migrate
from fahrwerk.kernel.pump import Pump
from fahrwerk.kernel.settings import ROOMS, Settings, installation_secrets
from fahrwerk.sim import demo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from litestar import Litestar

    from fahrwerk.kernel.call import Rights
    from fahrwerk.tenancy.contract import Operator

AnyRequest = Request[Any, Any, State]
Bearer = Annotated[str, HeaderParameter(name="Authorization", required=False)]
DATABASE = "fahrwerk"


def furniture(name: str) -> list[Any]:
    """The modules ``name`` of all rooms that have one, in the order of the stairs."""
    return [
        importlib.import_module(f"fahrwerk.{room}.{name}")
        for room in ROOMS
        if importlib.util.find_spec(f"fahrwerk.{room}.{name}")
    ]


def load_rooms() -> None:
    """Import what registers itself: events, handlers, jobs."""
    importlib.import_module("fahrwerk.kernel.upkeep")
    for name in ("events", "handlers", "jobs"):
        furniture(name)
    for module in furniture("queries"):
        if (personal := getattr(module, "PERSONAL", None)) is not None:
            privacy.register(module.__name__.split(".")[1], personal)


def database_urls(settings: Settings) -> tuple[str, str]:
    """``(application, owner)`` connection strings; starts the embedded server if need be."""
    if settings.database_url:
        return settings.database_url, settings.database_admin_url or settings.database_url
    server = postgres.start(settings.data / "postgres")
    return server.dsn(DATABASE, APP_LOGIN), server.dsn(DATABASE, "postgres")


async def prepare_database(settings: Settings, say: Callable[[str], None] = lambda _: None) -> int:
    """Create the database if it is missing and apply migrations; the number applied."""
    _, owner = database_urls(settings)
    if not settings.database_url:
        server = postgres.start(settings.data / "postgres")
        await create_database(server.dsn("postgres", "postgres"), DATABASE)
    return await migrate(owner, say)


@contextlib.asynccontextmanager
async def grounded(settings: Settings, service: str) -> AsyncIterator[str]:
    """The ground of every process: database, signals, secrets, doors, logs. Gives the DSN."""
    observe.set_up(settings, service)
    load_rooms()
    doors.runner = settings.doors
    crypto.set_signing_secret(*installation_secrets(settings))
    before = postgres.started()
    dsn, _ = database_urls(settings)
    database = await db.open_database(dsn, settings.database_pool)
    hub = live.connect(dsn)
    await hub.start()
    database.after_events = lambda: hub.signal("events")
    database.signal = hub.signal
    try:
        async with elsewhere.looked_for(settings.rooms_at):
            yield dsn
    finally:
        await hub.stop()
        await audit.close()
        await db.close_database()
        await asyncio.to_thread(postgres.stop_started, before)


@contextlib.asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker's inside for the block: the pump, the nudges, the job queue, the vehicles."""
    async with grounded(settings, "work") as dsn:
        importlib.import_module("fahrwerk.tenants")  # what it does each night
        pump = Pump()
        live.hub.hear("events", lambda _: pump.wake())
        runner = jobs.Runner()
        async with jobs.opened(dsn) as queue:
            await pump.start()
            await runner.start()
            try:
                async with contextlib.AsyncExitStack() as stack:
                    stack.enter_context(observe.shown(settings))
                    await stack.enter_async_context(jobs.consuming(queue))
                    for module in furniture("link"):
                        await stack.enter_async_context(module.running(settings))
                    watch = asyncio.create_task(invariants.watch(operators, examinations()))
                    stack.callback(watch.cancel)
                    yield
            finally:
                await runner.stop()
                await pump.stop()


def examinations() -> list[invariants.Ask]:
    """Who can say what is against an invariant: the kernel and the rooms."""
    asks = [getattr(module, "broken_invariants", None) for module in furniture("queries")]
    return [invariants.broken_invariants, *filter(None, asks)]


async def operators() -> list[tuple[UUID, str]]:
    """Ids and names of all operators."""
    tenancy = importlib.import_module("fahrwerk.tenancy.contract")
    return [(each.id, each.slug) for each in await tenancy.operators(system(None, "invariants"))]


class HouseFront:
    """What the front door may ask the rooms: see ``kernel.web.Front``."""

    def __init__(self, *, dev: bool = True) -> None:
        self._tenancy = importlib.import_module("fahrwerk.tenancy.contract")
        self._identity = importlib.import_module("fahrwerk.identity.contract")
        self._pages = importlib.import_module("fahrwerk.identity.contract.pages")
        self._keys = importlib.import_module("fahrwerk.identity.contract.keys")
        self._roles = importlib.import_module("fahrwerk.identity.rules.roles")
        self._directories = importlib.import_module("fahrwerk.identity.queries.rights")
        self._call = system(None, "web")
        self._dev = dev
        self._alone: tuple[float, Operator | None] = (0.0, None)

    async def operator_by_slug(self, slug: str) -> Operator | None:
        """By ``X-Tenant-ID``."""
        found: Operator | None = await self._tenancy.operator_by_slug(self._call, slug)
        return found

    async def operator_by_host(self, host: str) -> Operator | None:
        """By the domain the request came to."""
        found: Operator | None = await self._tenancy.operator_by_host(self._call, host)
        return found

    async def operator_by_id(self, tenant: UUID) -> Operator | None:
        """By the token's tenant."""
        found: Operator | None = await self._tenancy.operator_by_id(self._call, tenant)
        return found

    async def operator_of_pages(self) -> Operator | None:
        """Whose pages are shown where nothing says it: the only operator's; in the demo, its own.

        Which one it is hardly ever changes, and every page asks.
        """
        if time.monotonic() > self._alone[0]:
            found = await self._tenancy.operators(self._call, 2)
            the_demos = await self.operator_by_slug(demo.TENANT) if self._dev else None
            is_clear = len(found) == 1 or (found and self._dev)
            self._alone = (time.monotonic() + 3.0, the_demos or (found[0] if is_clear else None))
        return self._alone[1]

    async def is_web_origin(self, origin: str) -> bool:
        """Whether any operator lets pages of this origin call the API."""
        known: bool = await self._tenancy.is_web_origin(self._call, origin)
        return known

    async def page_session(self, token: str) -> crypto.Claims | None:
        """Whose cookie it is."""
        claims: crypto.Claims | None = await self._pages.page_session(self._call, token)
        return claims

    async def has_ended(self, tenant: UUID, session: UUID) -> bool:
        """Logged out or blocked since its token was issued."""
        call = msgspec.structs.replace(self._call, tenant=tenant)
        return session in await self._identity.ended_sessions(call)

    async def rights_of(self, tenant: UUID, user: UUID, roles: frozenset[str]) -> Rights:
        """What this person may do now, whatever the token knew when it was issued."""
        directory = self._directories.fresh(tenant)
        if directory is None:
            call = msgspec.structs.replace(self._call, tenant=tenant)
            directory = await self._directories.directory(call)
        return self._roles.rights(directory, user, roles)  # type: ignore[no-any-return]

    async def key_holder(self, key: str, address: str) -> crypto.Claims | None:
        """Who acts with an API key, and within what."""
        call = msgspec.structs.replace(self._call, address=address)
        found = await self._keys.use_key(call, key)
        if found is None:
            return None
        return crypto.Claims(
            found.user, found.tenant, found.roles, found.key_id, 0, scopes=found.scopes
        )


@get("/health", permission=None, public=True, limit=None, tags=["operations"])
async def health() -> dict[str, str]:
    """Liveness (OPS-20): this process answers."""
    return {"status": "ok"}


@get("/ready", permission=None, public=True, limit=None, tags=["operations"])
async def ready() -> dict[str, str]:
    """Readiness (OPS-20): the database answers too; 503 otherwise."""
    await db.run("kernel", system(None, "web"), "SELECT 1")
    return {"status": "ready"}


@get("/metrics", permission=None, public=True, limit=None, include_in_schema=False)
async def metrics(request: AnyRequest, authorization: Bearer = "") -> Response[bytes]:
    """Prometheus' page: for whoever has the token (GDP-11); in development for everybody."""
    if not request.app.state.settings.dev and not service_tokens.may_scrape(authorization):
        raise Unauthenticated(token_expired=False)
    body, kind = observe.metrics()
    return Response(body, media_type=kind)


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fahrwerk API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="icon" href="/api/docs/favicon-32x32.png"></head>
<body><div id="ui"></div><script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script></body></html>"""
_START = """SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#ui", deepLinking: true,
persistAuthorization: true, displayRequestDuration: true});"""


_PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}
_KINDS = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}


@get("/api/docs", permission=None, public=True, include_in_schema=False, media_type=MediaType.HTML)
async def api_page() -> Response[str]:
    """The OpenAPI document as a page; its parts come from this origin only."""
    return Response(_PAGE, headers=_PAGE_HEADERS, media_type=MediaType.HTML)


@functools.cache
def _page_parts() -> dict[str, Path]:
    """The installed page's files by name: what is asked for is looked up, never made a path of."""
    package = importlib.util.find_spec("swagger_ui")
    folders = (package.submodule_search_locations if package else None) or []
    found = sorted(path for folder in folders for path in Path(folder).glob("static/*"))
    return {path.name: path for path in found if path.suffix in _KINDS}


@get("/api/docs/{name:str}", permission=None, public=True, include_in_schema=False)
async def api_page_part(name: FromPath[str]) -> Response[bytes]:
    """One file of the page, from the installed package."""
    if name == "start.js":
        return Response(_START.encode(), media_type="text/javascript")
    if (path := _page_parts().get(name)) is None:
        raise NotFound
    return Response(
        path.read_bytes(),
        media_type=_KINDS[path.suffix],
        headers={"cache-control": "public, max-age=86400"},
    )


def create_http_app(settings: Settings, *, own_ground: bool = True) -> Litestar:
    """The HTTP application. ``own_ground=False``: the caller has opened database and hub itself."""
    front = importlib.import_module("fahrwerk.front.http")
    pages = importlib.import_module("fahrwerk.front.pages")
    handlers: list[Any] = [health, ready, metrics, api_page, api_page_part]
    handlers += [*front.handlers, *pages.handlers]
    for module in [*furniture("http"), *furniture("pages")]:
        handlers += module.handlers

    @contextlib.asynccontextmanager
    async def ground(_: Litestar) -> AsyncIterator[None]:
        async with grounded(settings, "serve"):
            yield

    app = web.create_app(
        settings,
        handlers,
        HouseFront(dev=settings.dev),
        lifespan=[ground] if own_ground else [],
        error_page=importlib.import_module("fahrwerk.site.contract.shell").error_page,
    )
    app.state.settings = settings
    return app


def serve_app() -> Litestar:
    """For uvicorn's ``--factory``: settings from the environment."""
    from fahrwerk.kernel.settings import load

    return create_http_app(load())


def rooms_app() -> Any:
    """For uvicorn's ``--factory``: what ``fahrwerk rooms`` serves to other processes of ours."""
    from fahrwerk.kernel.settings import load

    settings = load()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await elsewhere.app(scope, receive, send)
            return
        await receive()
        try:
            async with (
                grounded(settings, "rooms"),
                elsewhere.remembering(settings.redis_url),
            ):
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    return app
