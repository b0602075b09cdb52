"""The page at ``/``, its files, and the stream of the demo city's vehicles.

The map is shown without a login, and therefore only in the demo (``FAHRWERK_DEV``).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Stream

from fahrwerk.fleet import contract as fleet
from fahrwerk.front import pages
from fahrwerk.kernel import web
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.stream import stream
from fahrwerk.sim import demo, streets
from fahrwerk.tenancy import contract as tenancy

AnyRequest = Request[Any, Any, State]
MOST_VEHICLES = 1_000
EVERY_S = 2.0
_FILES = {"front.css": "text/css", "front.js": "text/javascript", "icon.svg": "image/svg+xml"}
_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE), autoescape=True)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
# 1 degree of longitude is this much shorter than one of latitude in the middle of the map.
_SQUEEZE = 0.6085
_SCALE = 10_000


class City(msgspec.Struct, frozen=True):
    """The vehicles in columns: places on the map, type and status as indexes into the lists."""

    types: list[str]
    statuses: list[str]
    id: list[str]
    x: list[int]
    y: list[int]
    type: list[int]
    status: list[int]
    battery: list[int | None]


def on_map(latitude: float, longitude: float) -> tuple[int, int]:
    """Where a point of the globe is drawn: about 11 metres a unit, north is up."""
    _, west, north, _ = streets.BOX
    return (
        round((longitude - west) * _SQUEEZE * _SCALE),
        round((north - latitude) * _SCALE),
    )


def size_of_map() -> tuple[int, int]:
    """Width and height of the map in its own units."""
    south, _, _, east = streets.BOX
    return on_map(south, east)


@lru_cache(maxsize=1)
def drawn_streets() -> str:
    """The street graph as one SVG path."""
    graph = streets.load_streets()
    lines = []
    for way in graph.ways:
        points = [on_map(*graph.at(node)) for node in way]
        kept = [p for i, p in enumerate(points) if i in (0, len(points) - 1) or i % 3 == 0]
        lines.append("M" + "L".join(f"{x} {y}" for x, y in kept))
    return "".join(lines)


async def _demo(call: Call) -> tenancy.Operator | None:
    """The operator of this request, else the demo's, else the first one there is."""
    if call.tenant is not None:
        return await tenancy.operator(call)
    here = system(None, "front")
    if (found := await tenancy.operator_by_slug(here, demo.TENANT)) is not None:
        return found
    return next(iter(await tenancy.operators(here, 1)), None)


def _is_demo(request: AnyRequest) -> bool:
    return bool(request.app.state.settings.dev)


@get("/", permission=None, public=True, include_in_schema=False, media_type=MediaType.HTML)
async def page(call: web.Caller, request: AnyRequest) -> Response[str]:
    """What runs here, in German or English."""
    operator = await _demo(call) if _is_demo(request) else None
    width, height = size_of_map()
    html = _PAGES.get_template("page.html.j2").render(
        german=call.locale == "de",
        operator=operator,
        is_demo=operator is not None,
        width=width,
        height=height,
        streets=drawn_streets() if operator else "",
        credit=streets.CREDIT,
        has_apps=pages.is_built(),
        no_apps=pages.why_not_built(),
    )
    return Response(html, headers=_HEADERS, media_type=MediaType.HTML)


@get("/front/{name:str}", permission=None, public=True, include_in_schema=False)
async def part(name: FromPath[str]) -> Response[bytes]:
    """The page's style and script."""
    if name not in _FILES:
        raise NotFound
    return Response(
        (_HERE / name).read_bytes(),
        media_type=_FILES[name],
        headers={"cache-control": "public, max-age=300"},
    )


@get("/dev/city", permission=None, public=True, include_in_schema=False)
async def city(call: web.Caller, request: AnyRequest) -> Stream:
    """The vehicles of the demo as they move: server-sent events ``city``."""
    operator = await _demo(call) if _is_demo(request) else None
    if operator is None:
        raise NotFound
    house = system(operator.id, "front", slug=operator.slug)

    async def look() -> City:
        return _columns(await fleet.vehicles(house, None, None, None, 0, MOST_VEHICLES, 0))

    return stream(look, signal=f"front.city:{operator.id}", name="city", every_s=EVERY_S)


def _columns(found: fleet.VehiclePage) -> City:
    types, statuses = list(fleet.PREFIX), list(fleet.STATUSES)
    shown = [v for v in found.vehicles if v.latitude is not None and v.longitude is not None]
    places = [on_map(v.latitude or 0.0, v.longitude or 0.0) for v in shown]
    return City(
        types=types,
        statuses=statuses,
        id=[v.identifier for v in shown],
        x=[x for x, _ in places],
        y=[y for _, y in places],
        type=[types.index(v.vehicle_type) for v in shown],
        status=[statuses.index(v.status) for v in shown],
        battery=[v.battery_level for v in shown],
    )


handlers = [page, part, city]
