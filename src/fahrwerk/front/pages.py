"""The two web apps as ``make web`` built them: ``/app/`` for riders, ``/console/`` for operators.

Pages are asked for anew each time (``no-cache``) and carry a number of their own, which lets their
styles and nothing foreign through the content security policy; files with a hash in their name are
kept for ever. What was built is found by name in a list, never by making a path of what was asked.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import NotFound
from fahrwerk.sim import demo
from fahrwerk.site import contract as site
from fahrwerk.tenancy import contract as tenancy

AnyRequest = Request[Any, Any, State]
_CHECKOUT = Path(__file__).parents[3] / "web"
_PACKED = Path(__file__).parent / "dist"
BUILT = _PACKED if _PACKED.is_dir() else _CHECKOUT / "dist"
"""In an installed package beside this file; in a checkout where Vite leaves it."""
PROBLEM = _CHECKOUT / "dist-problem.txt"
"""Why there is no build, in words for whoever opens the page (written by tools/web.py)."""

FOR_EVER = "public, max-age=31536000, immutable"
ANEW = "no-cache"
_KINDS = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
    ".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2", ".json": "application/json", ".pmtiles": "application/vnd.pmtiles",
}  # fmt: skip
_PACKED_AS = {"br": ".br", "gzip": ".gz"}
"""As the build left them beside the files themselves; the smaller first."""
_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})")
MAP_ARCHIVE = "map/berlin.pmtiles"
"""Built by tools/basemap.py."""
MAP_CREDIT = "Streets: VBB (CC BY 4.0), OpenStreetMap contributors"
"""``sim.streets.CREDIT``, as short as the licence lets it be on a phone."""
_CENTRE_KEPT_S = 60.0
_MOST_CENTRES = 4096


class Operatorial(msgspec.Struct, frozen=True):
    """What pages must know of an operator to write money and times."""

    slug: str
    name: str
    """Of its brand under this host."""
    currency: str
    time_zone: str
    locale: str


class DemoLogin(msgspec.Struct, frozen=True):
    """Somebody of the demo; offered on this computer's own installation only."""

    who: str
    operator: str
    email: str
    password: str
    role: str


class Told(msgspec.Struct, frozen=True):
    """What the apps are told before anybody has signed in."""

    operator: Operatorial | None
    map_style: str
    map_centre: tuple[float, float] | None
    """Longitude, latitude of where the operator works; None: nobody can say yet."""
    map_archive: str
    """Path of the bundled map's tiles; empty: another map, or none was built."""
    map_credit: str
    demo_logins: list[DemoLogin]


def is_built() -> bool:
    """True when both apps are there."""
    return all((BUILT / name / "index.html").is_file() for name in ("rider", "console"))


def why_not_built() -> str:
    """What kept the apps from being built; empty when nobody has tried."""
    return PROBLEM.read_text() if PROBLEM.is_file() else ""


@lru_cache(maxsize=1)
def _files(_built_at: float) -> dict[str, Path]:
    return {path.relative_to(BUILT).as_posix(): path for path in BUILT.rglob("*") if path.is_file()}


def _found(name: str) -> Path | None:
    """A built file by its name; the list is read again after each build."""
    stamp = BUILT / "first-load.json"
    return _files(stamp.stat().st_mtime).get(name) if stamp.is_file() else None


@lru_cache(maxsize=256)
def _body(path: Path, _at: float) -> bytes:
    return path.read_bytes()


def _read(path: Path) -> bytes:
    return _body(path, path.stat().st_mtime)


def _origin_of(map_style: str) -> str:
    place = urlsplit(map_style)
    return f" {place.scheme}://{place.netloc}" if place.netloc else ""


def worker_policy(map_style: str) -> str:
    """The content security policy of a script that may run as a worker."""
    origin = _origin_of(map_style)
    return f"default-src 'none'; script-src 'self'; connect-src 'self'{origin}"


def policy(nonce: str, map_style: str) -> str:
    """The content security policy of a page: this origin only, and the map's if one is set."""
    origin = _origin_of(map_style)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "
        f"img-src 'self' data: blob:{origin}; connect-src 'self'{origin}; font-src 'self'; "
        "media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _page(name: str, request: AnyRequest) -> Response[bytes]:
    path = _found(f"{name}/index.html")
    if path is None:  # the page at / says why
        return Response(b"", status_code=303, headers={"location": "/", "cache-control": ANEW})
    nonce = secrets.token_urlsafe(16)
    return Response(
        _read(path).replace(b"__NONCE__", nonce.encode()),
        media_type="text/html",
        headers={
            "cache-control": ANEW,
            "content-security-policy": policy(nonce, request.app.state.settings.map_style),
            "permissions-policy": "camera=(self), geolocation=(self), microphone=()",
        },
    )


