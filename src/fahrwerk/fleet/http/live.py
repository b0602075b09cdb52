"""The whole fleet for maps of staff: a snapshot, and what changes from there (FLT-43, WEB-08)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import zlib
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from fahrwerk.fleet.contract import live as fleet
from fahrwerk.fleet.contract.live import Box
from fahrwerk.fleet.http.groups import GroupReference, group_id_of
from fahrwerk.fleet.http.vehicles import VehicleType
from fahrwerk.fleet.http.watching import LEVEL, Snapshot, events, snapshot, watch
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import crypto, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound, Unavailable
from fahrwerk.kernel.stream import serve

AnyRequest = Request[Any, Any, State]
Status = Literal["available", "reserved", "in_use", "maintenance", "offline", "retired"]
MOST_WATCHERS = 500
"""Of one operator, in one process."""
KEPT_S = 1.0
"""So long a snapshot is given to whoever asks for the same: what it misses the stream knows."""
MOST_KEPT = 8
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,15})?")

BoxText = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^-?[0-9.]{1,20}(,-?[0-9.]{1,20}){3}$",
        description="south,west,north,east in degrees",
    ),
]


def box_in(text: str | None) -> Box | None:
    """``south,west,north,east``. Raises ``Invalid``."""
    if text is None:
        return None
    sides = text.split(",")
    if len(sides) != 4 or not all(map(_DEGREES.fullmatch, sides)):
        raise Invalid(field="box", issue="must be south,west,north,east in degrees")
    south, west, north, east = map(float, sides)
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise Invalid(field="box", issue="must lie on the globe, its south below its north")
    return Box(south, west, north, east)


def takes_gzip(request: AnyRequest) -> bool:
    """Whether the client says that it takes gzip."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class _Written(msgspec.Struct):
    """A snapshot as bytes."""

    plain: bytes
    packed: bytes


_kept: dict[tuple[Any, ...], tuple[float, asyncio.Future[_Written]]] = {}


async def _written(
    call: Call, vehicle_type: str | None, status: str | None, box: Box | None, group: UUID | None
) -> _Written:
    """The snapshot, made once for all who ask at the same time."""
    shown = box and msgspec.structs.astuple(box)
    key = (call.tenant, call.scope, vehicle_type, status, shown, group)
    now = time.monotonic()
    for other in [each for each, (until, _) in _kept.items() if until < now]:
        del _kept[other]
    if key not in _kept:
        # It must not end with the request of whoever happened to be the first.
        patient = msgspec.structs.replace(call, deadline=float("inf"))
        made = asyncio.ensure_future(_made(patient, vehicle_type, status, box, group))
        if len(_kept) >= MOST_KEPT:
            return await made
        _kept[key] = (now + KEPT_S, made)
    try:
        return await asyncio.shield(_kept[key][1])
    except Exception:
        _kept.pop(key, None)
        raise


async def _made(
    call: Call, vehicle_type: str | None, status: str | None, box: Box | None, group: UUID | None
) -> _Written:
    found = await fleet.live_fleet(call, vehicle_type, status, box, None, group)

    def write() -> _Written:
        plain = msgspec.json.encode(snapshot(found))
        press = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        return _Written(plain, press.compress(plain) + press.flush())

    return await asyncio.to_thread(write)


@get(
    "/api/v1/fleet/live",
    permission="fleet.live.read",
    scoped=True,
    responses={200: ResponseSpec(data_container=Snapshot, description="The vehicles")},
    tags=["fleet"],
)
async def live(
    call: web.Caller,
    request: AnyRequest,
    vehicle_type: Annotated[VehicleType | None, QueryParameter(name="type")] = None,
    status: FromQuery[Status | None] = None,
    box: BoxText = None,
    group: GroupReference = None,
) -> Response[bytes]:
    """All vehicles with place, state, battery and when they were last heard, in columns.

    At most a second old. 50,000 vehicles are 3.2 MB, with ``Accept-Encoding: gzip`` 1.1 MB. Go on
    with ``/api/v1/fleet/live/stream?cursor=``, which tells of all vehicles, whatever was left out
    here. Retired vehicles are left out unless that ``status`` is asked for; the stream tells of
    those that have just been retired.
    """
    group_id = await group_id_of(call, group)
    written = await _written(call, vehicle_type, status, box_in(box), group_id)
    headers = {"vary": "Accept-Encoding", "cache-control": "no-store"}
    if takes_gzip(request):
        headers["content-encoding"] = "gzip"
        return Response(written.packed, headers=headers, media_type="application/json")
    return Response(written.plain, headers=headers, media_type="application/json")


@get(
    "/api/v1/fleet/live/stream",
    permission="fleet.live.read",
    scoped=True,
    media_type="text/event-stream",
    tags=["fleet"],
)
async def live_stream(
    call: web.Caller,
    request: AnyRequest,
    cursor: Annotated[
        str | None, QueryParameter(pattern="^[0-9]{1,18}$", description="From a snapshot")
    ] = None,
) -> Stream:
    """What changes, once a second, as server-sent events ``vehicles``: whole rows to put in place.

    ``Last-Event-ID`` goes before ``cursor``: any process can go on from it. ``reset``: you were too
    slow, take the snapshot again. ``end``: you were logged out. 409 ``CURSOR_GONE``: take the
    snapshot again. A vehicle that merely reports that it is still there is told every 30 s. Of one
    that left the area that you are limited to, nothing more is told.
    """
    since = request.headers.get("last-event-id") or cursor
    if since is None:
        raise Invalid(field="cursor", issue="is missing: take a snapshot first")
    if call.tenant is None:
        raise NotFound
    session = _session(request)
    patient = msgspec.structs.replace(call, deadline=float("inf"))

    async def is_over() -> bool:
        with contextlib.suppress(Unavailable):
            return session in await identity.ended_sessions(patient)
        return False

    is_packed = takes_gzip(request)
    own = watch(call.tenant, call.scope)
    client, missed = await own.join(since, is_packed)
    headers = {"vary": "Accept-Encoding"} | ({"content-encoding": "gzip"} if is_packed else {})
    try:
        return serve(
            events(own, client, missed, is_over),
            signal=f"fleet.live:{call.tenant}",
            most=MOST_WATCHERS,
            headers=headers,
        )
    except BaseException:
        own.leave(client)
        raise


def _session(request: AnyRequest) -> Any:
    """Which log-in this is: its end is the stream's end."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    return crypto.read_token(token.strip()).session


handlers = [live, live_stream]