def _file(path: Path, request: AnyRequest, cache: str) -> Response[bytes]:
    """A file, compressed if it was and the browser takes it; map archives also in parts."""
    headers = {"cache-control": cache, "vary": "accept-encoding"}
    if path.suffix == ".js":
        # A worker obeys what came with its own script: the map's fetches what it draws.
        headers["content-security-policy"] = worker_policy(request.app.state.settings.map_style)
    wanted = request.headers.get("accept-encoding", "").split(",")
    accepted = {each.partition(";")[0].strip() for each in wanted}
    for encoding, ending in _PACKED_AS.items():
        packed = _found(path.relative_to(BUILT).as_posix() + ending)
        if packed is not None and encoding in accepted:
            headers["content-encoding"] = encoding
            return Response(_read(packed), media_type=_KINDS[path.suffix], headers=headers)
    return Response(_read(path), media_type=_KINDS[path.suffix], headers=headers)


def _part(body: bytes, wanted: str) -> Response[bytes] | None:
    """The answer to one range (RFC 9110, 14); None for what is none, which is then ignored."""
    if (match := _RANGE.fullmatch(wanted)) is None:
        return None
    first = int(match[1])
    last = min(int(match[2] or len(body)), len(body) - 1)
    if first > last:
        return Response(b"", status_code=416, headers={"content-range": f"bytes */{len(body)}"})
    return Response(
        body[first : last + 1],
        status_code=206,
        headers={"content-range": f"bytes {first}-{last}/{len(body)}"},
    )


def _of_app(name: str, request: AnyRequest, path: str) -> Response[bytes]:
    """A file of the app beside its page (icons, worker), or the page itself for its own paths."""
    found = _found(f"{name}/{path.strip('/')}")
    if found is not None and found.suffix in _KINDS:
        return _file(found, request, ANEW)
    if "." in path.rpartition("/")[2]:
        raise NotFound
    return _page(name, request)


@get(
    ["/app", "/app/{path:path}"],
    permission=None,
    public=True,
    limit="page",
    include_in_schema=False,
)
async def rider_app(request: AnyRequest, path: FromPath[str] = "") -> Response[bytes]:
    """The rider's app; its own paths are answered with its page."""
    return _of_app("rider", request, path)


@get(
    ["/console", "/console/{path:path}"],
    permission=None,
    public=True,
    limit="page",
    include_in_schema=False,
)
async def console(request: AnyRequest, path: FromPath[str] = "") -> Response[bytes]:
    """The operator's console; its own paths are answered with its page."""
    return _of_app("console", request, path)


@get("/web/assets/{name:str}", permission=None, public=True, limit=None, include_in_schema=False)
async def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A built script, style or map worker."""
    found = _found(f"assets/{name}")
    if found is None or found.suffix not in _KINDS:
        raise NotFound
    return _file(found, request, FOR_EVER)


@get("/web/map/{name:str}", permission=None, public=True, limit=None, include_in_schema=False)
async def map_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """An archive of map tiles, of which browsers ask for parts."""
    found = _found(f"map/{name}")
    if found is None or found.suffix != ".pmtiles":
        raise NotFound
    body = _read(found)
    answer = _part(body, request.headers.get("range", "")) or Response(body)
    answer.media_type = _KINDS[found.suffix]
    answer.headers.update({"accept-ranges": "bytes", "cache-control": "public, max-age=3600"})
    return answer


_centres: dict[UUID, tuple[float, tuple[float, float] | None]] = {}


async def _centre(call: Call) -> tuple[float, float] | None:
    """Where the operator's maps begin; every start of an app asks, so it is kept for a minute."""
    if call.tenant is None:
        return None
    until, known = _centres.get(call.tenant, (0.0, None))
    if time.monotonic() < until:
        return known
    place = await zones.service_area(call)
    found = (place.longitude, place.latitude) if place else None
    while len(_centres) >= _MOST_CENTRES:
        del _centres[next(iter(_centres))]
    _centres[call.tenant] = (time.monotonic() + _CENTRE_KEPT_S, found)
    return found


@get(
    "/web/config.json",
    permission=None,
    public=True,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def told(call: web.Caller, visit: web.Visitor, request: AnyRequest) -> Response[Told]:
    """Whose apps these are here, and with which map.

    Whose: as with all pages by the host, by who is signed in, or as ``?tenant=`` chose.
    """
    settings = request.app.state.settings
    operator = await tenancy.operator(call) if call.tenant else None
    has_map = settings.map_style == "bundled" and _found(MAP_ARCHIVE) is not None
    is_demo = settings.dev and operator is not None and operator.slug == demo.TENANT
    body = Told(
        operator=Operatorial(
            operator.slug,
            (await site.look(call, visit.host)).name,
            operator.currency,
            operator.time_zone,
            operator.locale,
        )
        if operator
        else None,
        map_style=settings.map_style,
        map_centre=await _centre(call),
        map_archive=f"/web/{MAP_ARCHIVE}" if has_map else "",
        map_credit=MAP_CREDIT if has_map else "",
        demo_logins=[
            DemoLogin(each.who, each.tenant, each.email, each.password, each.role)
            for each in demo.LOGINS
            if is_demo
        ],
    )
    return Response(body, headers={"cache-control": ANEW})


def first_load(app: str) -> list[Path]:
    """The files that a browser fetches before an app shows anything; empty without a build."""
    if (stamp := _found("first-load.json")) is None:
        return []
    return [BUILT / name for name in json.loads(stamp.read_text())[app]]


handlers = [rider_app, console, asset, map_file, told]
